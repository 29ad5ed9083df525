//! Steps of windows over images.

use super::{LIMIT, Random, n};
use tancho::{DType, Dim, Graph};
use tancho_ir::graph::Value;
use tancho_ir::op::*;

const CHANNELS: [i64; 8] = [1, 2, 3, 6, 8, 16, 17, 24];

impl Random {
    /// One of them.
    pub(super) fn image_step(&mut self) -> Option<Value> {
        match self.rng.below(14) {
            12 => self.conv_transpose2d(),
            13 => self.conv_transpose1d(),
            0..4 => self.conv2d(),
            4 => self.conv1d(),
            5 | 6 => self.pool2d(),
            7 => self.batch_norm(),
            8 => self.ends(),
            9 => self.every_second(),
            10 => self.channel_norm(),
            _ => self.residual(),
        }
    }

    /// Axes of an image that is an input.
    pub(super) fn image_shape(&mut self) -> Vec<Dim> {
        let b = self.rng.pick(&[Dim::sym("B"), n(1), n(2)]);
        let c = n(self.rng.pick(&CHANNELS));
        let [h, w] = [0, 1].map(|_| self.rng.pick(&[Dim::sym("S"), n(1), n(5), n(9), n(12)]));
        vec![b, c, h, w]
    }

    fn image(&mut self) -> Option<Value> {
        self.image_of(Layout::Nchw)
    }

    /// An image whose channels stand there: any value of four axes may be one.
    fn image_of(&mut self, layout: Layout) -> Option<Value> {
        let fits = |g: &Graph, v: Value| {
            let t = g.ty(v);
            t.dtype == DType::F32
                && t.rank() == 4
                && t.shape[layout.channels()].as_const().is_some_and(|c| (1..=48).contains(&c))
        };
        let x = self.value(fits)?;
        self.tame(x, 4.0)
    }

    /// A padding with which a window of `extent` pixels stands on an axis whatever its length; of pools at
    /// most half of the window.
    fn padding(&mut self, length: &Dim, extent: i64, pools: bool) -> Option<(i64, i64)> {
        let most = if pools { extent / 2 } else { extent };
        let mut pick = || self.rng.below(most as usize + 1) as i64;
        let (before, after) = (pick(), pick());
        let short = extent - length.as_const().unwrap_or(0) - before - after;
        match short {
            ..=0 => Some((before, after)),
            _ if pools => None,
            more => Some((before + more, after)),
        }
    }

    fn window(&mut self, image: &[Dim], kernel: [i64; 2], pools: bool) -> Option<Window> {
        let stride = [0, 1].map(|_| self.rng.pick(&[1, 1, 1, 2, 2, 3]));
        let dilation = [0, 1].map(|_| if pools { 1 } else { self.rng.pick(&[1, 1, 1, 2, 3]) });
        let extents = [0, 1].map(|i| (kernel[i] - 1) * dilation[i] + 1);
        let [rows, columns] = [0, 1].map(|i| (&image[i], extents[i]));
        let wide = (0..2).all(|i| extents[i] >= stride[i] || extents[i] == 1);
        let pad = if wide && self.rng.chance(40) {
            Padding::Same
        } else {
            let (above, below) = self.padding(rows.0, rows.1, pools)?;
            let (left, right) = self.padding(columns.0, columns.1, pools)?;
            Padding::Explicit([above, below, left, right].map(n))
        };
        Some(Window { stride: stride.map(n), pad, dilation: dilation.map(n) })
    }

    fn kernel(&mut self) -> [i64; 2] {
        if self.rng.chance(70) {
            let k = self.rng.pick(&[1, 3, 3, 3, 5]);
            return [k, k];
        }
        [0, 1].map(|_| self.rng.pick(&[1, 2, 3, 4, 7]))
    }

    /// Groups of `c` channels, and filters for them: one, some, or one for each channel.
    fn groups(&mut self, c: i64) -> (i64, i64) {
        let of = |all: &[i64], rng: &mut crate::Rng| rng.pick(all);
        match self.rng.below(5) {
            0 => (c, c),
            1 => {
                let g = of(&(1..=c).filter(|g| c % g == 0).collect::<Vec<_>>(), &mut self.rng);
                (g, g * of(&[1, 2, 3, 5], &mut self.rng))
            }
            _ => (1, of(&CHANNELS, &mut self.rng)),
        }
    }

    fn conv2d(&mut self) -> Option<Value> {
        // A value that is read with channels last as it stands, or an image turned over and back.
        let (layout, turned) = match self.rng.below(20) {
            0..3 => (Layout::Nhwc, true),
            3..7 => (Layout::Nhwc, false),
            _ => (Layout::Nchw, false),
        };
        let mut x = self.image_of(if turned { Layout::Nchw } else { layout })?;
        if turned {
            x = self.push(Op::Transpose(vec![0, 2, 3, 1]), &[x], self.bound(x))?;
        }
        let shape = self.shape(x);
        let c = shape[layout.channels()].as_const()?;
        let kernel = self.kernel();
        let window = self.window(&shape[layout.rows()..], kernel, false)?;
        let (groups, mut o) = self.groups(c);
        // As many filters as rows: what takes one axis for the other then fits, and is wrong.
        if let (Layout::Nhwc, 1, Some(rows)) =
            (layout, groups, shape[1].as_const().filter(|r| (1..=24).contains(r)))
            && self.rng.chance(50)
        {
            o = rows;
        }
        let w = self.weight(&[o, c / groups, kernel[0], kernel[1]]);
        let mut args = vec![x, w];
        if self.rng.chance(50) {
            args.push(self.weight(&[o]));
        }
        let bound = self.bound(x) * (c / groups * kernel[0] * kernel[1]) as f64 + 1.0;
        let mut v =
            self.push(Op::Conv2d { window, groups: n(groups), bias: args.len() == 3, layout }, &args, bound)?;
        if turned {
            v = self.push(Op::Transpose(vec![0, 3, 1, 2]), &[v], bound)?;
        }
        match (self.rng.below(5), self.shape(v)[1].as_const().filter(|c| *c > 0)) {
            (0, Some(c)) => self.norm_behind(v, c),
            (1, _) => self.push(Op::Unary(Unary::Relu6), &[v], 6.0),
            (2, _) => self.push(Op::Unary(Unary::Relu), &[v], bound),
            _ => self.tame(v, LIMIT),
        }
    }

    /// A value `[N, C, L]`.
    fn signal(&mut self) -> Option<Value> {
        let x = self.value(|g, v| {
            let t = g.ty(v);
            t.dtype == DType::F32
                && t.rank() == 3
                && t.shape[1].as_const().is_some_and(|c| (1..=50).contains(&c))
        });
        match x {
            Some(x) => Some(x),
            None => {
                let x = self.image()?;
                let s = self.shape(x);
                let joined = s[2].times(&s[3]).ok()?;
                self.push(Op::Reshape(vec![s[0].clone(), s[1].clone(), joined]), &[x], self.bound(x))
            }
        }
    }

    fn conv1d(&mut self) -> Option<Value> {
        let x = self.signal()?;
        let x = self.tame(x, 4.0)?;
        let shape = self.shape(x);
        let c = shape[1].as_const()?;
        let k = self.rng.pick(&[1, 2, 3, 5]);
        let window = self.window(&[n(1), shape[2].clone()], [1, k], false)?;
        let (groups, o) = self.groups(c);
        let mut args = vec![x, self.weight(&[o, c / groups, k])];
        if self.rng.chance(50) {
            args.push(self.weight(&[o]));
        }
        let window = Window::along_columns(&window.stride[1], &window.pad, &window.dilation[1]);
        let bound = self.bound(x) * (c / groups * k) as f64 + 1.0;
        let v = self.push(Op::Conv1d { window, groups: n(groups), bias: args.len() == 3 }, &args, bound)?;
        self.tame(v, LIMIT)
    }

    fn conv_transpose2d(&mut self) -> Option<Value> {
        let x = self.image()?;
        let shape = self.shape(x);
        let c = shape[1].as_const()?;
        let kernel = [0, 1].map(|_| self.rng.pick(&[1, 2, 2, 3, 4]));
        let dilation = [0, 1].map(|_| self.rng.pick(&[1, 1, 1, 2]));
        let known = [2, 3].map(|i| shape[i].as_const().is_some_and(|n| n > 1));
        // Of an image without rows the result has at least no rows: `(0 - 1) * stride` is made up for.
        let stride = [0, 1].map(|i| {
            let most = if known[i] { 3 } else { dilation[i] * (kernel[i] - 1) + 1 };
            self.rng.pick(&[1, 2, 2, 3]).min(most)
        });
        let groups = self.rng.pick(&(1..=c).filter(|g| c % g == 0).collect::<Vec<_>>());
        let each = self.rng.pick(&[1, 2, 3]);
        let [pad, output_pad] = [0, 1].map(|which| {
            [0, 1].map(|i| {
                let most = if which == 0 { kernel[i] / 2 } else { stride[i] - 1 };
                if known[i] { self.rng.below(most as usize + 1) as i64 } else { 0 }
            })
        });
        let mut args = vec![x, self.weight(&[c, each, kernel[0], kernel[1]])];
        if self.rng.chance(50) {
            args.push(self.weight(&[each * groups]));
        }
        let bound = self.bound(x) * (c / groups * kernel[0] * kernel[1]) as f64 + 1.0;
        let op = Op::ConvTranspose2d {
            stride: stride.map(n),
            pad: pad.map(n),
            output_pad: output_pad.map(n),
            dilation: dilation.map(n),
            groups: n(groups),
            bias: args.len() == 3,
        };
        let v = self.push(op, &args, bound)?;
        self.tame(v, LIMIT)
    }

    fn conv_transpose1d(&mut self) -> Option<Value> {
        let x = self.signal()?;
        let c = self.shape(x)[1].as_const()?;
        let (kernel, each) = (self.rng.pick(&[1, 2, 3, 4]), self.rng.pick(&[1, 2, 3]));
        let (stride, dilation) = (self.rng.pick(&[1, 2, 3]).min(kernel), self.rng.pick(&[1, 1, 2]));
        let groups = self.rng.pick(&(1..=c).filter(|g| c % g == 0).collect::<Vec<_>>());
        let mut args = vec![x, self.weight(&[c, each, kernel])];
        if self.rng.chance(50) {
            args.push(self.weight(&[each * groups]));
        }
        let bound = self.bound(x) * (c / groups * kernel) as f64 + 1.0;
        let op = Op::ConvTranspose1d {
            stride: n(stride),
            pad: n(0),
            output_pad: n(self.rng.below(stride as usize) as i64),
            dilation: n(dilation),
            groups: n(groups),
            bias: args.len() == 3,
        };
        let v = self.push(op, &args, bound)?;
        self.tame(v, LIMIT)
    }

    fn pool2d(&mut self) -> Option<Value> {
        let layout = if self.rng.chance(30) { Layout::Nhwc } else { Layout::Nchw };
        let x = self.image_of(layout)?;
        let shape = self.shape(x);
        let pixels = &shape[layout.rows()..][..2];
        let kernel = [0, 1].map(|_| self.rng.pick(&[1, 2, 3, 3, 5]));
        let window = self.window(pixels, kernel, true)?;
        let kind = self.rng.pick(&[Pooling::Max, Pooling::Max, Pooling::Avg, Pooling::Sum]);
        // A maximum or mean over what surrounds an image alone is no number.
        let empty = pixels.iter().any(|d| d.as_const().is_none() || d.is(0));
        if empty && kind != Pooling::Sum && window.pad != Padding::Same {
            return None;
        }
        let count_pad = kind == Pooling::Avg && self.rng.chance(50);
        let bound = self.bound(x) * if kind == Pooling::Sum { (kernel[0] * kernel[1]) as f64 } else { 1.0 };
        let v =
            self.push(Op::Pool2d { kind, kernel: kernel.map(n), window, layout, count_pad }, &[x], bound)?;
        self.tame(v, LIMIT)
    }

    fn batch_norm(&mut self) -> Option<Value> {
        let x = self.image()?;
        let c = self.shape(x)[1].as_const()?;
        self.norm_behind(x, c)
    }

    fn norm_behind(&mut self, x: Value, c: i64) -> Option<Value> {
        let [gain, bias, mean, var] = [0; 4].map(|_| self.weight(&[c]));
        // A variance is no negative number.
        let var = self.push(Op::Unary(Unary::Exp), &[var], 3.0)?;
        let bound = (self.bound(x) + 1.0) * 2.0 + 1.0;
        let v = self.push(Op::BatchNorm { eps: Number(1e-3) }, &[x, gain, bias, mean, var], bound)?;
        self.tame(v, LIMIT)
    }

    fn channel_norm(&mut self) -> Option<Value> {
        let x = self.image()?;
        let c = self.shape(x)[1].as_const()?;
        let args = [x, self.weight(&[c]), self.weight(&[c])];
        let eps_on = self.rng.pick(&[EpsOn::Var, EpsOn::Std]);
        let op = Op::LayerNorm { axes: vec![1], eps: Number(1e-5), eps_on, gain: true, bias: true };
        self.push(op, &args, (c as f64).sqrt() + 1.0)
    }

    /// What stands at the end of networks of images, or between their parts.
    fn ends(&mut self) -> Option<Value> {
        let x = self.image()?;
        match self.rng.below(6) {
            4 => {
                let scale = [0, 1].map(|_| self.rng.pick(&[n(1), n(2), n(3)]));
                self.push(Op::UpsampleBilinear { scale }, &[x], self.bound(x))
            }
            // Of an image without pixels none can be made.
            5 if self.shape(x)[2..].iter().all(|d| d.as_const().is_some_and(|n| n > 0)) => {
                let size = [0, 1].map(|_| self.rng.pick(&[n(1), n(4), n(7), Dim::sym("B")])).to_vec();
                let mode = self.rng.pick(&Resampling::ALL);
                self.push(Op::Resize { size, mode }, &[x], self.bound(x))
            }
            0 if self.shape(x)[2..].iter().all(|d| d.as_const().is_some_and(|n| n > 0)) => {
                self.push(Op::GlobalMean, &[x], self.bound(x))
            }
            1 => {
                let from = self.rng.below(4);
                self.push(Op::Flatten { from }, &[x], self.bound(x))
            }
            2 => {
                let scale = [0, 1].map(|_| self.rng.pick(&[n(1), n(2), n(3)]));
                self.push(Op::UpsampleNearest { scale }, &[x], self.bound(x))
            }
            _ => {
                let (before, after) = (n(self.rng.below(4) as i64), n(self.rng.below(4) as i64));
                self.push(Op::Pad { axis: 1, before, after }, &[x], self.bound(x))
            }
        }
    }

    /// Every second or third row, as the shortcuts of the first ResNets.
    fn every_second(&mut self) -> Option<Value> {
        let x = self.value(|g, v| g.ty(v).rank() > 0)?;
        let axis = self.rng.below(self.graph.ty(x).rank());
        let end = self.shape(x)[axis].clone();
        let start = if end.as_const().is_some_and(|e| e > 1) { n(self.rng.below(2) as i64) } else { n(0) };
        let step = n(self.rng.pick(&[2, 3]));
        let v = self.push(Op::Slice { axis, start, end, step }, &[x], self.bound(x))?;
        if self.ids.contains(&x) {
            self.ids.push(v);
        }
        Some(v)
    }

    /// `x + convolution of x`.
    fn residual(&mut self) -> Option<Value> {
        let x = self.image()?;
        let shape = self.shape(x);
        let y = self.value(|g, v| g.ty(v).shape == shape && g.ty(v).dtype == DType::F32)?;
        let v = self.push(Op::Binary(Binary::Add), &[x, y], self.bound(x) + self.bound(y))?;
        self.push(Op::Unary(Unary::Relu), &[v], self.bound(v))
    }
}
