//! The state of checking one body: what names mean, and the steps so far.

use super::dims::Dims;
use super::entry_dims::Seen;
use super::program::Program;
use super::scope::{Assumed, Bound, Declared, Meaning, NetUse, Number, Shaped, State, Tensor};
use super::sig;
use super::state::Pushes;
use crate::ast::{Entry, Expr, Network};
use crate::errors::{Errors, Message, Place};
use crate::messages;
use crate::plan::{Body, Given, ItemDoc, Sig, Step, StepKind, Val};
use std::collections::BTreeMap;
use tancho_ir::bind::DimDecl;
use tancho_ir::builder::{OptionValue, scalar_for};
use tancho_ir::infer::infer;
use tancho_ir::op::Op;
use tancho_ir::{DType, Dim, Facts, Type};

/// What the check of one entry point gives.
pub struct Outcome {
    /// Its steps; nothing if it has an error.
    pub block: Option<Body>,
    /// Its items, and whether it uses them.
    pub declared: Vec<Declared>,
    /// Its weights and nets, for docs.
    pub items: Vec<ItemDoc>,
    /// Its growing states.
    pub pushes: Vec<Pushes>,
}

/// One body while it is checked.
pub struct Checker<'a> {
    pub program: &'a Program<'a>,
    /// The number of the network, and of the entry point in it.
    pub me: (usize, usize),
    pub sig: &'a Sig,
    /// Whether it is a `train fn`.
    pub train: bool,
    /// The dims of the network, and the loop variables around.
    pub known: Vec<DimDecl>,
    pub facts: Facts,
    pub errors: &'a Errors,
    pub scopes: Vec<BTreeMap<String, Bound>>,
    pub nets: Vec<NetUse>,
    pub states: Vec<State>,
    /// Axes that were taken away, and by what.
    pub removed: Vec<(Dim, String)>,
    /// The loop variables around, as paths name them.
    pub loops: Vec<String>,
    /// What holds in the branches around.
    pub assumed: Assumed,
    /// The values that `rope` turns, and where; and the heads of every `attention`.
    pub turned: Vec<(Tensor, Place)>,
    pub heads: Vec<Dim>,
    /// Whether something is minimised.
    pub minimised: bool,
    pub items: Vec<ItemDoc>,
    steps: Vec<Step>,
    vals: usize,
    declared: Vec<Declared>,
}

/// Checks the body of an entry point.
pub fn body(
    program: &Program<'_>,
    me: (usize, usize),
    network: &Network,
    entry: &Entry,
    errors: &Errors,
) -> Option<Outcome> {
    let sig = program.entries.get(me.0)?.get(me.1)?;
    if sig.broken && entry.outputs.is_empty() {
        return None;
    }
    let before = errors.count();
    let mut checker = Checker {
        program,
        me,
        sig,
        train: entry.train,
        known: sig.declared.dims.clone(),
        facts: sig::facts(sig),
        errors,
        scopes: vec![BTreeMap::new()],
        nets: Vec::new(),
        states: Vec::new(),
        removed: Vec::new(),
        loops: Vec::new(),
        assumed: Default::default(),
        turned: Vec::new(),
        heads: Vec::new(),
        minimised: false,
        items: Vec::new(),
        steps: Vec::new(),
        vals: 0,
        declared: Vec::new(),
    };
    for (name, ty) in &sig.declared.inputs {
        let val = checker.fresh();
        let t = Tensor { ty: ty.clone(), val, name: name.clone() };
        // The types of a broken header are guesses.
        let meaning = if sig.broken { Meaning::Poison } else { Meaning::Value(Shaped::Tensor(t)) };
        match entry.inputs.iter().find(|i| i.name == name) {
            Some(i) => checker.declare(name, "input", Place::of(i.name.span()), meaning),
            None => checker.bind(name, meaning),
        }
    }
    let seen = Seen::new(network, entry);
    checker.items_of_network(&network.items, &seen);
    let results = checker.network(network, entry);
    checker.settle_ropes();
    // What did not parse may be the push of a state.
    let judged = !sig.broken && !network.broken_body;
    if errors.count() == before && judged {
        checker.settle_states();
        checker.settle_state_names(network);
    }
    let whole = errors.count() == before && judged;
    let steps = std::mem::take(&mut checker.steps);
    let block = whole.then_some(()).and(results).map(|results| Body { steps, results });
    if block.is_some() {
        checker.settle_training(entry);
    }
    let block = block.filter(|_| errors.count() == before);
    let pushes = checker.pushes();
    Some(Outcome { block, declared: checker.declared, items: checker.items, pushes })
}

impl Checker<'_> {
    /// A number for a new value.
    pub fn fresh(&mut self) -> Val {
        self.vals += 1;
        self.vals - 1
    }

    /// Reports an error.
    pub fn fail(&self, place: Place, message: Message) {
        self.errors.push(place, message);
    }

    /// Adds a step.
    pub fn step(&mut self, place: Place, text: &str, kind: StepKind) {
        self.steps.push(Step { place, text: text.into(), kind });
    }

    /// What the last step does.
    pub fn last_step(&self) -> Option<&StepKind> {
        self.steps.last().map(|step| &step.kind)
    }

    /// Runs something whose steps go into a list of their own.
    pub fn collect<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> (Vec<Step>, T) {
        let outer = std::mem::take(&mut self.steps);
        let value = run(self);
        (std::mem::replace(&mut self.steps, outer), value)
    }

    /// Gives a name its meaning in the innermost block.
    pub fn bind(&mut self, name: &str, meaning: Meaning) {
        self.insert(name, Bound { meaning, declared: None });
    }

    /// The same, to report it if nothing uses it.
    pub fn declare(&mut self, name: &str, what: &'static str, place: Place, meaning: Meaning) {
        self.insert(name, Bound { meaning, declared: Some(self.declared.len()) });
        self.note(name, what, place);
    }

    /// Notes what is declared for others: it means nothing here.
    pub fn note(&mut self, name: &str, what: &'static str, place: Place) {
        self.declared.push(Declared { name: name.into(), what, place, used: false });
    }

    fn insert(&mut self, name: &str, bound: Bound) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.into(), bound);
        }
    }

    /// Gives a name another meaning in the innermost block. What uses it uses what the name meant before.
    pub fn rebind(&mut self, name: &str, meaning: Meaning) {
        let declared = self.scopes.iter().rev().find_map(|s| s.get(name)).and_then(|b| b.declared);
        self.insert(name, Bound { meaning, declared });
    }

    /// What has an error where it is changed is not judged after it.
    pub fn distrust(&mut self, name: &str) {
        if let Some(b) = self.scopes.iter_mut().rev().find_map(|s| s.get_mut(name)) {
            b.meaning = Meaning::Poison;
        }
    }

    /// The meaning of a name, if it is a value or item, which is used by that.
    pub fn lookup(&mut self, name: &str) -> Option<Meaning> {
        let bound = self.scopes.iter().rev().find_map(|s| s.get(name))?;
        if let Some(d) = bound.declared.and_then(|i| self.declared.get_mut(i)) {
            d.used = true;
        }
        Some(bound.meaning.clone())
    }

    /// The same without using it.
    pub fn peek(&self, name: &str) -> Option<&Meaning> {
        self.scopes.iter().rev().find_map(|s| s.get(name)).map(|b| &b.meaning)
    }

    /// An option's default.
    pub fn option(&self, name: &str) -> Option<OptionValue> {
        self.sig.declared.options.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }

    /// Whether the network has a dim of that name.
    pub fn is_dim(&self, name: &str) -> bool {
        self.known.iter().any(|d| d.name == name)
    }

    /// Whether the network has a static dim of that name.
    pub fn is_static(&self, name: &str) -> bool {
        self.known.iter().any(|d| d.name == name && d.is_static())
    }

    /// Whether it is a dim where no local value has its name.
    pub fn is_dim_here(&self, name: &str) -> bool {
        self.is_dim(name) && !self.scopes.iter().any(|scope| scope.contains_key(name))
    }

    /// Reads with the network's dims.
    pub fn dims<T>(&self, read: impl FnOnce(&Dims<'_>) -> T) -> T {
        let other = |name: &str| -> Option<&'static str> {
            if self.option(name).is_some() {
                return Some("an option");
            }
            Some(match self.peek(name)? {
                Meaning::Value(Shaped::Number(_)) => "a number",
                Meaning::Poison | Meaning::Value(_) | Meaning::Slot(..) => "a tensor",
                Meaning::Param(_) => "a weight",
                Meaning::Const(_) => "a constant",
                Meaning::Net(_) | Meaning::Array(_) => "a net",
                Meaning::State(_) => "a state",
            })
        };
        read(&Dims { known: &self.known, facts: &self.facts, errors: self.errors, other: &other })
    }

    /// The polynomial of an expression.
    pub fn poly(&self, expr: &Expr) -> Option<Dim> {
        self.dims(|d| d.poly(expr))
    }

    /// One tensor of a value: a number becomes a constant of that element type.
    pub fn tensor(&mut self, v: Shaped, expr: &Expr, dtype: DType) -> Option<Tensor> {
        match v {
            Shaped::Poison => None,
            Shaped::Tensor(t) => Some(t),
            Shaped::Number(n) => self.constant(&n, expr, dtype),
            Shaped::Tuple(parts) => {
                self.fail(expr.place, messages::tuple_as_tensor(&expr.text, parts.len()));
                None
            }
        }
    }

    fn constant(&mut self, n: &Number, expr: &Expr, dtype: DType) -> Option<Tensor> {
        let (value, given) = match n {
            Number::Dim(d) => {
                let Shaped::Tensor(scalar) = self.apply(Op::DimValue(d.clone()), &[], expr) else {
                    return None;
                };
                let cast = dtype == DType::I32;
                return if cast { self.cast(scalar, expr, dtype) } else { Some(scalar) };
            }
            Number::Literal(v) => (*v, Given::Value(*v)),
            Number::Of(name, v) => (*v, Given::Of(name.clone())),
        };
        let natural = if matches!(value, OptionValue::Bool(_)) { DType::Bool } else { dtype };
        let Some(scalar) = scalar_for(natural, value) else {
            self.fail(expr.place, messages::scalar_type(&expr.text, natural.name()));
            return None;
        };
        if let Err(error) = infer(&Op::Const(scalar), &[], &self.facts) {
            self.fail(expr.place, messages::shape(&error));
            return None;
        }
        let out = self.fresh();
        self.step(expr.place, &expr.text, StepKind::Constant { out, dtype: natural, value: given });
        Some(Tensor { ty: Type::new(natural, Vec::new()), val: out, name: expr.text.clone() })
    }

    fn cast(&mut self, tensor: Tensor, expr: &Expr, dtype: DType) -> Option<Tensor> {
        match self.apply(Op::Cast(dtype), &[(&tensor, expr.place)], expr) {
            Shaped::Tensor(out) => Some(Tensor { name: tensor.name, ..out }),
            _ => None,
        }
    }
}
