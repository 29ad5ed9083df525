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

    /// The elements of an axis as rows of a table, by numbers that fall.
    pub(super) fn flip(&mut self, x: Value, axis: usize) -> Option<Value> {
        let shape = self.shape(x);
        let len = shape.get(axis)?.clone();
        let last = self.integer(&len.minus(&Dim::constant(1)).ok()?)?;
        let up = self.push(Op::Arange { len, from: Dim::constant(0) }, &[])?;
        let down = self.bin(Binary::Sub, last, up)?;
        self.along_axis(x, axis, down)
    }

    /// What stands along an axis at these places, as rows of a table.
    pub(super) fn along_axis(&mut self, x: Value, axis: usize, places: Value) -> Option<Value> {
        let rank = self.shape(x).len();
        let order: Vec<usize> = std::iter::once(axis).chain((0..rank).filter(|i| *i != axis)).collect();
        let mut back = vec![0; rank];
        order.iter().enumerate().for_each(|(at, i)| back[*i] = at);
        let table = self.push(Op::Transpose(order), &[x])?;
        let rows = self.push(Op::Gather, &[table, places])?;
        self.push(Op::Transpose(back), &[rows])
    }

    /// Elements by their number among all of `x`.
    pub(super) fn take_along(&mut self, x: Value, ids: Value, axis: usize) -> Option<Value> {
        let (from, to) = (self.shape(x), self.shape(ids));
        let (len, count) = (from.get(axis)?, to.get(axis)?);
        let (before, after) = (Dim::product(&from[..axis]).ok()?, Dim::product(&from[axis + 1..]).ok()?);
        let grid = vec![before.clone(), count.clone(), after.clone()];
        let numbers = |len: &Dim| Op::Arange { len: len.clone(), from: Dim::constant(0) };
        // Taking the ids from the list of all ids changes none, but an id out of range is an error.
        let all = self.push(numbers(len), &[])?;
        let ids = self.push(Op::Gather, &[all, ids])?;
        let mut at = self.push(Op::Reshape(grid.clone()), &[ids])?;
        if !after.is(1) {
            let apart = self.integer(&after)?;
            let row = self.bin(Binary::Mul, at, apart)?;
            let columns = self.push(numbers(&after), &[])?;
            at = self.bin(Binary::Add, row, columns)?;
        }
        if !before.is(1) {
            let apart = self.integer(&len.times(&after).ok()?)?;
            let firsts = self.push(numbers(&before), &[])?;
            let firsts = self.bin(Binary::Mul, firsts, apart)?;
            let thin = vec![before.clone(), Dim::constant(1), Dim::constant(1)];
            let firsts = self.push(Op::Reshape(thin), &[firsts])?;
            let firsts = self.push(Op::Expand(grid), &[firsts])?;
            at = self.bin(Binary::Add, at, firsts)?;
        }
        let flat = self.push(Op::Reshape(vec![Dim::product(&from).ok()?]), &[x])?;
        let taken = self.push(Op::Gather, &[flat, at])?;
        self.push(Op::Reshape(to), &[taken])
    }
}
