//! Row work runs along the last axis: reductions, norms and softmax over other or
//! several axes become transpose, reshape, the op along the last axis, and back.
//! A mask is stretched to the shape of what it masks. Sums over leading axes stay as they lie: they become
//! sums of rows, first of parts of the rows, which threads can divide, then of the parts.

use super::Rewriter;
use crate::access::resolve;
use crate::dim::Dim;
use crate::graph::{Graph, Value};
use crate::infer::ShapeError;
use crate::op::{Binary, Class, Op, Reduction};
use crate::types::DType;

/// Rows of a part, if there are more than [`FEW`].
const PART: usize = 32;
/// So many rows are one part.
const FEW: i64 = 64;
/// Rows and columns below which the kernel of a row is as good: it goes down each column.
const LEAST: [i64; 2] = [16, 8];

/// The same op along the one axis `last`, not keeping a reduced axis.
fn along(op: &Op, last: usize) -> Op {
    let mut op = op.over(last);
    if let Op::Reduce { keep, .. } | Op::Argmax { keep, .. } = &mut op {
        *keep = false;
    }
    op
}

/// A value before its axes were exchanged, and where these axes of the exchanged one are there.
fn before_exchange(graph: &Graph, mut x: Value, mut axes: Vec<usize>) -> (Value, Vec<usize>) {
    while let Op::Transpose(order) = &graph.node(x).op {
        axes.iter_mut().for_each(|axis| *axis = order[*axis]);
        x = graph.node(x).args[0];
    }
    (x, axes)
}

/// A sum or mean over leading axes as sums of rows; `None` if it is none, or has too few rows or columns, or
/// the columns are what lies in memory one element after the other.
fn as_row_sums(r: &mut Rewriter<'_>, op: &Op, x: Value, v: Value) -> Result<Option<Value>, ShapeError> {
    let Op::Reduce { kind: kind @ (Reduction::Sum | Reduction::Mean), axes, masked: false, .. } = op else {
        return Ok(None);
    };
    // What is left keeps its order.
    let rank = r.new.ty(x).rank();
    let left = (0..rank).filter(|axis| !axes.contains(axis));
    let (x, all) = before_exchange(&r.new, x, axes.iter().copied().chain(left).collect());
    let (axes, left) = all.split_at(axes.len());
    let mut axes = axes.to_vec();
    axes.sort_unstable();
    if !left.is_sorted() {
        return Ok(None);
    }
    let ty = r.new.ty(x).clone();
    let (rows, width) = ty.shape.split_at(axes.len());
    let are_leading = axes.iter().copied().eq(0..axes.len()) && !width.is_empty();
    if !are_leading || ty.dtype != DType::F32 {
        return Ok(None);
    }
    let (rows, width) = (Dim::product(rows)?, Dim::product(width)?);
    let few = |dim: &Dim, least: i64| dim.as_const().is_some_and(|n| n < least);
    let is_across = resolve(&r.new, x, &|_| false)
        .is_some_and(|read| read.strides.last().is_some_and(|stride| !stride.is(1)));
    if few(&rows, LEAST[0]) || few(&width, LEAST[1]) || is_across {
        return Ok(None);
    }
    let mut sums = x;
    if axes.len() + 1 < ty.shape.len() {
        sums = r.push(Op::Reshape(vec![rows.clone(), width]), &[x], v)?;
    }
    if !few(&rows, FEW + 1) {
        sums = r.push(Op::SumRows { part: PART }, &[sums], v)?;
    }
    sums = r.push(Op::SumRows { part: 0 }, &[sums], v)?;
    if *kind == Reduction::Mean {
        let count = r.push(Op::DimValue(rows), &[], v)?;
        sums = r.push(Op::Binary(Binary::Div), &[sums, count], v)?;
    }
    let shape = r.old.node(v).ty.shape.clone();
    r.push(Op::Reshape(shape), &[sums], v).map(Some)
}

/// Runs the pass.
pub fn run(old: &Graph) -> Result<Graph, ShapeError> {
    Rewriter::run(old, |r, v, args| {
        let op = &old.node(v).op;
        let Some(axes) = op.axes() else { return Ok(None) };
        let shape = r.new.ty(args[0]).shape.clone();
        let keep = matches!(op, Op::Reduce { keep: true, .. } | Op::Argmax { keep: true, .. });
        let masked = matches!(op, Op::Reduce { masked: true, .. });
        let at_end = axes == [shape.len() - 1];
        if at_end && !keep && !masked {
            return Ok(None);
        }
        if let Some(sums) = as_row_sums(r, op, args[0], v)? {
            return Ok(Some(sums));
        }
        let outer: Vec<usize> = (0..shape.len()).filter(|i| !axes.contains(i)).collect();
        let perm: Vec<usize> = outer.iter().chain(axes).copied().collect();
        let row = Dim::product(axes.iter().map(|&a| &shape[a]))?;
        let mut flat: Vec<Dim> = outer.iter().map(|&i| shape[i].clone()).collect();
        flat.push(row.clone());
        let to_rows = |r: &mut Rewriter<'_>, x: Value| -> Result<Value, ShapeError> {
            let t = r.push(Op::Transpose(perm.clone()), &[x], v)?;
            r.push(Op::Reshape(flat.clone()), &[t], v)
        };
        let mut new_args = vec![to_rows(r, args[0])?];
        for (i, &a) in args.iter().enumerate().skip(1) {
            if masked {
                // The mask has leading axes of x: ones after them, then stretched.
                let mut ones = r.new.ty(a).shape.clone();
                ones.resize(shape.len(), Dim::constant(1));
                let m = r.push(Op::Reshape(ones), &[a], v)?;
                let m = r.push(Op::Expand(shape.clone()), &[m], v)?;
                new_args.push(to_rows(r, m)?);
            } else {
                debug_assert!(i <= 2, "a gain and a bias");
                new_args.push(r.push(Op::Reshape(vec![row.clone()]), &[a], v)?);
            }
        }
        let y = r.push(along(op, outer.len()), &new_args, v)?;
        if matches!(op.class(), Class::Reduction) {
            let back = r.push(Op::Reshape(old.node(v).ty.shape.clone()), &[y], v)?;
            return Ok(Some(back));
        }
        let unflat: Vec<Dim> = perm.iter().map(|&i| shape[i].clone()).collect();
        let y = r.push(Op::Reshape(unflat), &[y], v)?;
        let mut inverse = vec![0; perm.len()];
        for (i, &p) in perm.iter().enumerate() {
            inverse[p] = i;
        }
        Ok(Some(r.push(Op::Transpose(inverse), &[y], v)?))
    })
}
