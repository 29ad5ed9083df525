//! Ops on rows: softmax and the norms.

use super::elementwise::max;
use super::{count, f32s, rows_and_elements};
use crate::error::Error;
use crate::reserve::zeros;
use crate::tensor::Tensor;
use tancho_ir::op::EpsOn;

/// Applies `f` to each row along `axes`, as f64s in row-major order of those axes.
fn map_rows(x: &Tensor, axes: &[usize], mut f: impl FnMut(&mut [f64])) -> Result<Tensor, Error> {
    let v = f32s(x);
    let mut y = zeros::<f32>(v.len())?;
    if v.is_empty() {
        return Ok(Tensor::from_parts(y, x.shape()));
    }
    let (rows, elements) = rows_and_elements(x.shape(), axes)?;
    let mut row = zeros::<f64>(elements.len())?;
    for start in rows {
        for (to, e) in row.iter_mut().zip(&elements) {
            *to = v[start + e].into();
        }
        f(&mut row);
        for (from, e) in row.iter().zip(&elements) {
            y[start + e] = *from as f32;
        }
    }
    Ok(Tensor::from_parts(y, x.shape()))
}

/// A row of -inf alone, or with a NaN or +inf in it, gives NaN, as in PyTorch.
pub fn softmax(x: &Tensor, axis: usize, log: bool) -> Result<Tensor, Error> {
    map_rows(x, &[axis], |row| {
        let top = row.iter().copied().fold(f64::NEG_INFINITY, max);
        let sum: f64 = row.iter().map(|x| (x - top).exp()).sum();
        for x in row {
            *x = if log { *x - top - sum.ln() } else { (*x - top).exp() / sum };
        }
    })
}

/// The mean of a row, and what its distances from the mean are divided by.
fn mean_and_divisor(row: &[f64], eps: f64, eps_on: EpsOn) -> (f64, f64) {
    let n = row.len() as f64;
    let mean = row.iter().sum::<f64>() / n;
    let var = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    let below = match eps_on {
        EpsOn::Var => (var + eps).sqrt(),
        EpsOn::Std => var.sqrt() + eps,
    };
    (mean, below)
}

pub fn layer_norm(
    x: &Tensor,
    gain: Option<&Tensor>,
    bias: Option<&Tensor>,
    axes: &[usize],
    eps: f64,
    eps_on: EpsOn,
) -> Result<Tensor, Error> {
    map_rows(x, axes, |row| {
        let (mean, below) = mean_and_divisor(row, eps, eps_on);
        for (i, x) in row.iter_mut().enumerate() {
            *x = (*x - mean) / below * gain.map_or(1.0, |g| f32s(g)[i].into())
                + bias.map_or(0.0, |b| f32s(b)[i].into());
        }
    })
}

/// `[N, C, ..]`: rows are groups of channels with all axes behind.
///
/// # Errors
/// The groups do not divide the channels; `uneven` makes it of the reason in words.
pub fn group_norm(
    x: &Tensor,
    gain: Option<&Tensor>,
    bias: Option<&Tensor>,
    groups: usize,
    eps: f64,
    uneven: impl FnOnce(String) -> Error,
) -> Result<Tensor, Error> {
    let shape = x.shape();
    let channels = shape[1];
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(uneven(format!("they do not divide {channels} channels")));
    }
    if x.is_empty() {
        return x.copied();
    }
    let (each, inner) = (channels / groups, count(&shape[2..]));
    let rows = Tensor::from_parts(x.data().copied()?, &[shape[0], groups, each * inner]);
    let of = |p: Option<&Tensor>, channel: usize, absent: f64| p.map_or(absent, |p| f32s(p)[channel].into());
    let mut row_number = 0;
    let y = map_rows(&rows, &[2], |row| {
        let first = row_number % groups * each;
        row_number += 1;
        let (mean, below) = mean_and_divisor(row, eps, EpsOn::Var);
        for (i, x) in row.iter_mut().enumerate() {
            let channel = first + i / inner;
            *x = (*x - mean) / below * of(gain, channel, 1.0) + of(bias, channel, 0.0);
        }
    })?;
    Ok(Tensor::from_parts(y.into_data(), shape))
}

pub fn rms_norm(x: &Tensor, gain: Option<&Tensor>, axes: &[usize], eps: f64) -> Result<Tensor, Error> {
    map_rows(x, axes, |row| {
        let mean_square = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
        let below = (mean_square + eps).sqrt();
        for (i, x) in row.iter_mut().enumerate() {
            *x = *x / below * gain.map_or(1.0, |g| f32s(g)[i].into());
        }
    })
}

pub fn l2_normalize(x: &Tensor, axis: usize, eps: f64) -> Result<Tensor, Error> {
    map_rows(x, &[axis], |row| {
        let norm = max(row.iter().map(|x| x * x).sum::<f64>().sqrt(), eps);
        row.iter_mut().for_each(|x| *x /= norm);
    })
}
