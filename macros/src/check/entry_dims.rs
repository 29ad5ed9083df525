//! Which run-time dims an entry point has: those that it names, and those of the states and nets that it
//! uses. Others belong to other entry points.

use crate::ast::{DimDecl, Entry, Expr, ExprKind, Item, ItemKind, Network};
use crate::errors::{Errors, Place};
use crate::messages;
use crate::plan::Sig;
use crate::walk;
use proc_macro2::Ident;
use tancho_ir::bind::{DimKind, is_open};

/// What one entry point sees of its network.
pub struct Seen<'n> {
    network: &'n Network,
    entry: &'n Entry,
    /// The items of the network that it uses, itself or through another entry point that it calls.
    items: Vec<&'n Item>,
    short: bool,
}

impl<'n> Seen<'n> {
    /// What an entry point sees.
    pub fn new(network: &'n Network, entry: &'n Entry) -> Seen<'n> {
        let all = called(network, entry);
        let used = |i: &&Item| all.iter().any(|e| e.words.contains(&i.name.to_string()));
        let items = network.items.iter().filter(|i| network.short || used(i)).collect();
        Seen { network, entry, items, short: network.short }
    }

    /// Whether it has a dim of the network. Static dims belong to all entry points.
    pub fn has(&self, dim: &DimDecl) -> bool {
        self.short
            || !is_run_time(dim)
            || self.entry.words.contains(&dim.name.to_string())
            || self.items.iter().any(|i| has_dim(i, &dim.name))
    }

    /// Whether an item belongs to other entry points: a state that this one does not name, or a net that it
    /// does not name and that is given a dim which only others have.
    pub fn is_of_others(&self, item: &Item) -> bool {
        let names_it = self.short || self.entry.words.contains(&item.name.to_string());
        let own = |d: &DimDecl| self.entry.dims.iter().any(|o| o.name == d.name);
        let strange = |d: &&DimDecl| is_run_time(d) && !own(d) && !self.has_of_network(d);
        let dims = || self.network.dims.iter().chain(self.network.entries.iter().flat_map(|e| &e.dims));
        !names_it
            && match &item.kind {
                ItemKind::State(..) => true,
                ItemKind::Net(..) => dims().filter(strange).any(|d| has_dim(item, &d.name)),
                ItemKind::Param(..) | ItemKind::Buffer(..) | ItemKind::Const(..) | ItemKind::Broken => false,
            }
    }

    /// Whether a dim is one of the network that the entry point has.
    fn has_of_network(&self, dim: &DimDecl) -> bool {
        self.network.dims.iter().any(|d| d.name == dim.name) && self.has(dim)
    }

    /// Whether a state grows along a dim, or a net is given it by name, whose states may.
    pub fn grows(&self, dim: &DimDecl) -> bool {
        let mut found = self.items.iter().any(|i| grows(i, dim));
        walk::items_of(&self.entry.body, &mut |i| found |= grows(i, dim));
        found
    }

    /// The states of the network that it uses and that have the dim alone on an axis.
    pub fn held_by(&self, dim: &DimDecl) -> impl Iterator<Item = &'n Item> {
        let alone = |i: &&Item| match &i.kind {
            ItemKind::State(ty, _) => {
                ty.axes.iter().any(|a| matches!(&a.kind, ExprKind::Name(n) if *n == dim.name))
            }
            _ => false,
        };
        self.items.iter().copied().filter(alone)
    }
}

/// Whether an entry point, or one that it calls, assigns a state or adds rows to it.
pub fn sets(network: &Network, entry: &Entry, state: &Item) -> bool {
    let assigns = |e: &Entry| {
        let mut found = false;
        walk::assigned(&e.body, &mut |name| found |= *name == state.name);
        found
    };
    let grows = matches!(state.kind, ItemKind::State(_, Some(_)));
    called(network, entry).iter().any(|e| assigns(e) || grows && e.words.contains(&state.name.to_string()))
}

/// Checks that the run-time dims of every entry point follow from something: an axis of an input where it
/// stands alone, a `where` clause, a state, or a net that it is handed to.
pub fn all_follow(network: &Network, sigs: &[Sig], errors: &Errors) {
    let mut bad: Vec<String> = Vec::new();
    let mut report = |dim: &DimDecl, message| {
        if !bad.contains(&dim.name.to_string()) {
            bad.push(dim.name.to_string());
            errors.push(Place::of(dim.name.span()), message);
        }
    };
    for (entry, sig) in network.entries.iter().zip(sigs) {
        let seen = Seen::new(network, entry);
        let equal = sig.declared.equalities();
        for d in network.dims.iter().chain(&entry.dims) {
            let name = d.name.to_string();
            let is_run_time = sig.declared.dims.iter().any(|k| k.name == name && !k.is_static());
            if !is_run_time
                || sig.declared.is_on_input(&name)
                || equal.iter().any(|(n, _)| *n == name)
                || seen.grows(d)
            {
                continue;
            }
            let of = (!network.short).then(|| entry.name.to_string());
            let Some(state) = seen.held_by(d).next() else {
                report(d, messages::unbound_dim(&name, of.as_deref()));
                continue;
            };
            let given = |(e, s): (&Entry, &Sig)| s.declared.is_on_input(&name) && sets(network, e, state);
            if !network.entries.iter().zip(sigs).any(given) {
                report(d, messages::unset_dim(&name, &entry.name.to_string(), &state.name.to_string()));
            }
        }
        let open = sig.declared.inputs.iter().any(|(_, t)| is_open(t));
        for (t, decl) in sig.declared.outputs.iter().zip(&entry.outputs) {
            if is_open(t) && !open {
                errors.push(decl.place, messages::open_axes_here("a result unless an input has them"));
            }
        }
    }
    for d in network.dims.iter().filter(|d| is_run_time(d)) {
        let known = |s: &Sig| s.declared.dims.iter().any(|k| d.name == k.name);
        if !network.entries.is_empty() && !sigs.iter().any(known) {
            report(d, messages::unbound_dim(&d.name.to_string(), None));
        }
    }
}

fn is_run_time(dim: &DimDecl) -> bool {
    matches!(dim.kind, DimKind::Run | DimKind::Bounded(_))
}

/// An entry point, and all that it calls.
fn called<'n>(network: &'n Network, entry: &'n Entry) -> Vec<&'n Entry> {
    let mut all = vec![entry];
    let mut next = 0;
    while let Some(e) = all.get(next) {
        let words = &e.words;
        let new = network.entries.iter().filter(|other| words.contains(&other.name.to_string()));
        let new: Vec<&Entry> = new.filter(|n| !all.iter().any(|a| std::ptr::eq(*a, *n))).collect();
        all.extend(new);
        next += 1;
    }
    all
}

/// Whether the type of a state, or what a net is given, has a dim in it.
fn has_dim(item: &Item, dim: &Ident) -> bool {
    let mut found = false;
    let mut visit = |e: &Expr| found |= matches!(&e.kind, ExprKind::Name(n) if n == dim);
    match &item.kind {
        ItemKind::State(ty, _) => ty.axes.iter().for_each(|a| walk::expr(a, &mut visit)),
        ItemKind::Net(used, _) => used.dims.iter().for_each(|a| walk::expr(&a.value, &mut visit)),
        ItemKind::Param(..) | ItemKind::Buffer(..) | ItemKind::Const(..) | ItemKind::Broken => {}
    }
    found
}

/// Whether an item grows a dim, or passes it on by name.
fn grows(item: &Item, dim: &DimDecl) -> bool {
    let named = |v: &Ident| *v == dim.name;
    match &item.kind {
        ItemKind::State(_, grows) => grows.as_ref().is_some_and(|g| named(&g.dim)),
        ItemKind::Net(used, _) => used
            .dims
            .iter()
            .any(|a| a.name.is_some() && matches!(&a.value.kind, ExprKind::Name(v) if named(v))),
        ItemKind::Param(..) | ItemKind::Buffer(..) | ItemKind::Const(..) | ItemKind::Broken => false,
    }
}
