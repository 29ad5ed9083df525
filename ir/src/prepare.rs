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
        let made = matches!(n.op, Op::Weight(_) | Op::Const(_)) || through && n.args.iter().all(|a| of[a.index()]);
        of.push(made);
    }
    of
}

/// Elementwise ops on weights, if only such ops, products, convolutions and row kernels read them.
pub fn prepared(g: &Graph, users: &[Vec<Value>]) -> BTreeSet<Value> {
    let of = of_weights(g);
    let mut all = BTreeSet::new();
    for v in g.values().collect::<Vec<_>>().into_iter().rev() {
        let node = g.node(v);
        let made = of[v.index()]
            && is_elementwise(&node.op)
            && node.args.iter().chain([&v]).all(|a| g.ty(*a).dtype == DType::F32)
            && node.ty.shape.iter().all(|d| d.as_const().is_some());
        if made && readers(g, users, v).is_some_and(|r| r.iter().all(|(u, i)| reads_prepared(g, *u, *i, &all))) {
            all.insert(v);
        }
    }
    all
}

/// Whether a node takes a prepared value as its argument `i`.
fn reads_prepared(g: &Graph, u: Value, i: usize, prepared: &BTreeSet<Value>) -> bool {
    match &g.node(u).op {
        Op::Matmul => i == 1,
        Op::Conv2d { .. } => i > 0,
        op => prepared.contains(&u) || is_elementwise(op) || is_row_work(op),
    }
}

/// Who reads a value, through views, and as which argument; `None` if it or a view of it is a result.
fn readers(g: &Graph, users: &[Vec<Value>], v: Value) -> Option<Vec<(Value, usize)>> {
    let (mut all, mut todo) = (Vec::new(), vec![v]);
    while let Some(v) = todo.pop() {
        if g.is_result(v) {
            return None;
        }
        for &u in &users[v.index()] {
            if is_view(&g.node(u).op) {
                todo.push(u);
            } else {
                all.extend(g.node(u).args.iter().enumerate().filter(|(_, a)| **a == v).map(|(i, _)| (u, i)));
            }
        }
    }
    Some(all)
}
