//! The syntax tree to plans: names, dims, shapes, ops. Emits no tokens.

mod blocks;
mod branches;
mod calls;
mod checker;
mod constants;
mod defaults;
mod dims;
mod elements;
mod entries;
mod entry_dims;
mod experts;
mod exprs;
mod flow;
mod foreign;
mod gradient;
mod index;
mod items;
mod logic;
mod loops;
mod mismatch;
mod net_calls;
mod nets;
mod ops;
mod options;
mod paths;
mod program;
mod rearrange;
mod samples;
mod scans;
mod scope;
mod sig;
mod state;
mod train;
mod unused;

use crate::ast::Network;
use crate::errors::{Errors, Place};
use crate::messages;
use crate::plan::{Checked, CheckedEntry, GENERATED, Sig};
use program::{Program, main_of};
use scope::Declared;
use state::Pushes;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Checks all networks; those with an error have no body.
pub fn check(networks: &[Network], prelude: &[Network], errors: &Errors) -> Vec<Checked> {
    let quiet = Errors::default();
    let prelude = prelude.iter().filter_map(|n| sig::resolve(n, &quiet).into_iter().next()).collect();
    quiet.finish(&[]);
    let before = errors.count();
    unique(networks, errors);
    let duplicated = errors.count() > before;
    let entries: Vec<Vec<Sig>> = networks.iter().map(|n| sig::resolve(n, errors)).collect();
    let sigs = networks
        .iter()
        .zip(&entries)
        .map(|(n, all)| all.get(main_of(n)).cloned().unwrap_or_default())
        .collect();
    let program =
        Program { networks, sigs, entries, prelude, uses: RefCell::default(), calls: RefCell::default() };
    let (mut checked, whole): (Vec<Checked>, Vec<bool>) =
        (0..networks.len()).map(|i| network(&program, i, errors)).unzip();
    let mut bad = recursive(&program, errors);
    bad.extend(calls_itself(&program, errors));
    for (i, c) in checked.iter_mut().enumerate() {
        if duplicated || bad.contains(&i) {
            c.entries.iter_mut().for_each(|e| e.body = None);
        }
    }
    gradient::check(networks, &mut checked, &whole, errors);
    for (c, _) in checked.iter_mut().zip(whole).filter(|(_, whole)| !whole) {
        c.entries.iter_mut().for_each(|e| e.body = None);
    }
    checked
}

/// A network, and whether everything in it is used.
fn network(program: &Program<'_>, i: usize, errors: &Errors) -> (Checked, bool) {
    let mut checked = Checked { entries: Vec::new(), main: 0, items: Vec::new() };
    let Some((n, sigs)) = program.networks.get(i).zip(program.entries.get(i)) else {
        return (checked, true);
    };
    checked.main = main_of(n);
    let before = errors.count();
    let mut declared: Vec<Declared> = Vec::new();
    let mut pushes: Vec<(String, Vec<Pushes>)> = Vec::new();
    for (k, sig) in sigs.iter().enumerate() {
        let entry = n.entries.get(k);
        let mut out = CheckedEntry {
            sig: sig.clone(),
            train: entry.is_some_and(|e| e.train),
            body: None,
            flat: Vec::new(),
            differentiated: Vec::new(),
        };
        if let Some(o) = entry.and_then(|e| checker::body(program, (i, k), n, e, errors)) {
            out.body = o.block;
            merge(&mut declared, o.declared);
            pushes.push((sig.declared.entry.clone(), o.pushes));
            checked.items.extend(
                o.items
                    .into_iter()
                    .filter(|new| checked.items.iter().all(|old| old.path != new.path))
                    .collect::<Vec<_>>(),
            );
        }
        checked.entries.push(out);
    }
    if errors.count() == before && !n.broken_body && !sigs.iter().any(|s| s.broken) {
        state::pushed_together(&pushes, errors);
        if errors.count() == before {
            unused::report(n, &declared, errors);
        }
        return (checked, errors.count() == before);
    }
    (checked, true)
}

/// An item that one entry point uses is used.
fn merge(all: &mut Vec<Declared>, more: Vec<Declared>) {
    for d in more {
        match all.iter_mut().find(|a| a.name == d.name && a.place.line_column() == d.place.line_column()) {
            Some(a) => a.used |= d.used,
            None => all.push(d),
        }
    }
}

/// The networks with an entry point that calls itself.
fn calls_itself(program: &Program<'_>, errors: &Errors) -> Vec<usize> {
    let calls = program.calls.borrow();
    let mut bad = Vec::new();
    for (i, sigs) in program.entries.iter().enumerate() {
        let here: Vec<(usize, usize, Place)> =
            calls.iter().filter(|c| c.0 == i).map(|c| (c.1, c.2, c.3)).collect();
        for start in 0..sigs.len() {
            let Some(path) = way_back(start, &here) else { continue };
            let names: Vec<String> =
                path.iter().filter_map(|&k| sigs.get(k)).map(|s| s.declared.entry.clone()).collect();
            let last = path.last().copied().unwrap_or(start);
            if let Some((_, _, place)) = here.iter().find(|(from, to, _)| *from == last && *to == start) {
                errors.push(*place, messages::entry_recursion(&names));
            }
            bad.push(i);
            break;
        }
    }
    bad
}

fn unique(networks: &[Network], errors: &Errors) {
    let mut seen = BTreeMap::new();
    for n in networks {
        let name = n.name.to_string();
        if seen.insert(name.clone(), ()).is_some() {
            errors.push(Place::of(n.name.span()), messages::duplicate_network(&name));
        }
    }
    for n in networks {
        let name = n.name.to_string();
        if let Some(other) = GENERATED.iter().find_map(|g| seen.get_key_value(name.strip_suffix(g)?)) {
            errors.push(Place::of(n.name.span()), messages::generated_name(&name, other.0));
        }
    }
}

/// The networks that contain themselves. Each cycle is one error, at the use that closes it.
fn recursive(program: &Program<'_>, errors: &Errors) -> Vec<usize> {
    let uses = program.uses.borrow();
    let mut bad: Vec<usize> = Vec::new();
    for start in 0..program.networks.len() {
        if bad.contains(&start) {
            continue;
        }
        let Some(path) = way_back(start, &uses) else { continue };
        let names: Vec<String> =
            path.iter().filter_map(|&i| program.networks.get(i)).map(|n| n.name.to_string()).collect();
        let last = path.last().copied().unwrap_or(start);
        if let Some((_, _, place)) = uses.iter().find(|(from, to, _)| *from == last && *to == start) {
            errors.push(*place, messages::recursion(&names));
        }
        bad.extend(path);
    }
    bad
}

/// The shortest chain of uses from a network back to itself, without its return.
fn way_back(start: usize, uses: &[(usize, usize, Place)]) -> Option<Vec<usize>> {
    let mut paths = vec![vec![start]];
    let mut seen = vec![];
    while let Some(path) = (!paths.is_empty()).then(|| paths.remove(0)) {
        let last = *path.last()?;
        for (_, to, _) in uses.iter().filter(|(from, _, _)| *from == last) {
            if *to == start {
                return Some(path);
            }
            if !seen.contains(to) {
                seen.push(*to);
                let mut next = path.clone();
                next.push(*to);
                paths.push(next);
            }
        }
    }
    None
}
