//! Row work runs along the last axis: reductions, norms and softmax over other or
//! several axes become transpose, reshape, the op along the last axis, and back.
//! A mask is stretched to the shape of what it masks.

use super::Rewriter;
use crate::dim::Dim;
use crate::graph::{Graph, Value};
use crate::infer::ShapeError;
use crate::op::{Class, Op};

/// The same op along the one axis `last`, not keeping a reduced axis.
fn along(op: &Op, last: usize) -> Op {
    let mut op = op.over(last);
    if let Op::Reduce { keep, .. } | Op::Argmax { keep, .. } = &mut op {
        *keep = false;
    }
    op
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
