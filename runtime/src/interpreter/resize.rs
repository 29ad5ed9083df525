//! Images with other numbers of rows and columns.

use super::moves::checked_id;
use super::{count, f32s, strides};
use crate::error::Error;
use crate::reserve::{collected, with_capacity};
use crate::tensor::Tensor;
use tancho_ir::op::Resampling;

/// The two pixels that one of the result follows from along an axis, and their weights.
type Sides = [(usize, f64); 2];

/// Places and weights are f32 numbers, as in PyTorch: where a position falls on a whole number, its rounding
/// decides.
fn sides(from: usize, to: usize, mode: Resampling) -> Result<Vec<Sides>, Error> {
    let (scale, last) = (from as f32 / to as f32, from.saturating_sub(1));
    let side = |i: usize| match mode {
        Resampling::Nearest => {
            let place = ((i as f32 * scale).floor() as usize).min(last);
            [(place, 1.0), (place, 0.0)]
        }
        Resampling::Bilinear => {
            let position = ((i as f32 + 0.5) * scale - 0.5).max(0.0);
            let whole = position.floor();
            let far = position - whole;
            let place = (whole as usize).min(last);
            [(place, f64::from(1.0 - far)), ((place + 1).min(last), f64::from(far))]
        }
    };
    collected(to, (0..to).map(side))
}

/// `[N, C, H, W]` to the shape of the result.
pub fn resize(
    x: &Tensor,
    mode: Resampling,
    out: &[usize],
    place: &dyn Fn() -> String,
) -> Result<Tensor, Error> {
    let (shape, s, data) = (x.shape(), strides(x.shape()), f32s(x));
    let all = count(out);
    if all > 0 {
        // Of no pixels none can be made.
        shape[2..].iter().try_for_each(|&len| checked_id(0, 0, len, &[1], place).map(|_| ()))?;
    }
    let (rows, columns) = (sides(shape[2], out[2], mode)?, sides(shape[3], out[3], mode)?);
    let mut y = with_capacity(all)?;
    for at in 0..all {
        let (row, column) = (rows[at / out[3] % out[2]], columns[at % out[3]]);
        let image = at / out[3] / out[2] * s[1];
        let pixel = |i: usize, j: usize| f64::from(data[image + i * s[2] + j]);
        y.push(match mode {
            Resampling::Nearest => pixel(row[0].0, column[0].0) as f32,
            Resampling::Bilinear => {
                let along = |i: usize| column.iter().map(|(j, by)| pixel(i, *j) * by).sum::<f64>() as f32;
                row.iter().map(|(i, by)| f64::from(along(*i)) * by).sum::<f64>() as f32
            }
        });
    }
    Ok(Tensor::from_parts(y, out))
}
