//! Gradients of reductions, softmax and cumulative sums.

use super::{Backward, Rule};
use crate::dim::Dim;
use crate::emit::Emit;
use crate::graph::Value;
use crate::op::{Binary, Op, Reduction, Unary};
use crate::types::DType;

impl Backward {
    pub(super) fn reduce(&mut self, op: &Op, args: &[Value], y: Value, d: Value) -> Rule {
        let Op::Reduce { kind, axes, keep, masked } = op else { return Ok(()) };
        let x = args[0];
        let mask = if *masked { Some(self.mask(args[1], x)?) } else { None };
        let mut back = self.stretched(d, x, axes, *keep)?;
        match kind {
            Reduction::Sum => {}
            Reduction::Mean => {
                let count = Dim::product(axes.iter().map(|axis| &self.graph.ty(x).shape[*axis]))?;
                let count = self.push(Op::DimValue(count), &[])?;
                back = self.binary_of(Binary::Div, back, count)?;
            }
            Reduction::Max | Reduction::Min => {
                // Those that are the result share its gradient.
                let most = self.stretched(y, x, axes, *keep)?;
                let mut is = self.binary_of(Binary::Eq, x, most)?;
                if let Some(mask) = mask {
                    is = self.binary_of(Binary::And, is, mask)?;
                }
                let ones = self.push(Op::Cast(DType::F32), &[is])?;
                let count = self.sum(ones, axes.clone(), true)?;
                let count = self.push(Op::Expand(self.shape(x)), &[count])?;
                let share = self.binary_of(Binary::Div, back, count)?;
                let back = self.where_(is, share)?;
                return self.give(x, back);
            }
        }
        if let Some(mask) = mask {
            back = self.where_(mask, back)?;
        }
        self.give(x, back)
    }

    /// What a reduction left, as often as it had elements.
    fn stretched(&mut self, y: Value, x: Value, axes: &[usize], keep: bool) -> Rule<Value> {
        let shape = self.shape(x);
        let mut kept = shape.clone();
        axes.iter().for_each(|axis| kept[*axis] = Dim::constant(1));
        let y = if keep { y } else { self.push(Op::Reshape(kept), &[y])? };
        self.push(Op::Expand(shape), &[y])
    }

    /// A mask over a leading part of the axes of `x`, as one over all.
    fn mask(&mut self, mask: Value, x: Value) -> Rule<Value> {
        let shape = self.shape(x);
        let mut thin = self.shape(mask);
        thin.resize(shape.len(), Dim::constant(1));
        let thin = self.push(Op::Reshape(thin), &[mask])?;
        self.push(Op::Expand(shape), &[thin])
    }

    /// `y (d - sum(y d))`, and of the logarithm `d - exp(y) sum(d)`.
    pub(super) fn softmax(&mut self, axis: usize, log: bool, x: Value, y: Value, d: Value) -> Rule {
        let shape = self.shape(x);
        let weighted = if log { d } else { self.times(y, d)? };
        let sum = self.sum(weighted, vec![axis], true)?;
        let sum = self.push(Op::Expand(shape), &[sum])?;
        let back = if log {
            let e = self.unary_of(Unary::Exp, y)?;
            let taken = self.times(e, sum)?;
            self.binary_of(Binary::Sub, d, taken)?
        } else {
            let rest = self.binary_of(Binary::Sub, d, sum)?;
            self.times(y, rest)?
        };
        self.give(x, back)
    }

    /// Each element is in the sums from its own on: the sums of the gradient from the end.
    pub(super) fn cumsum(&mut self, axis: usize, x: Value, d: Value) -> Rule {
        let turned = self.push(Op::Flip { axis }, &[d])?;
        let sums = self.push(Op::Cumsum { axis }, &[turned])?;
        let back = self.push(Op::Flip { axis }, &[sums])?;
        self.give(x, back)
    }
}
