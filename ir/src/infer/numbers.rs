//! The numbers of constants and options: what an op has a meaning for, as the f32 that it is computed in.

use super::{At, Result, ShapeError};
use crate::op::{Number, Op, Scalar};

/// A finite number that no f32 is near to would be an infinity in all that is computed with it.
fn fits(what: &str, n: Number) -> Result<()> {
    if n.0.is_finite() && !(n.0 as f32).is_finite() {
        return Err(ShapeError::new(format!("{what} is {:?}, which no f32 can be", n.0))
            .help(format!("the largest is {:e}", f32::MAX)));
    }
    Ok(())
}

/// What is added to keep a divisor from 0.
fn eps(op: &str, n: Number) -> Result<()> {
    fits(&format!("`eps` of `{op}`"), n)?;
    if !(0.0..f64::INFINITY).contains(&n.0) {
        return Err(ShapeError::new(format!("`eps` of `{op}` is at least 0, not {:?}", n.0)));
    }
    if n.0 > 0.0 && n.0 as f32 == 0.0 {
        return Err(ShapeError::new(format!("`eps` of `{op}` is {:?}, which is 0 as an f32", n.0))
            .help(format!("the smallest is {:e}; write `eps = 0` if it is meant", f32::from_bits(1))));
    }
    Ok(())
}

fn finite(op: &str, option: &str, n: Number) -> Result<()> {
    fits(&format!("`{option}` of `{op}`"), n)?;
    if n.0.is_finite() {
        return Ok(());
    }
    Err(ShapeError::new(format!("`{option}` of `{op}` is a finite number, not {:?}", n.0)))
}

/// A finite number above 0, as an f32 too.
pub fn above_zero(op: &str, option: &'static str, n: Number) -> Result<()> {
    finite(op, option, n).map_err(|e| e.at(At::Option(option)))?;
    if n.0 as f32 > 0.0 {
        return Ok(());
    }
    Err(ShapeError::new(format!("`{option}` of `{op}` is above 0, not {:?}", n.0)).at(At::Option(option)))
}

/// Whether all numbers of an op are such that it has a meaning.
pub fn in_range(op: &Op) -> Result<()> {
    let name = crate::table::name_of(op);
    let (option, checked) = match op {
        Op::Const(Scalar::F32(n)) => return fits("the number", *n),
        Op::Powers { ratio, .. } if !(0.0 < ratio.0 && ratio.0 <= 1.0) => {
            return Err(ShapeError::new(format!("`{name}` needs a ratio in (0, 1], not {}", ratio.0)));
        }
        Op::LayerNorm { eps: n, .. }
        | Op::RmsNorm { eps: n, .. }
        | Op::L2Normalize { eps: n, .. }
        | Op::GroupNorm { eps: n, .. }
        | Op::BatchNorm { eps: n } => ("eps", eps(name, *n)),
        Op::Pow(n) => ("exponent", finite(name, "exponent", *n)),
        Op::Attention { scale, softcap, .. } => {
            softcap.map_or(Ok(()), |n| above_zero(name, "softcap", n))?;
            ("scale", scale.map_or(Ok(()), |n| finite(name, "scale", n)))
        }
        Op::Rope { base, .. } => ("base", base.map_or(Ok(()), |n| finite(name, "base", n))),
        Op::LeakyRelu { slope } => ("slope", finite(name, "slope", *slope)),
        Op::Elu { alpha } => ("alpha", finite(name, "alpha", *alpha)),
        _ => return Ok(()),
    };
    checked.map_err(|e| e.at(At::Option(option)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::EpsOn;

    #[test]
    fn numbers_that_mean_nothing_are_refused() {
        let error = |op: Op| in_range(&op).err().map(|e| (e.message, e.at));
        let number = |n: f64| Op::Const(Scalar::F32(Number(n)));
        assert_eq!(error(number(1e39)), Some(("the number is 1e39, which no f32 can be".into(), At::Call)));
        assert_eq!(
            error(number(-1e39)).map(|e| e.0),
            Some("the number is -1e39, which no f32 can be".into())
        );
        // What a pass computes may be an infinity, and the largest number is one.
        for n in [f64::INFINITY, f64::NAN, f64::from(f32::MAX), -1e38, 1e-60] {
            assert_eq!(error(number(n)), None, "{n}");
        }
        let eps = At::Option("eps");
        for (n, why) in [
            (-1.0, "`eps` of `layer_norm` is at least 0, not -1.0"),
            (f64::NAN, "`eps` of `layer_norm` is at least 0, not NaN"),
            (f64::INFINITY, "`eps` of `layer_norm` is at least 0, not inf"),
            (1e39, "`eps` of `layer_norm` is 1e39, which no f32 can be"),
            (1e-50, "`eps` of `layer_norm` is 1e-50, which is 0 as an f32"),
        ] {
            let n = Number(n);
            assert_eq!(
                error(Op::LayerNorm { axes: vec![0], eps: n, eps_on: EpsOn::Var, gain: false, bias: false }),
                Some((why.into(), eps))
            );
            for op in [
                Op::RmsNorm { axes: vec![0], eps: n, gain: false },
                Op::L2Normalize { axis: 0, eps: n },
                Op::BatchNorm { eps: n },
            ] {
                assert!(error(op.clone()).is_some_and(|(_, at)| at == eps), "{op:?}");
            }
        }
        for n in [0.0, 1e-40, 1e-5, 1e30] {
            assert_eq!(error(Op::BatchNorm { eps: Number(n) }), None, "{n}");
        }
        assert_eq!(error(Op::Pow(Number(1e39))).map(|e| e.1), Some(At::Option("exponent")));
        assert_eq!(
            error(Op::Pow(Number(f64::NAN))),
            Some(("`exponent` of `pow` is a finite number, not NaN".into(), At::Option("exponent")))
        );
        assert_eq!(error(Op::Pow(Number(-1e16))), None);
        for n in [0.0, -1.0, 1e-50, f64::NAN, f64::INFINITY, 1e39] {
            let e = above_zero("softcap", "cap", Number(n)).expect_err("no bound");
            assert_eq!(e.at, At::Option("cap"), "{n}");
        }
        assert_eq!(above_zero("softcap", "cap", Number(30.0)), Ok(()));
    }
}
