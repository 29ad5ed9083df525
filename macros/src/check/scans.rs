//! `scan x in xs over S { .. }`: a loop whose length is known at run time. It becomes one op, whose body is a
//! graph of its own.

use super::checker::Checker;
use super::options::emitted_axis;
use super::scope::{Hint, Meaning, Shaped, Tensor};
use crate::ast::{Item, ItemKind, Scan};
use crate::errors::Place;
use crate::messages;
use crate::plan::{Body, CarriedPlan, ScanPlan, SequencePlan, Step, StepKind, Val};
use crate::walk;
use std::collections::BTreeSet;
use tancho_ir::bind::is_open;
use tancho_ir::{DType, Dim, Type};

/// What the loop is called among those around a place. No path can name its iterations.
pub const SCAN: &str = "scan";

/// A variable that iterations change.
struct Carried {
    name: String,
    tensor: Tensor,
    /// The state that it is.
    state: Option<usize>,
}

impl Checker<'_> {
    /// The results of the iterations, stacked along the axis of the sequences.
    pub fn scan(&mut self, scan: &Scan) -> Shaped {
        let before = self.errors.count();
        let Some((sequences, axis)) = self.sequences(scan) else {
            return Shaped::Poison;
        };
        let mut item = None;
        walk::items_of(&scan.body, &mut |i: &Item| item = item.or(Some(Place::of(i.name.span()))));
        if let Some(place) = item {
            return self.refuse(place, messages::item_in_scan());
        }
        let carried = self.carried(scan);
        // What the body reads of the values so far, it captures.
        let outside = self.fresh();
        let elements: Vec<Tensor> = (scan.names.iter().zip(&sequences))
            .map(|(name, t)| {
                let mut shape = t.ty.shape.clone();
                shape.remove(axis);
                Tensor { ty: Type::new(t.ty.dtype, shape), val: self.fresh(), name: name.to_string() }
            })
            .collect();
        let (steps, results) = self.iteration_of_scan(scan, &elements, &carried);
        if self.errors.count() > before {
            return Shaped::Poison;
        }
        let Some(results) = results else { return Shaped::Poison };
        if results.is_empty() && carried.is_empty() {
            return self.refuse(scan.place, messages::idle_scan(&scan.text));
        }
        let body = Body { steps, results: results.iter().map(|t| t.val).collect() };
        let stacked = self.stacked(scan, &sequences[0], axis, &results);
        let Some(stacked) = stacked else { return Shaped::Poison };
        let captured = self.captured(&body, outside, &carried);
        let named = scan.names.iter().zip(&sequences).zip(&elements);
        let sequences = named.map(|((name, t), e)| SequencePlan {
            name: name.to_string(),
            from: t.val,
            axis: emitted_axis(t, axis),
            element: e.val,
        });
        let mut plan = ScanPlan {
            sequences: sequences.collect(),
            carried: Vec::new(),
            captured,
            backwards: scan.backwards,
            body,
            stacked: stacked.iter().map(|t| t.val).collect(),
        };
        for c in carried {
            let state = c.state.and_then(|i| self.states.get(i)).map(|s| s.before);
            plan.carried.push(CarriedPlan { name: c.name, slot: c.tensor.val, last: self.fresh(), state });
            if let Some(state) = c.state {
                self.change(state, None, scan.place);
            }
        }
        self.step(scan.place, &scan.text, StepKind::Scan(Box::new(plan)));
        let mut parts: Vec<Shaped> = stacked.into_iter().map(Shaped::Tensor).collect();
        match parts.len() {
            1 => parts.swap_remove(0),
            _ => Shaped::Tuple(parts),
        }
    }

    /// Refuses a net with states in a loop: iterations hand on what they carry.
    pub fn states_outside_of_scans(&self, net: &str, place: Place) -> Option<()> {
        if self.loops.iter().any(|l| l == SCAN) && self.keeps_states(net, &mut Vec::new()) {
            self.fail(place, messages::states_in_scan(net));
            return None;
        }
        Some(())
    }

    /// Whether a network of this macro call has states, or a net in it.
    pub fn keeps_states(&self, network: &str, seen: &mut Vec<String>) -> bool {
        if seen.iter().any(|s| s == network) {
            return false;
        }
        seen.push(network.into());
        let Some(network) = self.program.networks.iter().find(|n| n.name == network) else { return false };
        let mut items: Vec<&Item> = network.items.iter().collect();
        network.entries.iter().for_each(|e| walk::items_of(&e.body, &mut |i| items.push(i)));
        items.into_iter().any(|i| match &i.kind {
            ItemKind::State(..) => true,
            ItemKind::Net(used, _) => self.keeps_states(&used.text, seen),
            ItemKind::Param(..) | ItemKind::Buffer(..) | ItemKind::Const(..) | ItemKind::Broken => false,
        })
    }

    /// The sequences, and the axis of the first that the loop goes along.
    fn sequences(&mut self, scan: &Scan) -> Option<(Vec<Tensor>, usize)> {
        let mut all = Vec::new();
        for e in &scan.sequences {
            let v = self.eval(e, Hint::default());
            all.push(self.tensor(v, e, DType::F32));
        }
        let all: Vec<Tensor> = all.into_iter().collect::<Option<_>>()?;
        let mut first: Option<(usize, Dim)> = None;
        for (t, e) in all.iter().zip(&scan.sequences) {
            let axis = self.axis("scan", &scan.over, t)?;
            let len = t.ty.shape[axis].clone();
            match &first {
                None => first = Some((axis, len)),
                Some((at, n)) if *n != len || *at != axis => {
                    let (one, other) = ((&*all[0].name, &all[0].ty), (&*t.name, &t.ty));
                    self.fail(e.place, messages::unequal_sequences(one, other, &self.facts));
                    return None;
                }
                Some(_) => {}
            }
        }
        Some((all, first?.0))
    }

    /// The variables and states that the body assigns to and that are declared outside of it.
    fn carried(&mut self, scan: &Scan) -> Vec<Carried> {
        let mut names = BTreeSet::new();
        walk::assigned(&scan.body, &mut |name| {
            names.insert(name.to_string());
        });
        let mut all = Vec::new();
        for name in names {
            match self.peek(&name) {
                Some(Meaning::Slot(t, _)) => {
                    let tensor = Tensor { name: name.clone(), ..t.clone() };
                    all.push(Carried { name, tensor, state: None });
                }
                Some(Meaning::State(i)) => {
                    let state = *i;
                    let Some(s) = self.states.get(state).filter(|s| s.grows.is_none()) else { continue };
                    let tensor = s.tensor.clone();
                    // A state that is carried is read by that.
                    self.lookup(&name);
                    all.push(Carried { name, tensor, state: Some(state) });
                }
                _ => {}
            }
        }
        all
    }

    /// The results of an iteration as the loop gives them.
    fn stacked(
        &mut self,
        scan: &Scan,
        sequence: &Tensor,
        axis: usize,
        results: &[Tensor],
    ) -> Option<Vec<Tensor>> {
        let place = scan.body.tail.as_ref().map_or(scan.place, |tail| tail.place);
        let mut all = Vec::new();
        for t in results {
            if is_open(&sequence.ty) != is_open(&t.ty) || axis > t.ty.rank() {
                self.fail(place, messages::stacked_axis(&sequence.name, &sequence.ty, &t.ty, &self.facts));
                return None;
            }
            let mut shape = t.ty.shape.clone();
            shape.insert(axis, sequence.ty.shape[axis].clone());
            let ty = Type::new(t.ty.dtype, shape);
            all.push(Tensor { ty, val: self.fresh(), name: t.name.clone() });
        }
        Some(all)
    }

    /// The steps and results of one iteration.
    fn iteration_of_scan(
        &mut self,
        scan: &Scan,
        elements: &[Tensor],
        carried: &[Carried],
    ) -> (Vec<Step>, Option<Vec<Tensor>>) {
        self.loops.push(SCAN.into());
        let done = self.collect(|me| {
            me.scopes.push(Default::default());
            for c in carried {
                me.rebind(&c.name, Meaning::Slot(c.tensor.clone(), me.loops.len() - 1));
            }
            for (name, t) in scan.names.iter().zip(elements) {
                let (text, place) = (name.to_string(), Place::of(name.span()));
                match me.taken(&text, false) {
                    Some(earlier) => {
                        me.fail(place, messages::duplicate(&text, "an element of a `scan`", earlier));
                        me.bind(&text, Meaning::Poison);
                    }
                    None => me.declare(&text, "element", place, Meaning::Value(Shaped::Tensor(t.clone()))),
                }
            }
            let value = me.block(&scan.body, Hint::default(), true);
            let results = match (value, &scan.body.tail) {
                (Some(value), Some(tail)) => me.tensors(value, tail),
                _ => Some(Vec::new()),
            };
            me.scopes.pop();
            results
        });
        self.loops.pop();
        done
    }

    /// The values from outside that a body reads, but for those that are carried.
    fn captured(&self, body: &Body, outside: Val, carried: &[Carried]) -> Vec<Val> {
        let mut captured = BTreeSet::new();
        let mut read = |v: Val| {
            if v < outside && carried.iter().all(|c| c.tensor.val != v) {
                captured.insert(v);
            }
        };
        reads(body, &mut read);
        captured.into_iter().collect()
    }
}

/// The values that the steps of a body read, whether they are made in it or not, and its results.
fn reads(body: &Body, read: &mut dyn FnMut(Val)) {
    body.results.iter().for_each(|v| read(*v));
    for step in &body.steps {
        match &step.kind {
            StepKind::Param { .. } | StepKind::State { .. } | StepKind::Net(_) => {}
            StepKind::ConstItem { .. } | StepKind::Within { .. } | StepKind::Constant { .. } => {}
            StepKind::Push { state, rows, .. } => [*state, *rows].into_iter().for_each(&mut *read),
            StepKind::Keep { state, slot, from } => [*state, *slot, *from].into_iter().for_each(&mut *read),
            StepKind::Op { args, .. } | StepKind::Call { args, .. } => args.iter().for_each(|v| read(*v)),
            StepKind::Pick { from, .. } | StepKind::Split { from, .. } => read(*from),
            StepKind::Slot { from, .. } | StepKind::Read { from, .. } => read(*from),
            StepKind::Assign { slot, from } => [*slot, *from].into_iter().for_each(&mut *read),
            StepKind::Name { of, .. } => read(*of),
            StepKind::Minimize { loss, rate, .. } => [*loss, *rate].into_iter().for_each(&mut *read),
            StepKind::If { then, otherwise, .. } => {
                reads(then, read);
                reads(otherwise, read);
            }
            StepKind::Loop { body, .. } => reads(body, read),
            StepKind::Experts(e) => {
                read(e.ids);
                e.args.iter().for_each(|(v, _)| read(*v));
            }
            StepKind::Scan(scan) => {
                scan.sequences.iter().for_each(|s| read(s.from));
                scan.carried.iter().for_each(|c| read(c.slot));
                scan.captured.iter().for_each(|v| read(*v));
            }
        }
    }
}
