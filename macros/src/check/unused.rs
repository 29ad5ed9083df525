//! What a network declares and never uses. A forgotten `mask = mask` would change its results and nothing
//! else, so that it is an error; a name that begins with `_` is kept on purpose.

use super::scope::Declared;
use crate::ast::{Cond, Expr, ExprKind, Item, ItemKind, Network};
use crate::errors::{Errors, Place};
use crate::messages;
use crate::walk;
use proc_macro2::Ident;
use std::collections::BTreeSet;
use tancho_ir::Dim;
use tancho_ir::bind::DimKind;
use tancho_ir::graph::Relation;
use tancho_ir::path::numbers;
use tancho_ir::table::{OPS, public_name};

/// Reports what nothing uses: of what the bodies declare, and of the header.
pub fn report(network: &Network, declared: &[Declared], errors: &Errors) {
    let kept = |name: &str| name.starts_with('_');
    for d in declared.iter().filter(|d| !d.used && !kept(&d.name)) {
        let message = match d.what {
            "input" => messages::unused_input(&d.name, takes(network, &d.name).as_deref()),
            what => messages::unused(what, &d.name),
        };
        errors.push(d.place, message);
    }
    let used = names(network);
    let unused = |name: &Ident| !kept(&name.to_string()) && !used.contains(&name.to_string());
    for o in network.options.iter().filter(|o| unused(&o.name)) {
        errors.push(Place::of(o.name.span()), messages::unused("option", &o.name.to_string()));
    }
    for d in network.dims.iter().filter(|d| unused(&d.name)) {
        let name = d.name.to_string();
        let promise = network.wheres.iter().find(|w| {
            let mut all = BTreeSet::new();
            [&w.left, &w.right].into_iter().for_each(|e| walk::expr(e, &mut |e| named(e, &mut all)));
            all.contains(&name)
        });
        let clause = promise.map(|w| format!("{} % {} == 0", w.left.text, w.right.text));
        errors.push(Place::of(d.name.span()), messages::unused_dim(&name, clause.as_deref()));
    }
}

/// The names of dims and options that a network uses. They share one namespace with everything else, so that
/// a name means the same wherever it stands. A promise that something divides changes no result and is no
/// use.
fn names(network: &Network) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    {
        let mut visit = |e: &Expr| named(e, &mut all);
        for d in network.dims.iter().chain(network.entries.iter().flat_map(|e| &e.dims)) {
            if let DimKind::Bounded(e) | DimKind::Static(e) = &d.kind {
                walk::expr(e, &mut visit);
            }
        }
        for w in network.wheres.iter().filter(|w| w.relation != Relation::Multiple) {
            walk::expr(&w.left, &mut visit);
            walk::expr(&w.right, &mut visit);
        }
        walk::items(&network.items, &mut visit);
        network.entries.iter().for_each(|e| walk::entry(e, &mut visit));
    }
    let mut of_item = |i: &Item| {
        if let ItemKind::State(_, Some(g)) = &i.kind {
            all.insert(g.dim.to_string());
        }
        let in_path =
            i.attrs.path.iter().flat_map(|(path, _)| numbers(path)).filter_map(|n| Dim::parse(n).ok());
        all.extend(in_path.flat_map(|d| d.syms()));
    };
    network.items.iter().for_each(&mut of_item);
    network.entries.iter().for_each(|e| walk::items_of(&e.body, &mut of_item));
    all
}

/// The names in an expression itself, without its parts.
fn named(e: &Expr, all: &mut BTreeSet<String>) {
    match &e.kind {
        ExprKind::Name(n) => {
            all.insert(n.to_string());
        }
        ExprKind::Index(_, list) => {
            all.extend(list.iter().filter_map(|i| Some(i.axis.as_ref()?.to_string())))
        }
        ExprKind::If(conds, ..) => all.extend(conds.iter().filter_map(|c| match c {
            Cond::Flag(name, _) => Some(name.to_string()),
            Cond::Equal(_) => None,
        })),
        _ => {}
    }
}

/// The op in the network that takes a tensor of that name and is not given it: what forgot it.
fn takes(network: &Network, name: &str) -> Option<String> {
    let mut found = None;
    let mut visit = |e: &Expr| {
        let ExprKind::Call(callee, args) = &e.kind else { return };
        let Some(row) = OPS.iter().find(|o| o.callable && public_name(o.name) == callee.text) else { return };
        let Some(at) = row.params.iter().position(|p| p.name == name) else { return };
        let by_name = args.iter().any(|a| a.name.as_ref().is_some_and(|n| n == name));
        let by_position = args.iter().filter(|a| a.name.is_none()).count();
        if !by_name && by_position <= at && found.is_none() {
            found = Some(callee.text.clone());
        }
    };
    network.entries.iter().for_each(|e| walk::entry(e, &mut visit));
    found
}
