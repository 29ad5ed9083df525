//! The body of a loop with the gradients of its inputs behind it: one graph, of which one part belongs to the
//! loop and one to the loop that goes back.

use crate::differentiate::{Backward, Recomputed, Rule, depend_on, expand};
use crate::emit::Emit;
use crate::graph::{Graph, InputDecl, Node, Source, Value};
use crate::op::{Binary, Class, Op};
use crate::passes::hoist_from_scans;
use crate::types::{DType, Type};
use std::collections::BTreeSet;

/// A body with gradients.
pub(super) struct Joint {
    /// Its first nodes compute what the body does.
    pub graph: Graph,
    /// The results of the body.
    pub outputs: Vec<Value>,
    /// For each result of the body, the input that is its gradient.
    pub seeds: Vec<Option<Value>>,
    /// The gradient of each input of the body, if it has one.
    pub gradients: Vec<Option<Value>>,
    /// How many inputs the body has; the seeds stand behind them.
    inputs: usize,
    /// How many of them change from one iteration to the next.
    changing: usize,
    /// Nets of which nothing is stacked but what is carried.
    recomputed: Recomputed,
}

impl Joint {
    /// Differentiates a body whose first inputs are elements of sequences and, behind these, carried values.
    /// `wanted` are the inputs whose gradients are asked for, `given` the stacked results that have one.
    pub fn of(
        body: &Graph,
        sequences: usize,
        carried: usize,
        mut wanted: Vec<bool>,
        given: &[bool],
        recomputed: &Recomputed,
    ) -> Rule<Joint> {
        let body = hoist_from_scans::run(body)?;
        let of_inputs = |wanted: &[bool]| -> Vec<Value> {
            let is_wanted = |v: &Value| matches!(body.node(*v).op, Op::Input(i) if wanted[i]);
            body.values().filter(is_wanted).collect()
        };
        // A carried value depends on all that an earlier iteration made it of.
        let (by, needed) = loop {
            let by = of_inputs(&wanted);
            let needed = depend_on(&body, &by);
            let depends = |c: &usize| needed[body.outputs[*c].index()] && !wanted[sequences + c];
            let more: Vec<usize> = (0..carried).filter(depends).collect();
            if more.is_empty() {
                break (by, needed);
            }
            more.into_iter().for_each(|c| wanted[sequences + c] = true);
        };
        let (graph, map) = expand(&body, &needed)?;
        let by: Vec<Value> = by.iter().map(|v| map[v.index()]).collect();
        let (needed, outputs) = (depend_on(&graph, &by), graph.outputs.clone());
        let mut back = Backward::new(graph, needed, outputs[0]);
        back.recomputed.clone_from(recomputed);
        let mut seeds = Vec::new();
        for (result, output) in outputs.iter().enumerate() {
            let is_seeded = if result < carried { wanted[sequences + result] } else { given[result] };
            if !is_seeded {
                seeds.push(None);
                continue;
            }
            back.at = *output;
            let ty = back.graph.ty(*output).clone();
            let seed = new_input(&mut back.graph, &format!("gradient_{result}"), ty);
            back.give(*output, seed)?;
            seeds.push(Some(seed));
        }
        back.run()?;
        let mut gradients = vec![None; body.inputs.len()];
        for v in by {
            let (Op::Input(i), Some(gradient)) = (&back.graph.node(v).op, back.gradients[v.index()]) else {
                continue;
            };
            let i = *i;
            back.at = v;
            gradients[i] = Some(match gradients[i] {
                Some(known) => back.binary_of(Binary::Add, known, gradient)?,
                None => gradient,
            });
        }
        // What is carried on is 0 where no gradient reaches it.
        for c in (0..carried).filter(|c| seeds[*c].is_some()) {
            if gradients[sequences + c].is_none() {
                gradients[sequences + c] = Some(back.zeros(&body.inputs[sequences + c].ty)?);
            }
        }
        let (inputs, changing) = (body.inputs.len(), sequences + carried);
        let recomputed = back.recomputed;
        Ok(Joint { graph: back.graph, outputs, seeds, gradients, inputs, changing, recomputed })
    }

    /// Whether each value depends on an input that this holds of, by its number.
    fn depend(&self, on: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut depends: Vec<bool> = Vec::with_capacity(self.graph.nodes.len());
        for node in &self.graph.nodes {
            let own = matches!(node.op, Op::Input(i) if on(i));
            depends.push(own || node.args.iter().any(|a| depends[a.index()]));
        }
        depends
    }

    /// Whether each value differs from one iteration to the next.
    pub fn changing(&self) -> Vec<bool> {
        self.depend(|i| i < self.changing || i >= self.inputs)
    }

    /// What the loop stacks for the loop that goes back, which computes `outputs`: carried values as they
    /// are before each iteration, and, but in nets that are computed again, results of products and what is
    /// read stacked (`elements`). All else is computed again from these.
    pub fn kept(&self, sequences: usize, outputs: &[Value], elements: &BTreeSet<Value>) -> BTreeSet<Value> {
        let (changing, of_seeds) = (self.changing(), self.depend(|i| i >= self.inputs));
        let costly = self.costly();
        let is_kept = |v: Value, node: &Node| {
            if let Op::Input(i) = node.op {
                return (sequences..self.changing).contains(&i);
            }
            let can = changing[v.index()] && !of_seeds[v.index()];
            let again = self.recomputed.contains(&node.source.scope);
            can && !again && (elements.contains(&v) || costly[v.index()])
        };
        let (mut kept, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut todo: Vec<Value> = outputs.iter().chain(elements).copied().collect();
        while let Some(v) = todo.pop() {
            if !seen.insert(v) {
                continue;
            }
            let node = self.graph.node(v);
            if is_kept(v, node) {
                kept.insert(v);
            } else {
                todo.extend(&node.args);
            }
        }
        kept
    }

    /// Whether each value is rather stored than computed again: the result of a product, or elementwise work
    /// that is fused to one because nothing else reads that result.
    fn costly(&self) -> Vec<bool> {
        let mut readers = self.graph.use_counts();
        self.gradients.iter().flatten().for_each(|v| readers[v.index()] += 1);
        let mut costly: Vec<bool> = Vec::with_capacity(readers.len());
        for node in &self.graph.nodes {
            let is_fused = |a: &Value| {
                costly[a.index()] && readers[a.index()] == 1 && self.graph.ty(*a).shape == node.ty.shape
            };
            costly.push(is_costly(&node.op) || node.op.is_elementwise() && node.args.iter().any(is_fused));
        }
        costly
    }

    /// Whether each value is read for these results, where what is kept is not computed again.
    pub fn read_by(&self, outputs: &[Value], kept: &BTreeSet<Value>) -> Vec<bool> {
        let mut read = vec![false; self.graph.nodes.len()];
        outputs.iter().for_each(|v| read[v.index()] = true);
        for v in (0..self.graph.nodes.len() as u32).rev().map(Value) {
            if read[v.index()] && !kept.contains(&v) {
                self.graph.node(v).args.iter().for_each(|a| read[a.index()] = true);
            }
        }
        read
    }

    /// The declaration of an input that a value becomes: its own if it is one, else one under a free name.
    pub fn declared(&self, name: &str, v: Value) -> InputDecl {
        if let Op::Input(i) = self.graph.node(v).op
            && i >= self.inputs
        {
            return self.graph.inputs[i].clone();
        }
        InputDecl::new(free_name(&self.graph, name), self.graph.ty(v).clone())
    }

    /// The values of an input.
    pub fn values_of(&self, input: usize) -> Vec<Value> {
        self.graph.values().filter(|v| self.graph.node(*v).op == Op::Input(input)).collect()
    }
}

/// Whether the result of an op costs more to compute than to store.
fn is_costly(op: &Op) -> bool {
    match op.class() {
        Class::Matmul | Class::Window | Class::Attention | Class::Cumulative => true,
        Class::Scan | Class::Experts | Class::Scatter | Class::RowSums => true,
        Class::Source | Class::Generator | Class::Elementwise | Class::Reduction | Class::Norm => false,
        Class::View | Class::Concat | Class::Push | Class::Gather | Class::Lowered => false,
    }
}

/// Adds an input to a body, under a name that no other has.
pub(super) fn new_input(graph: &mut Graph, name: &str, ty: Type) -> Value {
    graph.inputs.push(InputDecl::new(free_name(graph, name), ty.clone()));
    graph.push_typed(Op::Input(graph.inputs.len() - 1), &[], ty, Source::default())
}

/// A name that no input has.
fn free_name(graph: &Graph, name: &str) -> String {
    let mut free = name.to_string();
    while graph.inputs.iter().any(|input| input.name == free) {
        free.push('_');
    }
    free
}

/// Whether values of this type have gradients.
pub(super) fn is_number(ty: &Type) -> bool {
    matches!(ty.dtype, DType::F32 | DType::Bf16)
}
