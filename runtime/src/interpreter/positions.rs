//! Numbers by position, and the rotary embedding made of them.

use super::{count, f32s};
use crate::error::Error;
use crate::reserve::{collected, copied};
use crate::tensor::Tensor;
use tancho_ir::op::Pairs;

pub fn arange(from: i64, out: &[usize]) -> Result<Tensor, Error> {
    Ok(Tensor::from_parts(collected(out[0], (0..out[0] as i64).map(|i| from.wrapping_add(i) as i32))?, out))
}

pub fn powers(ratio: f64, out: &[usize]) -> Result<Tensor, Error> {
    Ok(Tensor::from_parts(collected(out[0], (0..out[0]).map(|i| ratio.powf(i as f64) as f32))?, out))
}

/// Positions, frequencies and angles are f32 numbers, as they are in PyTorch models: at far positions the
/// rounding of an angle is large, and it is part of what a model was trained with.
pub fn rope(x: &Tensor, base: f64, from: i64, pairs: Pairs) -> Result<Tensor, Error> {
    let [rows, width] = [x.shape()[2], x.shape()[3]];
    if count(x.shape()) == 0 {
        return x.copied();
    }
    let n = width / 2;
    let frequencies = powers(base.powf(-1.0 / n.max(1) as f64), &[n])?;
    let mut y = copied(f32s(x))?;
    for (i, row) in y.chunks_mut(width.max(1)).enumerate() {
        let position = (from.wrapping_add((i % rows) as i64) as i32) as f32;
        for (i, frequency) in f32s(&frequencies).iter().enumerate() {
            let angle = position * frequency;
            let (sin, cos) = super::elementwise::angle(f64::from(angle)).sin_cos();
            let (first, second) = match pairs {
                Pairs::Halves => (i, i + n),
                Pairs::Adjacent => (2 * i, 2 * i + 1),
            };
            let (a, b) = (f64::from(row[first]), f64::from(row[second]));
            row[first] = (a * cos - b * sin) as f32;
            row[second] = (b * cos + a * sin) as f32;
        }
    }
    Ok(Tensor::from_parts(y, x.shape()))
}
