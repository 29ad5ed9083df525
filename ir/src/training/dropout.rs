//! Dropout while a network is trained: a new mask in each step.
//!
//! A mask follows from two keys. The first is the state [`SEED`], which starts as 0 and which a session may
//! be given, plus a number of its own for each dropout of the network. The second is the state [`STEP`],
//! which counts the steps from 0. It is an i32 that wraps around, so that masks repeat after 2^32 steps. The
//! backward pass makes a mask again from the same keys, and nothing keeps it in between. A step that does
//! not count has been a step here: with its mask the next one might not count either.

use super::{NoStep, Result};
use crate::graph::{Graph, Node, Source, StateDecl, Value};
use crate::op::{Binary, Op, Scalar};
use crate::types::{DType, Type};

/// The state of the seed.
pub const SEED: &str = "optimizer.seed";
/// The state that counts the steps.
pub const STEP: &str = "optimizer.step";

/// From the first key of a dropout to that of the next: 2^32 over the golden ratio, an odd number, so that no
/// two dropouts of a network have one key and those of seeds that are near each other have none in common.
const APART: u32 = 0x9e37_79b9;

/// The graph with a mask for each dropout, and where each of its values is there.
///
/// # Errors
/// There is a dropout in the body of a loop or of experts: each iteration would need keys of its own.
pub(super) fn with_masks(old: &Graph) -> Result<(Graph, Vec<Value>)> {
    refuse_in_bodies(&old.bodies)?;
    let mut new = old.emptied();
    let keys = old.nodes.iter().any(drops).then(|| Keys::new(&mut new)).transpose()?;
    let mut number = 0u32;
    let mut map: Vec<Value> = Vec::with_capacity(old.nodes.len());
    for node in &old.nodes {
        let mut args: Vec<Value> = node.args.iter().map(|a| map[a.index()]).collect();
        let mut op = node.op.clone();
        if let (Op::Dropout { p }, Some(keys), true) = (&node.op, &keys, drops(node)) {
            args.extend([keys.first(&mut new, number)?, keys.step]);
            op = Op::KeyedDropout { p: *p };
            number = number.wrapping_add(1);
        }
        let made = new.push_typed(op, &args, node.ty.clone(), node.source.clone());
        new.nodes[made.index()].name.clone_from(&node.name);
        map.push(made);
    }
    new.set_results(old, |v| map[v.index()]);
    if let Some(keys) = keys {
        new.states[keys.counter].next = Some(keys.next_step);
    }
    Ok((new, map))
}

/// Whether it is a dropout that sets anything to 0.
fn drops(node: &Node) -> bool {
    matches!(node.op, Op::Dropout { p } if p.0 > 0.0)
}

fn refuse_in_bodies(bodies: &[Graph]) -> Result {
    for body in bodies {
        if let Some(v) = body.values().find(|v| drops(body.node(*v))) {
            let (label, place) = (body.label(v), body.node(v).source.clone());
            return Err(NoStep::Dropout { label, place });
        }
        refuse_in_bodies(&body.bodies)?;
    }
    Ok(())
}

/// The keys of masks.
struct Keys {
    seed: Value,
    step: Value,
    /// The number of the state that counts the steps, and what it becomes.
    counter: usize,
    next_step: Value,
}

impl Keys {
    fn new(graph: &mut Graph) -> Result<Keys> {
        let (seed, _) = state(graph, SEED)?;
        let (step, counter) = state(graph, STEP)?;
        let next_step = plus(graph, step, 1)?;
        Ok(Keys { seed, step, counter, next_step })
    }

    /// The first key of the dropout of that number.
    fn first(&self, graph: &mut Graph, number: u32) -> Result<Value> {
        if number == 0 {
            return Ok(self.seed);
        }
        plus(graph, self.seed, number.wrapping_mul(APART) as i32)
    }
}

/// An i32 state that stays as it is, and its number.
fn state(graph: &mut Graph, name: &str) -> Result<(Value, usize)> {
    let (number, ty) = (graph.states.len(), Type::new(DType::I32, Vec::new()));
    graph.states.push(StateDecl { name: name.into(), ty, grows: None, keeps_last: false, next: None });
    Ok((graph.push(Op::State(number), &[], Source::default())?, number))
}

/// An i32 and a number, which wrap around.
fn plus(graph: &mut Graph, x: Value, number: i32) -> Result<Value> {
    let number = graph.push(Op::Const(Scalar::I32(number)), &[], Source::default())?;
    Ok(graph.push(Op::Binary(Binary::Add), &[x, number], Source::default())?)
}
