//! Numbers by position, and the rotary embedding made of them.

use super::{count, f32s};
use crate::error::Error;
use crate::reserve::{collected, copied};
use crate::tensor::Tensor;
use tancho_ir::infer::Rotation;
use tancho_ir::op::Pairs;

pub fn arange(from: i64, out: &[usize]) -> Result<Tensor, Error> {
    Ok(Tensor::from_parts(collected(out[0], (0..out[0] as i64).map(|i| from.wrapping_add(i) as i32))?, out))
}

pub fn powers(ratio: f64, out: &[usize]) -> Result<Tensor, Error> {
    Ok(Tensor::from_parts(collected(out[0], (0..out[0]).map(|i| ratio.powf(i as f64) as f32))?, out))
}

/// What a `rope` turns by.
pub struct Turns<'a> {
    /// The frequencies.
    pub frequencies: &'a [f32],
    /// The positions of the rows of all sequences or, if they are the same, of one.
    pub positions: &'a [i32],
    /// What sines and cosines are multiplied by.
    pub amplitude: f64,
    /// Which elements are a pair.
    pub pairs: Pairs,
}

/// Positions, frequencies and angles are f32 numbers, as they are in PyTorch models: at far positions the
/// rounding of an angle is large, and it is part of what a model was trained with.
pub fn rope(x: &Tensor, turns: &Turns<'_>) -> Result<Tensor, Error> {
    let [heads, rows, width] = [x.shape()[1], x.shape()[2], x.shape()[3]];
    if count(x.shape()) == 0 {
        return x.copied();
    }
    let n = turns.frequencies.len();
    let mut y = copied(f32s(x))?;
    for (i, row) in y.chunks_mut(width.max(1)).enumerate() {
        let (sequence, s) = (i / (heads * rows), i % rows);
        // Those of one sequence are those of all.
        let position = turns.positions[(sequence * rows + s) % turns.positions.len()] as f32;
        for (i, frequency) in turns.frequencies.iter().enumerate() {
            let angle = position * frequency;
            let (sin, cos) = super::elementwise::angle(f64::from(angle)).sin_cos();
            let (sin, cos) = (sin * turns.amplitude, cos * turns.amplitude);
            let (first, second) = match turns.pairs {
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

/// The first `n` frequencies of a base, scaled. Each step is rounded to f32, as it is where models are
/// trained.
pub fn frequencies(base: f64, rotation: Rotation, n: usize) -> Result<Vec<f32>, Error> {
    let plain = powers(base.powf(-1.0 / n.max(1) as f64), &[n])?;
    let scaled = |(i, plain): (usize, &f32)| scaled(*plain, i as f32, rotation);
    collected(n, f32s(&plain).iter().enumerate().map(scaled))
}

fn scaled(plain: f32, i: f32, rotation: Rotation) -> f32 {
    match rotation {
        Rotation::Plain => plain,
        Rotation::Linear { factor } => plain / factor as f32,
        Rotation::Llama3 { factor, low, high, original } => {
            let wavelength = std::f32::consts::TAU / plain;
            if wavelength > (original / low) as f32 {
                return plain / factor as f32;
            }
            if wavelength < (original / high) as f32 {
                return plain;
            }
            let share = (original as f32 / wavelength - low as f32) / (high - low) as f32;
            (1.0 - share) * plain / factor as f32 + share * plain
        }
        Rotation::Yarn { factor, first, last, .. } => {
            let ramp = ((i - first as f32) / (last - first) as f32).clamp(0.0, 1.0);
            let stays = 1.0 - ramp;
            plain / factor as f32 * (1.0 - stays) + plain * stays
        }
    }
}
