//! Calls of entry points: of the network's own, and of a net's.

use super::checker::Checker;
use super::scope::{Hint, NetUse, Resolved, Shaped};
use crate::ast::{Arg, Callee, Expr};
use crate::errors::Place;
use crate::messages;
use crate::plan::{Home, NetPlan, Sig, entry_type};
use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use tancho_ir::Dim;
use tancho_ir::bind::DimDecl;

impl Checker<'_> {
    /// The number of this network's entry point of that name; the short form's has none that could be called.
    pub fn own_entry(&self, name: &Ident) -> Option<usize> {
        let n = self.program.networks.get(self.me.0)?;
        if n.short { None } else { n.entries.iter().position(|e| e.name == *name) }
    }

    /// `forward(x)` in another entry point: the same weights.
    pub fn call_own(&mut self, e: &Expr, callee: &Callee, entry: usize, args: &[Arg]) -> Shaped {
        let Some((n, sig)) = self
            .program
            .networks
            .get(self.me.0)
            .zip(self.program.entries.get(self.me.0).and_then(|s| s.get(entry)))
        else {
            return Shaped::Poison;
        };
        if n.entries.get(entry).is_some_and(|e| e.train) {
            return self.refuse(callee.place, messages::calls_train(&callee.text));
        }
        self.program.calls.borrow_mut().push((self.me.0, self.me.1, entry, callee.place));
        if sig.broken {
            return Shaped::Poison;
        }
        // What no argument gives is handed on by its name.
        let equal = sig.declared.equalities();
        let handed = |d: &&DimDecl| {
            d.is_static()
                || !sig.declared.is_on_input(&d.name) && equal.iter().all(|(name, _)| *name != d.name)
        };
        let handed: Vec<&str> = sig.declared.dims.iter().filter(handed).map(|d| d.name.as_str()).collect();
        if let Some(missing) = handed.iter().find(|name| !self.is_dim(name)) {
            let here = self.sig.declared.entry.clone();
            return self.refuse(callee.place, messages::dim_of_other_entry(&callee.text, missing, &here));
        }
        let statics = handed.into_iter().map(|name| (name.to_string(), Dim::sym(name))).collect();
        let path = self.entry_path(sig, &n.name, callee.place.first);
        let used = NetUse {
            path: path.clone(),
            text: callee.text.clone(),
            target: Resolved::Broken,
            statics,
            plan: NetPlan::nowhere(),
            count: None,
            by_iteration: false,
            place: e.place,
        };
        self.call_known(e, sig, &used, args, Home::Here)
    }

    /// `classifier.encode(x)`
    pub fn call_entry_of(&mut self, e: &Expr, net: usize, name: &Ident, args: &[Arg]) -> Shaped {
        let Some(used) = self.nets.get(net).cloned() else { return Shaped::Poison };
        let (place, text) = (Place::of(name.span()), name.to_string());
        let called = called_itself(e, &text, args);
        let Resolved::Known(main) = &used.target else {
            if let Resolved::Foreign = used.target {
                self.fail(place, messages::foreign_entry(&used.text, &text));
            }
            args.iter().for_each(|a| drop(self.eval(&a.value, Hint::default())));
            return Shaped::Poison;
        };
        let here = self.program.sigs.iter().position(|s| {
            s.declared.name == main.declared.name && used.path.to_string() == main.declared.name
        });
        let Some((i, n)) = here.and_then(|i| Some((i, self.program.networks.get(i)?))) else {
            return self.refuse(place, messages::no_entry_of_net(&text, &called));
        };
        let entry = n.entries.iter().position(|e| *name == e.name && !e.train && !n.short);
        let Some(sig) = entry.and_then(|k| self.program.entries.get(i)?.get(k)) else {
            let all: Vec<String> =
                n.entries.iter().filter(|e| !e.train && !n.short).map(|e| e.name.to_string()).collect();
            let message = match all.is_empty() {
                true => messages::no_entry_of_net(&text, &called),
                false => messages::no_such_entry(&used.text, &text, &all),
            };
            return self.refuse(place, message);
        };
        let used = NetUse { path: self.entry_path(sig, &n.name, name.span()), ..used };
        let home = Home::Net(used.plan.id);
        self.call_known(e, sig, &used, args, home)
    }

    fn entry_path(&self, sig: &Sig, network: &Ident, span: Span) -> TokenStream {
        let main = self
            .program
            .sigs
            .iter()
            .any(|s| s.declared.name == sig.declared.name && s.declared.entry == sig.declared.entry);
        if main {
            Ident::new(&network.to_string(), span).into_token_stream()
        } else {
            entry_type(&sig.declared.name, &sig.declared.entry, span).into_token_stream()
        }
    }
}

/// `fc(x)` of `fc.forward(x)`.
fn called_itself(e: &Expr, name: &str, args: &[Arg]) -> String {
    let net = e.text.split(&format!(".{name}")).next().unwrap_or_default();
    let args: Vec<&str> = args.iter().map(|a| a.value.text.as_str()).collect();
    format!("{net}({})", args.join(", "))
}
