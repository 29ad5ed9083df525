//! Transposed convolutions as convolutions.
//!
//! Along an axis with the stride `s`, result `q s + r` (counted before `pad` cuts off the first) is the sum
//! over `t` of `x[q - t] * w[r + s t]`. So the results of one remainder `r` are a convolution of `x` with
//! every `s`-th element of the filters, turned round. One convolution makes those of all remainders, as
//! channels, which are then moved beside each other. No product with a zero between pixels is made.

use super::Body;
use crate::dim::Dim;
use crate::graph::Value;
use crate::op::*;

/// The numbers of a transposed convolution along one axis.
#[derive(Clone, Copy)]
struct Along {
    stride: i64,
    /// Elements of the filters.
    kernel: i64,
    /// Elements of the filters for each remainder.
    taps: i64,
    /// Results of whole steps that are cut off at the start, and single results after them.
    skipped: (i64, i64),
    /// What surrounds `x`.
    around: (i64, i64),
    /// Results after `pad` and `output_pad`, less the stride times the length of `x`.
    more: i64,
}

impl Along {
    fn new(stride: &Dim, pad: &Dim, output_pad: &Dim, kernel: i64) -> Option<Along> {
        let [stride, pad, output_pad] = [stride, pad, output_pad].map(Dim::as_const);
        let (stride, pad, output_pad) = (stride.filter(|s| *s > 0)?, pad?, output_pad?);
        let kernel = kernel.max(1);
        let taps = (kernel + stride - 1) / stride;
        let steps = (pad / stride).min(taps - 1);
        let last = (kernel - 1).checked_add(output_pad)?.checked_sub(pad)?;
        Some(Along {
            stride,
            kernel,
            taps,
            skipped: (steps, pad - steps * stride),
            around: (taps - 1 - steps, last.div_euclid(stride).max(0)),
            more: kernel.checked_add(output_pad)?.checked_sub(pad.checked_mul(2)?)? - stride,
        })
    }
}

impl Body {
    /// One over images of one row.
    pub(super) fn conv_transpose1d(&mut self, op: &Op, args: &[Value]) -> Option<Value> {
        let Op::ConvTranspose1d { stride, pad, output_pad, dilation, groups, bias } = op else { return None };
        let one_row = |mut shape: Vec<Dim>| {
            shape.insert(2, Dim::constant(1));
            Op::Reshape(shape)
        };
        let x = self.push(one_row(self.shape(args[0])), &[args[0]])?;
        let w = self.push(one_row(self.shape(args[1])), &[args[1]])?;
        let pair = |of_rows: i64, d: &Dim| [Dim::constant(of_rows), d.clone()];
        let op = Op::ConvTranspose2d {
            stride: pair(1, stride),
            pad: pair(0, pad),
            output_pad: pair(0, output_pad),
            dilation: pair(1, dilation),
            groups: groups.clone(),
            bias: *bias,
        };
        let all: Vec<Value> = [x, w].into_iter().chain(args.get(2).copied()).collect();
        let y = self.push(op, &all)?;
        let mut shape = self.shape(y);
        shape.remove(2);
        self.push(Op::Reshape(shape), &[y])
    }

    /// The convolution of all remainders, and their results beside each other.
    pub(super) fn conv_transpose2d(&mut self, op: &Op, args: &[Value]) -> Option<Value> {
        let Op::ConvTranspose2d { stride, pad, output_pad, dilation, groups, bias } = op else { return None };
        let w = self.dilated(args[1], dilation)?;
        let (x_shape, shape) = (self.shape(args[0]), self.shape(w));
        let along = |i: usize| Along::new(&stride[i], &pad[i], &output_pad[i], shape[2 + i].as_const()?);
        let (rows, columns) = (along(0)?, along(1)?);
        let groups = groups.as_const().filter(|g| *g > 0)?;
        let n = Dim::constant;
        let (channels, filters) = (shape[0].exact_div(&n(groups)).ok()?, shape[1].clone());
        let parts = [n(groups), n(rows.stride), n(columns.stride), filters.clone()];
        let all = Dim::product(&parts).ok()?;

        let w = self.remainders(w, [rows, columns], groups, &channels)?;
        let taps = vec![all.clone(), channels, n(rows.taps), n(columns.taps)];
        let w = self.push(Op::Reshape(taps), &[w])?;
        let mut operands = vec![args[0], w];
        if *bias {
            // The same for each remainder.
            let thin = [n(groups), n(1), n(1), filters.clone()];
            let b = self.push(Op::Reshape(thin.to_vec()), &[args[2]])?;
            let b = self.push(Op::Expand(parts.to_vec()), &[b])?;
            operands.push(self.push(Op::Reshape(vec![all]), &[b])?);
        }
        let pad = [rows.around.0, rows.around.1, columns.around.0, columns.around.1].map(n);
        let window = Window { pad: Padding::Explicit(pad), ..Window::dense() };
        let conv = Op::Conv2d { window, groups: n(groups), bias: *bias, layout: Layout::Nchw };
        let y = self.push(conv, &operands)?;

        let mut y = match [rows, columns].map(|a| a.stride) {
            [1, 1] => y,
            strides => self.beside(y, parts, strides)?,
        };
        for (axis, a) in [(2, rows), (3, columns)] {
            let length = x_shape[axis].times(&n(a.stride)).ok()?.plus(&n(a.more)).ok()?;
            if a.skipped.1 == 0 && length == self.shape(y)[axis] {
                continue;
            }
            let start = n(a.skipped.1);
            let end = start.plus(&length).ok()?;
            y = self.push(Op::Slice { axis, start, end, step: n(1) }, &[y])?;
        }
        Some(y)
    }

    /// The results of all remainders, which are `parts` of the channels, beside each other. They are moved
    /// with channels last, as the convolution leaves them, so that the filters of a pixel move together.
    fn beside(&mut self, y: Value, parts: [Dim; 4], strides: [i64; 2]) -> Option<Value> {
        let made = self.shape(y);
        let [batch, _, h, v] = made.as_slice() else { return None };
        let channels = parts[0].times(&parts[3]).ok()?;
        let mut split = vec![batch.clone(), h.clone(), v.clone()];
        split.extend(parts);
        let y = self.push(Op::Transpose(vec![0, 2, 3, 1]), &[y])?;
        let y = self.push(Op::Reshape(split), &[y])?;
        let y = self.push(Op::Transpose(vec![0, 1, 4, 2, 5, 3, 6]), &[y])?;
        let [h, v] = [(h, strides[0]), (v, strides[1])].map(|(d, s)| d.times(&Dim::constant(s)));
        let y = self.push(Op::Reshape(vec![batch.clone(), h.ok()?, v.ok()?, channels]), &[y])?;
        self.push(Op::Transpose(vec![0, 3, 1, 2]), &[y])
    }

    /// Filters with zeros between their elements.
    fn dilated(&mut self, mut w: Value, dilation: &[Dim; 2]) -> Option<Value> {
        for (i, d) in dilation.iter().enumerate() {
            let (axis, d) = (2 + i, d.as_const()?);
            let shape = self.shape(w);
            let k = shape[axis].as_const()?;
            if d == 1 || k <= 1 {
                continue;
            }
            let n = Dim::constant;
            let mut apart = shape.clone();
            apart.insert(axis + 1, n(1));
            w = self.push(Op::Reshape(apart), &[w])?;
            w = self.push(Op::Pad { axis: axis + 1, before: n(0), after: n(d - 1) }, &[w])?;
            let mut joined = shape;
            joined[axis] = n(k.checked_mul(d)?);
            w = self.push(Op::Reshape(joined), &[w])?;
            w = self.push(Op::Slice { axis, start: n(0), end: n((k - 1) * d + 1), step: n(1) }, &[w])?;
        }
        Some(w)
    }

    /// Filters `[C, O / groups, KH, KW]` as `[groups, remainders of rows, of columns, O / groups, C / groups,
    /// taps, taps]`, turned round.
    fn remainders(&mut self, mut w: Value, along: [Along; 2], groups: i64, channels: &Dim) -> Option<Value> {
        let n = Dim::constant;
        for (i, a) in along.iter().enumerate() {
            let more = a.taps * a.stride - a.kernel;
            if more > 0 {
                w = self.push(Op::Pad { axis: 2 + i, before: n(0), after: n(more) }, &[w])?;
            }
        }
        let filters = self.shape(w)[1].clone();
        let mut split = vec![n(groups), channels.clone(), filters];
        split.extend(along.iter().flat_map(|a| [n(a.taps), n(a.stride)]));
        w = self.push(Op::Reshape(split), &[w])?;
        for (axis, taps) in [(3, along[0].taps), (5, along[1].taps)] {
            let slice = |t: i64| Op::Slice { axis, start: n(t), end: n(t + 1), step: n(1) };
            let turned: Option<Vec<Value>> = (0..taps).rev().map(|t| self.push(slice(t), &[w])).collect();
            w = self.push(Op::Concat { axis }, &turned?)?;
        }
        self.push(Op::Transpose(vec![0, 4, 6, 2, 1, 3, 5]), &[w])
    }
}
