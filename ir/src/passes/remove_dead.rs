//! Drops nodes that no result or state needs. Inputs stay, used or not: the signature is fixed.

use crate::graph::{Graph, Value};
use crate::infer::ShapeError;
use crate::op::Op;

/// Runs the pass.
pub fn run(old: &Graph) -> Result<Graph, ShapeError> {
    let mut live = vec![false; old.nodes.len()];
    for o in old.results() {
        live[o.index()] = true;
    }
    for i in (0..old.nodes.len()).rev() {
        live[i] |= matches!(old.nodes[i].op, Op::Input(_));
        if live[i] {
            for a in &old.nodes[i].args {
                live[a.index()] = true;
            }
        }
    }
    let mut map = vec![Value(0); old.nodes.len()];
    let mut new = old.emptied();
    for v in old.values().filter(|v| live[v.index()]) {
        let mut node = old.node(v).clone();
        for a in &mut node.args {
            *a = map[a.index()];
        }
        map[v.index()] = Value(new.nodes.len() as u32);
        new.nodes.push(node);
    }
    new.set_results(old, |v| map[v.index()]);
    Ok(new)
}
