//! Bodies of ops: graphs of their own, which loops run for each element of a sequence and mixtures of experts
//! for the rows of each expert. What holds of them, and the graph that is compiled for one.

use crate::fault::{Fault, Part};
use crate::graph::{Graph, RunDim, Value};
use crate::infer::ShapeError;
use crate::op::Op;
use crate::types::{Facts, Type};
use std::collections::HashMap;

/// Whether two types are equal, as far as promises tell.
pub(crate) fn same(facts: &Facts, a: &Type, b: &Type) -> bool {
    a == b || facts.reduce_type(a.clone()) == facts.reduce_type(b.clone())
}

/// Checks that bodies are what [`Graph::bodies`] says.
///
/// # Errors
/// The first that is not, in words.
pub(crate) fn verify_bodies(graph: &Graph) -> Result<(), Fault> {
    for (i, body) in graph.bodies.iter().enumerate() {
        let fail = |e: &str| Err(Fault::from(e.to_string()).in_body(i));
        let own = body.rows.iter().map(|rows| RunDim { name: rows.clone(), bound: None });
        if !graph.dims.iter().cloned().chain(own).eq(body.dims.iter().cloned())
            || body.constraints != graph.constraints
        {
            return fail("it has other dims or promises than its network");
        }
        if !(body.weights.is_empty() && body.states.is_empty() && body.unused_weights.is_empty()) {
            return fail("it has weights or states of its own");
        }
        if let Some(i) = body.inputs.iter().find(|i| i.given.is_converted()) {
            return fail(&format!("its input `{}` is a value, which cannot be {}", i.name, i.given));
        }
        crate::verify::find_fault(body).map_err(|fault| fault.in_body(i))?;
    }
    Ok(())
}

/// Checks that each body is of one loop, or of one mixture of experts.
///
/// # Errors
/// The first that is of two, in words.
pub(crate) fn verify_users(graph: &Graph) -> Result<(), Fault> {
    let mut users: HashMap<usize, Value> = HashMap::new();
    for v in graph.values() {
        let node = graph.node(v);
        let (Op::Scan { body, .. } | Op::Experts { body, .. }) = node.op else { continue };
        let first = *users.entry(body).or_insert(v);
        if first == v {
            continue;
        }
        let mut like = graph.node(first).op.clone();
        if let (Op::Scan { result, .. }, Op::Scan { result: own, .. }) = (&mut like, &node.op) {
            *result = *own;
        }
        if matches!(node.op, Op::Experts { .. }) || graph.node(first).args != node.args || like != node.op {
            let message = format!("{first} and {v} have the same body, which is of one loop alone");
            return Err(Fault::of(Part::Node(v))(message));
        }
    }
    Ok(())
}

/// Whether an argument of an op with a body is a part of the body that is compiled: what all iterations or
/// all rows read alike, and is a weight or a constant under views.
pub fn is_inlined(graph: &Graph, user: Value, arg: usize) -> bool {
    let node = graph.node(user);
    let shared = match node.op {
        Op::Scan { sequences, carried, .. } => sequences + carried,
        Op::Experts { routed, .. } => 1 + routed,
        _ => return false,
    };
    let mut v = node.args[arg];
    while graph.node(v).op.is_view() {
        v = graph.node(v).args[0];
    }
    arg >= shared && matches!(graph.node(v).op, Op::Weight(_) | Op::Const(_))
}

/// A body as a graph that is compiled: it has the weights of the network, and of its inputs those that are
/// `given`, by number in ascending order. The others are the arguments that stand for them, which are
/// inlined. Gives the new value of each old one, too; the graph has no results yet.
///
/// # Errors
/// A shape of the body cannot be inferred again, which is a fault of this function.
pub(crate) fn inside(
    graph: &Graph,
    body: &Graph,
    args: &[Value],
    given: &[usize],
) -> Result<(Graph, Vec<Value>), ShapeError> {
    let mut new = Graph { weights: graph.weights.clone(), inputs: Vec::new(), ..body.emptied() };
    // Inputs stand first, as in every graph.
    let mut known: Vec<Option<Value>> = vec![None; body.inputs.len()];
    for (i, (input, &arg)) in body.inputs.iter().zip(args).enumerate() {
        known[i] = Some(if given.contains(&i) {
            new.inputs.push(input.clone());
            new.push(Op::Input(new.inputs.len() - 1), &[], graph.node(arg).source.clone())?
        } else {
            inline(graph, arg, &mut new)?
        });
    }
    let mut map: Vec<Value> = Vec::with_capacity(body.nodes.len());
    for n in &body.nodes {
        let v = match n.op {
            Op::Input(i) => known[i].ok_or_else(|| ShapeError::new("an input of a body is missing"))?,
            _ => {
                let args: Vec<Value> = n.args.iter().map(|a| map[a.index()]).collect();
                let v = new.push(n.op.clone(), &args, n.source.clone())?;
                new.nodes[v.index()].name.clone_from(&n.name);
                v
            }
        };
        map.push(v);
    }
    Ok((new, map))
}

/// A weight or a constant under views, as a value of another graph.
fn inline(graph: &Graph, v: Value, into: &mut Graph) -> Result<Value, ShapeError> {
    let mut views = Vec::new();
    let mut at = v;
    while graph.node(at).op.is_view() {
        // A weight and a constant wait for nothing.
        if graph.node(at).op != Op::OptimizationBarrier {
            views.push(at);
        }
        at = graph.node(at).args[0];
    }
    let push = |into: &mut Graph, v: Value, args: &[Value]| {
        let node = graph.node(v);
        let new = into.push(node.op.clone(), args, node.source.clone())?;
        into.nodes[new.index()].name.clone_from(&node.name);
        Ok::<Value, ShapeError>(new)
    };
    let mut new = push(into, at, &[])?;
    for view in views.into_iter().rev() {
        new = push(into, view, &[new])?;
    }
    Ok(new)
}
