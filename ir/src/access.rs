//! Views as addresses: which element of which stored value an index of a view is.
//!
//! Reshape, transpose, expand and slice move no data where the address stays an
//! affine function of the index. [`Access`] is that function; kernels read
//! through it, so that a view costs nothing.

use crate::dim::Dim;
use crate::graph::{Graph, Value};
use crate::op::Op;

/// Element `i` of the view is element `offset + Σ i[a] * strides[a]` of `root`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The value whose elements are read.
    pub root: Value,
    /// Elements before the first.
    pub offset: Dim,
    /// One stride an axis of the view, in elements.
    pub strides: Vec<Dim>,
}

/// Row-major strides of a shape; `None` if a product is too large to write.
pub fn row_major(shape: &[Dim]) -> Option<Vec<Dim>> {
    let mut strides = vec![Dim::constant(1); shape.len()];
    for i in (0..shape.len().saturating_sub(1)).rev() {
        strides[i] = strides[i + 1].times(&shape[i + 1]).ok()?;
    }
    Some(strides)
}

/// Whether an op only looks at its argument under another shape.
pub fn is_view(op: &Op) -> bool {
    op.is_view()
}

impl Access {
    /// The whole of a stored value that lies in memory by this shape.
    pub fn whole(root: Value, shape: &[Dim]) -> Option<Access> {
        Some(Access { root, offset: Dim::constant(0), strides: row_major(shape)? })
    }

    /// Whether the elements of the view lie one after another in row-major order.
    pub fn is_contiguous(&self, shape: &[Dim]) -> bool {
        row_major(shape).is_some_and(|want| {
            shape.iter().zip(&want).zip(&self.strides).all(|((d, w), s)| d.is(1) || w == s)
        })
    }
}

/// How `v` reads what is stored, going through views until `stored` says a value is in memory.
/// `None` where a reshape makes the address no affine function: the value must be copied first.
pub fn resolve(graph: &Graph, v: Value, stored: &dyn Fn(Value) -> bool) -> Option<Access> {
    let (mut root, mut views) = (v, Vec::new());
    while !stored(root) && is_view(&graph.node(root).op) {
        views.push(root);
        root = graph.node(root).args[0];
    }
    let whole = Access::whole(root, &graph.stored_shape(root))?;
    views.into_iter().rev().try_fold(whole, |inner, view| through(graph, view, inner))
}

/// The axes that a reshape joins to the rows of its matrices, if it does that and nothing else.
pub fn joined_rows(graph: &Graph, v: Value) -> Option<&[Dim]> {
    let node = graph.node(v);
    let Op::Reshape(to) = &node.op else { return None };
    let from = &graph.ty(*node.args.first()?).shape;
    let (lead, matrix) = to.split_at(to.len().checked_sub(2)?);
    let (width, rows) = from.strip_prefix(lead)?.split_last()?;
    (rows.len() > 1 && *width == matrix[1]).then_some(rows)
}

/// How each view reads what is stored, whether it is stored itself or not; `None` for what is no view, and
/// where [`resolve`] gives none.
pub fn resolve_all(graph: &Graph, stored: &dyn Fn(Value) -> bool) -> Vec<Option<Access>> {
    let mut all: Vec<Option<Access>> = Vec::with_capacity(graph.nodes.len());
    for v in graph.values() {
        let inner = |x: Value| match is_view(&graph.node(x).op) && !stored(x) {
            true => all[x.index()].clone(),
            false => Access::whole(x, &graph.stored_shape(x)),
        };
        let view = is_view(&graph.node(v).op).then(|| graph.node(v).args[0]);
        let access = view.and_then(inner).and_then(|inner| through(graph, v, inner));
        all.push(access);
    }
    all
}

/// How a view reads what its argument is read from.
pub fn through(graph: &Graph, view: Value, inner: Access) -> Option<Access> {
    let node = graph.node(view);
    step(&node.op, inner, &graph.ty(node.args[0]).shape, &node.ty.shape)
}

/// One view on top of an access to its argument, which has the shape `from`.
pub fn step(op: &Op, inner: Access, from: &[Dim], to: &[Dim]) -> Option<Access> {
    let Access { root, mut offset, strides } = inner;
    let strides = match op {
        Op::Transpose(p) => p.iter().map(|&i| strides[i].clone()).collect(),
        Op::Expand(_) => {
            let new = to.len() - from.len();
            let mut s = vec![Dim::constant(0); new];
            for ((have, want), st) in from.iter().zip(&to[new..]).zip(strides) {
                s.push(if have == want { st } else { Dim::constant(0) });
            }
            s
        }
        Op::Slice { axis, start, step, .. } => {
            offset = offset.plus(&start.times(&strides[*axis]).ok()?).ok()?;
            let mut strides = strides;
            strides[*axis] = strides[*axis].times(step).ok()?;
            strides
        }
        Op::Reshape(_) => reshape_strides(&strides, from, to)?,
        Op::OptimizationBarrier => strides,
        _ => return None,
    };
    Some(Access { root, offset, strides })
}

/// Strides after a reshape, group by group of axes with equal products.
fn reshape_strides(strides: &[Dim], from: &[Dim], to: &[Dim]) -> Option<Vec<Dim>> {
    // A shape with a visible 0 has no elements: any strides will do, but a stride of 0 along the row
    // would say that there is one element to read.
    if to.iter().any(|d| d.is(0)) {
        return Some(vec![Dim::constant(1); to.len()]);
    }
    let from: Vec<(&Dim, &Dim)> = from.iter().zip(strides).filter(|(d, _)| !d.is(1)).collect();
    let mut out = vec![Dim::constant(0); to.len()];
    let wanted: Vec<usize> = (0..to.len()).filter(|&i| !to[i].is(1)).collect();
    let (mut i, mut j) = (0, 0);
    while i < from.len() || j < wanted.len() {
        let (i0, j0) = (i, j);
        let (mut a, mut b) = (Dim::constant(1), Dim::constant(1));
        if i < from.len() {
            a = from[i].0.clone();
            i += 1;
        }
        if j < wanted.len() {
            b = to[wanted[j]].clone();
            j += 1;
        }
        // Take the side that divides the other until the products meet.
        while a != b {
            if j < wanted.len() && (a.divisible_by(&b) || i == from.len()) {
                b = b.times(&to[wanted[j]]).ok()?;
                j += 1;
            } else if i < from.len() {
                a = a.times(from[i].0).ok()?;
                i += 1;
            } else {
                return None;
            }
        }
        for k in i0 + 1..i {
            if *from[k - 1].1 != from[k].1.times(from[k].0).ok()? {
                return None;
            }
        }
        let mut stride = if i > i0 { from[i - 1].1.clone() } else { Dim::constant(0) };
        for &k in wanted[j0..j].iter().rev() {
            out[k] = stride.clone();
            stride = stride.times(&to[k]).ok()?;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(s: &str) -> Vec<Dim> {
        s.split(',').filter(|p| !p.trim().is_empty()).map(|p| Dim::parse(p).unwrap()).collect()
    }

    #[test]
    fn reshapes_split_and_join_axes() {
        let from = shape("B, S, 3*768");
        let st = row_major(&from).unwrap();
        let split = reshape_strides(&st, &from, &shape("B, S, 3, 12, 64")).unwrap();
        assert_eq!(split, shape("2304*S, 2304, 768, 64, 1"));
        let joined = reshape_strides(&st, &from, &shape("B*S, 3*768")).unwrap();
        assert_eq!(joined, shape("2304, 1"));
        // Heads moved before the sequence: the two last axes no longer join.
        let moved = shape("S*768, 64, 768, 1");
        assert_eq!(reshape_strides(&moved, &shape("B, 12, S, 64"), &shape("B, 12, 64*S")), None);
        assert_eq!(
            reshape_strides(&moved, &shape("B, 12, S, 64"), &shape("B, 12, S, 1, 64")).map(|s| s[4].clone()),
            Some(1i64.into())
        );
    }
}
