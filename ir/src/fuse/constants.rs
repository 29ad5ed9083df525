//! Values that follow from weights alone and cost no kernel: they are computed when the network is compiled.

use super::PANEL;
use crate::access::resolve;
use crate::graph::{Graph, Value};
use crate::op::Op;
use crate::types::DType;
use std::collections::BTreeSet;

/// The values of a graph that are made once, when the network is compiled, and those that kernels read in
/// another form.
#[derive(Clone, Debug, Default)]
pub struct Constants {
    /// Concatenations of weights in whole panels, which are packed.
    pub packed: BTreeSet<Value>,
    /// Elementwise arithmetic on weights, which is computed once and packed.
    pub prepared: BTreeSet<Value>,
    /// f32 of bf16 states, which the kernels that read them make themselves.
    pub widened: BTreeSet<Value>,
}

impl Constants {
    /// Those of a graph that has run through [`crate::passes`].
    pub fn of(graph: &Graph) -> Constants {
        let (users, results) = (graph.users(), graph.are_results());
        let that =
            |is: &dyn Fn(Value) -> bool| graph.values().filter(|v| !results[v.index()] && is(*v)).collect();
        Constants {
            packed: that(&|v| is_packed(graph, &users, v)),
            prepared: prepared(graph, &users, &results),
            widened: that(&|v| is_widened(graph, &users, v)),
        }
    }
}

/// Whether each value is made of weights and constants by views and elementwise ops.
pub fn of_weights(graph: &Graph) -> Vec<bool> {
    let mut of: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for n in &graph.nodes {
        let through = n.op.is_view() || n.op.is_elementwise();
        let made =
            matches!(n.op, Op::Weight(_) | Op::Const(_)) || through && n.args.iter().all(|a| of[a.index()]);
        of.push(made);
    }
    of
}

/// Elementwise ops on weights, if only such ops, matmuls, convolutions and row kernels read them.
fn prepared(graph: &Graph, users: &[Vec<Value>], results: &[bool]) -> BTreeSet<Value> {
    let of = of_weights(graph);
    let mut all = BTreeSet::new();
    for v in graph.values().collect::<Vec<_>>().into_iter().rev() {
        let node = graph.node(v);
        let made = of[v.index()]
            && node.op.is_elementwise()
            && node.args.iter().chain([&v]).all(|a| graph.ty(*a).dtype == DType::F32)
            && node.ty.shape.iter().all(|d| d.as_const().is_some());
        if made && is_read_prepared(graph, users, results, v, &all) {
            all.insert(v);
        }
    }
    all
}

/// Whether all readers of a value, through views, accept a prepared one, and neither it nor a view of it is a
/// result.
fn is_read_prepared(
    graph: &Graph,
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
            let (op, args) = (&graph.node(u).op, &graph.node(u).args);
            let taken = match op {
                op if op.is_view() => {
                    todo.push(u);
                    true
                }
                Op::Matmul => !read(&args[..1]),
                Op::Conv2d { .. } => !read(&args[..1]),
                op => prepared.contains(&u) || op.is_elementwise() || op.is_row_work(),
            };
            if !taken {
                return false;
            }
        }
    }
    true
}

/// Whether a value is a concatenation of weights in whole panels that is read as packed weights are: as the
/// right operand of matmuls, along their columns, or as a vector such as a bias.
fn is_packed(graph: &Graph, users: &[Vec<Value>], v: Value) -> bool {
    let node = graph.node(v);
    let Op::Concat { axis } = node.op else { return false };
    let whole = |a: &Value| graph.ty(*a).shape[axis].as_const().is_some_and(|n| n % PANEL == 0);
    let weight = |a: &Value| {
        let access = resolve(graph, *a, &|_| false);
        access.is_some_and(|x| {
            matches!(graph.node(x.root).op, Op::Weight(_)) && x.strides.iter().all(|s| s.as_const().is_some())
        })
    };
    let right = |u: &Value| graph.node(*u).op == Op::Matmul && graph.node(*u).args[0] != v;
    let read = match node.ty.rank() {
        1 => users[v.index()].iter().all(|u| graph.node(*u).op.is_elementwise()),
        2 => axis == 1 && users[v.index()].iter().all(right),
        _ => false,
    };
    read && node.ty.dtype == DType::F32 && node.args.iter().all(|a| whole(a) && weight(a))
}

/// Whether a value is f32 of a bf16 state, read as keys or values of attention alone.
fn is_widened(graph: &Graph, users: &[Vec<Value>], v: Value) -> bool {
    let node = graph.node(v);
    let state = node.op == Op::Cast(DType::F32)
        && graph.ty(node.args[0]).dtype == DType::Bf16
        && matches!(graph.node(node.args[0]).op, Op::State(_) | Op::Push { .. });
    let key = |u: &Value| {
        let user = graph.node(*u);
        matches!(user.op, Op::Attention { .. })
            && user.args.iter().enumerate().all(|(i, a)| *a != v || i == 1 || i == 2)
    };
    state && users[v.index()].iter().all(key)
}
