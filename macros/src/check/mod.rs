//! The syntax tree to plans: names, dims, shapes, ops. Emits no tokens.

mod blocks;
mod calls;
mod dims;
mod exprs;
mod index;
mod nets;
mod options;
mod rearrange;
mod scope;
mod sig;

use crate::ast::Network;
use crate::errors::{Errors, Place};
use crate::messages;
use crate::plan::{Checked, Sig};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Everything a body may refer to.
pub struct Program<'a> {
    /// The networks of this macro call, in order.
    pub networks: &'a [Network],
    /// Their signatures.
    pub sigs: Vec<Sig>,
    /// The prelude's signatures.
    pub prelude: Vec<Sig>,
    /// Which network uses which, and where.
    uses: RefCell<Vec<(usize, usize, Place)>>,
}

/// Checks all networks; those with an error have no body.
pub fn check(networks: &[Network], prelude: &[Network], errors: &Errors) -> Vec<Checked> {
    let quiet = Errors::default();
    let prelude = prelude.iter().map(|n| sig::resolve(n, &quiet)).collect();
    quiet.finish();
    let before = errors.count();
    unique(networks, errors);
    let duplicated = errors.count() > before;
    let sigs = networks.iter().map(|n| sig::resolve(n, errors)).collect();
    let program = Program { networks, sigs, prelude, uses: RefCell::default() };
    let mut bodies: Vec<_> = networks.iter().enumerate().map(|(i, n)| scope::body(&program, i, n, errors)).collect();
    for i in recursive(&program, errors) {
        if let Some(b) = bodies.get_mut(i) {
            *b = None;
        }
    }
    let sigs = program.sigs;
    sigs.into_iter().zip(bodies).map(|(sig, body)| Checked { sig, body: body.filter(|_| !duplicated) }).collect()
}

fn unique(networks: &[Network], errors: &Errors) {
    let mut seen = BTreeMap::new();
    for n in networks {
        let name = n.name.to_string();
        if seen.insert(name.clone(), ()).is_some() {
            errors.push(Place::of(n.name.span()), messages::duplicate_network(&name));
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
        let names: Vec<String> = path.iter().filter_map(|&i| program.networks.get(i)).map(|n| n.name.to_string()).collect();
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
