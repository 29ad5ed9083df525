//! Ops on rows: softmax and the norms.

use super::elementwise::max;
use super::{f32s, rows_and_elements};
use crate::tensor::Tensor;
use tancho_ir::op::EpsOn;

/// Applies `f` to each row along `axes`, as f64s in row-major order of those axes.
fn map_rows(x: &Tensor, axes: &[usize], mut f: impl FnMut(&mut [f64])) -> Tensor {
    let (rows, elements) = rows_and_elements(x.shape(), axes);
    let v = f32s(x);
    let mut y = vec![0.0f32; v.len()];
    let mut row = vec![0.0; elements.len()];
    for start in rows {
        for (to, e) in row.iter_mut().zip(&elements) {
            *to = v[start + e].into();
        }
        f(&mut row);
        for (from, e) in row.iter().zip(&elements) {
            y[start + e] = *from as f32;
        }
    }
    Tensor::from_parts(y, x.shape())
}

/// A row of -inf alone, or with a NaN or +inf in it, gives NaN, as in PyTorch.
pub fn softmax(x: &Tensor, axis: usize, log: bool) -> Tensor {
    map_rows(x, &[axis], |row| {
        let top = row.iter().copied().fold(f64::NEG_INFINITY, max);
        let sum: f64 = row.iter().map(|x| (x - top).exp()).sum();
        for x in row {
            *x = if log { *x - top - sum.ln() } else { (*x - top).exp() / sum };
        }
    })
}

pub fn layer_norm(x: &Tensor, gain: Option<&Tensor>, bias: Option<&Tensor>, axes: &[usize], eps: f64, eps_on: EpsOn) -> Tensor {
    map_rows(x, axes, |row| {
        let n = row.len() as f64;
        let mean = row.iter().sum::<f64>() / n;
        let var = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
        let below = match eps_on {
            EpsOn::Var => (var + eps).sqrt(),
            EpsOn::Std => var.sqrt() + eps,
        };
        for (i, x) in row.iter_mut().enumerate() {
            *x = (*x - mean) / below * gain.map_or(1.0, |g| f32s(g)[i].into()) + bias.map_or(0.0, |b| f32s(b)[i].into());
        }
    })
}

pub fn rms_norm(x: &Tensor, gain: Option<&Tensor>, axes: &[usize], eps: f64) -> Tensor {
    map_rows(x, axes, |row| {
        let mean_square = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
        let below = (mean_square + eps).sqrt();
        for (i, x) in row.iter_mut().enumerate() {
            *x = *x / below * gain.map_or(1.0, |g| f32s(g)[i].into());
        }
    })
}

pub fn l2_normalize(x: &Tensor, axis: usize, eps: f64) -> Tensor {
    map_rows(x, &[axis], |row| {
        let norm = max(row.iter().map(|x| x * x).sum::<f64>().sqrt(), eps);
        row.iter_mut().for_each(|x| *x /= norm);
    })
}
