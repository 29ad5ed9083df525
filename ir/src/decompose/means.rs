//! Means: sums over counts.

use super::Body;
use crate::dim::Dim;
use crate::graph::Value;
use crate::op::*;
use crate::types::DType;

impl Body {
    pub(super) fn mean(&mut self, x: Value, axes: &[usize], keep: bool) -> Option<Value> {
        let shape = self.shape(x);
        let count = Dim::product(axes.iter().map(|&a| &shape[a])).ok()?;
        let sum = self.reduce(Reduction::Sum, x, axes, keep)?;
        let count = self.push(Op::DimValue(count), &[])?;
        self.bin(Binary::Div, sum, count)
    }

    pub(super) fn masked_mean(&mut self, x: Value, mask: Value, axes: &[usize], keep: bool) -> Option<Value> {
        let sum = self
            .push(Op::Reduce { kind: Reduction::Sum, axes: axes.to_vec(), keep, masked: true }, &[x, mask])?;
        let ones = self.push(Op::Cast(DType::F32), &[mask])?;
        let count = self.reduce(Reduction::Sum, ones, axes, keep)?;
        // The mask has only leading axes of `x`: its counts run along the leading axes of the sum.
        let whole = self.shape(sum);
        let mut thin = self.shape(count);
        thin.resize(whole.len(), Dim::constant(1));
        let count = self.push(Op::Reshape(thin), &[count])?;
        let count = self.push(Op::Expand(whole), &[count])?;
        let mean = self.bin(Binary::Div, sum, count)?;
        let some = self.by(Binary::Gt, count, 0.0)?;
        let zero = self.num(0.0)?;
        self.push(Op::Select, &[some, mean, zero])
    }

    /// The mean of each channel of `[N, C, ..]`.
    pub(super) fn global_mean(&mut self, x: Value) -> Option<Value> {
        let pixels: Vec<usize> = (2..self.shape(x).len()).collect();
        self.mean(x, &pixels, false)
    }
}
