//! The gradient of a loop: back-propagation through time (Werbos 1990).
//!
//! A second loop goes through the elements the other way round. It carries the gradients of the carried
//! values, and stacks those of the elements. The first loop stacks what the second one needs of an iteration:
//! the carried values as they were before it, and the results of products. All else is computed again, as
//! elementwise work costs less than the memory that would hold its results.

mod extract;
mod joint;
mod totals;

use super::{Backward, Rule};
use crate::emit::Emit;
use crate::graph::Value;
use crate::op::{Binary, Op};
use crate::types::{DType, Type};
use extract::{BodyInput, extract};
use joint::{Joint, is_number};
use std::collections::{BTreeSet, HashMap};
use totals::{Total, Totals};

/// A loop that is differentiated.
struct Forward {
    /// The number of its body.
    body: usize,
    args: Vec<Value>,
    sequences: usize,
    carried: usize,
    backwards: bool,
    /// The gradient of each result, as far as it has one.
    given: Vec<Option<Value>>,
}

/// The loop that goes back, as it is put together.
struct Return {
    /// The inputs of its body with the arguments that they are: sequences, carried values and others.
    sequences: Vec<(BodyInput, Value)>,
    carried: Vec<(BodyInput, Value)>,
    read: Vec<(BodyInput, Value)>,
    /// The results of its body.
    outputs: Vec<Value>,
}

impl Backward {
    /// Gives the arguments of a loop what they have of the gradients of its results. All of its nodes have
    /// theirs when the first one is reached, and the others do nothing.
    pub(super) fn scan(&mut self, v: Value) -> Rule {
        let node = self.graph.node(v).clone();
        let Op::Scan { body, sequences, carried, backwards, .. } = node.op else { return Ok(()) };
        let Some(given) = self.given(v, body)? else { return Ok(()) };
        let of = Forward { body, args: node.args, sequences, carried, backwards, given };
        let wanted = of.args.iter().map(|a| self.wants(*a) && is_number(self.graph.ty(*a))).collect();
        let has: Vec<bool> = of.given.iter().map(Option::is_some).collect();
        let mut joint =
            Joint::of(&self.graph.bodies[body], sequences, carried, wanted, &has, &self.recomputed)?;

        let (changing, gradients) = (joint.changing(), joint.gradients.clone());
        let (of_elements, of_read) = (&gradients[..sequences], &gradients[sequences + carried..]);
        let mut totals = Totals::default();
        totals.elements.extend(of_elements.iter().flatten());
        of_read.iter().flatten().for_each(|gradient| totals.note(&joint, *gradient, &changing));
        let mut plans: Vec<(usize, Total)> = Vec::new();
        for (i, gradient) in of_read.iter().enumerate() {
            if let Some(gradient) = gradient {
                plans.push((sequences + carried + i, totals.plan(&mut joint, *gradient, &changing)?));
            }
        }
        self.go_back(&of, &joint, &totals, &plans)
    }

    /// The gradient of each result of a loop: `None` if `v` is not its first node, or if there are none.
    fn given(&mut self, v: Value, number: usize) -> Rule<Option<Vec<Option<Value>>>> {
        let mut given = vec![None; self.graph.bodies[number].outputs.len()];
        for u in (0..self.gradients.len() as u32).map(Value) {
            let Op::Scan { body, result, .. } = self.graph.node(u).op else { continue };
            if body != number {
                continue;
            }
            if u < v {
                return Ok(None);
            }
            if let Some(gradient) = self.gradients[u.index()] {
                given[result] = Some(match given[result] {
                    Some(known) => self.binary_of(Binary::Add, known, gradient)?,
                    None => gradient,
                });
            }
        }
        Ok(Some(given).filter(|given| given.iter().any(Option::is_some)))
    }

    /// Adds the loop that goes back, and gives the gradients.
    fn go_back(&mut self, of: &Forward, joint: &Joint, totals: &Totals, plans: &[(usize, Total)]) -> Rule {
        // What gradients are carried for: what one is asked for, and what that follows from.
        let carried: Vec<usize> = (0..of.carried).filter(|c| joint.seeds[*c].is_some()).collect();
        let mut outputs: Vec<Value> =
            carried.iter().filter_map(|c| joint.gradients[of.sequences + c]).collect();
        outputs.extend(totals.carried.iter().map(|sum| sum.after));
        let kept = joint.kept(of.sequences, &outputs, &totals.elements);
        let mut stacked = self.stacked_by_forward(of, joint, &kept)?;
        let own: Vec<Value> = totals.elements.iter().filter(|v| !stacked.contains_key(v)).copied().collect();
        outputs.extend(&own);
        let back = self.inputs_of_return(of, joint, totals, outputs, (&carried, &kept, &stacked))?;

        let Return { sequences, carried: carries, read, outputs } = back;
        let (along, count) = (sequences.len(), carries.len());
        let (inputs, args): (Vec<BodyInput>, Vec<Value>) =
            sequences.into_iter().chain(carries).chain(read).unzip();
        let body = self.graph.bodies.len();
        self.graph.bodies.push(extract(&joint.graph, &inputs, &outputs, false));
        let mut results = Vec::new();
        for result in 0..outputs.len() {
            let op = Op::Scan { body, result, sequences: along, carried: count, backwards: !of.backwards };
            results.push(self.push(op, &args)?);
        }

        stacked.extend(own.into_iter().zip(results[count..].iter().copied()));
        for (c, gradient) in carried.iter().zip(&results) {
            self.give(of.args[of.sequences + c], *gradient)?;
        }
        for (arg, gradient) in of.args.iter().zip(&joint.gradients[..of.sequences]) {
            if let Some(gradient) = gradient {
                self.give(*arg, stacked[gradient])?;
            }
        }
        for (i, plan) in plans {
            let total = self.total(plan, &results[carried.len()..count], &stacked)?;
            self.give(of.args[*i], total)?;
        }
        Ok(())
    }

    /// Gives the forward loop the results that are kept. All that is known stacked, by its value in the joint
    /// graph: these, the elements, and the gradients of stacked results.
    fn stacked_by_forward(
        &mut self,
        of: &Forward,
        joint: &Joint,
        kept: &BTreeSet<Value>,
    ) -> Rule<HashMap<Value, Value>> {
        let mut stacked = HashMap::new();
        for (i, arg) in of.args[..of.sequences].iter().enumerate() {
            stacked.extend(joint.values_of(i).into_iter().map(|v| (v, *arg)));
        }
        let seeds = joint.seeds.iter().zip(&of.given).skip(of.carried);
        stacked.extend(seeds.filter_map(|(seed, given)| seed.zip(*given)));

        let mut outputs = joint.outputs.clone();
        let mut places = Vec::new();
        for v in kept {
            let known = (of.carried..outputs.len()).find(|place| outputs[*place] == *v);
            places.push((*v, known.unwrap_or(outputs.len())));
            outputs.extend(known.is_none().then_some(*v));
        }
        let input = |i: usize| BodyInput { decl: joint.graph.inputs[i].clone(), values: joint.values_of(i) };
        let inputs: Vec<BodyInput> = (0..of.args.len()).map(input).collect();
        self.graph.bodies[of.body] = extract(&joint.graph, &inputs, &outputs, true);
        for (v, place) in places {
            let (body, sequences, carried, backwards) = (of.body, of.sequences, of.carried, of.backwards);
            let op = Op::Scan { body, result: place, sequences, carried, backwards };
            let known = self.graph.values().find(|u| self.graph.node(*u).op == op);
            let source = self.graph.node(self.at).source.clone();
            let made = if let Some(known) = known { known } else { self.graph.push(op, &of.args, source)? };
            stacked.insert(v, made);
        }
        Ok(stacked)
    }

    /// The inputs of the loop that goes back: of what the first one is given and has stacked, what is read.
    fn inputs_of_return(
        &mut self,
        of: &Forward,
        joint: &Joint,
        totals: &Totals,
        outputs: Vec<Value>,
        (carries, kept, stacked): (&[usize], &BTreeSet<Value>, &HashMap<Value, Value>),
    ) -> Rule<Return> {
        let is_read = joint.read_by(&outputs, kept);
        let (mut sequences, mut carried, mut read) = (Vec::new(), Vec::new(), Vec::new());
        for (i, arg) in of.args.iter().enumerate() {
            let values = joint.values_of(i);
            let is_carried = (of.sequences..of.sequences + of.carried).contains(&i);
            if !is_carried && values.iter().any(|v| is_read[v.index()]) {
                let list = if i < of.sequences { &mut sequences } else { &mut read };
                list.push((BodyInput { decl: joint.graph.inputs[i].clone(), values }, *arg));
            }
        }
        let of_results = joint.seeds.iter().skip(of.carried).flatten().filter(|v| is_read[v.index()]);
        for v in kept.iter().filter(|v| is_read[v.index()]).chain(of_results) {
            let decl = joint.declared(&format!("kept_{}", v.index()), *v);
            sequences.push((BodyInput { decl, values: vec![*v] }, stacked[v]));
        }
        // A loop needs something to go along.
        if sequences.is_empty() {
            let decl = joint.graph.inputs[0].clone();
            sequences.push((BodyInput { decl, values: Vec::new() }, of.args[0]));
        }
        let of_carried = carries.iter().filter_map(|c| Some((joint.seeds[*c]?, of.given[*c])));
        for (v, start) in of_carried.chain(totals.carried.iter().map(|sum| (sum.before, None))) {
            let decl = joint.declared("", v);
            let start = if let Some(start) = start { start } else { self.zeros(&decl.ty)? };
            carried.push((BodyInput { decl, values: vec![v] }, start));
        }
        Ok(Return { sequences, carried, read, outputs })
    }

    /// As many zeros as a value of this type has elements.
    fn zeros(&mut self, ty: &Type) -> Rule<Value> {
        let mut zero = self.number(0.0)?;
        if ty.dtype != DType::F32 {
            zero = self.push(Op::Cast(ty.dtype), &[zero])?;
        }
        if ty.shape.is_empty() { Ok(zero) } else { self.push(Op::Expand(ty.shape.clone()), &[zero]) }
    }
}
