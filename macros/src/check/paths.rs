//! What the networks of this macro call keep under which paths: seen through nets, as a session and a file of
//! weights name it.

use super::checker::Checker;
use super::items::doubled;
use super::program::Program;
use crate::ast::{Item, ItemKind, Network, Use};
use crate::errors::Place;
use crate::messages;
use crate::walk;
use std::collections::{BTreeMap, BTreeSet};
use tancho_ir::Dim;
use tancho_ir::path::{numbers, with_numbers};

/// Nets in nets are looked into as deeply as this: a network that contains itself is another error.
const DEEPEST: usize = 16;

/// More names of states than this are not compared.
const MOST: usize = 4096;

impl Checker<'_> {
    /// Reports two items that would keep one state. A session knows its states by their names, so that each
    /// would go on from what the other left.
    pub fn settle_state_names(&self, network: &Network) {
        let (keeping, mut seen) = (keeping(self.program), BTreeMap::<String, String>::new());
        for item in all_items(network) {
            let (name, mut states) = (item.name.to_string(), Vec::new());
            states_of(self.program, &keeping, item, "", DEEPEST, &mut states);
            states.sort();
            states.dedup();
            for state in states {
                if let Some(other) = seen.get(&state) {
                    let place = Place::of(item.name.span());
                    return self.fail(place, messages::shared_state(other, &name, &state));
                }
                seen.insert(state, name.clone());
            }
        }
    }

    /// Whether the nets of an array have different paths although the path of the array has no number: every
    /// item of their network has one in its own path, which follows from `i` by the dims that are given.
    pub fn told_apart_inside(&self, used: &Use, given: &[(String, Dim)]) -> bool {
        let Some(network) = network_of(self.program, used) else { return false };
        let value = |s: &str| given.iter().find(|(n, _)| n == s).map(|(_, d)| d.clone());
        let by_iteration = |d: &Dim| d.subst(&value).ok().map(|d| format!("{{{d}}}"));
        let differs = |i: &&Item| {
            let path = i.attrs.path.as_ref().map(|(p, _)| p.as_str()).unwrap_or_default();
            let path = with_numbers(path, &by_iteration);
            let counted = numbers(&path).iter().any(|n| Dim::parse(n).is_ok_and(|d| d.syms().contains("i")));
            counted && doubled(&path, &["i"]).is_none()
        };
        let items: Vec<&Item> = all_items(network).into_iter().filter(|i| is_kept(i)).collect();
        !items.is_empty() && items.iter().all(differs)
    }
}

/// Whether a file of weights or a session has an item.
fn is_kept(item: &Item) -> bool {
    match item.kind {
        ItemKind::Param(..) | ItemKind::Buffer(..) | ItemKind::State(..) | ItemKind::Net(..) => true,
        ItemKind::Const(..) | ItemKind::Broken => false,
    }
}

/// The items of a network, wherever they stand.
fn all_items(network: &Network) -> Vec<&Item> {
    let mut out: Vec<&Item> = network.items.iter().collect();
    network.entries.iter().for_each(|e| walk::items_of(&e.body, &mut |i| out.push(i)));
    out
}

/// The network of this macro call that a net uses.
fn network_of<'p>(program: &Program<'p>, used: &Use) -> Option<&'p Network> {
    program.networks.iter().find(|n| used.single && n.name == used.text)
}

/// The names of the networks of this macro call that keep states, by themselves or through nets.
fn keeping(program: &Program<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    loop {
        let before = found.len();
        for n in program.networks {
            let keeps = |i: &&Item| match &i.kind {
                ItemKind::State(..) => true,
                ItemKind::Net(used, _) => used.single && found.contains(&used.text),
                ItemKind::Param(..) | ItemKind::Buffer(..) | ItemKind::Const(..) | ItemKind::Broken => false,
            };
            if all_items(n).iter().any(keeps) {
                found.insert(n.name.to_string());
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// The names of the states that an item has, or is; `keeping` are the networks that have any.
fn states_of(
    program: &Program<'_>,
    keeping: &BTreeSet<String>,
    item: &Item,
    prefix: &str,
    deep: usize,
    out: &mut Vec<String>,
) {
    if out.len() > MOST {
        return;
    }
    match &item.kind {
        ItemKind::State(..) => out.push(format!("{prefix}{}", item.name)),
        ItemKind::Net(used, count) => {
            let network = network_of(program, used).filter(|n| keeping.contains(&n.name.to_string()));
            let Some((network, deep)) = network.zip(deep.checked_sub(1)) else { return };
            let path = match &item.attrs.path {
                Some((path, _)) => path.clone(),
                None if count.is_some() => format!("{}.{{i}}", item.name),
                None => item.name.to_string(),
            };
            let prefix = if path.is_empty() { prefix.to_string() } else { format!("{prefix}{path}.") };
            for inner in all_items(network) {
                states_of(program, keeping, inner, &prefix, deep, out);
            }
        }
        ItemKind::Param(..) | ItemKind::Buffer(..) | ItemKind::Const(..) | ItemKind::Broken => {}
    }
}
