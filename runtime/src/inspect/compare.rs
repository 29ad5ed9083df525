//! The error measure, and reports of what differs from the reference.
//!
//! **The measure.** The error of an element is its distance from the reference, relative
//! to the largest finite magnitude in the reference's row (its last axis). A single op
//! is measured on a scale of its own where it has one, because what cancels in a sum
//! leaves its rounding errors behind: matmuls (`matmul`, `linear`) on `sum |a * b|`, sums
//! and means on those of `|x|`, `attention` on its result for `|v|`, `gelu` on `|x|`,
//! norms and softmax on the largest magnitude along the axes they work over, `cross_entropy` on
//! the largest of the logarithms that the loss is one of; `silu` and `swiglu` may take a sigmoid below the
//! smallest normal f32 as 0. At most [`BOUND`] is right.
//!
//! A result of a network has the errors of all its ops behind it, and its own row is no scale for them: what
//! `relu` leaves of a sum that cancels is small, and as far off as the sum was large. Where a result is wrong
//! by the measure, `check` looks for an op that is. If no op is, the reference is computed again up to 16
//! times with each op off at random, by up to 8 times its own error, as it was seen (`spread.rs`). A result
//! that is no further from the reference than twice as far as these were is right. Its error is then the
//! share of that distance, times [`BOUND`].
//!
//! NaN equals NaN, an infinity must be met exactly, and -0 equals 0. A distance below
//! the smallest normal f32 is none: subnormal results may be flushed. Integers and
//! bools are exact.

use crate::inspect::report::{BOUND, Bad, TensorReport};
use crate::tensor::Tensor;
use crate::tensor::view::AnyView;
use tancho_ir::DType;

/// Compares a tensor with its reference. `scale`, one number an element, is what errors are relative to.
pub fn compare<'a, 'b>(
    name: &str,
    got: impl Into<AnyView<'a>>,
    want: impl Into<AnyView<'b>>,
    scale: Option<&[f64]>,
    bound: f64,
) -> TensorReport {
    compare_views(name, &got.into(), &want.into(), (scale, None), bound)
}

/// Compares a result with its reference. An element no further from it than its `reach` is right too.
pub(crate) fn compare_within(name: &str, got: &Tensor, want: &Tensor, reach: &[f64]) -> TensorReport {
    compare_views(name, &got.into(), &want.into(), (None, Some(reach)), BOUND)
}

fn compare_views(
    name: &str,
    got: &AnyView<'_>,
    want: &AnyView<'_>,
    (scale, reach): (Option<&[f64]>, Option<&[f64]>),
    bound: f64,
) -> TensorReport {
    let shape = want.ty().to_string();
    let mut r = TensorReport {
        name: name.into(),
        shape,
        max_abs: 0.0,
        max_ulp: 0,
        max_rel: 0.0,
        bad: 0,
        first_bad: None,
        mismatch: None,
    };
    let found = got.ty().to_string();
    if found != r.shape {
        r.mismatch = Some(format!("computed as {found}"));
    } else if want.element_type().is_converted() {
        r.mismatch = Some(format!("no result is {}: inputs alone are given so", want.element_type()));
    } else if let Err(e) = got.check().and(want.check()) {
        r.mismatch = Some(e.to_string());
    } else if [scale, reach].into_iter().flatten().any(|s| s.len() != want.len()) {
        r.mismatch = Some("the scale has another number of elements".into());
    }
    if r.mismatch.is_some() {
        return r;
    }
    let (g, w) = (numbers(got), numbers(want));
    let row = want.shape().last().copied().unwrap_or(1).max(1);
    let dtype = want.element_type().dtype();
    let exact = matches!(dtype, DType::I32 | DType::Bool);
    let is_wrong = |rel: f64| rel > bound || (exact && rel > 0.0);
    for (i, (gs, ws)) in g.chunks(row).zip(w.chunks(row)).enumerate() {
        let largest = largest(ws);
        for (j, (&got, &want_here)) in gs.iter().zip(ws).enumerate() {
            let at = i * row + j;
            let mut rel = error(got, want_here, scale.map_or(largest, |s| s[at]), exact);
            let mut wrong = is_wrong(rel);
            if let Some(reach) = reach.map(|r| r[at]).filter(|r| wrong && within(got, want_here, *r)) {
                wrong = false;
                rel = if reach.is_finite() { bound * ((got - want_here).abs() / reach) } else { 0.0 };
            }
            if got.is_finite() && want_here.is_finite() {
                r.max_abs = r.max_abs.max((got - want_here).abs());
                r.max_ulp = r.max_ulp.max(ulps(got, want_here, dtype));
            }
            r.max_rel = r.max_rel.max(rel);
            if wrong {
                r.bad += 1;
                r.first_bad.get_or_insert_with(|| Bad {
                    index: index_of(at, want.shape()),
                    got,
                    want: want_here,
                });
            }
        }
    }
    r
}

fn within(got: f64, want: f64, reach: f64) -> bool {
    reach == f64::INFINITY || (got - want).abs() <= reach
}

fn largest(row: &[f64]) -> f64 {
    row.iter().filter(|x| x.is_finite()).fold(0.0f64, |m, x| m.max(x.abs()))
}

/// For each element, the largest finite magnitude in its row.
pub(crate) fn largest_in_rows(t: &Tensor) -> Vec<f64> {
    let row = t.shape().last().copied().unwrap_or(1).max(1);
    wide(t).chunks(row).flat_map(|r| std::iter::repeat_n(largest(r), r.len())).collect()
}

/// The elements as f64.
pub(crate) fn wide(t: &Tensor) -> Vec<f64> {
    numbers(&t.into())
}

/// The error of one element by the measure.
fn error(got: f64, want: f64, scale: f64, exact: bool) -> f64 {
    let distance = (got - want).abs();
    if got == want || (got.is_nan() && want.is_nan()) {
        0.0
    } else if !got.is_finite() || !want.is_finite() {
        f64::INFINITY
    } else if exact {
        distance
    } else if distance <= f64::from(f32::MIN_POSITIVE) {
        0.0
    } else if scale.is_nan() {
        // A matmul of NaN or infinite arguments has no scale; its elements have their own.
        distance / want.abs().max(f64::from(f32::MIN_POSITIVE))
    } else {
        distance / scale.max(f64::from(f32::MIN_POSITIVE))
    }
}

/// Units in the last place between two finite numbers of that type.
fn ulps(a: f64, b: f64, dtype: DType) -> u64 {
    // Sign and magnitude to integers in the order of the floats.
    let line = |x: f64| {
        let bits = (x as f32).to_bits();
        let magnitude = i64::from(bits & 0x7fff_ffff);
        if bits >> 31 == 1 { -magnitude } else { magnitude }
    };
    match dtype {
        DType::F32 => line(a).abs_diff(line(b)),
        DType::Bf16 => line(a).abs_diff(line(b)) >> 16,
        DType::I32 | DType::Bool => (a - b).abs() as u64,
    }
}

fn numbers(v: &AnyView<'_>) -> Vec<f64> {
    match v {
        AnyView::F32(v) => v.data().iter().map(|&x| x.into()).collect(),
        AnyView::I32(v) => v.data().iter().map(|&x| x.into()).collect(),
        AnyView::Bool(v) => v.data().iter().map(|&x| u8::from(x).into()).collect(),
        AnyView::Bf16(v) => v.data().iter().map(|&x| x.into()).collect(),
        // They were refused before.
        AnyView::U8(_) | AnyView::U32(_) | AnyView::I64(_) | AnyView::F16(_) => Vec::new(),
    }
}

fn index_of(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, &n) in index.iter_mut().zip(shape).rev() {
        *i = at % n;
        at /= n;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::report::{OpReport, Report};
    use crate::tensor::view::AsView;

    fn report(got: &[f32], want: &[f32]) -> TensorReport {
        compare("y", got.view([got.len()]), want.view([want.len()]), None, BOUND)
    }

    #[test]
    fn an_error_is_relative_to_the_row() {
        let (got, want) = ([1000.0f32, 0.005, 1.0, 0.005], [1000.0f32, 0.0, 1.0, 0.0]);
        let r = compare("y", got.view([2, 2]), want.view([2, 2]), None, BOUND);
        assert_eq!((r.bad, r.first_bad.as_ref().map(|b| b.index.clone())), (1, Some(vec![1, 1])));
        let with_scale = compare("y", got.view([2, 2]), want.view([2, 2]), Some(&[1000.0; 4]), BOUND);
        assert!(with_scale.is_ok() && with_scale.max_rel > 4e-6);
    }

    #[test]
    fn special_values() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        assert!(report(&[nan, inf, -0.0, 1e-39], &[nan, inf, 0.0, 0.0]).is_ok());
        for (got, want) in
            [(nan, 1.0), (1.0, nan), (inf, -inf), (f32::MAX, inf), (inf, f32::MAX), (1e-30, 0.0)]
        {
            let r = report(&[got], &[want]);
            assert!(!r.is_ok() && r.max_rel > 1.0, "{got} {want}: {r}");
        }
        // A NaN in a row does not hide the others, nor does an infinity become the scale.
        assert_eq!(report(&[nan, inf, 1.1], &[nan, inf, 1.0]).bad, 1);
    }

    #[test]
    fn ulps_cross_zero() {
        assert_eq!(report(&[f32::from_bits(1)], &[-f32::from_bits(1)]).max_ulp, 2);
        assert_eq!(report(&[1.0], &[1.0 + f32::EPSILON]).max_ulp, 1);
    }

    #[test]
    fn ulps_near_zero_are_no_alarm() {
        let right = report(&[1.0, 1e-9], &[1.0, 0.0]);
        assert!(right.is_ok() && right.max_ulp > 1_000_000);
        assert!(right.to_string().contains("near 0"), "{right}");
        let wrong = report(&[1.0, 1e-3], &[1.0, 0.0]);
        assert!(!wrong.to_string().contains("near 0"), "{wrong}");
        assert!(right.into_result().is_ok() && wrong.into_result().is_err_and(|r| r.bad == 1));
    }

    #[test]
    fn integers_and_bools_are_exact_and_types_must_agree() {
        assert_eq!(compare("y", [1, 2].view([2]), [1, 3].view([2]), None, 10.0).bad, 1);
        assert!(compare("y", [true].view([1]), [true].view([1]), None, BOUND).is_ok());
        assert!(compare("y", [1i32].view([1]), [1.0f32].view([1]), None, BOUND).mismatch.is_some());
        assert!(compare("y", [1.0f32].view([2]), [1.0f32].view([2]), None, BOUND).mismatch.is_some());
        let none: [f32; 0] = [];
        assert!(compare("y", none.view([0, 3]), none.view([0, 3]), None, BOUND).is_ok());
    }

    #[test]
    fn a_report_reads_as_a_table() {
        let good = report(&[1.0, 2.0], &[1.0, 2.0]);
        let bad = report(&[1.0, 2.5], &[1.0, 2.0]);
        let at = OpReport { label: "h".into(), place: "`x @ w` at src/a.rs:3:4".into(), report: bad.clone() };
        let r = Report { tensors: vec![good, bad], diverges_at: Some(at), ..Report::default() };
        assert!(!r.is_ok());
        let text = r.to_string();
        assert_eq!(text.lines().nth(1), Some("y       f32[2]     0.00e0          0     0.00e0  ok"));
        assert!(text.contains("1 wrong, the first at [1]: 2.5, not 2"), "{text}");
        assert!(text.contains("the first op that diverges is h: `x @ w` at src/a.rs:3:4"), "{text}");
    }
}
