//! Moves work out of loops. What all iterations compute alike is computed once before the loop. A matrix
//! product of elements of the sequences is computed for all of them at once, so that each weight is read once
//! and not once for each element: the input gates of an LSTM are one product.
//!
//! Elementwise work on elements stays in the loop, where it is fused with what it is for, unless it is for
//! such a product or follows one.

use super::Rewriter;
use crate::dim::Dim;
use crate::graph::{Graph, InputDecl, Value};
use crate::infer::ShapeError;
use crate::op::{Class, Op};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Runs the pass.
pub fn run(old: &Graph) -> Result<Graph, ShapeError> {
    if old.bodies.is_empty() {
        return Ok(old.clone());
    }
    let mut loops: HashMap<usize, (Vec<Value>, usize)> = HashMap::new();
    Rewriter::run(old, |r, v, args| {
        let Op::Scan { body, result, carried, backwards, .. } = old.node(v).op else { return Ok(None) };
        let (args, sequences) = match loops.entry(body) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(hoist(r, v, args)?),
        };
        r.push(Op::Scan { body, result, sequences: *sequences, carried, backwards }, args, v).map(Some)
    })
}

/// How often a value of a body changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Changes {
    /// Never.
    Never,
    /// With the element.
    WithElement,
    /// With what is carried.
    WithIterations,
}

/// An input of the body that is left.
struct BodyInput {
    /// 0 for an element, 1 for what is carried, 2 for what never changes.
    sort: usize,
    decl: InputDecl,
    /// The argument of the loop.
    arg: Value,
    /// The values of the old body that it is.
    values: Vec<Value>,
}

/// A body, and what is known of its values.
struct Body<'g> {
    graph: &'g Graph,
    changes: Vec<Changes>,
    /// What can be computed before the loop.
    can: Vec<bool>,
    /// What is.
    hoisted: Vec<bool>,
}

/// Moves work before the loop of a node. Gives its arguments, and how many are sequences.
fn hoist(r: &mut Rewriter<'_>, v: Value, args: &[Value]) -> Result<(Vec<Value>, usize), ShapeError> {
    let old = r.old;
    let Op::Scan { body: number, sequences, carried, .. } = old.node(v).op else {
        return Ok((args.to_vec(), 0));
    };
    let body = Body::of(&old.bodies[number], sequences, carried);
    if !body.hoisted.contains(&true) {
        return Ok((args.to_vec(), sequences));
    }
    let graph = body.graph;
    let len = r.new.ty(args[0]).shape[..1].to_vec();
    let mut outside: Vec<Option<Value>> = Vec::with_capacity(graph.nodes.len());
    for u in graph.values() {
        let node = graph.node(u);
        outside.push(match node.op {
            Op::Input(i) => Some(args[i]),
            _ if body.hoisted[u.index()] => {
                let made: Option<Vec<Value>> = node.args.iter().map(|a| outside[a.index()]).collect();
                let op =
                    body.outside(u, &len).ok_or_else(|| ShapeError::new("work that cannot be hoisted"))?;
                let made = made.ok_or_else(|| ShapeError::new("work is hoisted before its arguments"))?;
                let new = r.new.push(op, &made, node.source.clone())?;
                r.new.nodes[new.index()].name.clone_from(&node.name);
                Some(new)
            }
            _ => None,
        });
    }
    body.rest(sequences, carried, args, &outside, &mut r.new.bodies[number])
}

impl<'g> Body<'g> {
    fn of(graph: &'g Graph, sequences: usize, carried: usize) -> Body<'g> {
        let n = graph.nodes.len();
        let mut body = Body {
            graph,
            changes: Vec::with_capacity(n),
            can: Vec::with_capacity(n),
            hoisted: vec![false; n],
        };
        for v in graph.values() {
            let node = graph.node(v);
            let of_args = node.args.iter().map(|a| body.changes[a.index()]).max();
            body.changes.push(match node.op {
                Op::Input(i) if i < sequences => Changes::WithElement,
                Op::Input(i) if i < sequences + carried => Changes::WithIterations,
                _ => of_args.unwrap_or(Changes::Never),
            });
            let can = matches!(node.op, Op::Input(_)) || body.outside(v, &[]).is_some();
            let can = can && body.changes[v.index()] != Changes::WithIterations;
            body.can.push(can && node.args.iter().all(|a| body.can[a.index()]));
        }
        body.choose();
        body
    }

    /// Finds what is computed before the loop: products of elements, what never changes, all that is for
    /// these, and what is fused to them.
    fn choose(&mut self) {
        let graph = self.graph;
        for v in graph.values() {
            let node = graph.node(v);
            let worth = match self.changes[v.index()] {
                Changes::Never => !matches!(node.op.class(), Class::Source | Class::View),
                Changes::WithElement => matches!(node.op, Op::Linear { .. } | Op::Matmul),
                Changes::WithIterations => false,
            };
            if worth && self.can[v.index()] {
                self.mark(v);
            }
        }
        for v in graph.values() {
            let node = graph.node(v);
            let follows = |a: &Value| self.hoisted[a.index()] && graph.ty(*a).shape == node.ty.shape;
            let known = |a: &Value| self.hoisted[a.index()] || self.changes[a.index()] == Changes::Never;
            let fused = node.op.is_elementwise() || node.op.is_row_work();
            if fused && self.can[v.index()] && node.args.iter().any(follows) && node.args.iter().all(known) {
                self.mark(v);
            }
        }
    }

    /// Marks a value, and what it is made of.
    fn mark(&mut self, v: Value) {
        let mut todo = vec![v];
        while let Some(v) = todo.pop() {
            let node = self.graph.node(v);
            if !matches!(node.op, Op::Input(_)) && !std::mem::replace(&mut self.hoisted[v.index()], true) {
                todo.extend(&node.args);
            }
        }
    }

    /// The op that computes a value for all elements at once, whose axis comes first; `len` is its length.
    /// `None` where no op does.
    fn outside(&self, v: Value, len: &[Dim]) -> Option<Op> {
        let node = self.graph.node(v);
        let op = &node.op;
        if self.changes[v.index()] == Changes::Never && !op.has_body() {
            return Some(op.clone());
        }
        let changes = |a: &Value| self.changes[a.index()] == Changes::WithElement;
        let elements: Vec<bool> = node.args.iter().map(changes).collect();
        let shape = |i: usize| &self.graph.ty(node.args[i]).shape;
        let only_first = elements.first() == Some(&true) && !elements[1..].contains(&true);
        let longer = |shape: &[Dim]| len.iter().chain(shape).cloned().collect::<Vec<_>>();
        match (op, op.class()) {
            (Op::Reshape(shape), _) => Some(Op::Reshape(longer(shape))),
            (Op::Expand(to), _) => (shape(0).len() == to.len()).then(|| Op::Expand(longer(to))),
            (Op::Transpose(order), _) => {
                Some(Op::Transpose(std::iter::once(0).chain(order.iter().map(|axis| axis + 1)).collect()))
            }
            (Op::Slice { axis, start, end, step }, _) => {
                let (start, end, step) = (start.clone(), end.clone(), step.clone());
                Some(Op::Slice { axis: axis + 1, start, end, step })
            }
            (Op::Linear { .. }, _) => only_first.then(|| op.clone()),
            (Op::Matmul, _) => (only_first && shape(0).len() >= 2 && shape(1).len() == 2).then(|| op.clone()),
            (Op::Reduce { masked: true, .. }, _) => None,
            // Ids of all elements take rows of the same table.
            (_, Class::Gather) => (elements == [false, true]).then(|| op.clone()),
            (_, Class::Reduction | Class::Norm) => only_first.then(|| op.one_axis_later()),
            (_, Class::Elementwise) => {
                let whole = |(i, changes): (usize, &bool)| !changes || *shape(i) == node.ty.shape;
                elements.iter().enumerate().all(whole).then(|| op.clone())
            }
            (_, Class::Source | Class::Generator | Class::View | Class::Matmul | Class::Window) => None,
            (_, Class::Attention | Class::Concat | Class::Push | Class::Scatter | Class::RowSums) => None,
            (_, Class::Cumulative | Class::Scan | Class::Experts | Class::Lowered) => None,
        }
    }

    /// The body that is left, into `new`. Gives the arguments of the loop, and how many are sequences.
    fn rest(
        &self,
        sequences: usize,
        carried: usize,
        args: &[Value],
        outside: &[Option<Value>],
        new: &mut Graph,
    ) -> Result<(Vec<Value>, usize), ShapeError> {
        let old = self.graph;
        let mut read = old.are_results();
        for v in old.values().filter(|v| !self.hoisted[v.index()]) {
            old.node(v).args.iter().for_each(|a| read[a.index()] = true);
        }
        // Inputs of three sorts, in this order: elements, what is carried, which stays whether it is read or
        // not, and what never changes.
        let mut inputs: Vec<BodyInput> = Vec::new();
        for (i, decl) in old.inputs.iter().enumerate() {
            let values: Vec<Value> = old.values().filter(|v| old.node(*v).op == Op::Input(i)).collect();
            let sort = usize::from(i >= sequences) + usize::from(i >= sequences + carried);
            if sort == 1 || values.iter().any(|v| read[v.index()]) {
                inputs.push(BodyInput { sort, decl: decl.clone(), arg: args[i], values });
            }
        }
        for v in old.values().filter(|v| self.hoisted[v.index()] && read[v.index()]) {
            let Some(arg) = outside[v.index()] else { continue };
            let sort = if self.changes[v.index()] == Changes::WithElement { 0 } else { 2 };
            let decl = InputDecl::new(format!("hoisted_{}", v.index()), old.ty(v).clone());
            inputs.push(BodyInput { sort, decl, arg, values: vec![v] });
        }
        // A loop needs something to go along.
        if inputs.iter().all(|i| i.sort > 0) {
            inputs.push(BodyInput { sort: 0, decl: old.inputs[0].clone(), arg: args[0], values: Vec::new() });
        }
        inputs.sort_by_key(|i| i.sort);
        *new = old.body();
        new.bodies.clone_from(&old.bodies);
        let mut map: HashMap<Value, Value> = HashMap::new();
        for (i, BodyInput { decl, values, .. }) in inputs.iter().enumerate() {
            new.inputs.push(decl.clone());
            let source = values.first().map(|v| old.node(*v).source.clone()).unwrap_or_default();
            let made = new.push_typed(Op::Input(i), &[], decl.ty.clone(), source);
            new.nodes[made.index()].name = values.first().and_then(|v| old.node(*v).name.clone());
            map.extend(values.iter().map(|v| (*v, made)));
        }
        let along = inputs.iter().filter(|i| i.sort == 0).count();
        let given = |v: Value| matches!(old.node(v).op, Op::Input(_)) || self.hoisted[v.index()];
        for v in old.values() {
            if map.contains_key(&v) || given(v) {
                continue;
            }
            let node = old.node(v);
            let made: Vec<Value> = node.args.iter().map(|a| map[a]).collect();
            let made = new.push_typed(node.op.clone(), &made, node.ty.clone(), node.source.clone());
            new.nodes[made.index()].name.clone_from(&node.name);
            map.insert(v, made);
        }
        new.outputs = old.outputs.iter().map(|o| map[o]).collect();
        Ok((inputs.iter().map(|i| i.arg).collect(), along))
    }
}
