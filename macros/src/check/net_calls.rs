//! Calls of networks whose signature is known.

use super::checker::Checker;
use super::dims::looks_like_poly;
use super::scope::{Hint, NetUse, Resolved, Shaped, Tensor};
use super::sig::{facts, fails};
use crate::ast::{Arg, Callee, Expr, Use};
use crate::errors::Place;
use crate::messages;
use crate::plan::{Home, NetPlan, Sig, StepKind};
use crate::suggest::nearest;
use tancho_ir::bind::{Binding, DimKind, Signature};
use tancho_ir::graph::Relation;
use tancho_ir::infer::show_type;
use tancho_ir::{DType, Type};

impl Checker<'_> {
    /// A call through a net.
    pub fn call_net(&mut self, expr: &Expr, net: usize, args: &[Arg], hint: Hint<'_>) -> Shaped {
        let Some(used) = self.nets.get(net).cloned() else { return Shaped::Poison };
        match &used.target {
            Resolved::Broken => {
                for a in args {
                    self.eval(&a.value, Hint::default());
                }
                Shaped::Poison
            }
            Resolved::Foreign => self.call_foreign(expr, &used, args, hint),
            Resolved::Known(sig) => self.call_known(expr, sig, &used, args, Home::Net(used.plan.id)),
        }
    }

    /// A call of an entry point whose signature is known.
    pub fn call_known(&mut self, expr: &Expr, sig: &Sig, used: &NetUse, args: &[Arg], home: Home) -> Shaped {
        let Some(inputs) = self.inputs(expr, sig, &used.text, args) else { return Shaped::Poison };
        if self.states_outside_of_scans(&used.text, expr.place).is_none() {
            return Shaped::Poison;
        }
        let Some(types) = self.accept(&sig.declared, used, &inputs, (expr.place, home)) else {
            return Shaped::Poison;
        };
        if let Some(ty) =
            types.iter().find(|t| t.shape.iter().any(|d| self.facts.value(d).is_some_and(|n| n < 0)))
        {
            let given: Vec<(&str, &Type)> = inputs.iter().map(|(t, _)| (t.name.as_str(), &t.ty)).collect();
            return self.refuse(
                expr.place,
                messages::negative_result(&expr.text, &used.text, ty, &given, &self.facts),
            );
        }
        let vals = inputs.iter().map(|(t, _)| t.val).collect();
        let path = used.path.clone();
        let callee = self.program.entry_of(sig);
        self.results(expr, types, |outs| StepKind::Call {
            outs,
            path,
            home,
            callee,
            args: vals,
            foreign: None,
        })
    }

    /// A network called by its own name: allowed where it has no weights.
    pub fn call_directly(
        &mut self,
        expr: &Expr,
        callee: &Callee,
        args: &[Arg],
        hint: Hint<'_>,
    ) -> Option<Shaped> {
        let name = callee.text.as_str();
        let last = name.rsplit("::").next().unwrap_or(name);
        if !last.starts_with(|c: char| c.is_ascii_uppercase()) {
            return None;
        }
        let local = self.program.sigs.iter().position(|s| s.declared.name == name && callee.name.is_some());
        let sig = match local {
            Some(i) => self.program.sigs.get(i),
            None => self.program.prelude.iter().find(|s| s.declared.name == name),
        };
        let message = match sig {
            None => match self.similar_network(name) {
                Some(similar) => messages::similar_network(name, &similar),
                None => messages::not_called_directly(name),
            },
            Some(s) if s.has_items => {
                // `let fc = Linear(D, D);` is given what stands in `<..>`.
                let dims = !args.is_empty() && args.iter().all(|a| self.is_made_of_dims(&a.value));
                let given = args.iter().map(|a| match &a.name {
                    Some(n) => format!("{n} = {}", a.value.text),
                    None => a.value.text.clone(),
                });
                let required = s.declared.dims.iter().filter(|d| d.kind == DimKind::Required);
                let required = required.map(|d| format!("{} = ..", d.name));
                let inside: Vec<String> = if dims { given.collect() } else { required.collect() };
                let inside =
                    if inside.is_empty() { String::new() } else { format!("<{}>", inside.join(", ")) };
                let net = match hint.name {
                    Some(n) if dims => n.to_string(),
                    _ => name.to_lowercase(),
                };
                messages::has_weights(name, &net, &inside)
            }
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
                let statics = self.with_defaults(&s.declared, &[], &used, true);
                let net = NetUse {
                    path: path.clone(),
                    text: name.into(),
                    target: Resolved::Broken,
                    statics,
                    plan: NetPlan::nowhere(),
                    count: None,
                    by_iteration: false,
                    place: callee.place,
                };
                return Some(self.call_known(expr, s, &net, args, Home::Nowhere));
            }
        };
        for a in args {
            self.eval(&a.value, Hint::default());
        }
        Some(self.refuse(callee.place, message))
    }

    /// Whether an argument can only be a dim.
    fn is_made_of_dims(&self, e: &Expr) -> bool {
        looks_like_poly(e) && !self.is_tensor(e)
    }

    /// The network of this macro call or of the prelude whose name is near to one.
    fn similar_network(&self, name: &str) -> Option<String> {
        let known = self.program.sigs.iter().chain(&self.program.prelude).map(|s| s.declared.name.as_str());
        nearest(name, known).map(str::to_string)
    }

    /// The values of a call's results.
    pub fn results(
        &mut self,
        expr: &Expr,
        types: Vec<Type>,
        kind: impl FnOnce(Vec<usize>) -> StepKind,
    ) -> Shaped {
        let outs: Vec<usize> = types.iter().map(|_| self.fresh()).collect();
        let values = outs
            .iter()
            .zip(types)
            .map(|(&val, ty)| (val, self.facts.reduce_type(ty)))
            .map(|(val, ty)| Shaped::Tensor(Tensor { ty, val, name: expr.text.clone() }));
        let mut values: Vec<Shaped> = values.collect();
        self.step(expr.place, &expr.text, kind(outs));
        match values.pop() {
            Some(one) if values.is_empty() => one,
            last => {
                values.extend(last);
                Shaped::Tuple(values)
            }
        }
    }

    /// Evaluates the arguments in the order of the signature's inputs.
    pub fn inputs(
        &mut self,
        expr: &Expr,
        sig: &Sig,
        text: &str,
        args: &[Arg],
    ) -> Option<Vec<(Tensor, Place)>> {
        let names: Vec<&str> = sig.declared.inputs.iter().map(|(n, _)| n.as_str()).collect();
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
                    None => self.count(expr, sig, text, args),
                }
                continue;
            };
            if std::mem::replace(taken.get_mut(at)?, true) {
                self.fail(a.place, messages::given_twice(names.get(at).copied().unwrap_or_default()));
                ok = false;
            }
            let v = self.eval(&a.value, Hint::default());
            let dtype = sig.declared.inputs.get(at).map_or(DType::F32, |(_, t)| t.dtype);
            let t = self.tensor(v, &a.value, dtype);
            ok &= t.is_some();
            if let Some(slot) = slots.get_mut(at) {
                *slot = t.map(|t| (t, a.value.place));
            }
        }
        if ok && taken.contains(&false) {
            self.count(expr, sig, text, args);
            return None;
        }
        if ok { slots.into_iter().collect() } else { None }
    }

    fn count(&self, expr: &Expr, sig: &Sig, text: &str, args: &[Arg]) {
        let takes: Vec<(String, String)> =
            sig.declared.inputs.iter().map(|(n, t)| (n.clone(), show_type(t, &facts(sig)))).collect();
        self.fail(expr.place, messages::input_count(text, &takes, args.len()));
    }

    /// Binds the callee's run-time dims to the arguments and compares every axis; the types of the results.
    pub fn accept(
        &mut self,
        sig: &Signature,
        used: &NetUse,
        inputs: &[(Tensor, Place)],
        (place, home): (Place, Home),
    ) -> Option<Vec<Type>> {
        let mut binding = Binding::new(sig, used.statics.clone());
        let types: Vec<&Type> = inputs.iter().map(|(t, _)| &t.ty).collect();
        if let Some(m) = binding.bind_inputs(&types).first() {
            let ((name, declared), (t, place)) = sig.inputs.get(m.input).zip(inputs.get(m.input))?;
            self.fail(*place, self.mismatch(used, name, declared, &m.wanted, t));
            return None;
        }
        for d in &sig.dims {
            if let (DimKind::Bounded(bound), Some(given)) = (&d.kind, binding.dims.get(&d.name))
                && let Ok(bound) = binding.dim(bound)
                && fails(Relation::AtMost, self.facts.value(given), self.facts.value(&bound))
            {
                let place = inputs.first().map(|(_, p)| *p)?;
                self.fail(place, messages::over_bound(&used.text, &d.name, &bound, given, &self.facts));
                return None;
            }
        }
        if let Home::Net(_) = home
            && binding.add_equal().is_ok()
            && let Some(d) = binding.unbound()
        {
            let bound = if let DimKind::Bounded(b) = &d.kind { binding.dim(b).ok() } else { None };
            let declared = self.is_dim(&d.name);
            self.fail(used.place, messages::not_handed_on(&used.text, &d.name, declared, bound.as_ref()));
            return None;
        }
        let names = sig.outputs.iter().flat_map(|t| &t.shape).flat_map(|d| d.syms());
        let unbound = names.into_iter().find(|s| s != ".." && !binding.dims.contains_key(s));
        if let Some(s) = unbound {
            self.fail(place, messages::unbound_result(&used.text, &s));
            return None;
        }
        Some(sig.outputs.iter().map(|t| binding.ty(t)).collect())
    }
}
