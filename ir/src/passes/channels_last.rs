//! Convolutions and pooling run with channels last, `[N, H, W, C]`: a pixel's channels are one row.
//!
//! A value that is made channels last is known in both forms: as it is, and transposed back to the
//! form in the program. Elementwise ops, norms and reductions of it are computed in the first form, so that a
//! chain of blocks is transposed once at its ends; [`remove_dead`](super::remove_dead) takes away the
//! transposes that no value reads. A convolution without a window is a matmul, and its bias is added to it.

use super::Rewriter;
use crate::dim::Dim;
use crate::graph::{Graph, Value};
use crate::infer::ShapeError;
use crate::op::{Binary, Class, Layout, Op, Window};
use std::collections::HashMap;

/// `[N, C, H, W]` to `[N, H, W, C]`.
const TO_LAST: [usize; 4] = [0, 2, 3, 1];
/// And back.
const BACK: [usize; 4] = [0, 3, 1, 2];

/// Values of four axes that are known with channels last, by their form with channels second.
type Known = HashMap<Value, Value>;

/// Runs the pass.
pub fn run(old: &Graph) -> Result<Graph, ShapeError> {
    let mut known = Known::new();
    Rewriter::run(old, |r, v, args| {
        let node = old.node(v);
        let last = match &node.op {
            Op::Conv2d { window, groups, bias, layout } => {
                let x = to_last(r, &mut known, args[0], *layout, v)?;
                let y = convolution(r, x, args[1], (window, groups), v)?;
                let y = match bias {
                    true => r.push(Op::Binary(Binary::Add), &[y, args[2]], v)?,
                    false => y,
                };
                if *layout == Layout::Nhwc {
                    return Ok(Some(y));
                }
                y
            }
            Op::Pool2d { kind, kernel, window, layout: Layout::Nchw, count_pad } => {
                let x = to_last(r, &mut known, args[0], Layout::Nchw, v)?;
                let pool = Op::Pool2d {
                    kind: *kind,
                    kernel: kernel.clone(),
                    window: window.clone(),
                    layout: Layout::Nhwc,
                    count_pad: *count_pad,
                };
                r.push(pool, &[x], v)?
            }
            op if args.iter().any(|a| known.contains_key(a)) => match follow(r, &mut known, op, args, v)? {
                Some(Followed::Four(y)) => y,
                Some(Followed::Other(y)) => return Ok(Some(y)),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let back = r.push(Op::Transpose(BACK.to_vec()), &[last], v)?;
        known.insert(back, last);
        Ok(Some(back))
    })
}

/// What an op on values with channels last gives.
enum Followed {
    /// A value with channels last.
    Four(Value),
    /// A value of other axes, as the program has it.
    Other(Value),
}

/// The form of `x` with channels last.
fn to_last(
    rewriter: &mut Rewriter<'_>,
    known: &mut Known,
    x: Value,
    layout: Layout,
    at: Value,
) -> Result<Value, ShapeError> {
    if layout == Layout::Nhwc {
        return Ok(x);
    }
    if let Some(&y) = known.get(&x) {
        return Ok(y);
    }
    let y = rewriter.push(Op::Transpose(TO_LAST.to_vec()), &[x], at)?;
    known.insert(x, y);
    Ok(y)
}

/// A convolution of `x [N, H, W, C]`, without its bias.
fn convolution(
    rewriter: &mut Rewriter<'_>,
    x: Value,
    w: Value,
    (window, groups): (&Window, &Dim),
    at: Value,
) -> Result<Value, ShapeError> {
    let shape = rewriter.new.ty(w).shape.clone();
    if !(shape[2].is(1) && shape[3].is(1) && groups.is(1) && window.is_bare()) {
        let op =
            Op::Conv2d { window: window.clone(), groups: groups.clone(), bias: false, layout: Layout::Nhwc };
        return rewriter.push(op, &[x, w], at);
    }
    let mut x = x;
    for axis in 0..2 {
        if !window.stride[axis].is(1) {
            let end = rewriter.new.ty(x).shape[1 + axis].clone();
            let cut =
                Op::Slice { axis: 1 + axis, start: Dim::constant(0), end, step: window.stride[axis].clone() };
            x = rewriter.push(cut, &[x], at)?;
        }
    }
    let w = rewriter.push(Op::Reshape(shape[..2].to_vec()), &[w], at)?;
    let w = rewriter.push(Op::Transpose(vec![1, 0]), &[w], at)?;
    rewriter.push(Op::Matmul, &[x, w], at)
}

/// An op of which some arguments are known with channels last, computed there if it is one that can be.
fn follow(
    rewriter: &mut Rewriter<'_>,
    known: &mut Known,
    op: &Op,
    args: &[Value],
    at: Value,
) -> Result<Option<Followed>, ShapeError> {
    if op.is_elementwise() {
        let shape = rewriter.old.ty(at).shape.clone();
        if shape.len() != 4 {
            return Ok(None);
        }
        let mut last = Vec::new();
        for &a in args {
            last.push(operand(rewriter, known, a, &shape, at)?);
        }
        return rewriter.push(op.clone(), &last, at).map(|y| Some(Followed::Four(y)));
    }
    let place = |a: usize| BACK[a];
    if let Op::Concat { axis } = *op {
        let last = args.iter().map(|a| to_last(rewriter, known, *a, Layout::Nchw, at));
        let last: Vec<Value> = last.collect::<Result<_, _>>()?;
        return rewriter.push(Op::Concat { axis: place(axis) }, &last, at).map(|y| Some(Followed::Four(y)));
    }
    let Some(&x) = known.get(&args[0]) else { return Ok(None) };
    let (op, args) = match (op.class(), op.axes()) {
        // A gain and a bias run along the normalised axes in their order, which several axes would not keep.
        (Class::Norm, Some(&[axis])) => {
            let mut args = args.to_vec();
            args[0] = x;
            (op.over(place(axis)), args)
        }
        (Class::Reduction, Some(axes @ (&[2, 3] | &[0, 2, 3]))) => {
            let Op::Reduce { kind, keep, masked: false, .. } = *op else { return Ok(None) };
            let axes = axes.iter().map(|axis| place(*axis)).collect();
            let y = rewriter.push(Op::Reduce { kind, axes, keep, masked: false }, &[x], at)?;
            // Without the pixels, what is left has its axes in order.
            return Ok(Some(if keep { Followed::Four(y) } else { Followed::Other(y) }));
        }
        (Class::View, _) if op == &Op::OptimizationBarrier => (op.clone(), vec![x, args[1]]),
        (Class::View, _) => {
            let mut op = op.clone();
            let Op::Slice { axis, .. } = &mut op else { return Ok(None) };
            *axis = place(*axis);
            (op, vec![x])
        }
        (Class::Norm | Class::Reduction | Class::Elementwise, _) => return Ok(None),
        (Class::Source | Class::Generator | Class::Matmul | Class::Window, _) => return Ok(None),
        (Class::Attention | Class::Push | Class::Gather | Class::Scatter, _) => return Ok(None),
        (Class::Concat, _) => return Ok(None),
        (Class::RowSums | Class::Cumulative, _) => return Ok(None),
        (Class::Scan | Class::Experts | Class::Lowered, _) => return Ok(None),
    };
    rewriter.push(op, &args, at).map(|y| Some(Followed::Four(y)))
}

/// An operand of an elementwise op of that shape, with channels last.
fn operand(
    rewriter: &mut Rewriter<'_>,
    known: &mut Known,
    a: Value,
    shape: &[Dim],
    at: Value,
) -> Result<Value, ShapeError> {
    let own = rewriter.new.ty(a).shape.clone();
    if own.is_empty() {
        return Ok(a);
    }
    if let Some(&y) = known.get(&a) {
        return Ok(y);
    }
    // One number a channel, stretched over pixels: a row of its own.
    if let Op::Expand(_) = rewriter.new.node(a).op {
        let inner = rewriter.new.node(a).args[0];
        let thin = rewriter.new.ty(inner).shape.clone();
        let mut padded = vec![Dim::constant(1); 4usize.saturating_sub(thin.len())];
        padded.extend(thin);
        if padded.len() == 4 && padded[0].is(1) && padded[2].is(1) && padded[3].is(1) {
            let row = if padded[1] == shape[1] { vec![padded[1].clone()] } else { Vec::new() };
            return rewriter.push(Op::Reshape(row), &[inner], at);
        }
    }
    let whole = if own.len() < 4 { rewriter.push(Op::Expand(shape.to_vec()), &[a], at)? } else { a };
    to_last(rewriter, known, whole, Layout::Nchw, at)
}
