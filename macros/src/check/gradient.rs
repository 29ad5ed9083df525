//! Whether a loss has a gradient: ops that have none may not stand between it and a weight.

use super::checker::Checker;
use crate::errors::Place;
use crate::messages;
use crate::plan::{Body, Home, Step, StepKind, Val};
use std::collections::{BTreeMap, BTreeSet};
use tancho_ir::op::Op;
use tancho_ir::table::{name_of, present_params};

/// What a value is made of.
#[derive(Default)]
struct Flow {
    /// The values that each value is made of.
    made: BTreeMap<Val, Vec<Val>>,
    /// Ops without a gradient: their name, source text and place.
    flat: BTreeMap<Val, (String, String, Place)>,
    /// Values that learn: weights, and results of networks.
    learned: BTreeSet<Val>,
    /// Values before which nothing learns, on purpose.
    stopped: BTreeSet<Val>,
}

impl Checker<'_> {
    /// Reports the ops that keep a loss from reaching the weights it is made of.
    pub fn gradient(&self, block: &Body, loss: Val, place: Place) {
        let mut flow = Flow::default();
        flow.block(block);
        let before = flow.made_of(loss);
        for v in &before {
            let Some((op, text, at)) = flow.flat.get(v) else { continue };
            if flow.made_of(*v).iter().any(|b| flow.learned.contains(b)) {
                self.fail(*at, messages::no_gradient(op, text));
                return;
            }
        }
        if !before.iter().any(|v| flow.learned.contains(v)) {
            self.fail(place, messages::loss_without_weights());
        }
    }
}

impl Flow {
    fn block(&mut self, body: &Body) {
        body.steps.iter().for_each(|s| self.step(s));
    }

    fn step(&mut self, step: &Step) {
        match &step.kind {
            StepKind::Param { out, attributes, .. } => {
                if !attributes.buffer && !attributes.frozen {
                    self.learned.insert(*out);
                }
            }
            StepKind::Op { out, op, args, .. } => {
                if op.is_flat() {
                    self.flat.insert(*out, (name_of(op).to_string(), step.text.clone(), step.place));
                }
                if *op == Op::StopGradient {
                    self.stopped.insert(*out);
                }
                // Ids and conditions choose; what they choose among has the gradient.
                let chooses = |param: &str| matches!(param, "ids" | "cond" | "mask" | "where");
                let params = present_params(op, args.len());
                let made = params.iter().zip(args).filter(|(param, _)| !chooses(param)).map(|(_, v)| *v);
                self.made.entry(*out).or_default().extend(made);
            }
            StepKind::Call { outs, args, home, .. } => {
                for out in outs {
                    self.made.entry(*out).or_default().extend(args);
                    if *home != Home::Nowhere {
                        self.learned.insert(*out);
                    }
                }
            }
            StepKind::Pick { out, from, .. }
            | StepKind::Slot { out, from }
            | StepKind::Read { out, from } => {
                self.made.entry(*out).or_default().push(*from);
            }
            StepKind::Push { out, state, rows } => self.made.entry(*out).or_default().extend([*state, *rows]),
            StepKind::Assign { slot, from } | StepKind::Keep { slot, from, .. } => {
                self.made.entry(*slot).or_default().push(*from)
            }
            StepKind::Split { outs, from, .. } => {
                outs.iter().for_each(|o| self.made.entry(*o).or_default().push(*from))
            }
            StepKind::If { then, otherwise, outs, .. } => {
                for b in [then, otherwise] {
                    self.block(b);
                    outs.iter().zip(&b.results).for_each(|(o, v)| self.made.entry(*o).or_default().push(*v));
                }
            }
            StepKind::Loop { body, .. } => self.block(body),
            // Ids choose; the rows and the weights have the gradient.
            StepKind::Experts(e) => {
                self.made.entry(e.out).or_default().extend(e.args.iter().map(|(v, _)| *v));
                self.learned.insert(e.out);
            }
            StepKind::Scan(scan) => {
                self.block(&scan.body);
                let mut made = |v: Val, of: Val| self.made.entry(v).or_default().push(of);
                scan.sequences.iter().for_each(|s| made(s.element, s.from));
                scan.stacked.iter().zip(&scan.body.results).for_each(|(v, of)| made(*v, *of));
            }
            StepKind::State { .. }
            | StepKind::Net(_)
            | StepKind::Within { .. }
            | StepKind::Constant { .. }
            | StepKind::Minimize { .. }
            | StepKind::ConstItem { .. }
            | StepKind::Name { .. } => {}
        }
    }

    /// All values that one is made of by ways a gradient could take back, itself among them.
    fn made_of(&self, v: Val) -> BTreeSet<Val> {
        let (mut seen, mut open) = (BTreeSet::from([v]), vec![v]);
        while let Some(at) = open.pop() {
            if self.stopped.contains(&at) {
                continue;
            }
            for &from in self.made.get(&at).into_iter().flatten() {
                if seen.insert(from) {
                    open.push(from);
                }
            }
        }
        seen
    }
}
