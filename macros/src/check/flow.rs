//! What the results of an entry point are made of by ways that a gradient could take back.

use crate::errors::Place;
use crate::plan::{Body, Checked, CheckedEntry, Foreign, Home, NetPlan, Step, StepKind, Val};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tancho_ir::op::Op;
use tancho_ir::table::{name_of, present_params};

/// An op without a gradient.
#[derive(Clone, Debug)]
pub struct Flat {
    /// Its name.
    pub op: String,
    /// Its source text.
    pub text: String,
    /// Where it is written.
    pub place: Place,
}

/// What a value is made of.
#[derive(Clone, Default)]
pub struct Made {
    /// The inputs of the entry point.
    pub inputs: BTreeSet<usize>,
    /// Whether a weight is among it that learns, of whatever net.
    pub learns: bool,
    /// The paths of the network's own items that learn by it.
    pub items: BTreeSet<String>,
    /// The first op without a gradient that stands between it and a weight that learns.
    pub before_weights: Option<Flat>,
    /// The same between it and an input.
    pub before_inputs: BTreeMap<usize, Flat>,
    /// Results of networks of other macro calls that stand before it.
    pub foreign: Vec<Foreign>,
}

impl Made {
    /// The op without a gradient that stands before it, whatever is behind; empty if there is none.
    pub fn flat(&self) -> String {
        let flat = self.before_weights.as_ref().or_else(|| self.before_inputs.values().next());
        flat.map(|flat| flat.op.clone()).unwrap_or_default()
    }
}

/// What the results of an entry point are made of.
type Results = Rc<Vec<Made>>;

/// What the results of all entry points are made of.
pub struct Flows<'a> {
    checked: &'a [Checked],
    known: RefCell<BTreeMap<(usize, usize), Results>>,
}

impl<'a> Flows<'a> {
    pub fn new(checked: &'a [Checked]) -> Flows<'a> {
        Flows { checked, known: RefCell::default() }
    }

    /// What the results of an entry point are made of; nothing if it has an error.
    pub fn results(&self, network: usize, entry: usize) -> Results {
        let at = (network, entry);
        if let Some(known) = self.known.borrow().get(&at) {
            return known.clone();
        }
        // A network that contains itself is an error: what it is made of is asked for while it is found.
        self.known.borrow_mut().insert(at, Rc::default());
        let e = self.checked.get(network).and_then(|c| c.entries.get(entry));
        let made = e.and_then(|e| Some((e, e.body.as_ref()?))).map(|(e, body)| {
            let mut flow = Flow::new(self, e.sig.declared.inputs.len());
            flow.block(body);
            body.results.iter().map(|v| flow.made(*v)).collect::<Vec<Made>>()
        });
        let made = Rc::new(made.unwrap_or_default());
        self.known.borrow_mut().insert(at, made.clone());
        made
    }

    /// What a value of a body is made of.
    pub fn made_of(&self, e: &CheckedEntry, body: &Body, v: Val) -> Made {
        let mut flow = Flow::new(self, e.sig.declared.inputs.len());
        flow.block(body);
        flow.made(v)
    }
}

/// The values of a body.
struct Flow<'a, 'b> {
    flows: &'b Flows<'a>,
    /// Values below it are inputs of the entry point.
    inputs: usize,
    /// The values that each value is made of.
    made: BTreeMap<Val, BTreeSet<Val>>,
    /// Values that have no gradient for what they are made of: for all of it, or for one value.
    flat: BTreeMap<Val, Vec<(Option<Val>, Flat)>>,
    /// Values that learn, with the item that does.
    learned: BTreeMap<Val, BTreeSet<String>>,
    /// Values with an op without a gradient before weights of a net.
    inside: BTreeMap<Val, Flat>,
    foreign: BTreeMap<Val, Foreign>,
    /// The same in networks that are called.
    foreign_inside: BTreeMap<Val, Vec<Foreign>>,
    /// Values before which nothing learns, on purpose.
    stopped: BTreeSet<Val>,
    nets: BTreeMap<usize, NetPlan>,
}

impl<'a, 'b> Flow<'a, 'b> {
    fn new(flows: &'b Flows<'a>, inputs: usize) -> Flow<'a, 'b> {
        Flow {
            flows,
            inputs,
            made: BTreeMap::new(),
            flat: BTreeMap::new(),
            learned: BTreeMap::new(),
            inside: BTreeMap::new(),
            foreign: BTreeMap::new(),
            foreign_inside: BTreeMap::new(),
            stopped: BTreeSet::new(),
            nets: BTreeMap::new(),
        }
    }

    fn block(&mut self, body: &Body) {
        body.steps.iter().for_each(|s| self.step(s));
    }

    fn from(&mut self, v: Val, of: impl IntoIterator<Item = Val>) {
        self.made.entry(v).or_default().extend(of);
    }

    fn net(&mut self, net: &NetPlan) {
        self.nets.insert(net.id, net.clone());
    }

    fn step(&mut self, step: &Step) {
        let flat = |op: &str| Flat { op: op.into(), text: step.text.clone(), place: step.place };
        match &step.kind {
            StepKind::Param { out, attributes, path, .. } => {
                if !attributes.buffer && !attributes.frozen {
                    self.learned.entry(*out).or_default().insert(path.clone());
                }
            }
            StepKind::Net(net) => self.net(net),
            StepKind::Op { out, op, args, .. } => {
                if op.is_flat() {
                    self.flat.entry(*out).or_default().push((None, flat(name_of(op))));
                }
                if *op == Op::StopGradient {
                    self.stopped.insert(*out);
                }
                // Ids and conditions choose; what they choose among has the gradient.
                let chooses = |param: &str| matches!(param, "ids" | "cond" | "mask" | "where");
                let params = present_params(op, args.len());
                let made = params.iter().zip(args).filter(|(param, _)| !chooses(param)).map(|(_, v)| *v);
                self.from(*out, made);
            }
            StepKind::Call { .. } => self.call(step),
            StepKind::Pick { out, from, .. }
            | StepKind::Slot { out, from }
            | StepKind::Read { out, from } => self.from(*out, [*from]),
            StepKind::Push { out, state, rows } => self.from(*out, [*state, *rows]),
            StepKind::Assign { slot, from } | StepKind::Keep { slot, from, .. } => self.from(*slot, [*from]),
            StepKind::Split { outs, from, .. } => outs.iter().for_each(|o| self.from(*o, [*from])),
            StepKind::If { then, otherwise, outs, .. } => {
                for b in [then, otherwise] {
                    self.block(b);
                    outs.iter().zip(&b.results).for_each(|(o, v)| self.from(*o, [*v]));
                }
            }
            StepKind::Loop { body, nets, .. } => {
                nets.iter().for_each(|net| self.net(net));
                self.block(body);
            }
            // Ids choose; the rows and the weights have the gradient.
            StepKind::Experts(e) => {
                self.from(e.out, e.args.iter().map(|(v, _)| *v));
                if !e.net.attributes.frozen {
                    self.learned.entry(e.out).or_default().insert(e.net.path.clone());
                }
            }
            StepKind::Scan(scan) => {
                self.block(&scan.body);
                scan.sequences.iter().for_each(|s| self.from(s.element, [s.from]));
                scan.carried.iter().for_each(|c| self.from(c.last, [c.slot]));
                let stacked = scan.stacked.iter().zip(&scan.body.results);
                stacked.for_each(|(v, of)| self.from(*v, [*of]));
            }
            StepKind::State { .. }
            | StepKind::Within { .. }
            | StepKind::Constant { .. }
            | StepKind::Minimize { .. }
            | StepKind::ConstItem { .. }
            | StepKind::Name { .. } => {}
        }
    }

    /// A call of a network: what its results are made of is found in its own body, if that is known here.
    fn call(&mut self, step: &Step) {
        let StepKind::Call { outs, args, home, callee, .. } = &step.kind else { return };
        let net = match home {
            Home::Net(id) => self.nets.get(id).cloned(),
            Home::Nowhere | Home::Here => None,
        };
        let item = net.as_ref().filter(|net| !net.attributes.frozen).map(|net| net.path.clone());
        let known = callee.map(|(network, entry)| self.flows.results(network, entry)).unwrap_or_default();
        for (k, out) in outs.iter().enumerate() {
            match known.get(k) {
                Some(made) => self.known_result(*out, made, args, (*home == Home::Here, item.as_ref())),
                // The prelude has no op without a gradient; of foreign networks rustc knows.
                None => {
                    self.from(*out, args.iter().copied());
                    self.learned.extend(item.iter().map(|item| (*out, BTreeSet::from([item.clone()]))));
                    let foreign = net.as_ref().and_then(|net| net.foreign.as_ref());
                    self.foreign.extend(foreign.map(|f| {
                        let (path, text) = (f.path.clone(), f.text.clone());
                        (*out, Foreign { path, single: f.single, text, output: k, place: step.place })
                    }));
                }
            }
        }
    }

    /// A result of a call. `home` says whether the weights are those of the network itself, or else the net,
    /// if it learns.
    fn known_result(&mut self, out: Val, made: &Made, args: &[Val], home: (bool, Option<&String>)) {
        let arg = |i: &usize| args.get(*i).copied();
        self.from(out, made.inputs.iter().filter_map(arg));
        for (i, flat) in &made.before_inputs {
            let Some(v) = arg(i) else { continue };
            self.from(out, [v]);
            self.flat.entry(out).or_default().push((Some(v), flat.clone()));
        }
        let items = match home {
            (true, _) => made.items.clone(),
            (false, item) => item.into_iter().cloned().collect(),
        };
        if made.learns && (home.0 || !items.is_empty()) {
            self.learned.insert(out, items);
            self.inside.extend(made.before_weights.clone().map(|flat| (out, flat)));
        }
        self.foreign_inside.entry(out).or_default().extend(made.foreign.iter().cloned());
    }

    /// What a value is made of.
    fn made(&self, v: Val) -> Made {
        let before = self.behind(v);
        let mut made =
            Made { inputs: before.iter().copied().filter(|v| *v < self.inputs).collect(), ..Made::default() };
        for v in &before {
            if let Some(items) = self.learned.get(v) {
                made.learns = true;
                made.items.extend(items.iter().cloned());
            }
            made.foreign.extend(self.foreign.get(v).cloned());
            made.foreign.extend(self.foreign_inside.get(v).into_iter().flatten().cloned());
            if made.before_weights.is_none() {
                made.before_weights = self.inside.get(v).cloned();
            }
            for (of, flat) in self.flat.get(v).into_iter().flatten() {
                let behind = self.behind(of.unwrap_or(*v));
                if made.before_weights.is_none() && behind.iter().any(|b| self.learned.contains_key(b)) {
                    made.before_weights = Some(flat.clone());
                }
                for input in behind.iter().filter(|b| **b < self.inputs) {
                    made.before_inputs.entry(*input).or_insert_with(|| flat.clone());
                }
            }
        }
        made
    }

    /// All values that one is made of, itself among them.
    fn behind(&self, v: Val) -> BTreeSet<Val> {
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
