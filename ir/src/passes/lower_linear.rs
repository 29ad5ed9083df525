//! `linear(x, w, b)` becomes `x @ w.t + b`, so that matmuls have one form; a
//! vector on the left of `@` becomes a matrix of one row.

use super::Rewriter;
use crate::dim::Dim;
use crate::graph::Graph;
use crate::infer::ShapeError;
use crate::op::{Binary, Op};

/// Runs the pass.
pub fn run(old: &Graph) -> Result<Graph, ShapeError> {
    Rewriter::run(old, |r, v, args| {
        let shape = old.node(v).ty.shape.clone();
        let (x, w, bias) = match (&old.node(v).op, args) {
            (Op::Linear { .. }, [x, w, rest @ ..]) => {
                (*x, r.push(Op::Transpose(vec![1, 0]), &[*w], v)?, rest.first())
            }
            (Op::Matmul, [x, w]) if r.new.ty(*x).rank() == 1 => (*x, *w, None),
            _ => return Ok(None),
        };
        let vector = r.new.ty(x).rank() == 1;
        let left = if vector {
            r.push(Op::Reshape(vec![Dim::constant(1), r.new.ty(x).shape[0].clone()]), &[x], v)?
        } else {
            x
        };
        let mut y = r.push(Op::Matmul, &[left, w], v)?;
        if vector {
            y = r.push(Op::Reshape(shape), &[y], v)?;
        }
        if let Some(b) = bias {
            y = r.push(Op::Binary(Binary::Add), &[y, *b], v)?;
        }
        Ok(Some(y))
    })
}
