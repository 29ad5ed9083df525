//! Losses of each row.

use super::moves::checked_id;
use super::{count, f32s, norms};
use crate::error::Error;
use crate::reserve::{collected, with_capacity};
use crate::tensor::Tensor;

/// Ids of rows that do not count may be anything.
///
/// # Errors
/// An id that counts is out of range.
pub fn cross_entropy(
    logits: &Tensor,
    ids: &Tensor,
    ignore: i32,
    out: &[usize],
    place: &dyn Fn() -> String,
) -> Result<Tensor, Error> {
    let axis = logits.shape().len() - 1;
    let classes = logits.shape()[axis];
    let log = norms::softmax(logits, axis, true)?;
    let mut y = with_capacity(ids.len())?;
    for (row, &id) in ids.as_i32().unwrap_or_default().iter().enumerate() {
        // With no class at all there is no id that could be right.
        let class = checked_id(if id == ignore { 0 } else { id }, row, classes, ids.shape(), place)?;
        y.push(if id == ignore { 0.0 } else { -f32s(&log)[row * classes + class] });
    }
    Ok(Tensor::from_parts(y, out))
}

pub fn mse(a: &Tensor, b: &Tensor, out: &[usize]) -> Result<Tensor, Error> {
    let row = a.shape().last().copied().unwrap_or(1);
    let (a, b, rows) = (f32s(a), f32s(b), count(out));
    let squares = |i: usize| {
        a[i * row..][..row]
            .iter()
            .zip(&b[i * row..][..row])
            .map(|(a, b)| f64::from(*a) - f64::from(*b))
            .map(|d| d * d)
    };
    let mean = |i: usize| squares(i).sum::<f64>() / row as f64;
    Ok(Tensor::from_parts(collected(rows, (0..rows).map(|i| mean(i) as f32))?, out))
}
