//! Gives each result memory of its own: a state that is returned, and a value that is returned and kept as
//! well, are copied, by a reshape to the shape they have. So is a growing state before a reshape that cannot
//! read it in place, because its rows lie as far apart as its capacity says.

use super::Rewriter;
use crate::access::resolve;
use crate::graph::{Graph, Value};
use crate::infer::ShapeError;
use crate::op::Op;
use std::collections::BTreeSet;

/// Runs the pass.
pub fn run(old: &Graph) -> Result<Graph, ShapeError> {
    if old.states.is_empty() {
        return Ok(old.clone());
    }
    let mut g = Rewriter::run(old, |r, v, args| {
        let node = old.node(v);
        let (Op::Reshape(_), [a]) = (&node.op, node.args.as_slice()) else { return Ok(None) };
        if old.lives_in(*a).is_none() || resolve(old, v, &|_| false).is_some() {
            return Ok(None);
        }
        let copy = r.push(Op::Reshape(old.ty(*a).shape.clone()), args, v)?;
        r.push(node.op.clone(), &[copy], v).map(Some)
    })?;
    let copy = |g: &mut Graph, v: Value| {
        let (shape, source) = (g.ty(v).shape.clone(), g.node(v).source.clone());
        g.push(Op::Reshape(shape), &[v], source)
    };
    for i in 0..g.outputs.len() {
        let o = g.outputs[i];
        if g.lives_in(o).is_some() {
            g.outputs[i] = copy(&mut g, o)?;
        }
    }
    let mut taken: BTreeSet<Value> = g.outputs.iter().copied().collect();
    for i in 0..g.states.len() {
        let Some(next) = g.states[i].next else { continue };
        if g.node(next).op == Op::State(i) {
            g.states[i].next = None;
        } else if g.states[i].grows.is_none() && (g.lives_in(next).is_some() || !taken.insert(next)) {
            g.states[i].next = Some(copy(&mut g, next)?);
        }
    }
    Ok(g)
}
