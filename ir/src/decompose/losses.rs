//! Losses of each row.

use super::Body;
use crate::dim::Dim;
use crate::graph::Value;
use crate::op::*;

impl Body {
    pub(super) fn cross_entropy(&mut self, logits: Value, ids: Value, ignore: i32) -> Option<Value> {
        let shape = self.shape(logits);
        let (classes, rows) = shape.split_last()?;
        let ignore = self.push(Op::Const(Scalar::I32(ignore)), &[])?;
        let ignored = self.bin(Binary::Eq, ids, ignore)?;
        let first = self.push(Op::Const(Scalar::I32(0)), &[])?;
        let ids = self.push(Op::Select, &[ignored, first, ids])?;
        // Taking the ids from the list of all ids changes none, but an id out of range is an error.
        let all = self.push(Op::Arange { len: classes.clone(), from: Dim::constant(0) }, &[])?;
        let ids = self.push(Op::Gather, &[all, ids])?;
        let mut thin = rows.to_vec();
        thin.push(Dim::constant(1));
        let ids = self.push(Op::Reshape(thin), &[ids])?;
        let ids = self.push(Op::Expand(shape.clone()), &[ids])?;
        let hit = self.bin(Binary::Eq, ids, all)?;

        let axis = rows.len();
        let log = self.push(Op::Softmax { axis, log: true }, &[logits])?;
        let picked = self.push(
            Op::Reduce { kind: Reduction::Sum, axes: vec![axis], keep: false, masked: true },
            &[log, hit],
        )?;
        let loss = self.un(Unary::Neg, picked)?;
        let zero = self.num(0.0)?;
        self.push(Op::Select, &[ignored, zero, loss])
    }

    pub(super) fn mse(&mut self, a: Value, b: Value) -> Option<Value> {
        let last = self.shape(a).len().checked_sub(1)?;
        let d = self.bin(Binary::Sub, a, b)?;
        let square = self.bin(Binary::Mul, d, d)?;
        self.push(
            Op::Reduce { kind: Reduction::Mean, axes: vec![last], keep: false, masked: false },
            &[square],
        )
    }
}
