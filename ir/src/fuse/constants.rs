//! Values that follow from weights alone and cost no kernel: they are computed when the network is compiled.

use crate::access::is_view;
use crate::fuse::{is_elementwise, is_row_work};
use crate::graph::{Graph, Value};
use crate::op::Op;
use crate::types::DType;
use std::collections::BTreeSet;

/// Whether each value is made of weights and constants by views and elementwise ops.
pub fn of_weights(g: &Graph) -> Vec<bool> {
    let mut of: Vec<bool> = Vec::with_capacity(g.nodes.len());
    for n in &g.nodes {
        let through = is_view(&n.op) || is_elementwise(&n.op);
        let made =
            matches!(n.op, Op::Weight(_) | Op::Const(_)) || through && n.args.iter().all(|a| of[a.index()]);
        of.push(made);
    }
    of
}

/// Elementwise ops on weights, if only such ops, products, convolutions and row kernels read them.
pub fn prepared(g: &Graph, users: &[Vec<Value>], results: &[bool]) -> BTreeSet<Value> {
    let of = of_weights(g);
    let mut all = BTreeSet::new();
    for v in g.values().collect::<Vec<_>>().into_iter().rev() {
        let node = g.node(v);
        let made = of[v.index()]
            && is_elementwise(&node.op)
            && node.args.iter().chain([&v]).all(|a| g.ty(*a).dtype == DType::F32)
            && node.ty.shape.iter().all(|d| d.as_const().is_some());
        if made && is_read_prepared(g, users, results, v, &all) {
            all.insert(v);
        }
    }
    all
}

/// Whether all who read a value, through views, take a prepared one, and neither it nor a view of it is a
/// result.
fn is_read_prepared(
    g: &Graph,
    users: &[Vec<Value>],
    results: &[bool],
    v: Value,
    prepared: &BTreeSet<Value>,
) -> bool {
    let mut todo = vec![v];
    while let Some(v) = todo.pop() {
        if results[v.index()] {
            return false;
        }
        for &u in &users[v.index()] {
            let read = |at: &[Value]| at.contains(&v);
            let (op, args) = (&g.node(u).op, &g.node(u).args);
            let taken = match op {
                op if is_view(op) => {
                    todo.push(u);
                    true
                }
                Op::Matmul => !read(&args[..1]),
                Op::Conv2d { .. } => !read(&args[..1]),
                op => prepared.contains(&u) || is_elementwise(op) || is_row_work(op),
            };
            if !taken {
                return false;
            }
        }
    }
    true
}
