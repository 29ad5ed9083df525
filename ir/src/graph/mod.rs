//! The graph: inputs, weights, and one node per value, in the order they run.

mod constant;
mod decl;

pub use constant::{Table, fits};
pub use decl::{Constraint, Init, InputDecl, Marks, Part, Relation, RunDim, StateDecl, WeightDecl};

use crate::dim::Dim;
use crate::infer::{Arg, ShapeError, infer};
use crate::op::Op;
use crate::types::{Facts, Type, split_element_type};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A value of a graph: the result of the node of that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub u32);

impl Value {
    /// The node's index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

/// Where in the user's source an op was written. Texts are shared, because every pass copies
/// them for every node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Source {
    /// The source text of the expression.
    pub text: Arc<str>,
    /// The file, as the compiler names it.
    pub file: Arc<str>,
    /// Line, from 1; 0 where unknown.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// The path of nets it is in, `layers.3.ln1`; empty at the top.
    pub scope: Arc<str>,
    /// What part of a training step it belongs to.
    pub phase: Phase,
}

/// A part of a training step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Phase {
    /// The run of the network, and all of a graph that is no training step.
    #[default]
    Forward,
    /// Gradients.
    Backward,
    /// What the forward pass has computed, computed again for the backward pass.
    Recomputation,
    /// What is made of gradients.
    Update,
}

impl Phase {
    /// Its word in the text form; the forward pass has none.
    pub const WORDS: [(Phase, &str); 3] =
        [(Phase::Backward, "backward"), (Phase::Recomputation, "recomputation"), (Phase::Update, "update")];

    /// That word.
    pub fn word(self) -> Option<&'static str> {
        Phase::WORDS.iter().find(|(phase, _)| *phase == self).map(|(_, word)| *word)
    }
}

impl Source {
    /// The same place in the forward pass: what ops of all parts of a step have in common that are made of
    /// one expression.
    pub fn in_forward(&self) -> Source {
        Source { phase: Phase::Forward, ..self.clone() }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.text)?;
        if self.line > 0 {
            write!(f, " at {}:{}:{}", self.file, self.line, self.column)?;
        }
        if !self.scope.is_empty() {
            write!(f, " in {}", self.scope)?;
        }
        Ok(())
    }
}

/// One operation with its arguments and the type of its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it does.
    pub op: Op,
    /// Values of earlier nodes.
    pub args: Vec<Value>,
    /// The type of the result.
    pub ty: Type,
    /// The user's name for the value, if it has one.
    pub name: Option<String>,
    /// Where it was written.
    pub source: Source,
}

/// A network as a graph. Nodes stand in the order they run: a node's arguments come before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// The network's name.
    pub name: String,
    /// The entry point it is the graph of; empty in a graph that was read or made by hand.
    pub entry: String,
    /// Run-time dims.
    pub dims: Vec<RunDim>,
    /// What the run-time dims promise.
    pub constraints: Vec<Constraint>,
    /// Inputs in the order of the signature.
    pub inputs: Vec<InputDecl>,
    /// Weights in the order of their first use.
    pub weights: Vec<WeightDecl>,
    /// What a session keeps.
    pub states: Vec<StateDecl>,
    /// Patterns of other names that a weight file may hold.
    pub unused_weights: Vec<String>,
    /// In the body of a mixture of experts, the last of its dims, which is the body's own: the number of rows
    /// that an expert is given.
    pub rows: Option<String>,
    /// The bodies of loops, each of which one loop has. A body has the dims and promises of the graph, inputs
    /// and results, and neither weights nor states: they are inputs of it.
    pub bodies: Vec<Graph>,
    /// One node for each value.
    pub nodes: Vec<Node>,
    /// The results, in order.
    pub outputs: Vec<Value>,
}

impl Graph {
    /// The same declarations without nodes and results.
    pub(crate) fn emptied(&self) -> Graph {
        Graph {
            name: self.name.clone(),
            entry: self.entry.clone(),
            dims: self.dims.clone(),
            constraints: self.constraints.clone(),
            inputs: self.inputs.clone(),
            weights: self.weights.clone(),
            states: self.states.clone(),
            rows: self.rows.clone(),
            unused_weights: self.unused_weights.clone(),
            bodies: self.bodies.clone(),
            nodes: Vec::with_capacity(self.nodes.len()),
            outputs: Vec::new(),
        }
    }

    /// A body of a loop in this graph, without inputs and nodes.
    pub(crate) fn body(&self) -> Graph {
        Graph {
            name: self.name.clone(),
            entry: self.entry.clone(),
            dims: self.dims.clone(),
            constraints: self.constraints.clone(),
            ..Graph::default()
        }
    }

    /// Gives a body of experts a dim of its own for the number of their rows.
    pub(crate) fn rows_are(&mut self, rows: Option<String>) {
        self.dims.extend(rows.iter().map(|rows| RunDim { name: rows.clone(), bound: None }));
        self.rows = rows;
    }

    /// Gives the bodies of loops and of experts the dims and promises of the graph, which may have changed
    /// since they were made.
    pub fn share_with_bodies(&mut self) {
        for body in &mut self.bodies {
            body.dims.clone_from(&self.dims);
            body.dims.extend(body.rows.iter().map(|rows| RunDim { name: rows.clone(), bound: None }));
            body.constraints.clone_from(&self.constraints);
            body.share_with_bodies();
        }
    }

    /// The node of a value.
    pub fn node(&self, v: Value) -> &Node {
        &self.nodes[v.index()]
    }

    /// The type of a value.
    pub fn ty(&self, v: Value) -> &Type {
        &self.nodes[v.index()].ty
    }

    /// All values in the order they run.
    pub fn values(&self) -> impl Iterator<Item = Value> + use<> {
        (0..self.nodes.len() as u32).map(Value)
    }

    /// The exact divisions that `where` clauses allow.
    pub fn facts(&self) -> Facts {
        let multiples = self.constraints.iter().filter(|c| c.relation == Relation::Multiple);
        let divides = multiples.map(|c| (c.left.clone(), c.right.clone())).collect();
        Facts { divides, run_time: self.dims.iter().map(|d| d.name.clone()).collect(), ..Facts::default() }
    }

    /// The name of a value in messages: the user's name, the source text, or its number.
    pub fn label(&self, v: Value) -> String {
        let n = self.node(v);
        match &n.name {
            Some(name) => name.clone(),
            None if !n.source.text.is_empty() => n.source.text.to_string(),
            None => v.to_string(),
        }
    }

    /// Adds a node; its type is inferred.
    ///
    /// # Errors
    /// The shape rule of the op does not hold.
    pub fn push(&mut self, op: Op, args: &[Value], source: Source) -> Result<Value, ShapeError> {
        let ty = self.infer(&op, args)?;
        Ok(self.push_typed(op, args, ty, source))
    }

    /// The type `op` would have on these arguments.
    ///
    /// # Errors
    /// The shape rule of the op does not hold, or the op is an input or weight without declaration.
    pub fn infer(&self, op: &Op, args: &[Value]) -> Result<Type, ShapeError> {
        let declared = |ty: Option<&Type>, what: &str, i: usize| {
            ty.cloned().ok_or_else(|| ShapeError::new(format!("there is no {what} {i}")))
        };
        match op {
            Op::Input(i) => declared(self.inputs.get(*i).map(|d| &d.ty), "input", *i),
            Op::Weight(i) => declared(self.weights.get(*i).map(|d| &d.ty), "weight", *i),
            Op::State(i) => declared(self.states.get(*i).map(|d| &d.ty), "state", *i),
            Op::Scan { .. } => crate::scan::infer(self, op, args),
            Op::Experts { .. } => crate::experts::infer(self, op, args),
            _ => {
                let facts = self.facts();
                let bare: Vec<Arg<'_>> = args.iter().map(|&v| Arg { ty: self.ty(v), name: "" }).collect();
                // Names are made for messages alone.
                let ty = infer(op, &bare, &facts).or_else(|_| {
                    let labels: Vec<String> = args.iter().map(|&v| self.label(v)).collect();
                    let args: Vec<Arg<'_>> =
                        args.iter().zip(&labels).map(|(&v, name)| Arg { ty: self.ty(v), name }).collect();
                    infer(op, &args, &facts)
                })?;
                Ok(facts.reduce_type(ty))
            }
        }
    }

    /// Adds a node whose type is known to be right.
    pub fn push_typed(&mut self, op: Op, args: &[Value], ty: Type, source: Source) -> Value {
        let v = Value(self.nodes.len() as u32);
        self.nodes.push(Node { op, args: args.to_vec(), ty, name: None, source });
        v
    }

    /// What a run computes: its results, and the new values of its states.
    pub fn results(&self) -> impl Iterator<Item = Value> {
        self.outputs.iter().copied().chain(self.states.iter().filter_map(|s| s.next))
    }

    /// Whether each value is a result of the run, or what a state becomes.
    pub fn are_results(&self) -> Vec<bool> {
        let mut all = vec![false; self.nodes.len()];
        self.results().for_each(|r| all[r.index()] = true);
        all
    }

    /// Gives results and states the values that a pass has made of them.
    pub fn set_results(&mut self, old: &Graph, new: impl Fn(Value) -> Value) {
        self.outputs = old.outputs.iter().map(|o| new(*o)).collect();
        for (s, before) in self.states.iter_mut().zip(&old.states) {
            s.next = before.next.map(&new);
        }
    }

    /// The state that a value lives in: it is what the state was, or the state with the new rows after it.
    pub fn lives_in(&self, v: Value) -> Option<usize> {
        let node = self.node(v);
        match (&node.op, node.args.first().map(|a| &self.node(*a).op)) {
            (Op::State(i), _) | (Op::Push { .. }, Some(Op::State(i))) => Some(*i),
            _ => None,
        }
    }

    /// The shape of the memory that holds a stored value: that of a growing state has the capacity for all
    /// rows.
    pub fn stored_shape(&self, v: Value) -> Cow<'_, [Dim]> {
        let shape = &self.ty(v).shape;
        let Some((axis, rows)) = self.lives_in(v).and_then(|i| self.states[i].grows.zip(self.capacity(i)))
        else {
            return Cow::Borrowed(shape);
        };
        let mut shape = shape.clone();
        shape[axis] = Dim::constant(rows);
        Cow::Owned(shape)
    }

    /// How many rows a growing state keeps from one run to the next at most.
    pub fn kept_rows(&self, state: usize) -> Option<i64> {
        let dim = self.states.get(state)?.grown_dim()?;
        self.dims.iter().find(|d| d.name == dim)?.bound
    }

    /// How many rows a growing state has the capacity for. One that keeps the last of its rows has twice as
    /// many: its rows lie one after another, and move to the front when there is no room behind them.
    pub fn capacity(&self, state: usize) -> Option<i64> {
        let kept = self.kept_rows(state)?;
        if self.states[state].keeps_last { kept.checked_mul(2) } else { Some(kept) }
    }

    /// A state whose shape depends on a dim that states grow along, other than by its own growing axis. Gives
    /// that dim too.
    pub fn moving_state(&self) -> Option<(&str, String)> {
        let grown: BTreeSet<&str> = self.states.iter().filter_map(StateDecl::grown_dim).collect();
        self.states.iter().find_map(|s| {
            let others = s.ty.shape.iter().enumerate().filter(|(i, _)| s.grows != Some(*i));
            let dim = others.flat_map(|(_, d)| d.syms()).find(|d| grown.contains(d.as_str()))?;
            Some((s.name.as_str(), dim))
        })
    }

    /// The type of an input as the declaration writes it, where static dims have their names: `D (768)`.
    pub fn written_type(&self, input: usize) -> String {
        let InputDecl { ty, given, .. } = &self.inputs[input];
        let show = |(axis, d): (usize, &Dim)| {
            let (text, value) = (self.written_axis(input, axis), d.to_string());
            if d.as_const().is_some() && text != value { format!("{text} ({value})") } else { text }
        };
        let axes: Vec<String> = ty.shape.iter().enumerate().map(show).collect();
        format!("{given}[{}]", axes.join(", "))
    }

    /// An axis of it.
    pub fn written_axis(&self, input: usize, axis: usize) -> String {
        let InputDecl { name, ty, .. } = &self.inputs[input];
        let node = self.nodes.iter().find(|n| n.op == Op::Input(input));
        let written =
            node.and_then(|n| split_element_type(n.source.text.strip_prefix(name)?.strip_prefix(": ")?));
        match written.filter(|(_, axes)| axes.len() == ty.rank() && !axes.contains(&"..")) {
            Some((_, axes)) => axes[axis].into(),
            None => ty.shape[axis].to_string(),
        }
    }

    /// The dims that no input has on an axis and that no state grows along, but that stand alone on an axis
    /// of a state: what a session holds says how long they are. Each with its number, and the number and the
    /// axis of each such state.
    pub fn held_dims(&self) -> Vec<(usize, Vec<(usize, usize)>)> {
        let axes = |name: &str| {
            let all = self.states.iter().enumerate();
            all.flat_map(|(i, s)| s.ty.shape.iter().enumerate().map(move |(axis, d)| (i, axis, d)))
                .filter(|(.., d)| d.as_sym() == Some(name))
                .map(|(i, axis, _)| (i, axis))
                .collect::<Vec<_>>()
        };
        let held = |(i, d): (usize, &RunDim)| Some((i, axes(&d.name))).filter(|(_, at)| !at.is_empty());
        self.dims.iter().enumerate().filter(|(_, d)| !self.is_given(&d.name)).filter_map(held).collect()
    }

    /// Whether a dim is on an axis of an input, or states grow along it.
    fn is_given(&self, dim: &str) -> bool {
        let on_axis = |ty: &Type| ty.shape.iter().any(|d| d.as_sym() == Some(dim));
        self.inputs.iter().any(|i| on_axis(&i.ty)) || self.states.iter().any(|s| s.grown_dim() == Some(dim))
    }

    /// The dims that follow from nothing: no input and no state has them. Those with a bound are what states
    /// would grow along if there were any, so they have no rows: a decoder of 0 layers has no cache.
    pub fn unbound_dims(&self) -> impl Iterator<Item = (usize, &RunDim)> {
        let held: BTreeSet<usize> = self.held_dims().into_iter().map(|(i, _)| i).collect();
        self.dims.iter().enumerate().filter(move |(i, d)| !self.is_given(&d.name) && !held.contains(i))
    }

    /// Those of them that have no rows.
    pub fn empty_dims(&self) -> impl Iterator<Item = usize> {
        self.unbound_dims().filter(|(_, d)| d.bound.is_some()).map(|(i, _)| i)
    }

    /// Whether the run reads what each state was before it.
    pub fn read_states(&self) -> Vec<bool> {
        let mut read = vec![false; self.states.len()];
        for v in self.nodes.iter().flat_map(|n| n.args.iter().copied()).chain(self.results()) {
            if let Op::State(state) = self.node(v).op {
                read[state] = true;
            }
        }
        read
    }

    /// How often each value is used, results included.
    pub fn use_counts(&self) -> Vec<usize> {
        let mut n = vec![0; self.nodes.len()];
        for v in self.nodes.iter().flat_map(|n| n.args.iter().copied()).chain(self.results()) {
            n[v.index()] += 1;
        }
        n
    }

    /// The values that use each value, in order.
    pub fn users(&self) -> Vec<Vec<Value>> {
        let mut users = vec![Vec::new(); self.nodes.len()];
        for (i, n) in self.nodes.iter().enumerate() {
            for a in &n.args {
                let list: &mut Vec<Value> = &mut users[a.index()];
                if list.last() != Some(&Value(i as u32)) {
                    list.push(Value(i as u32));
                }
            }
        }
        users
    }

    /// Number of elements of all weights together; constants are none.
    pub fn parameter_count(&self) -> i64 {
        let elements =
            |d: &WeightDecl| Dim::product(&d.ty.shape).ok().and_then(|p| p.as_const()).unwrap_or(0);
        self.weights.iter().filter(|d| !d.is_constant()).map(elements).sum()
    }
}
