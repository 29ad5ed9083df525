//! Ops behind those of a graph, a word each. What adds them says how, and what goes wrong with it.

use crate::graph::Value;
use crate::op::{Binary, Number, Op, Scalar, Unary};

/// Adds ops to a graph.
pub(crate) trait Emit {
    /// Why an op cannot be added.
    type Fault;

    /// Adds an op.
    fn push(&mut self, op: Op, args: &[Value]) -> Result<Value, Self::Fault>;

    /// An f32 constant.
    fn number(&mut self, x: f64) -> Result<Value, Self::Fault> {
        self.push(Op::Const(Scalar::F32(Number(x))), &[])
    }

    /// A function of one argument.
    fn unary_of(&mut self, op: Unary, x: Value) -> Result<Value, Self::Fault> {
        self.push(Op::Unary(op), &[x])
    }

    /// A function of two arguments.
    fn binary_of(&mut self, op: Binary, a: Value, b: Value) -> Result<Value, Self::Fault> {
        self.push(Op::Binary(op), &[a, b])
    }

    /// A function of `x` and a number.
    fn by(&mut self, op: Binary, x: Value, number: f64) -> Result<Value, Self::Fault> {
        let number = self.number(number)?;
        self.binary_of(op, x, number)
    }
}
