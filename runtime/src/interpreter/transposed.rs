//! Transposed convolutions.

use super::{count, f32s};
use crate::error::Error;
use crate::reserve::with_capacity;
use crate::tensor::Tensor;

/// A transposed convolution in numbers: rows first, then columns. A signal has one row.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub stride: [usize; 2],
    pub pad: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
}

impl Spread {
    /// The elements of the filters that place `o` of the result has a part of, each with the element of `x`.
    fn over(&self, axis: usize, o: usize, kernel: usize, len: usize) -> impl Iterator<Item = (usize, usize)> {
        let (stride, dilation) = (self.stride[axis].max(1), self.dilation[axis]);
        let place = o.saturating_add(self.pad[axis]);
        (0..kernel).filter_map(move |k| {
            let from = place.checked_sub(k.checked_mul(dilation)?)?;
            (from % stride == 0 && from / stride < len).then_some((k, from / stride))
        })
    }
}

/// `x [N, C, H, W]` with `w [C, O / groups, KH, KW]`, or signals with one axis less.
pub fn conv_transpose(
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    spread: &Spread,
    out: &[usize],
) -> Result<Tensor, Error> {
    // `[H, W]` of an image, `[1, L]` of a signal.
    let pixels = |s: &[usize]| if s.len() == 4 { [s[2], s[3]] } else { [1, s[2]] };
    let ([h, v], [kh, kw], [rows, columns]) = (pixels(x.shape()), pixels(w.shape()), pixels(out));
    let (channels, each) = (x.shape()[1], w.shape()[1]);
    let in_group = channels / spread.groups.max(1);
    let (x, w) = (f32s(x), f32s(w));
    let all = count(out);
    let mut y = with_capacity(all)?;
    for at in 0..all {
        let (column, row) = (at % columns, at / columns % rows);
        let (o, image) = (at / columns / rows % out[1], at / columns / rows / out[1]);
        let first = o / each * in_group;
        let mut sum = bias.map_or(0.0, |b| f64::from(f32s(b)[o]));
        for (a, i) in spread.over(0, row, kh, h) {
            for (b, j) in spread.over(1, column, kw, v) {
                for c in first..first + in_group {
                    let pixel = x[((image * channels + c) * h + i) * v + j];
                    let filter = w[((c * each + o % each) * kh + a) * kw + b];
                    sum += f64::from(pixel) * f64::from(filter);
                }
            }
        }
        y.push(sum as f32);
    }
    Ok(Tensor::from_parts(y, out))
}
