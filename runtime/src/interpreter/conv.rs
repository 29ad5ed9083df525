//! Windows over images: convolutions and pooling.

use super::elementwise::max;
use super::{count, f32s, strides};
use crate::error::Error;
use crate::reserve::{collected, with_capacity, zeros};
use crate::tensor::Tensor;
use tancho_ir::op::{Layout, Pooling};

/// A window in numbers: rows first, then columns.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Pixels before the image's first row and column.
    pub before: [usize; 2],
    pub layout: Layout,
}

/// An image's axes in the order `N, C, H, W`: lengths and distances.
struct Image<'a> {
    data: &'a [f32],
    len: [usize; 4],
    step: [usize; 4],
}

fn order(layout: Layout) -> [usize; 4] {
    match layout {
        Layout::Nchw => [0, 1, 2, 3],
        Layout::Nhwc => [0, 3, 1, 2],
    }
}

fn image<'a>(data: &'a [f32], shape: &[usize], layout: Layout) -> Image<'a> {
    let s = strides(shape);
    let axes = order(layout);
    Image { data, len: axes.map(|a| shape[a]), step: axes.map(|a| s[a]) }
}

impl Frame {
    /// The elements of the window at position `o` that stand on the image, each with the row or column under
    /// it. A window may be far larger than the image that it stands on.
    fn under(&self, axis: usize, o: usize, len: usize) -> impl Iterator<Item = (usize, usize)> {
        let (start, step, before) =
            (o.saturating_mul(self.stride[axis]), self.dilation[axis].max(1), self.before[axis]);
        let first = before.saturating_sub(start).div_ceil(step);
        let behind = before.saturating_add(len).saturating_sub(start).div_ceil(step).min(self.kernel[axis]);
        (first..behind).map(move |k| (k, start + k * step - before))
    }

    /// Calls `f` with every element of the window at `(oh, ow)` that stands on the image, and the pixel under
    /// it.
    fn each(&self, at: (usize, usize), len: [usize; 4], mut f: impl FnMut([usize; 2], [usize; 2])) {
        for (kh, ih) in self.under(0, at.0, len[2]) {
            for (kw, iw) in self.under(1, at.1, len[3]) {
                f([kh, kw], [ih, iw]);
            }
        }
    }
}

/// Every position of the result, `N, C, H, W`, with its offset.
fn positions(out: &[usize], layout: Layout, mut f: impl FnMut([usize; 4], usize)) {
    if count(out) == 0 {
        return;
    }
    let y = image(&[], out, layout);
    for n in 0..y.len[0] {
        for c in 0..y.len[1] {
            for h in 0..y.len[2] {
                for w in 0..y.len[3] {
                    f([n, c, h, w], n * y.step[0] + c * y.step[1] + h * y.step[2] + w * y.step[3]);
                }
            }
        }
    }
}

/// `w` is `[O, C / groups, KH, KW]`.
pub fn conv2d(
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    frame: &Frame,
    groups: usize,
    out: &[usize],
) -> Result<Tensor, Error> {
    let x = image(f32s(x), x.shape(), frame.layout);
    let (filters, ws) = (f32s(w), strides(w.shape()));
    let (each, per_group) = (w.shape()[1], w.shape()[0] / groups.max(1));
    let mut y = zeros::<f32>(count(out))?;
    positions(out, frame.layout, |[n, o, h, v], at| {
        let mut sum = bias.map_or(0.0, |b| f64::from(f32s(b)[o]));
        let first = o / per_group.max(1) * each;
        if each == 0 {
            y[at] = sum as f32;
            return;
        }
        frame.each((h, v), x.len, |[kh, kw], [ih, iw]| {
            let pixel = n * x.step[0] + first * x.step[1] + ih * x.step[2] + iw * x.step[3];
            let filter = o * ws[0] + kh * ws[2] + kw * ws[3];
            for c in 0..each {
                sum += f64::from(x.data[pixel + c * x.step[1]]) * f64::from(filters[filter + c * ws[1]]);
            }
        });
        y[at] = sum as f32;
    });
    Ok(Tensor::from_parts(y, out))
}

pub fn pool2d(
    kind: Pooling,
    x: &Tensor,
    frame: &Frame,
    count_pad: bool,
    out: &[usize],
) -> Result<Tensor, Error> {
    let x = image(f32s(x), x.shape(), frame.layout);
    let mut y = zeros::<f32>(count(out))?;
    positions(out, frame.layout, |[n, c, h, v], at| {
        let (mut sum, mut top, mut seen) = (0.0, f64::NEG_INFINITY, 0usize);
        frame.each((h, v), x.len, |_, [ih, iw]| {
            let value = f64::from(x.data[n * x.step[0] + c * x.step[1] + ih * x.step[2] + iw * x.step[3]]);
            sum += value;
            top = max(top, value);
            seen += 1;
        });
        let counted = if count_pad { frame.kernel[0].saturating_mul(frame.kernel[1]) } else { seen };
        y[at] = match kind {
            Pooling::Max => top as f32,
            Pooling::Sum => sum as f32,
            Pooling::Avg => (sum / counted as f64) as f32,
        };
    });
    Ok(Tensor::from_parts(y, out))
}

/// `[N, C, ..]`, and four numbers a channel.
pub fn batch_norm(args: &[&Tensor], eps: f64) -> Result<Tensor, Error> {
    let (x, shape) = (f32s(args[0]), args[0].shape());
    let (channels, inner) = (shape[1], count(&shape[2..]).max(1));
    let of = |i: usize, c: usize| f64::from(f32s(args[i])[c]);
    let y = x.iter().enumerate().map(|(i, &x)| {
        let c = i / inner % channels.max(1);
        ((f64::from(x) - of(3, c)) / (of(4, c) + eps).sqrt() * of(1, c) + of(2, c)) as f32
    });
    Ok(Tensor::from_parts(collected(x.len(), y)?, shape))
}

pub fn upsample_nearest(x: &Tensor, out: &[usize]) -> Result<Tensor, Error> {
    let (shape, s) = (x.shape(), strides(x.shape()));
    let mut from = with_capacity(count(out))?;
    positions(out, Layout::Nchw, |[n, c, h, w], _| {
        let (ih, iw) = (h * shape[2] / out[2], w * shape[3] / out[3]);
        from.push(n * s[0] + c * s[1] + ih * s[2] + iw * s[3]);
    });
    Ok(Tensor::from_parts(x.data().pick(from.len(), from.into_iter())?, out))
}
