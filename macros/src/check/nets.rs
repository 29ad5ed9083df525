//! Nets: what is fixed for them.

use super::checker::Checker;
use super::scope::{Meaning, NetUse, Resolved};
use super::sig::{fails, literal, names_in};
use crate::ast::{Arg, Expr, ExprKind, Item, Use};
use crate::errors::Place;
use crate::messages;
use crate::plan::{Given, NetPlan, Sig, StepKind};
use crate::suggest::argument_of_pytorch;
use quote::quote_spanned;
use tancho_ir::Dim;
use tancho_ir::bind::{self, Binding, DimDecl, DimKind, NoSuchDim, Signature, Values};
use tancho_ir::builder::Attributes;
use tancho_ir::graph::Relation;

impl Checker<'_> {
    /// A `net` item.
    pub fn net(&mut self, item: &Item, name: &str, used: &Use, count: Option<&Expr>) -> Option<Meaning> {
        let before = self.errors.count();
        let (path, target) = self.resolve(used);
        let count = match count {
            Some(e) => Some(self.fixed(e, "the number of iterations")?),
            None => None,
        };
        let shown = count.as_ref().map(|d| self.facts.value(d).map_or(d.to_string(), |n| n.to_string()));
        let attributes = self.attributes(item).unwrap_or(Attributes::NONE);
        // `i` in the dims of an array is the number of the iteration, unless a dim has that name.
        let counts = count.is_some() && !self.is_dim("i");
        if counts {
            self.known.push(DimDecl { name: "i".into(), kind: DimKind::Required });
        }
        let (mut statics, mut given) = (Values::new(), Vec::new());
        let (mut options, mut foreign) = (Vec::new(), None);
        match &target {
            Resolved::Known(sig) => {
                let sig = &sig.declared;
                if !self.dims_in_parentheses(sig, used) {
                    given = self.given_dims(sig, used);
                    let good = self.errors.count() == before;
                    statics = self.with_defaults(sig, &given, used, good);
                    options = self.given_options(Some(sig), used);
                }
                if self.errors.count() == before {
                    self.requirements(sig, &statics, used.place);
                }
            }
            Resolved::Foreign => {
                given = self.foreign_dims(used);
                options = self.given_options(None, used);
                foreign = (self.errors.count() == before).then(|| self.foreign_net(used, &given, &options));
            }
            Resolved::Broken => {}
        }
        if counts {
            self.known.pop();
        }
        let inside = count.is_some() && self.told_apart_inside(used, &given);
        let weights = self.path(item, name, shown.as_deref(), inside);
        let by_iteration = counts && given.iter().any(|(_, d)| d.syms().contains("i"));
        let id = self.nets.len();
        let target = if self.errors.count() > before { Resolved::Broken } else { target };
        let path_text = weights.unwrap_or_default();
        let what = count.as_ref().map_or(used.shown.clone(), |n| format!("[{}; {n}]", used.shown));
        self.document(item, &path_text, what, None, &attributes);
        // Of foreign networks, the graph knows which weights have a path.
        if let (Some(doc), Resolved::Known(sig)) = (self.items.last_mut(), &target) {
            doc.learns &= sig.has_items;
            doc.callee = self.program.entry_of(sig);
        } else if let Some(doc) = self.items.last_mut() {
            doc.learns = false;
        }
        let plan = NetPlan { id, path: path_text, dims: given, options, attributes, foreign };
        let array = count.is_some();
        if !array {
            self.step(Place::of(item.name.span()), &format!("net {name}"), StepKind::Net(plan.clone()));
        }
        self.nets.push(NetUse {
            path,
            text: used.text.clone(),
            target,
            statics,
            plan,
            count,
            place: used.place,
            by_iteration,
        });
        Some(if array { Meaning::Array(id) } else { Meaning::Net(id) })
    }

    /// A network of this macro call, of the prelude, or of elsewhere, with its path in the emitted code.
    pub fn resolve(&mut self, used: &Use) -> (proc_macro2::TokenStream, Resolved) {
        let known =
            |sig: &Sig| if sig.broken { Resolved::Broken } else { Resolved::Known(Box::new(sig.clone())) };
        let prelude = used.text.strip_prefix("::").unwrap_or(&used.text).strip_prefix("tancho::nn::");
        if let Some(sig) = prelude.and_then(|n| self.program.prelude.iter().find(|s| s.declared.name == n)) {
            return (used.path.clone(), known(sig));
        }
        if used.single {
            if let Some(i) = self.program.sigs.iter().position(|s| s.declared.name == used.text) {
                self.program.uses.borrow_mut().push((self.me.0, i, used.place));
                return (used.path.clone(), self.program.sigs.get(i).map_or(Resolved::Broken, known));
            }
            if let Some(sig) = self.program.prelude.iter().find(|s| s.declared.name == used.text) {
                let name = &used.path;
                return (quote_spanned!(used.place.first=> ::tancho::nn::#name), known(sig));
            }
        }
        (used.path.clone(), Resolved::Foreign)
    }

    /// A static dim given in `<..>`: in this network's static dims.
    pub fn given_dim(&mut self, arg: &Arg) -> Option<Dim> {
        let d = self.fixed(&arg.value, "a dimension given to a net")?;
        if let Some(n) = self.facts.value(&d).filter(|n| *n < 0) {
            self.fail(arg.value.place, messages::negative_dim(&arg.value.text, n));
            return None;
        }
        Some(d)
    }

    fn given_dims(&mut self, sig: &Signature, used: &Use) -> Vec<(String, Dim)> {
        let statics: Vec<&str> = sig.static_dims().map(|d| d.name.as_str()).collect();
        if self.run_time_dims_given(statics.len(), used) {
            return Vec::new();
        }
        let mut binding = Binding::new(sig, Values::new());
        let mut out = Vec::new();
        for a in &used.dims {
            let name = a.name.as_ref().map(ToString::to_string).unwrap_or_default();
            let value = match binding.target(&name) {
                Err(NoSuchDim::TooMany) => {
                    self.fail(a.place, messages::too_many_dims(&used.text, &statics));
                    continue;
                }
                Err(NoSuchDim::Unknown) if self.of_another_entry(sig, &name) => {
                    out.extend(self.poly(&a.value).map(|value| (name, value)));
                    continue;
                }
                Err(NoSuchDim::Unknown) => {
                    self.fail(a.place, messages::no_such_dim(&used.text, &name, &statics));
                    continue;
                }
                Ok(d) if binding.dims.contains_key(&d.name) => {
                    self.fail(a.place, messages::given_twice(&d.name));
                    continue;
                }
                Ok(d) if d.is_static() => self.given_dim(a).map(|value| (d, value)),
                Ok(d) => self.poly(&a.value).map(|value| (d, value)),
            };
            if let Some((d, value)) = value {
                binding.dims.insert(d.name.clone(), value.clone());
                out.push((d.name.clone(), value));
            }
        }
        out
    }

    /// Reports `Layer<B, S, D>`, where `B` and `S` are run-time dims: those follow from the inputs.
    fn run_time_dims_given(&self, statics: usize, used: &Use) -> bool {
        let runs = |a: &&Arg| match &a.value.kind {
            ExprKind::Name(n) if a.name.is_none() => {
                let name = n.to_string();
                self.is_dim(&name) && !self.is_static(&name)
            }
            _ => false,
        };
        let (run, others): (Vec<&Arg>, Vec<&Arg>) = used.dims.iter().partition(runs);
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return false };
        if used.dims.len() <= statics || others.len() > statics {
            return false;
        }
        let names: Vec<&str> = run.iter().map(|a| a.value.text.as_str()).collect();
        let inside: Vec<String> = others.iter().map(|a| written(a)).collect();
        let shown = if inside.is_empty() {
            used.text.clone()
        } else {
            format!("{}<{}>", used.text, inside.join(", "))
        };
        self.fail(first.place.to(last.place), messages::run_time_dims_given(&used.text, &names, &shown));
        true
    }

    /// Reports `Linear(D, D)`, whose dims stand in the place of options.
    fn dims_in_parentheses(&self, sig: &Signature, used: &Use) -> bool {
        let (Some(first), Some(last)) = (used.options.first(), used.options.last()) else { return false };
        if !used.dims.is_empty() || used.options.iter().all(|a| a.name.is_some()) {
            return false;
        }
        let (mut dims, mut options) = (Vec::new(), Vec::new());
        for a in &used.options {
            let name = a.name.as_ref().map(ToString::to_string);
            match name.as_deref().map(|n| (sig.options.iter().any(|(o, _)| o == n), dim_called(sig, n))) {
                Some((false, Some(dim))) => dims.push(format!("{dim} = {}", a.value.text)),
                None => dims.push(a.value.text.clone()),
                Some(_) => options.push(written(a)),
            }
        }
        let options = if options.is_empty() { String::new() } else { format!("({})", options.join(", ")) };
        let shown = format!("{}<{}>{options}", used.text, dims.join(", "));
        self.fail(first.place.to(last.place), messages::dims_in_parentheses(&used.text, &shown));
        true
    }

    /// Whether a network of this macro call has a run-time dim of that name at another entry point than the
    /// main one.
    fn of_another_entry(&self, sig: &Signature, dim: &str) -> bool {
        let at = self.program.sigs.iter().position(|s| s.declared.name == sig.name);
        let entries = at.and_then(|i| self.program.entries.get(i));
        entries.is_some_and(|all| {
            all.iter().any(|s| s.declared.dims.iter().any(|d| d.name == dim && !d.is_static()))
        })
    }

    /// Values of all static dims in this network's names: given ones, then defaults.
    pub fn with_defaults(
        &mut self,
        sig: &Signature,
        given: &[(String, Dim)],
        used: &Use,
        report: bool,
    ) -> Values {
        let mut binding = Binding::new(sig, given.iter().cloned().collect());
        // A default that is too large in these names is found where the network is built.
        binding.add_defaults().ok();
        let required = |d: &&DimDecl| d.kind == DimKind::Required;
        let missing: Vec<&str> = binding.missing().filter(required).map(|d| d.name.as_str()).collect();
        if report && !missing.is_empty() {
            let example = |d: &DimDecl| match binding.dims.get(&d.name) {
                Some(value) => format!("{} = {value}", d.name),
                None => format!("{} = ..", d.name),
            };
            let all: Vec<String> = sig.dims.iter().filter(required).map(example).collect();
            self.fail(
                used.place,
                messages::missing_dim(&used.text, &missing, &format!("{}<{}>", used.text, all.join(", "))),
            );
        }
        binding.dims
    }

    fn given_options(&mut self, sig: Option<&Signature>, used: &Use) -> Vec<(String, Given)> {
        let mut out: Vec<(String, Given)> = Vec::new();
        for a in &used.options {
            let Some(name) = a.name.as_ref().map(ToString::to_string) else {
                self.fail(a.place, messages::option_needs_name(&used.text));
                continue;
            };
            if out.iter().any(|(n, _)| *n == name) {
                self.fail(a.place, messages::given_twice(&name));
                continue;
            }
            let given = self.given_option(sig, used, a, &name);
            out.extend(given.map(|g| (name, g)));
        }
        out
    }

    fn given_option(&self, sig: Option<&Signature>, used: &Use, arg: &Arg, name: &str) -> Option<Given> {
        let (value, of) = match &arg.value.kind {
            ExprKind::Name(n) => (self.option(&n.to_string()), Some(n.to_string())),
            _ => (literal(&arg.value), None),
        };
        let Some(value) = value else {
            if !matches!(arg.value.kind, ExprKind::Poison) {
                let takes = "a number, `true`, `false`, or an option of this network";
                self.fail(arg.value.place, messages::wrong_option_value(name, takes, &arg.value.text));
            }
            return None;
        };
        let value = match sig {
            None => value,
            Some(sig) => {
                let Some((_, default)) = sig.options.iter().find(|(n, _)| n == name) else {
                    let options: Vec<&str> = sig.options.iter().map(|(n, _)| n.as_str()).collect();
                    let message = match dim_called(sig, name) {
                        Some(dim) => messages::option_is_dim(&used.text, name, dim, &arg.value.text),
                        None => messages::no_such_option(&used.text, name, &options),
                    };
                    self.fail(arg.place, message);
                    return None;
                };
                match bind::option(*default, value) {
                    Ok(value) => value,
                    Err(takes) => {
                        self.fail(
                            arg.value.place,
                            messages::wrong_option_value(name, takes, &arg.value.text),
                        );
                        return None;
                    }
                }
            }
        };
        Some(of.map_or(Given::Value(value), Given::Of))
    }

    /// The callee's `where` clauses that have static dims only, with this network's defaults.
    fn requirements(&mut self, sig: &Signature, statics: &Values, place: Place) {
        for clause in &sig.wheres {
            let sub = |d: &Dim| d.subst(&|s| statics.get(s).cloned()).ok();
            let Some((left, right)) = sub(&clause.left).zip(sub(&clause.right)) else { continue };
            let licensed = clause.relation == Relation::Multiple && self.facts.divides(&left, &right);
            if licensed || !fails(clause.relation, self.facts.value(&left), self.facts.value(&right)) {
                continue;
            }
            let numbers =
                statics.iter().filter_map(|(n, d)| Some((n.clone(), self.facts.value(d)?))).collect();
            let callee = tancho_ir::Facts { values: numbers, ..Default::default() };
            let names = names_in(&[&clause.left, &clause.right], &callee);
            self.fail(place, messages::requires(&sig.name, &clause.to_string(), &names));
            return;
        }
    }
}

/// A static dim by its name, by that in lower case, or by PyTorch's for it.
fn dim_called<'s>(sig: &'s Signature, name: &str) -> Option<&'s str> {
    let dims = || sig.static_dims().map(|d| d.name.as_str());
    dims().find(|d| d.eq_ignore_ascii_case(name)).or_else(|| argument_of_pytorch(name, dims()))
}

/// An argument as it is written.
fn written(arg: &Arg) -> String {
    match &arg.name {
        Some(name) => format!("{name} = {}", arg.value.text),
        None => arg.value.text.clone(),
    }
}
