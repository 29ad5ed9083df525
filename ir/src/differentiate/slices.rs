//! Gradients of slices. Those of one value are put together when all of them are known: the gradients of the
//! parts that a value was split into are one concatenation, and not a sum of as many values with zeros.

use super::{Backward, Rule};
use crate::dim::Dim;
use crate::emit::Emit;
use crate::graph::Value;
use crate::op::{Binary, Op};

/// The gradient of a part of a value.
#[derive(Clone, Debug)]
pub(super) struct Part {
    axis: usize,
    start: Dim,
    end: Dim,
    gradient: Value,
}

impl Backward {
    /// `d` is the gradient of the elements `start..end` along an axis of `x`, or of every `step`-th of them.
    pub(super) fn slice(&mut self, op: &Op, x: Value, d: Value) -> Rule {
        let Op::Slice { axis, start, end, step } = op else { return Ok(()) };
        if !self.wants(x) {
            return Ok(());
        }
        if !step.is(1) {
            let len = self.shape(x)[*axis].clone();
            let back = self.spread(d, *axis, start, step, &len)?;
            return self.give(x, back);
        }
        let mut parts = self.parts.remove(&x).unwrap_or_default();
        let same = |p: &&mut Part| (p.axis, &p.start, &p.end) == (*axis, start, end);
        if let Some(part) = parts.iter_mut().find(same) {
            part.gradient = self.binary_of(Binary::Add, part.gradient, d)?;
        } else {
            parts.push(Part { axis: *axis, start: start.clone(), end: end.clone(), gradient: d });
        }
        self.parts.insert(x, parts);
        Ok(())
    }

    /// Gives a value what its parts have.
    pub(super) fn join_parts(&mut self, x: Value) -> Rule {
        let mut parts = self.parts.remove(&x).unwrap_or_default();
        while let Some(axis) = parts.first().map(|part| part.axis) {
            let len = self.shape(x)[axis].clone();
            let row = take_row(&mut parts, axis);
            let (start, end) = (row[0].start.clone(), row[row.len() - 1].end.clone());
            let gradients: Vec<Value> = row.iter().map(|part| part.gradient).collect();
            let joined = match gradients[..] {
                [one] => one,
                _ => self.push(Op::Concat { axis }, &gradients)?,
            };
            let back = self.padded(joined, axis, &start, &len.minus(&end)?)?;
            self.give(x, back)?;
        }
        Ok(())
    }
}

/// Takes parts along an axis of which each begins where the one before ends, as many as there are.
fn take_row(parts: &mut Vec<Part>, axis: usize) -> Vec<Part> {
    let is_first = |p: &Part| p.axis == axis && !parts.iter().any(|q| q.axis == axis && q.end == p.start);
    // Empty parts may follow each other in a circle.
    let first = parts.iter().position(is_first).unwrap_or(0);
    let mut row = vec![parts.swap_remove(first)];
    while let Some(next) = parts.iter().position(|p| p.axis == axis && p.start == row[row.len() - 1].end) {
        row.push(parts.swap_remove(next));
    }
    row
}
