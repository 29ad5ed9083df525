//! Nets: what is fixed for them, and calls of networks whose signature is known.

use super::exprs::Hint;
use super::kept::Kept;
use super::scope::{Binding, Body, NetUse, Shaped, Target, Tensor};
use super::sig::{facts, fails, is_open, literal, sides};
use crate::ast::{Arg, Callee, Expr, ExprKind, Item, Use};
use crate::errors::Place;
use crate::messages;
use crate::plan::{DimKind, Given, Home, NetPlan, Sig, StepKind};
use quote::quote_spanned;
use std::collections::BTreeMap;
use tancho_ir::builder::OptionValue;
use tancho_ir::graph::{Constraint, Relation};
use tancho_ir::infer::show_type;
use tancho_ir::{DType, Dim, Type};

impl Body<'_> {
    /// A `net` item.
    pub fn net(&mut self, item: &Item, name: &str, used: &Use, count: Option<&Expr>) -> Option<Binding> {
        let before = self.errors.count();
        let (path, target) = self.resolve(used);
        let turns = match count {
            Some(e) => Some(self.fixed(e, "the number of turns")?),
            None => None,
        };
        let shown = turns.as_ref().map(|d| self.facts.value(d).map_or(d.to_string(), |n| n.to_string()));
        let weights = self.path(item, name, shown.as_deref());
        let marks = self.marks(item).unwrap_or_default();
        let (mut statics, mut given) = (BTreeMap::new(), Vec::new());
        let (mut options, mut foreign) = (Vec::new(), None);
        match &target {
            Target::Known(sig) => {
                given = self.given_dims(sig, used);
                let good = self.errors.count() == before;
                statics = self.with_defaults(sig, &given, used, good);
                options = self.given_options(Some(sig), used);
                if self.errors.count() == before {
                    self.requirements(sig, &statics, used.place);
                }
            }
            Target::Foreign => {
                given = self.foreign_dims(used);
                options = self.given_options(None, used);
                foreign = (self.errors.count() == before).then(|| self.foreign_net(used, &given, &options));
            }
            Target::Broken => {}
        }
        let id = self.nets.len();
        let target = if self.errors.count() > before { Target::Broken } else { target };
        let path_text = weights.unwrap_or_default();
        let what = turns.as_ref().map_or(used.shown.clone(), |t| format!("[{}; {t}]", used.shown));
        self.document(item, &path_text, what, None, &marks);
        let plan = NetPlan { id, path: path_text, dims: given, options, marks, foreign };
        let array = turns.is_some();
        if !array {
            self.step(Place::of(item.name.span()), &format!("net {name}"), StepKind::Net(plan.clone()));
        }
        self.nets.push(NetUse { path, text: used.text.clone(), target, statics, plan, turns });
        Some(if array { Binding::Array(id) } else { Binding::Net(id) })
    }

    /// A network of this macro call, of the prelude, or of elsewhere, with its path in the emitted code.
    fn resolve(&mut self, used: &Use) -> (proc_macro2::TokenStream, Target) {
        let known =
            |sig: &Sig| if sig.broken { Target::Broken } else { Target::Known(Box::new(sig.clone())) };
        let prelude = used.text.strip_prefix("::").unwrap_or(&used.text).strip_prefix("tancho::nn::");
        if let Some(sig) = prelude.and_then(|n| self.program.prelude.iter().find(|s| s.name == n)) {
            return (used.path.clone(), known(sig));
        }
        if used.single {
            if let Some(i) = self.program.sigs.iter().position(|s| s.name == used.text) {
                self.program.uses.borrow_mut().push((self.me.0, i, used.place));
                return (used.path.clone(), self.program.sigs.get(i).map_or(Target::Broken, known));
            }
            if let Some(sig) = self.program.prelude.iter().find(|s| s.name == used.text) {
                let name = &used.path;
                return (quote_spanned!(used.place.first=> ::tancho::nn::#name), known(sig));
            }
        }
        (used.path.clone(), Target::Foreign)
    }

    /// A static dim given in `<..>`: in this network's static dims.
    pub fn given_dim(&mut self, a: &Arg) -> Option<Dim> {
        let d = self.fixed(&a.value, "a dimension given to a net")?;
        if let Some(n) = self.facts.value(&d).filter(|n| *n < 0) {
            self.fail(a.value.place, messages::negative_dim(&a.value.text, n));
            return None;
        }
        Some(d)
    }

    fn given_dims(&mut self, sig: &Sig, used: &Use) -> Vec<(String, Dim)> {
        let statics: Vec<&str> = sig.dims.iter().filter(|d| d.is_static()).map(|d| d.name.as_str()).collect();
        let mut out: Vec<(String, Dim)> = Vec::new();
        let mut position = 0;
        for a in &used.dims {
            let name = match &a.name {
                Some(n) => n.to_string(),
                None => {
                    position += 1;
                    let Some(n) = statics.get(position - 1) else {
                        self.fail(a.place, messages::too_many_dims(&used.text, &statics));
                        continue;
                    };
                    n.to_string()
                }
            };
            let kind = sig.dims.iter().find(|d| d.name == name).map(|d| d.is_static());
            match kind {
                None => self.fail(a.place, messages::no_such_dim(&used.text, &name, &statics)),
                Some(_) if out.iter().any(|(n, _)| *n == name) => {
                    self.fail(a.place, messages::given_twice(&name))
                }
                Some(true) => out.extend(self.given_dim(a).map(|d| (name, d))),
                Some(false) => out.extend(self.poly(&a.value).map(|d| (name, d))),
            }
        }
        out
    }

    /// Values of all static dims in this network's names: given ones, then defaults.
    fn with_defaults(
        &mut self,
        sig: &Sig,
        given: &[(String, Dim)],
        used: &Use,
        report: bool,
    ) -> BTreeMap<String, Dim> {
        let mut env: BTreeMap<String, Dim> = given.iter().cloned().collect();
        for _ in 0..=sig.dims.len() {
            let before = env.len();
            for d in &sig.dims {
                let DimKind::Static(p) = &d.kind else { continue };
                if env.contains_key(&d.name) || !p.syms().iter().all(|s| env.contains_key(s)) {
                    continue;
                }
                if let Ok(v) = p.subst(&|s| env.get(s).cloned()) {
                    env.insert(d.name.clone(), v);
                }
            }
            if env.len() == before {
                break;
            }
        }
        let missing: Vec<&str> = sig
            .dims
            .iter()
            .filter(|d| d.kind == DimKind::Required && !env.contains_key(&d.name))
            .map(|d| d.name.as_str())
            .collect();
        if report && !missing.is_empty() {
            let all: Vec<String> = sig
                .dims
                .iter()
                .filter(|d| d.kind == DimKind::Required)
                .map(|d| env.get(&d.name).map_or(format!("{} = ..", d.name), |v| format!("{} = {v}", d.name)))
                .collect();
            self.fail(
                used.place,
                messages::missing_dim(&used.text, &missing, &format!("{}<{}>", used.text, all.join(", "))),
            );
        }
        env
    }

    fn given_options(&mut self, sig: Option<&Sig>, used: &Use) -> Vec<(String, Given)> {
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
            let (value, of) = match &a.value.kind {
                ExprKind::Name(n) => (self.option(&n.to_string()), Some(n.to_string())),
                _ => (literal(&a.value), None),
            };
            let default = sig.map(|s| s.options.iter().find(|(n, _)| *n == name).map(|(_, v)| *v));
            let options: Vec<&str> = sig.iter().flat_map(|s| &s.options).map(|(n, _)| n.as_str()).collect();
            let Some(value) = value else {
                if !matches!(a.value.kind, ExprKind::Poison) {
                    self.fail(
                        a.value.place,
                        messages::wrong_option_value(
                            &name,
                            "a number, `true`, `false`, or an option of this network",
                        ),
                    );
                }
                continue;
            };
            let value = match (default, value) {
                (Some(None), _) => {
                    self.fail(a.place, messages::no_such_option(&used.text, &name, &options));
                    continue;
                }
                // An integer is a number.
                (Some(Some(OptionValue::Float(_))), OptionValue::Int(i)) => OptionValue::Float(i as f64),
                (Some(Some(d)), v) if std::mem::discriminant(&d) != std::mem::discriminant(&v) => {
                    let takes = match d {
                        OptionValue::Bool(_) => "`true` or `false`",
                        OptionValue::Int(_) => "an integer",
                        OptionValue::Float(_) => "a number",
                    };
                    self.fail(a.value.place, messages::wrong_option_value(&name, takes));
                    continue;
                }
                (_, v) => v,
            };
            out.push((name, of.map_or(Given::Value(value), Given::Of)));
        }
        out
    }

    /// The callee's `where` clauses that only speak of static dims, with this network's defaults.
    fn requirements(&mut self, sig: &Sig, statics: &BTreeMap<String, Dim>, place: Place) {
        for (l, relation, r) in &sig.wheres {
            let sub = |d: &Dim| d.subst(&|s| statics.get(s).cloned()).ok();
            let Some((left, right)) = sub(l).zip(sub(r)) else { continue };
            let licensed = *relation == Relation::Multiple && self.facts.divides(&left, &right);
            if licensed || !fails(*relation, self.facts.value(&left), self.facts.value(&right)) {
                continue;
            }
            let clause = Constraint { left: l.clone(), relation: *relation, right: r.clone() };
            let numbers =
                statics.iter().filter_map(|(n, d)| Some((n.clone(), self.facts.value(d)?))).collect();
            let callee = tancho_ir::Facts { values: numbers, ..Default::default() };
            self.fail(place, messages::requires(&sig.name, &clause.to_string(), &sides(&[l, r], &callee)));
            return;
        }
    }

    /// A call through a net.
    pub fn call_net(&mut self, e: &Expr, net: usize, args: &[Arg], hint: Hint<'_>) -> Shaped {
        let Some(used) = self.nets.get(net).cloned() else { return Shaped::Poison };
        match &used.target {
            Target::Broken => {
                for a in args {
                    self.eval(&a.value, Hint::default());
                }
                Shaped::Poison
            }
            Target::Foreign => self.call_foreign(e, &used, args, hint),
            Target::Known(sig) => self.call_known(e, sig, &used, args, Home::Net(used.plan.id)),
        }
    }

    /// A call of an entry point whose signature is known.
    pub fn call_known(&mut self, e: &Expr, sig: &Sig, used: &NetUse, args: &[Arg], home: Home) -> Shaped {
        let Some(inputs) = self.inputs(e, sig, &used.text, args) else { return Shaped::Poison };
        let Some(types) = self.accept(sig, used, &inputs, e.place) else { return Shaped::Poison };
        if let Some(ty) =
            types.iter().find(|t| t.shape.iter().any(|d| self.facts.value(d).is_some_and(|n| n < 0)))
        {
            let given: Vec<(&str, &Type)> = inputs.iter().map(|(t, _)| (t.name.as_str(), &t.ty)).collect();
            return self
                .refuse(e.place, messages::negative_result(&e.text, &used.text, ty, &given, &self.facts));
        }
        self.keeps(sig, used, home, e.place);
        let vals = inputs.iter().map(|(t, _)| t.val).collect();
        let path = used.path.clone();
        self.results(e, types, |outs| StepKind::Call { outs, path, home, args: vals, foreign: None })
    }

    /// Notes a call of an entry point of this macro call, which may keep states.
    fn keeps(&self, sig: &Sig, used: &NetUse, home: Home, place: Place) {
        let path = match home {
            Home::Here => String::new(),
            Home::Net(_) if !used.path.to_string().starts_with("::") => used.plan.path.clone(),
            Home::Net(_) | Home::Nowhere => return,
        };
        let callee = self.program.entries.iter().enumerate().find_map(|(i, all)| {
            let k = all.iter().position(|s| s.name == sig.name && s.entry == sig.entry)?;
            Some((i, k))
        });
        if callee.is_some() {
            self.program.kept.borrow_mut().push(Kept { by: self.me, path, place, of: callee });
        }
    }

    /// A network called by its own name: allowed where it has no weights.
    pub fn call_directly(
        &mut self,
        e: &Expr,
        callee: &Callee,
        args: &[Arg],
        hint: Hint<'_>,
    ) -> Option<Shaped> {
        let name = callee.text.as_str();
        let last = name.rsplit("::").next().unwrap_or(name);
        if !last.starts_with(|c: char| c.is_ascii_uppercase()) {
            return None;
        }
        let local = self.program.sigs.iter().position(|s| s.name == name && callee.name.is_some());
        let sig = match local {
            Some(i) => self.program.sigs.get(i),
            None => self.program.prelude.iter().find(|s| s.name == name),
        };
        let message = match sig {
            None => messages::not_called_directly(name),
            Some(s) if s.has_items => messages::has_weights(name),
            Some(s) => {
                let path: proc_macro2::TokenStream =
                    callee.name.iter().map(|n| proc_macro2::TokenTree::Ident(n.clone())).collect();
                let text = name.to_string();
                let used = Use {
                    path,
                    shown: text.clone(),
                    text,
                    single: true,
                    place: callee.place,
                    dims: Vec::new(),
                    options: Vec::new(),
                };
                let (path, _) = self.resolve(&used);
                if s.broken {
                    return Some(Shaped::Poison);
                }
                let statics = self.with_defaults(s, &[], &used, true);
                let net = NetUse {
                    path: path.clone(),
                    text: name.into(),
                    target: Target::Broken,
                    statics,
                    plan: NetPlan::nowhere(),
                    turns: None,
                };
                return Some(self.call_known(e, s, &net, args, Home::Nowhere));
            }
        };
        let _ = hint;
        for a in args {
            self.eval(&a.value, Hint::default());
        }
        Some(self.refuse(callee.place, message))
    }

    /// The values of a call's results.
    pub fn results(
        &mut self,
        e: &Expr,
        types: Vec<Type>,
        kind: impl FnOnce(Vec<usize>) -> StepKind,
    ) -> Shaped {
        let outs: Vec<usize> = types.iter().map(|_| self.fresh()).collect();
        let values =
            outs.iter().zip(types).map(|(&val, ty)| Shaped::Tensor(Tensor { ty, val, name: e.text.clone() }));
        let mut values: Vec<Shaped> = values.collect();
        self.step(e.place, &e.text, kind(outs));
        match values.pop() {
            Some(one) if values.is_empty() => one,
            last => {
                values.extend(last);
                Shaped::Tuple(values)
            }
        }
    }

    /// Evaluates the arguments in the order of the signature's inputs.
    fn inputs(&mut self, e: &Expr, sig: &Sig, text: &str, args: &[Arg]) -> Option<Vec<(Tensor, Place)>> {
        let names: Vec<&str> = sig.inputs.iter().map(|(n, _)| n.as_str()).collect();
        let mut slots: Vec<Option<(Tensor, Place)>> = vec![None; names.len()];
        let mut taken = vec![false; names.len()];
        let mut ok = true;
        for (i, a) in args.iter().enumerate() {
            let at = match &a.name {
                Some(n) => names.iter().position(|x| n == x),
                None => Some(i).filter(|i| *i < names.len()),
            };
            let Some(at) = at else {
                ok = false;
                match &a.name {
                    Some(n) => self.fail(a.place, messages::no_such_input(text, &n.to_string(), &names)),
                    None => self.count(e, sig, text, args),
                }
                continue;
            };
            if std::mem::replace(taken.get_mut(at)?, true) {
                self.fail(a.place, messages::given_twice(names.get(at).copied().unwrap_or_default()));
                ok = false;
            }
            let v = self.eval(&a.value, Hint::default());
            let dtype = sig.inputs.get(at).map_or(DType::F32, |(_, t)| t.dtype);
            let t = self.tensor(v, &a.value, dtype);
            ok &= t.is_some();
            if let Some(slot) = slots.get_mut(at) {
                *slot = t.map(|t| (t, a.value.place));
            }
        }
        if ok && taken.contains(&false) {
            self.count(e, sig, text, args);
            return None;
        }
        if ok { slots.into_iter().collect() } else { None }
    }

    fn count(&self, e: &Expr, sig: &Sig, text: &str, args: &[Arg]) {
        let takes: Vec<(String, String)> =
            sig.inputs.iter().map(|(n, t)| (n.clone(), show_type(t, &facts(sig)))).collect();
        self.fail(e.place, messages::input_count(text, &takes, args.len()));
    }

    /// Binds the callee's run-time dims to the arguments and compares every axis; the types of the results.
    fn accept(
        &mut self,
        sig: &Sig,
        used: &NetUse,
        inputs: &[(Tensor, Place)],
        place: Place,
    ) -> Option<Vec<Type>> {
        let mut env = used.statics.clone();
        let mut leading: Option<Vec<Dim>> = None;
        // First what single symbols stand for, then everything compared.
        for ((_, want), (t, _)) in sig.inputs.iter().zip(inputs) {
            let axes = want.shape.get(usize::from(is_open(want))..).unwrap_or_default();
            let Some(lead) = t.ty.rank().checked_sub(axes.len()) else { continue };
            let (head, rest) = t.ty.shape.split_at_checked(lead)?;
            // How many axes `..` has is not known here: it is none of those that are written.
            if rest.iter().any(|d| d.as_sym() == Some("..")) {
                continue;
            }
            if is_open(want) {
                leading.get_or_insert_with(|| head.to_vec());
            }
            for (axis, actual) in axes.iter().zip(rest) {
                if let Some(s) = axis.as_sym()
                    && !env.contains_key(s)
                {
                    env.insert(s.into(), actual.clone());
                }
            }
        }
        let here = |t: &Type| -> Type {
            let mut shape = Vec::new();
            for d in &t.shape {
                match (d.as_sym(), &leading) {
                    (Some(".."), Some(lead)) => shape.extend(lead.iter().cloned()),
                    _ => shape.push(d.subst(&|s| env.get(s).cloned()).unwrap_or_else(|_| d.clone())),
                }
            }
            Type::new(t.dtype, shape)
        };
        for ((name, want), (t, place)) in sig.inputs.iter().zip(inputs) {
            let wanted = here(want);
            if wanted != t.ty {
                let m = self.mismatch(used, name, want, &wanted, t);
                self.fail(*place, m);
                return None;
            }
        }
        for d in &sig.dims {
            if let (DimKind::Bounded(b), Some(given)) = (&d.kind, env.get(&d.name))
                && let Ok(bound) = b.subst(&|s| env.get(s).cloned())
                && fails(Relation::AtMost, self.facts.value(given), self.facts.value(&bound))
            {
                let place = inputs.first().map(|(_, p)| *p)?;
                self.fail(place, messages::over_bound(&used.text, &d.name, &bound, given, &self.facts));
                return None;
            }
        }
        let unbound = sig
            .outputs
            .iter()
            .flat_map(|t| &t.shape)
            .flat_map(|d| d.syms())
            .find(|s| s != ".." && !env.contains_key(s));
        if let Some(s) = unbound {
            self.fail(place, messages::unbound_result(&used.text, &s));
            return None;
        }
        Some(sig.outputs.iter().map(here).collect())
    }

    fn mismatch(
        &self,
        used: &NetUse,
        input: &str,
        want: &Type,
        wanted: &Type,
        t: &Tensor,
    ) -> crate::errors::Message {
        let mut why = None;
        if wanted.dtype != t.ty.dtype {
            why = Some(format!("it takes {}; nothing is converted silently", wanted.dtype));
        } else if wanted.rank() == t.ty.rank() {
            let differ: Vec<usize> = wanted
                .shape
                .iter()
                .zip(&t.ty.shape)
                .enumerate()
                .filter(|(_, (a, b))| a != b)
                .map(|(i, _)| i)
                .collect();
            if let [i] = differ.as_slice()
                && let Some((a, b)) = wanted.shape.get(*i).zip(t.ty.shape.get(*i))
            {
                let equal = self.facts.value(a).is_some() && self.facts.value(a) == self.facts.value(b);
                why = Some(if equal {
                    format!("{a} and {b} are equal only by default; use the same name on both sides")
                } else {
                    format!("axis {i} must be {}, not {}", self.facts.show(a), self.facts.show(b))
                });
            }
        }
        // With open axes the user sees them as declared.
        let fixed = want.shape.len() - usize::from(is_open(want));
        let shown = if is_open(want) && t.ty.rank() >= fixed {
            let mut shape = vec![Dim::sym("..")];
            shape.extend(wanted.shape.iter().skip(wanted.rank().saturating_sub(fixed)).cloned());
            Type::new(wanted.dtype, shape)
        } else {
            wanted.clone()
        };
        messages::wrong_input(
            &used.text,
            input,
            &show_type(&shown, &self.facts),
            &t.name,
            &show_type(&t.ty, &self.facts),
            why.as_deref(),
        )
    }
}
