//! Composites that move elements, or name their axes anew.

use super::Body;
use crate::dim::Dim;
use crate::graph::Value;
use crate::op::*;

impl Body {
    /// All axes from one on as one.
    pub(super) fn flatten(&mut self, x: Value, from: usize) -> Option<Value> {
        let mut shape = self.shape(x);
        let joined = Dim::product(shape.get(from..)?).ok()?;
        shape.truncate(from);
        shape.push(joined);
        self.push(Op::Reshape(shape), &[x])
    }

    /// Zeros before and after `x` along an axis.
    pub(super) fn pad(&mut self, x: Value, axis: usize, before: &Dim, after: &Dim) -> Option<Value> {
        let ty = self.g.ty(x).clone();
        let zero = self.push(Op::Const(Scalar::F32(Number(0.0))), &[])?;
        let zero = self.push(Op::Cast(ty.dtype), &[zero])?;
        let mut parts = Vec::new();
        for (len, part) in [(Some(before), None), (None, Some(x)), (Some(after), None)] {
            let mut shape = ty.shape.clone();
            match len {
                Some(len) if len.is(0) => continue,
                Some(len) => shape[axis] = len.clone(),
                None => {}
            }
            parts.push(match part {
                Some(x) => x,
                None => self.push(Op::Expand(shape), &[zero])?,
            });
        }
        self.push(Op::Concat { axis }, &parts)
    }
}
