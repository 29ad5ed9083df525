//! Gradients of layer norm and rms norm. The norm itself stays one op, and what its gradient needs of it is
//! computed again from its argument, so that nothing of the size of the argument is kept for it.
//!
//! With the normalised row `n = c r` of the centred row `c` and the factor `r`, the row of gradients `e` in
//! front of the gain becomes `r (e - mean(e) - n mean(e n))`. Rms norm does not centre, and has no
//! `mean(e)`. Where `eps` is added to the standard deviation `s`, the last term is `(s + eps) / s` as large,
//! and 0 where `s` is.

use super::{Backward, Rule};
use crate::dim::Dim;
use crate::emit::Emit;
use crate::graph::Value;
use crate::op::{Binary, EpsOn, Op, Reduction, Unary};

/// A norm over axes, `r (x - mean)`.
struct Norm<'a> {
    axes: &'a [usize],
    /// The mean that was taken away, with axes of length 1.
    mean: Option<Value>,
    /// The factor `r`, with axes of length 1.
    factor: Value,
    /// How many times as large the last term of the gradient is.
    bend: Option<Value>,
}

impl Backward {
    /// `args` are `x`, the gain if there is one, and the bias if there is one.
    pub(super) fn layer_norm(&mut self, op: &Op, args: &[Value], d: Value) -> Rule {
        let Op::LayerNorm { axes, eps, eps_on, gain, bias } = op else { return Ok(()) };
        let mean = self.mean_of(args[0], axes)?;
        let wide = self.push(Op::Expand(self.shape(args[0])), &[mean])?;
        let centred = self.binary_of(Binary::Sub, args[0], wide)?;
        let square = self.times(centred, centred)?;
        let var = self.mean_of(square, axes)?;
        let (factor, bend) = match eps_on {
            EpsOn::Var => {
                let shifted = self.by(Binary::Add, var, eps.0)?;
                let root = self.unary_of(Unary::Sqrt, shifted)?;
                (self.inverse(root)?, None)
            }
            EpsOn::Std => {
                let std = self.unary_of(Unary::Sqrt, var)?;
                let below = self.by(Binary::Add, std, eps.0)?;
                let bend = self.binary_of(Binary::Div, below, std)?;
                // The elements of such a row are its mean, and the last term is 0, as in PyTorch's `std`.
                let varies = self.by(Binary::Ne, std, 0.0)?;
                (self.inverse(below)?, Some(self.where_(varies, bend)?))
            }
        };
        if *bias {
            self.give_rows(args[args.len() - 1], d, axes)?;
        }
        let norm = Norm { axes, mean: Some(mean), factor, bend };
        self.norm(&norm, args[0], gain.then(|| args[1]), d)
    }

    /// `args` are `x`, and the gain if there is one.
    pub(super) fn rms_norm(&mut self, op: &Op, args: &[Value], d: Value) -> Rule {
        let Op::RmsNorm { axes, eps, gain } = op else { return Ok(()) };
        let square = self.times(args[0], args[0])?;
        let mean = self.mean_of(square, axes)?;
        let shifted = self.by(Binary::Add, mean, eps.0)?;
        let root = self.unary_of(Unary::Sqrt, shifted)?;
        let factor = self.inverse(root)?;
        let norm = Norm { axes, mean: None, factor, bend: None };
        self.norm(&norm, args[0], gain.then(|| args[1]), d)
    }

    /// Gives the gain and `x` what they have of the gradient of a norm.
    fn norm(&mut self, norm: &Norm<'_>, x: Value, gain: Option<Value>, d: Value) -> Rule {
        let shape = self.shape(x);
        let wide = |me: &mut Backward, v| me.push(Op::Expand(shape.clone()), &[v]);
        // Three kernels need the row without its mean. It is written in three ways, so that each computes it
        // from `x` instead of reading what one of them has stored: this is its negative.
        let minus = match norm.mean {
            Some(mean) => {
                let mean = wide(self, mean)?;
                self.binary_of(Binary::Sub, mean, x)?
            }
            None => self.unary_of(Unary::Neg, x)?,
        };
        let mut product = self.times(d, minus)?;
        let mut before = d;
        if let Some(gain) = gain {
            if self.wants(gain) {
                let factor = self.unary_of(Unary::Neg, norm.factor)?;
                let of_gain = self.scaled(product, factor)?;
                self.give_rows(gain, of_gain, norm.axes)?;
            }
            let is_normed = |(axis, d): (usize, &Dim)| {
                if norm.axes.contains(&axis) { d.clone() } else { Dim::constant(1) }
            };
            let thin = shape.iter().enumerate().map(is_normed).collect();
            let gain = self.push(Op::Reshape(thin), &[gain])?;
            let gain = wide(self, gain)?;
            (before, product) = (self.times(d, gain)?, self.times(product, gain)?);
        }
        if !self.wants(x) {
            return Ok(());
        }
        let mut along = self.mean_of(product, norm.axes)?;
        along = self.times(along, norm.factor)?;
        along = self.times(along, norm.factor)?;
        if let Some(bend) = norm.bend {
            along = self.times(along, bend)?;
        }
        let (mut rest, mut centred) = (before, x);
        if let Some(mean) = norm.mean {
            let of_before = self.mean_of(before, norm.axes)?;
            let of_before = wide(self, of_before)?;
            rest = self.binary_of(Binary::Sub, rest, of_before)?;
            let mean = self.unary_of(Unary::Neg, mean)?;
            let mean = wide(self, mean)?;
            centred = self.binary_of(Binary::Add, x, mean)?;
        }
        let along = self.scaled(centred, along)?;
        let rest = self.binary_of(Binary::Add, rest, along)?;
        let back = self.scaled(rest, norm.factor)?;
        self.give(x, back)
    }

    /// Gives a value that runs along axes the sum over all others.
    fn give_rows(&mut self, to: Value, d: Value, axes: &[usize]) -> Rule {
        if !self.wants(to) {
            return Ok(());
        }
        let sum = self.sum_of_others(d, axes)?;
        self.give(to, sum)
    }

    /// The mean over axes, which have the length 1 then.
    fn mean_of(&mut self, x: Value, axes: &[usize]) -> Rule<Value> {
        self.push(Op::Reduce { kind: Reduction::Mean, axes: axes.to_vec(), keep: true, masked: false }, &[x])
    }

    fn inverse(&mut self, x: Value) -> Rule<Value> {
        let one = self.number(1.0)?;
        self.binary_of(Binary::Div, one, x)
    }

    /// `x` times a number for each row.
    fn scaled(&mut self, x: Value, by: Value) -> Rule<Value> {
        let by = self.push(Op::Expand(self.shape(x)), &[by])?;
        self.times(x, by)
    }
}
