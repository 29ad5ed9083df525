//! Random numbers by place, and dropout by them.

use super::Body;
use crate::dim::Dim;
use crate::graph::Value;
use crate::op::*;

impl Body {
    /// The counters of an element are its column and its row. A flat number would be one counter, but it does
    /// not fit into 32 bits where a value has more elements.
    pub(super) fn uniform(&mut self, shape: &[Dim], [key0, key1]: [Value; 2]) -> Option<Value> {
        let numbers = |len: &Dim| Op::Arange { len: len.clone(), from: Dim::constant(0) };
        let zero = self.push(Op::Const(Scalar::I32(0)), &[])?;
        let (mut column, mut row) = (zero, zero);
        if let Some((width, outer)) = shape.split_last() {
            column = self.push(numbers(width), &[])?;
            if !outer.is_empty() {
                let rows = self.push(numbers(&Dim::product(outer).ok()?), &[])?;
                let mut thin = outer.to_vec();
                thin.push(Dim::constant(1));
                let thin = self.push(Op::Reshape(thin), &[rows])?;
                row = self.push(Op::Expand(shape.to_vec()), &[thin])?;
            }
        }
        self.push(Op::Threefry, &[key0, key1, column, row])
    }

    /// What is dropped is chosen and not multiplied by 0: an infinity that is dropped is 0.
    pub(super) fn keyed_dropout(&mut self, p: f64, x: Value, [key0, key1]: [Value; 2]) -> Option<Value> {
        let random = self.push(Op::Uniform(self.shape(x)), &[key0, key1])?;
        let kept = self.by(Binary::Ge, random, p)?;
        // With `p` of 1 all are dropped, whatever they are multiplied with.
        let scale = if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 };
        let scaled = self.by(Binary::Mul, x, scale)?;
        let zero = self.num(0.0)?;
        self.push(Op::Select, &[kept, scaled, zero])
    }
}
