//! Defaults of static dims, in whatever order they are declared: cycles are found, numbers computed.

use crate::ast::Network;
use crate::errors::{Errors, Place};
use crate::messages;
use crate::plan::Sig;
use std::collections::BTreeMap;
use tancho_ir::bind::DimKind;

/// Gives every static dim its number by default, where it has one, and reports defaults that depend on each
/// other.
pub fn settle(network: &Network, sig: &mut Sig, errors: &Errors) {
    let at: BTreeMap<&str, usize> =
        sig.declared.dims.iter().enumerate().map(|(i, d)| (d.name.as_str(), i)).collect();
    let needs: Vec<Vec<usize>> = sig
        .declared
        .dims
        .iter()
        .map(|d| match &d.kind {
            DimKind::Static(p) => p.syms().iter().filter_map(|s| at.get(s.as_str()).copied()).collect(),
            _ => Vec::new(),
        })
        .collect();
    let order = sorted(&needs);
    cycles(network, sig, &needs, &order, errors);
    values(network, sig, &order, errors);
}

/// The dims so that each comes after what it needs; those of a cycle, and what needs them, are left out.
fn sorted(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut waiting: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for (i, all) in needs.iter().enumerate() {
        for &need in all {
            needed_by[need].push(i);
        }
    }
    let mut order: Vec<usize> = (0..needs.len()).filter(|i| waiting[*i] == 0).collect();
    let mut next = 0;
    while let Some(&done) = order.get(next) {
        next += 1;
        for &i in &needed_by[done] {
            waiting[i] -= 1;
            if waiting[i] == 0 {
                order.push(i);
            }
        }
    }
    order
}

/// One error a cycle, at the dim of it that is declared first.
fn cycles(network: &Network, sig: &Sig, needs: &[Vec<usize>], order: &[usize], errors: &Errors) {
    let mut good = vec![false; needs.len()];
    order.iter().for_each(|&i| good[i] = true);
    let mut seen = good.clone();
    for start in 0..needs.len() {
        // What is left over needs something that is left over: the walk comes back to itself, or to what was
        // walked.
        let (mut walk, mut at) = (Vec::new(), start);
        while !seen[at] {
            seen[at] = true;
            walk.push(at);
            match needs[at].iter().find(|i| !good[**i]) {
                Some(&next) => at = next,
                None => break,
            }
        }
        let Some(from) = walk.iter().position(|i| *i == at) else { continue };
        let mut cycle = walk.split_off(from);
        let first = cycle.iter().enumerate().min_by_key(|(_, i)| **i).map_or(0, |(k, _)| k);
        cycle.rotate_left(first);
        let names: Vec<String> = cycle.iter().map(|&i| sig.declared.dims[i].name.clone()).collect();
        if let Some(d) = network.dims.get(cycle[0]) {
            errors.push(Place::of(d.name.span()), messages::dim_cycle(&names));
        }
    }
}

/// Numbers of the defaults that have one.
fn values(network: &Network, sig: &mut Sig, order: &[usize], errors: &Errors) {
    let known = &mut sig.numbers;
    for &i in order {
        let (Some(info), Some(decl)) = (sig.declared.dims.get_mut(i), network.dims.get(i)) else { continue };
        let DimKind::Static(p) = &info.kind else { continue };
        if !p.syms().iter().all(|s| known.contains_key(s)) {
            continue;
        }
        let place = match &decl.kind {
            DimKind::Static(e) => e.place,
            _ => Place::of(decl.name.span()),
        };
        match p.eval(&|s| known.get(s).copied()) {
            Ok(v) if v < 0 => {
                errors.push(place, messages::negative_dim(&info.name, v));
                info.kind = DimKind::Required;
            }
            Ok(v) => {
                known.insert(info.name.clone(), v);
            }
            Err(e) => {
                errors.push(place, messages::dim_error(&p.to_string(), &e));
                info.kind = DimKind::Required;
            }
        }
    }
}
