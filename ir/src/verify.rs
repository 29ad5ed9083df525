//! What holds of every graph. Runs after each pass in debug builds and tests.
//!
//! 1. A node's arguments stand before it, and outputs are values of the graph.
//! 2. An op has the arguments its row in the table says, and its attributes are in range.
//! 3. Each node's type is what the shape rule infers from its arguments' types.
//! 4. An input or weight node names a declaration and has its type.
//! 5. Shapes use only the declared run-time dims; weights use none.
//! 6. Names of inputs, weights and dims are each unique.
//! 7. There is at least one output.
//! 8. A growing state grows along a bounded dim that stands alone on one of its axes and follows from no input. It
//!    becomes itself with new rows, and all that grow along one dim grow by as many. Other states keep their type. But for
//!    its own axis that grows, no state's shape follows from a dim that states grow along.
//! 9. Rows are pushed to a growing state alone, along its axis, once.

use crate::dim::Dim;
use crate::graph::{Graph, Node};
use crate::op::Op;
use std::collections::BTreeSet;

/// Checks the invariants.
///
/// # Errors
/// The first that is broken, in words.
pub fn verify(g: &Graph) -> Result<(), String> {
    unique("dim", g.dims.iter().map(|d| d.name.as_str()))?;
    unique("input", g.inputs.iter().map(|d| d.name.as_str()))?;
    unique("weight", g.weights.iter().map(|d| d.name.as_str()))?;
    unique("state", g.states.iter().map(|d| d.name.as_str()))?;
    let dims: BTreeSet<&str> = g.dims.iter().map(|d| d.name.as_str()).collect();
    let known = |what: &str, shape: &[crate::Dim]| -> Result<(), String> {
        match shape.iter().flat_map(|d| d.syms()).find(|s| !dims.contains(s.as_str())) {
            Some(s) => Err(format!("{what} uses `{s}`, which is no dim of the network")),
            None => Ok(()),
        }
    };
    for i in &g.inputs {
        known(&format!("input `{}`", i.name), &i.ty.shape)?;
    }
    for w in &g.weights {
        if w.ty.shape.iter().any(|d| d.as_const().is_none()) {
            return Err(format!("weight `{}` is {}: a weight has static dims", w.name, w.ty));
        }
    }
    for s in &g.states {
        known(&format!("state `{}`", s.name), &s.ty.shape)?;
    }
    for v in g.values() {
        let n = g.node(v);
        if let Some(a) = n.args.iter().find(|a| **a >= v) {
            return Err(format!("{v} uses {a}, which does not stand before it"));
        }
        let ty = g.infer(&n.op, &n.args).map_err(|e| format!("{v}: {e}"))?;
        if ty != n.ty {
            return Err(format!("{v} is said to be {} but is {ty}", n.ty));
        }
        known(&v.to_string(), &n.ty.shape)?;
    }
    states(g)?;
    match g.outputs.iter().find(|o| o.index() >= g.nodes.len()) {
        Some(o) => Err(format!("the output {o} does not exist")),
        None if g.outputs.is_empty() => Err("there is no output".into()),
        None => Ok(()),
    }
}

fn states(g: &Graph) -> Result<(), String> {
    let mut grown: Vec<(&str, &Dim)> = Vec::new();
    for (i, s) in g.states.iter().enumerate() {
        let next = match s.next {
            Some(v) if v.index() >= g.nodes.len() => return Err(format!("state `{}` becomes {v}, which does not exist", s.name)),
            next => next.map(|v| g.node(v)),
        };
        let Some(axis) = s.grows else {
            match next {
                Some(n) if n.ty != s.ty => return Err(format!("state `{}` is {} but becomes {}", s.name, s.ty, n.ty)),
                _ => continue,
            }
        };
        let (Some(dim), Some(_)) = (s.grown_dim(), g.capacity(i)) else {
            return Err(format!("state `{}` grows along axis {axis}, which is no bounded dim", s.name));
        };
        if s.ty.shape.iter().filter(|d| d.syms().iter().any(|n| n == dim)).count() != 1 {
            return Err(format!("state `{}` grows along `{dim}`, which stands on another of its axes as well", s.name));
        }
        if g.inputs.iter().any(|i| i.ty.shape.iter().any(|d| d.as_sym() == Some(dim))) {
            return Err(format!("state `{}` grows along `{dim}`, which is taken from an input", s.name));
        }
        let rows = match next {
            Some(Node { op: Op::Push { axis: at }, args, .. }) if *at == axis && g.node(args[0]).op == Op::State(i) => {
                &g.ty(args[1]).shape[axis]
            }
            _ => return Err(format!("state `{}` grows, but does not become itself with new rows", s.name)),
        };
        match grown.iter().find(|(d, _)| *d == dim) {
            Some((_, first)) if *first != rows => return Err(format!("states grow along `{dim}` by {first} and by {rows}")),
            _ => grown.push((dim, rows)),
        }
    }
    if let Some((state, dim)) = g.moving_state() {
        return Err(format!("state `{state}` would change its shape as states grow along `{dim}`"));
    }
    for v in g.values() {
        if let Op::Push { .. } = g.node(v).op
            && !g.states.iter().any(|s| s.next == Some(v))
        {
            return Err(format!("{v} pushes to a state that does not become it"));
        }
    }
    Ok(())
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for n in names {
        if !seen.insert(n) {
            return Err(format!("two {what}s are called `{n}`"));
        }
    }
    Ok(())
}
