//! Gradients of matrix products.

use super::{Backward, Rule};
use crate::dim::Dim;
use crate::emit::Emit;
use crate::graph::Value;
use crate::op::Op;

impl Backward {
    /// `d b^T` and `a^T d`; a right operand that all matrices of the left one share has the sum over them.
    pub(super) fn matmul(&mut self, a: Value, b: Value, d: Value) -> Rule {
        if self.wants(a) {
            let bt = self.transposed(b)?;
            let back = self.push(Op::Matmul, &[d, bt])?;
            self.give(a, back)?;
        }
        if self.wants(b) {
            let shared = self.shape(b).len() == 2;
            let (a, d) = if shared { (self.rows(a)?, self.rows(d)?) } else { (a, d) };
            let at = self.transposed(a)?;
            let back = self.push(Op::Matmul, &[at, d])?;
            self.give(b, back)?;
        }
        Ok(())
    }

    /// Of `x w^T + b`: `d w`, `d^T x`, and the sum of the rows of `d`.
    pub(super) fn linear(&mut self, bias: bool, args: &[Value], d: Value) -> Rule {
        let (x, w) = (args[0], args[1]);
        if self.wants(x) {
            let back = self.push(Op::Matmul, &[d, w])?;
            self.give(x, back)?;
        }
        if self.wants(w) {
            let (x, d) = (self.rows(x)?, self.rows(d)?);
            let dt = self.transposed(d)?;
            let back = self.push(Op::Matmul, &[dt, x])?;
            self.give(w, back)?;
        }
        if bias { self.give_sum(args[2], d) } else { Ok(()) }
    }

    /// The last two axes exchanged.
    pub(super) fn transposed(&mut self, x: Value) -> Rule<Value> {
        let rank = self.shape(x).len();
        let mut axes: Vec<usize> = (0..rank).collect();
        axes.swap(rank - 2, rank - 1);
        self.push(Op::Transpose(axes), &[x])
    }

    /// All axes but the last as one; of a vector one row.
    pub(super) fn rows(&mut self, x: Value) -> Rule<Value> {
        let shape = self.shape(x);
        let Some((last, rows)) = shape.split_last().filter(|(_, rows)| rows.len() != 1) else { return Ok(x) };
        self.push(Op::Reshape(vec![Dim::product(rows)?, last.clone()]), &[x])
    }
}
