//! Computes elementwise arithmetic on scalar constants, and takes away the
//! neutral ones: `x * 1`, `x / 1`, `x - 0`. (`x + 0` stays: it turns -0 into 0.)

use super::Rewriter;
use crate::graph::{Graph, Value};
use crate::infer::ShapeError;
use crate::op::{Binary, Number, Op, Scalar, Unary};

/// Runs the pass.
pub fn run(old: &Graph) -> Result<Graph, ShapeError> {
    Rewriter::run(old, |r, v, args| {
        let value = |x: &Value| match r.new.node(*x).op {
            Op::Const(Scalar::F32(n)) => Some(f64::from(n.0 as f32)),
            Op::DimValue(ref d) => d.as_const().map(|n| f64::from(n as f32)),
            _ => None,
        };
        let known: Vec<Option<f64>> = args.iter().map(value).collect();
        let folded = match (&old.node(v).op, known.as_slice()) {
            (Op::DimValue(d), _) => d.as_const().map(|n| n as f64),
            (Op::Unary(Unary::Neg), [Some(a)]) => Some(-a),
            (Op::Unary(Unary::Sqrt), [Some(a)]) => Some(a.sqrt()),
            (Op::Unary(Unary::Rsqrt), [Some(a)]) => Some(1.0 / a.sqrt()),
            (Op::Binary(b), [Some(a), Some(c)]) => arithmetic(*b, *a, *c),
            (Op::Binary(b), [None, Some(c)]) if old.node(v).ty == *r.new.ty(args[0]) => {
                let neutral = matches!(b, Binary::Mul | Binary::Div) && *c == 1.0
                    || *b == Binary::Sub && c.to_bits() == 0;
                return Ok(neutral.then_some(args[0]));
            }
            _ => None,
        };
        folded.map(|x| r.push(Op::Const(Scalar::F32(Number(f64::from(x as f32)))), &[], v)).transpose()
    })
}

fn arithmetic(b: Binary, x: f64, y: f64) -> Option<f64> {
    Some(match b {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x * y,
        Binary::Div => x / y,
        _ => return None,
    })
}
