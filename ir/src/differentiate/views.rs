//! Gradients of what moves elements: views, concatenations, rows of tables.

use super::{Backward, Rule};
use crate::dim::Dim;
use crate::emit::Emit;
use crate::graph::Value;
use crate::op::Op;
use crate::types::DType;

impl Backward {
    pub(super) fn transpose(&mut self, axes: &[usize], x: Value, d: Value) -> Rule {
        let mut back = vec![0; axes.len()];
        axes.iter().enumerate().for_each(|(to, from)| back[*from] = to);
        let back = self.push(Op::Transpose(back), &[d])?;
        self.give(x, back)
    }

    /// The sum over new axes, and over those that had the length 1.
    pub(super) fn expand(&mut self, x: Value, d: Value) -> Rule {
        let (from, to) = (self.shape(x), self.shape(d));
        let more = to.len() - from.len();
        let repeated = |axis: &usize| from[*axis].is(1) && !to[more + axis].is(1);
        let axes: Vec<usize> = (0..more).chain((0..from.len()).filter(repeated).map(|a| more + a)).collect();
        let sum = self.sum(d, axes, false)?;
        let back = if self.shape(sum) == from { sum } else { self.push(Op::Reshape(from), &[sum])? };
        self.give(x, back)
    }

    /// The elements of `d` along an axis of `len` elements, the first at `start` and each `step` after the
    /// one before; zeros elsewhere.
    pub(super) fn spread(
        &mut self,
        d: Value,
        axis: usize,
        start: &Dim,
        step: &Dim,
        len: &Dim,
    ) -> Rule<Value> {
        let mut d = d;
        if !step.is(1) {
            let mut apart = self.shape(d);
            let long = apart[axis].times(step)?;
            apart.insert(axis + 1, Dim::constant(1));
            let thin = self.push(Op::Reshape(apart), &[d])?;
            let after = step.minus(&Dim::constant(1))?;
            let wide = self.padded(thin, axis + 1, &Dim::constant(0), &after)?;
            let mut joined = self.shape(wide);
            joined.remove(axis + 1);
            joined[axis] = long;
            d = self.push(Op::Reshape(joined), &[wide])?;
            // The zeros behind the last element may reach beyond the end.
            let room = len.minus(start)?;
            let has = self.shape(d)[axis].clone();
            let beyond = has.minus(&room)?.as_const();
            if beyond.is_none_or(|n| n > 0) {
                let whole = has.minus(&after)?;
                let cut = Op::Slice { axis, start: Dim::constant(0), end: whole, step: Dim::constant(1) };
                d = self.push(cut, &[d])?;
            }
        }
        let end = start.plus(&self.shape(d)[axis])?;
        self.padded(d, axis, start, &len.minus(&end)?)
    }

    /// Zeros before and after.
    pub(super) fn padded(&mut self, x: Value, axis: usize, before: &Dim, after: &Dim) -> Rule<Value> {
        if before.is(0) && after.is(0) {
            return Ok(x);
        }
        self.push(Op::Pad { axis, before: before.clone(), after: after.clone() }, &[x])
    }

    pub(super) fn concat(&mut self, axis: usize, args: &[Value], d: Value) -> Rule {
        let mut start = Dim::constant(0);
        for part in args {
            let end = start.plus(&self.shape(*part)[axis])?;
            if self.wants(*part) {
                let cut = Op::Slice { axis, start, end: end.clone(), step: Dim::constant(1) };
                let back = self.push(cut, &[d])?;
                self.give(*part, back)?;
            }
            start = end;
        }
        Ok(())
    }

    /// Each row has the gradient of the sum of its part.
    pub(super) fn sum_rows(&mut self, part: usize, x: Value, d: Value) -> Rule {
        let shape = self.shape(x);
        if part == 0 {
            let back = self.push(Op::Expand(shape), &[d])?;
            return self.give(x, back);
        }
        let sums = self.shape(d);
        let (width, each) = (sums[1].clone(), Dim::from(part));
        let (rows, all) = (Dim::product(&shape[..shape.len() - 1])?, sums[0].times(&each)?);
        let thin = self.push(Op::Reshape(vec![sums[0].clone(), Dim::constant(1), width.clone()]), &[d])?;
        let full = self.push(Op::Expand(vec![sums[0].clone(), each, width.clone()]), &[thin])?;
        let mut back = self.push(Op::Reshape(vec![all.clone(), width]), &[full])?;
        if all != rows {
            let (start, step) = (Dim::constant(0), Dim::constant(1));
            back = self.push(Op::Slice { axis: 0, start, end: rows, step }, &[back])?;
        }
        let back = self.push(Op::Reshape(shape), &[back])?;
        self.give(x, back)
    }

    /// Each row of the table has the sum of the gradients of where it was taken. Those of more axes, or of
    /// none, are rows of one axis for that.
    pub(super) fn gather(&mut self, table: Value, ids: Value, d: Value) -> Rule {
        let shape = self.shape(table);
        let mut flat = self.shape(ids);
        flat.push(Dim::product(&shape[1..])?);
        let flat = self.push(Op::Reshape(flat), &[d])?;
        let flat = self.push(Op::Cast(DType::F32), &[flat])?;
        let sums = self.push(Op::ScatterAdd { rows: shape[0].clone() }, &[flat, ids])?;
        let sums = self.push(Op::Cast(self.graph.ty(table).dtype), &[sums])?;
        let back = self.push(Op::Reshape(shape), &[sums])?;
        self.give(table, back)
    }
}
