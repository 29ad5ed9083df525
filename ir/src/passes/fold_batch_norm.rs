//! A batch norm after a convolution becomes part of it: the filters are multiplied by
//! `gain / sqrt(var + eps)`, one number a filter, and what is left is a bias.
//!
//! Only where the norm's channels are the filters, filters and statistics follow from weights at no cost in a
//! run, and no other value reads the convolution. After channels last, the norm's axis 1 is the rows of the
//! image.

use super::Rewriter;
use crate::dim::Dim;
use crate::fuse::constants::of_weights;
use crate::graph::Graph;
use crate::infer::ShapeError;
use crate::op::{Binary, Number, Op, Scalar, Unary};

/// The axis that a batch norm's statistics run along.
const NORMED: usize = 1;

/// The axis of a convolution's result that has one element a filter.
fn filter_axis(op: &Op) -> Option<usize> {
    match op {
        Op::Conv2d { layout, .. } => Some(layout.channels()),
        Op::Conv1d { .. } => Some(1),
        _ => None,
    }
}

/// Runs the pass.
pub fn run(old: &Graph) -> Result<Graph, ShapeError> {
    let (of, counts) = (of_weights(old), old.use_counts());
    Rewriter::run(old, |r, v, args| {
        let Op::BatchNorm { eps } = old.node(v).op else { return Ok(None) };
        let conv = old.node(v).args[0];
        let folds = filter_axis(&old.node(conv).op) == Some(NORMED) && counts[conv.index()] == 1;
        let parts = old.node(conv).args.iter().skip(1).chain(&old.node(v).args[1..]);
        if !folds || !parts.clone().all(|p| of[p.index()]) {
            return Ok(None);
        }
        let made = r.new.node(args[0]).clone();
        let &[_, gain, bias, mean, var] = args else { return Ok(None) };
        let bin = |r: &mut Rewriter<'_>, b, x, y| r.push(Op::Binary(b), &[x, y], v);
        let eps = r.push(Op::Const(Scalar::F32(Number(eps.0))), &[], v)?;
        let below = bin(r, Binary::Add, var, eps)?;
        let below = r.push(Op::Unary(Unary::Sqrt), &[below], v)?;
        let scale = bin(r, Binary::Div, gain, below)?;
        // The convolution's own bias is centred with its result.
        let centre = match made.args.get(2) {
            Some(b) => bin(r, Binary::Sub, mean, *b)?,
            None => mean,
        };
        let centre = bin(r, Binary::Mul, centre, scale)?;
        let shift = bin(r, Binary::Sub, bias, centre)?;
        let shape = r.new.ty(made.args[1]).shape.clone();
        let mut thin = vec![Dim::constant(1); shape.len()];
        thin[0] = shape[0].clone();
        let wide = r.push(Op::Reshape(thin), &[scale], v)?;
        let wide = r.push(Op::Expand(shape), &[wide], v)?;
        let filters = bin(r, Binary::Mul, made.args[1], wide)?;
        let mut op = made.op;
        if let Op::Conv2d { bias, .. } | Op::Conv1d { bias, .. } = &mut op {
            *bias = true;
        }
        r.push(op, &[made.args[0], filters, shift], v).map(Some)
    })
}
