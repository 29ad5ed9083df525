//! A body made of a part of a graph.

use crate::graph::{Graph, InputDecl, Value};
use crate::op::Op;
use std::collections::HashMap;

/// An input of a body: its declaration, and the values of the graph that it stands for.
pub(super) struct BodyInput {
    pub decl: InputDecl,
    pub values: Vec<Value>,
}

/// The body that computes `outputs` from these inputs. Its values keep their names if it is `named`.
pub(super) fn extract(graph: &Graph, inputs: &[BodyInput], outputs: &[Value], named: bool) -> Graph {
    let mut new = graph.body();
    let mut map: HashMap<Value, Value> = HashMap::new();
    for (i, BodyInput { decl, values }) in inputs.iter().enumerate() {
        new.inputs.push(decl.clone());
        let source = values.first().map(|v| graph.node(*v).source.clone()).unwrap_or_default();
        let made = new.push_typed(Op::Input(i), &[], decl.ty.clone(), source);
        new.nodes[made.index()].name = values.first().and_then(|v| graph.node(*v).name.clone());
        map.extend(values.iter().map(|v| (*v, made)));
    }
    let mut live = vec![false; graph.nodes.len()];
    outputs.iter().for_each(|v| live[v.index()] = true);
    for v in (0..graph.nodes.len() as u32).rev().map(Value) {
        if live[v.index()] && !map.contains_key(&v) {
            graph.node(v).args.iter().for_each(|a| live[a.index()] = true);
        }
    }
    // Loops inside have the numbers of their bodies here.
    let mut bodies: HashMap<usize, usize> = HashMap::new();
    for v in graph.values().filter(|v| live[v.index()]) {
        if map.contains_key(&v) {
            continue;
        }
        let node = graph.node(v);
        let mut op = node.op.clone();
        if let Op::Scan { body, .. } | Op::Experts { body, .. } = &mut op {
            *body = *bodies.entry(*body).or_insert_with(|| {
                new.bodies.push(graph.bodies[*body].clone());
                new.bodies.len() - 1
            });
        }
        let args: Vec<Value> = node.args.iter().map(|a| map[a]).collect();
        let made = new.push_typed(op, &args, node.ty.clone(), node.source.clone());
        if named {
            new.nodes[made.index()].name.clone_from(&node.name);
        }
        map.insert(v, made);
    }
    new.outputs = outputs.iter().map(|v| map[v]).collect();
    new
}
