//! Norms and softmax: a row divided by something made of itself.

use super::Body;
use crate::dim::Dim;
use crate::graph::Value;
use crate::op::*;

impl Body {
    pub(super) fn softmax(&mut self, x: Value, axis: usize, log: bool) -> Option<Value> {
        let max = self.reduce(Reduction::Max, x, &[axis], true)?;
        let shifted = self.with_kept(Binary::Sub, x, max)?;
        let e = self.un(Unary::Exp, shifted)?;
        let sum = self.reduce(Reduction::Sum, e, &[axis], true)?;
        if log {
            let log = self.un(Unary::Log, sum)?;
            return self.with_kept(Binary::Sub, shifted, log);
        }
        self.with_kept(Binary::Div, e, sum)
    }

    /// `args` are `x`, the gain if there is one, and the bias if there is one.
    pub(super) fn layer_norm(&mut self, op: &Op, args: &[Value]) -> Option<Value> {
        let Op::LayerNorm { axes, eps, eps_on, gain, bias } = op else { return None };
        let y = self.standardized(args[0], axes, *eps, *eps_on)?;
        self.affine(y, gain.then(|| args[1]), bias.then(|| args[args.len() - 1]), axes)
    }

    pub(super) fn rms_norm(
        &mut self,
        x: Value,
        gain: Option<Value>,
        axes: &[usize],
        eps: Number,
    ) -> Option<Value> {
        let square = self.bin(Binary::Mul, x, x)?;
        let mean = self.mean(square, axes, true)?;
        let shifted = self.by(Binary::Add, mean, eps.0)?;
        let root = self.un(Unary::Sqrt, shifted)?;
        let y = self.with_kept(Binary::Div, x, root)?;
        self.affine(y, gain, None, axes)
    }

    pub(super) fn l2_normalize(&mut self, x: Value, axis: usize, eps: Number) -> Option<Value> {
        let square = self.bin(Binary::Mul, x, x)?;
        let sum = self.reduce(Reduction::Sum, square, &[axis], true)?;
        let least = eps.0 * eps.0;
        let norm = if least >= f64::from(f32::MIN_POSITIVE) {
            // The larger one is taken before the root, whose slope at 0 is infinite, so that a row of zeros
            // has a gradient.
            let sum = self.by(Binary::Max, sum, least)?;
            self.un(Unary::Sqrt, sum)?
        } else {
            let norm = self.un(Unary::Sqrt, sum)?;
            self.by(Binary::Max, norm, eps.0)?
        };
        self.with_kept(Binary::Div, x, norm)
    }

    /// `args` are `x`, the gain if there is one, and the bias if there is one.
    pub(super) fn group_norm(&mut self, op: &Op, args: &[Value]) -> Option<Value> {
        let Op::GroupNorm { groups, eps, gain, bias } = op else { return None };
        let y = self.grouped(args[0], groups, *eps)?;
        self.affine(y, gain.then(|| args[1]), bias.then(|| args[args.len() - 1]), &[1])
    }

    /// `[N, C, ..]` as rows of one group each, normalised.
    fn grouped(&mut self, x: Value, groups: &Dim, eps: Number) -> Option<Value> {
        let shape = self.shape(x);
        let [n, channels, rest @ ..] = shape.as_slice() else { return None };
        let each = channels.exact_div(groups).ok()?;
        let row = Dim::product(std::iter::once(&each).chain(rest)).ok()?;
        let rows = self.push(Op::Reshape(vec![n.clone(), groups.clone(), row]), &[x])?;
        let norm = Op::LayerNorm { axes: vec![2], eps, eps_on: EpsOn::Var, gain: false, bias: false };
        let y = self.push(norm, &[rows])?;
        self.push(Op::Reshape(shape), &[y])
    }

    fn standardized(&mut self, x: Value, axes: &[usize], eps: Number, eps_on: EpsOn) -> Option<Value> {
        let mean = self.mean(x, axes, true)?;
        let centred = self.with_kept(Binary::Sub, x, mean)?;
        let square = self.bin(Binary::Mul, centred, centred)?;
        let var = self.mean(square, axes, true)?;
        let below = match eps_on {
            EpsOn::Var => {
                let shifted = self.by(Binary::Add, var, eps.0)?;
                self.un(Unary::Sqrt, shifted)?
            }
            EpsOn::Std => {
                let std = self.un(Unary::Sqrt, var)?;
                self.by(Binary::Add, std, eps.0)?
            }
        };
        self.with_kept(Binary::Div, centred, below)
    }

    /// `y * gain + bias`, as far as they are given; both run along `axes`.
    fn affine(
        &mut self,
        mut y: Value,
        gain: Option<Value>,
        bias: Option<Value>,
        axes: &[usize],
    ) -> Option<Value> {
        for (b, p) in [(Binary::Mul, gain), (Binary::Add, bias)] {
            let Some(p) = p else { continue };
            y = self.along(b, y, p, axes)?;
        }
        Some(y)
    }
}
