//! What holds of every graph. Runs after each pass in debug builds and tests.
//!
//! 1. A node's arguments stand before it, and outputs are values of the graph.
//! 2. An op has the arguments its row in the table says, and its attributes are in range.
//! 3. Each node's type is what the shape rule infers from its arguments' types.
//! 4. An input or weight node names a declaration and has its type.
//! 5. Shapes use only the declared run-time dims; weights use none.
//! 6. Names of inputs, weights and dims are each unique.
//! 7. There is at least one output.

use crate::graph::Graph;
use std::collections::BTreeSet;

/// Checks the invariants.
///
/// # Errors
/// The first that is broken, in words.
pub fn verify(g: &Graph) -> Result<(), String> {
    unique("dim", g.dims.iter().map(|d| d.name.as_str()))?;
    unique("input", g.inputs.iter().map(|d| d.name.as_str()))?;
    unique("weight", g.weights.iter().map(|d| d.name.as_str()))?;
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
    match g.outputs.iter().find(|o| o.index() >= g.nodes.len()) {
        Some(o) => Err(format!("the output {o} does not exist")),
        None if g.outputs.is_empty() => Err("there is no output".into()),
        None => Ok(()),
    }
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
