//! Some ops of a graph as a graph of their own, with the arguments that they had as its inputs.
//!
//! What kernels read in place stays: weights and what follows from them, views, tables and states.

use crate::interpreter::Dims;
use crate::tensor::Tensor;
use crate::tensor::any::AnyTensor;
use std::collections::{BTreeMap, BTreeSet};
use tancho_ir::fuse::of_weights;
use tancho_ir::graph::InputDecl;
use tancho_ir::op::{Class, Op};
use tancho_ir::table::{Attr, Call as OpCall, attrs_of, make, name_of, present_params};
use tancho_ir::{Dim, Graph, Value, verify};

/// A call of a graph with every value that it computed.
pub struct Call<'a> {
    pub graph: &'a Graph,
    pub dims: &'a Dims,
    pub all: &'a [Tensor],
    pub inputs: &'a [AnyTensor],
    pub states: &'a [Option<Tensor>],
}

/// A part of a graph, and what it is called with.
pub struct Cut {
    pub graph: Graph,
    pub inputs: Vec<AnyTensor>,
    pub states: Vec<Option<Tensor>>,
    /// The numbers that its weights had.
    pub weights: Vec<usize>,
}

/// These nodes as a graph of their own; `None` if they cannot be cut out.
pub fn cut(call: &Call<'_>, nodes: &[Value]) -> Option<Cut> {
    let graph = call.graph;
    let wanted: BTreeSet<Value> = nodes.iter().copied().collect();
    let (kept, given) = parts(graph, &wanted);
    let mut cut = Cut {
        graph: Graph { name: graph.name.clone(), entry: graph.entry.clone(), ..Graph::default() },
        inputs: Vec::new(),
        states: Vec::new(),
        weights: Vec::new(),
    };
    let mut map = BTreeMap::new();
    for v in given {
        let node = graph.node(v);
        let decl = match node.op {
            Op::Input(i) => {
                cut.inputs.push(call.inputs.get(i)?.clone());
                graph.inputs[i].clone()
            }
            _ => {
                cut.inputs.push(AnyTensor::of(&call.all[v.index()].any_view()).ok()?);
                InputDecl::new(format!("v{}", v.index()), node.ty.clone())
            }
        };
        cut.graph.inputs.push(decl);
        cut.push(graph, v, Op::Input(cut.graph.inputs.len() - 1), &mut map)?;
    }
    let mut states = Vec::new();
    for &v in &kept {
        let op = match graph.node(v).op.clone() {
            Op::Weight(i) => Op::Weight(cut.weight(graph, i)),
            Op::State(i) => Op::State(position(&mut states, i)),
            Op::Scan { body, result, sequences, carried, backwards } => {
                let body = cut.body(graph, body);
                Op::Scan { body, result, sequences, carried, backwards }
            }
            Op::Experts { body, experts, routed } => {
                Op::Experts { body: cut.body(graph, body), experts, routed }
            }
            op => op,
        };
        cut.push(graph, v, op, &mut map)?;
    }
    for i in states {
        let mut decl = graph.states[i].clone();
        decl.next = decl.next.and_then(|next| map.get(&next).copied());
        cut.graph.states.push(decl);
        cut.states.push(call.states.get(i).cloned().flatten());
    }
    cut.results(graph, &wanted, &map);
    cut.bind(call)?;
    let sound = verify::verify(&cut.graph).and_then(|()| verify::interface(&cut.graph));
    sound.ok().map(|()| cut)
}

/// The place of a number in a list, at whose end it is put if it is new.
fn position(all: &mut Vec<usize>, number: usize) -> usize {
    all.iter().position(|known| *known == number).unwrap_or_else(|| {
        all.push(number);
        all.len() - 1
    })
}

/// The nodes that stay as they are, and those that become inputs.
fn parts(graph: &Graph, wanted: &BTreeSet<Value>) -> (BTreeSet<Value>, BTreeSet<Value>) {
    let constant = of_weights(graph);
    let (mut kept, mut given) = (BTreeSet::new(), BTreeSet::new());
    let mut todo: Vec<Value> = wanted.iter().copied().collect();
    while let Some(v) = todo.pop() {
        let node = graph.node(v);
        let is_input = matches!(node.op, Op::Input(_));
        let in_place = node.op.is_view() || matches!(node.op.class(), Class::Gather | Class::Push);
        let stays = wanted.contains(&v) || constant[v.index()] || in_place || node.args.is_empty();
        if is_input || !stays {
            given.insert(v);
        } else if kept.insert(v) {
            todo.extend(&node.args);
        }
    }
    (kept, given)
}

impl Cut {
    fn push(&mut self, from: &Graph, v: Value, op: Op, map: &mut BTreeMap<Value, Value>) -> Option<()> {
        let node = from.node(v);
        let args = if matches!(op, Op::Input(_)) { &[] } else { node.args.as_slice() };
        let args: Vec<Value> = args.iter().map(|a| map.get(a).copied()).collect::<Option<_>>()?;
        let new = self.graph.push_typed(op, &args, node.ty.clone(), node.source.clone());
        self.graph.nodes[new.index()].name.clone_from(&node.name);
        map.insert(v, new);
        Some(())
    }

    fn weight(&mut self, from: &Graph, i: usize) -> usize {
        let at = position(&mut self.weights, i);
        if at == self.graph.weights.len() {
            self.graph.weights.push(from.weights[i].clone());
        }
        at
    }

    /// The number of a body, of which there is one: ops that are cut out have no other.
    fn body(&mut self, from: &Graph, body: usize) -> usize {
        if self.graph.bodies.is_empty() {
            self.graph.bodies.extend(from.bodies.get(body).cloned());
        }
        0
    }

    /// What others read of the nodes, and what they return.
    fn results(&mut self, from: &Graph, wanted: &BTreeSet<Value>, map: &BTreeMap<Value, Value>) {
        let (users, results) = (from.users(), from.are_results());
        let is_read =
            |v: &&Value| results[v.index()] || users[v.index()].iter().any(|user| !wanted.contains(user));
        let read: Vec<&Value> = wanted.iter().filter(is_read).collect();
        let read = if read.is_empty() { wanted.iter().collect() } else { read };
        self.graph.outputs = read.into_iter().filter_map(|v| map.get(v).copied()).collect();
    }

    /// Declares the run-time dims that inputs and states say; others are the numbers that they were.
    fn bind(&mut self, call: &Call<'_>) -> Option<()> {
        let Graph { inputs, states, nodes, bodies, .. } = &self.graph;
        let types = inputs.iter().map(|i| &i.ty).chain(states.iter().map(|s| &s.ty));
        let alone: BTreeSet<String> =
            types.flat_map(|ty| &ty.shape).filter_map(|d| d.as_sym().map(str::to_string)).collect();
        let all: BTreeSet<String> = nodes.iter().flat_map(|n| dims_of(&n.op, &n.ty.shape)).collect();
        let values: BTreeMap<String, i64> = all
            .difference(&alone)
            .map(|name| Some((name.clone(), call.dims.get(name)?)))
            .collect::<Option<_>>()?;
        if !values.is_empty() {
            if !bodies.is_empty() {
                return None;
            }
            self.fix(&values)?;
        }
        let dims = call.graph.dims.iter().filter(|d| alone.contains(&d.name));
        self.graph.dims = dims.cloned().collect();
        let declared = |d: &Dim| d.syms().iter().all(|name| alone.contains(name));
        let promises = call.graph.constraints.iter();
        self.graph.constraints =
            promises.filter(|c| declared(&c.left) && declared(&c.right)).cloned().collect();
        self.graph.share_with_bodies();
        Some(())
    }

    /// Gives dims these values everywhere.
    fn fix(&mut self, values: &BTreeMap<String, i64>) -> Option<()> {
        let dim = |d: &Dim| d.subst(&|name| values.get(name).copied().map(Dim::constant)).ok();
        let shape = |dims: &[Dim]| dims.iter().map(dim).collect::<Option<Vec<Dim>>>();
        for input in &mut self.graph.inputs {
            input.ty.shape = shape(&input.ty.shape)?;
        }
        for state in &mut self.graph.states {
            state.ty.shape = shape(&state.ty.shape)?;
        }
        for node in &mut self.graph.nodes {
            node.ty.shape = shape(&node.ty.shape)?;
            let mut options = attrs_of(&node.op);
            let is_plain = |(_, attr): &(&str, Attr)| !matches!(attr, Attr::Dim(_) | Attr::Dims(_));
            if options.iter().all(is_plain) {
                continue;
            }
            for (_, attr) in &mut options {
                match attr {
                    Attr::Dim(d) => *d = dim(d)?,
                    Attr::Dims(dims) => *dims = shape(dims)?,
                    Attr::Axes(_) | Attr::Float(_) | Attr::Int(_) | Attr::Bool(_) | Attr::Word(_) => {}
                }
            }
            let given = present_params(&node.op, node.args.len());
            node.op = make(name_of(&node.op), &OpCall { given, options }).ok()?;
        }
        Some(())
    }
}

/// The names of dims that an op and its result have.
fn dims_of(op: &Op, shape: &[Dim]) -> Vec<String> {
    let of_attr = |(_, attr)| match attr {
        Attr::Dim(d) => vec![d],
        Attr::Dims(dims) => dims,
        Attr::Axes(_) | Attr::Float(_) | Attr::Int(_) | Attr::Bool(_) | Attr::Word(_) => Vec::new(),
    };
    let dims = attrs_of(op).into_iter().flat_map(of_attr).chain(shape.iter().cloned());
    dims.flat_map(|d| d.syms()).collect()
}
