//! Reductions.

use super::elementwise::{max, min};
use super::moves::checked_id;
use super::{count, f32s, rows_and_elements};
use crate::error::Error;
use crate::reserve::{collected, with_capacity, zeros};
use crate::tensor::{Tensor, TensorData};
use tancho_ir::op::Reduction;

/// Which elements of `x` count: those whose leading indices are true in the mask.
struct Mask<'a> {
    bits: Option<&'a [bool]>,
    inner: usize,
}

impl Mask<'_> {
    fn has(&self, at: usize) -> bool {
        self.bits.is_none_or(|b| b[at / self.inner])
    }
}

pub fn reduce(
    kind: Reduction,
    x: &Tensor,
    axes: &[usize],
    mask: Option<&Tensor>,
    out: &[usize],
) -> Result<Tensor, Error> {
    let (rows, elements) = rows_and_elements(x.shape(), axes)?;
    let inner = mask.map_or(1, |m| count(&x.shape()[m.shape().len()..]));
    let mask = Mask { bits: mask.and_then(|m| m.as_bool()), inner };
    let places = |row: usize| elements.iter().map(move |e| row + e).filter(|&i| mask.has(i));
    if let TensorData::I32(v) = x.data() {
        let one = |row: &usize| {
            let row = places(*row).map(|i| v[i]);
            match kind {
                Reduction::Sum | Reduction::Mean => row.fold(0, i32::wrapping_add),
                Reduction::Max => row.fold(i32::MIN, i32::max),
                Reduction::Min => row.fold(i32::MAX, i32::min),
            }
        };
        return Ok(Tensor::from_parts(collected(rows.len(), rows.iter().map(one))?, out));
    }
    let v = f32s(x);
    let one = |row: &usize| {
        let values = places(*row).map(|i| f64::from(v[i]));
        (match kind {
            // Not `sum()`, which gives -0 for nothing.
            Reduction::Sum => values.fold(0.0, |s, x| s + x),
            Reduction::Max => values.fold(f64::NEG_INFINITY, max),
            Reduction::Min => values.fold(f64::INFINITY, min),
            Reduction::Mean => {
                let (sum, count) = values.fold((0.0, 0usize), |(s, n), x| (s + x, n + 1));
                if count == 0 && mask.bits.is_some() { 0.0 } else { sum / count as f64 }
            }
        }) as f32
    };
    Ok(Tensor::from_parts(collected(rows.len(), rows.iter().map(one))?, out))
}

/// The first of the largest; a NaN counts as larger than everything; 0 along an axis of length 0.
pub fn argmax(x: &Tensor, axis: usize, out: &[usize]) -> Result<Tensor, Error> {
    fn first_largest<T: Copy>(row: impl Iterator<Item = T>, beats: impl Fn(T, T) -> bool) -> i32 {
        let mut best: Option<(usize, T)> = None;
        for (i, x) in row.enumerate() {
            if best.is_none_or(|(_, b)| beats(x, b)) {
                best = Some((i, x));
            }
        }
        best.map_or(0, |(i, _)| i as i32)
    }
    let (rows, elements) = rows_and_elements(x.shape(), &[axis])?;
    let one = |row: &usize| {
        let places = elements.iter().map(|e| row + e);
        match x.data() {
            TensorData::I32(v) => first_largest(places.map(|i| v[i]), |a, b| a > b),
            _ => first_largest(places.map(|i| f32s(x)[i]), |a, b| a > b || (a.is_nan() && !b.is_nan())),
        }
    };
    Ok(Tensor::from_parts(collected(rows.len(), rows.iter().map(one))?, out))
}

/// The sum of the elements along an axis up to each one.
pub fn cumsum(x: &Tensor, axis: usize) -> Result<Tensor, Error> {
    fn sums<A: Copy, S: Copy>(
        v: &[A],
        (len, inner): (usize, usize),
        zero: S,
        add: impl Fn(S, A) -> S,
        round: impl Fn(S) -> A,
    ) -> Result<Vec<A>, Error> {
        let mut sums = with_capacity(inner)?;
        let steps = v.iter().enumerate().map(|(at, &x)| {
            if at % (len * inner) < inner {
                if at % (len * inner) == 0 {
                    sums.clear();
                }
                sums.push(zero);
            }
            let sum = &mut sums[at % inner];
            *sum = add(*sum, x);
            round(*sum)
        });
        collected(v.len(), steps)
    }
    let shape = x.shape();
    let size = (shape[axis], count(&shape[axis + 1..]));
    Ok(match x.data() {
        TensorData::I32(v) => Tensor::from_parts(sums(v, size, 0, i32::wrapping_add, |s| s)?, shape),
        _ => Tensor::from_parts(sums(f32s(x), size, 0.0, |s, x| s + f64::from(x), |s| s as f32)?, shape),
    })
}

/// Sums of parts of the rows of `x`, in f64.
pub fn sum_rows(x: &Tensor, part: usize, out: &[usize]) -> Result<Tensor, Error> {
    let width = out.last().copied().unwrap_or(1);
    let mut sums = zeros::<f64>(count(out))?;
    let rows = f32s(x).chunks(width.max(1));
    for (i, row) in rows.enumerate() {
        let to = &mut sums[i.checked_div(part).unwrap_or(0) * width..][..width];
        to.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    Ok(Tensor::from_parts(collected(sums.len(), sums.iter().map(|sum| *sum as f32))?, out))
}

/// Sums of the rows of `x` by their ids, in f64.
pub fn scatter_add(
    x: &Tensor,
    ids: &Tensor,
    out: &[usize],
    place: &dyn Fn() -> String,
) -> Result<Tensor, Error> {
    let (rows, width) = (out[0], out[1]);
    let mut sums = zeros::<f64>(count(out))?;
    for (at, &id) in ids.as_i32().unwrap_or_default().iter().enumerate() {
        let row = checked_id(id, at, rows, ids.shape(), place)?;
        let to = &mut sums[row * width..][..width];
        to.iter_mut().zip(&f32s(x)[at * width..]).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    Ok(Tensor::from_parts(collected(sums.len(), sums.iter().map(|sum| *sum as f32))?, out))
}
