//! What convolutions along one axis, pooling and batch norm mean.

use super::Body;
use crate::dim::Dim;
use crate::graph::Value;
use crate::op::*;

impl Body {
    /// One over images of one row.
    pub fn conv1d(&mut self, op: &Op, args: &[Value]) -> Option<Value> {
        let Op::Conv1d { window, groups, bias } = op else { return None };
        let one_row = |mut shape: Vec<Dim>| {
            shape.insert(2, Dim::constant(1));
            Op::Reshape(shape)
        };
        let x = self.push(one_row(self.shape(args[0])), &[args[0]])?;
        let w = self.push(one_row(self.shape(args[1])), &[args[1]])?;
        let conv =
            Op::Conv2d { window: window.clone(), groups: groups.clone(), bias: *bias, layout: Layout::Nchw };
        let all: Vec<Value> = [x, w].into_iter().chain(args.get(2).copied()).collect();
        let y = self.push(conv, &all)?;
        let mut shape = self.shape(y);
        shape.remove(2);
        self.push(Op::Reshape(shape), &[y])
    }

    /// Sums over windows, divided by how many pixels of the image each has.
    pub fn avg_pool2d(&mut self, op: &Op, x: Value) -> Option<Value> {
        let Op::Pool2d { kind: Pooling::Avg, kernel, window, layout, count_pad } = op else { return None };
        let sums = Op::Pool2d {
            kind: Pooling::Sum,
            kernel: kernel.clone(),
            window: window.clone(),
            layout: *layout,
            count_pad: false,
        };
        let sum = self.push(sums.clone(), &[x])?;
        let bare = matches!(&window.pad, Padding::Explicit(p) if p.iter().all(|d| d.is(0)));
        let count = if bare || *count_pad {
            self.push(Op::DimValue(kernel[0].times(&kernel[1]).ok()?), &[])?
        } else {
            let mut shape = self.shape(x);
            shape[0] = Dim::constant(1);
            shape[layout.channels()] = Dim::constant(1);
            let one = self.num(1.0)?;
            let ones = self.push(Op::Expand(shape), &[one])?;
            let count = self.push(sums, &[ones])?;
            self.push(Op::Expand(self.shape(sum)), &[count])?
        };
        self.bin(Binary::Div, sum, count)
    }

    /// `(x - mean) * scale + bias`: the difference is exact where `x` is near its mean, however far from 0
    /// that is.
    pub fn batch_norm(&mut self, args: &[Value], eps: Number) -> Option<Value> {
        let &[x, gain, bias, mean, var] = args else { return None };
        let shifted = self.by(Binary::Add, var, eps.0)?;
        let std = self.un(Unary::Sqrt, shifted)?;
        let scale = self.bin(Binary::Div, gain, std)?;
        let mut y = x;
        for (b, along) in [(Binary::Sub, mean), (Binary::Mul, scale), (Binary::Add, bias)] {
            y = self.along(b, y, along, &[1])?;
        }
        Some(y)
    }

    /// Axes of length 1 after rows and columns, stretched.
    pub fn upsample_nearest(&mut self, x: Value, scale: &[Dim; 2]) -> Option<Value> {
        let shape = self.shape(x);
        let [n, c, h, w] = shape.as_slice() else { return None };
        let split = |down: &Dim, across: &Dim| {
            vec![n.clone(), c.clone(), h.clone(), down.clone(), w.clone(), across.clone()]
        };
        let one = Dim::constant(1);
        let y = self.push(Op::Reshape(split(&one, &one)), &[x])?;
        let y = self.push(Op::Expand(split(&scale[0], &scale[1])), &[y])?;
        let to = vec![n.clone(), c.clone(), h.times(&scale[0]).ok()?, w.times(&scale[1]).ok()?];
        self.push(Op::Reshape(to), &[y])
    }
}
