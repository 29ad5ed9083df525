//! Which entry points keep which states: each has a session of its own, so that a state belongs to one of
//! them.

use super::program::{EntryAt, Kept, Program, main_of};
use crate::errors::Errors;
use crate::messages;
use std::collections::BTreeSet;

/// The states that an entry point comes to: the network that declares each, and its path there.
fn reached(all: &[Kept], from: EntryAt) -> BTreeSet<(usize, &str)> {
    let (mut seen, mut todo, mut states) = (BTreeSet::from([from]), vec![from], BTreeSet::new());
    while let Some(at) = todo.pop() {
        for k in all.iter().filter(|k| k.by == at) {
            match k.of {
                None => {
                    states.insert((k.by.0, k.path.as_str()));
                }
                Some(callee) => todo.extend(seen.insert(callee).then_some(callee)),
            }
        }
    }
    states
}

/// What an entry point and those that it calls of its own network keep, each once: declared here, or in a
/// net.
fn of_entry(all: &[Kept], from: EntryAt) -> Vec<&Kept> {
    let (mut seen, mut todo, mut out) = (BTreeSet::from([from]), vec![from], Vec::new());
    while let Some(at) = todo.pop() {
        for k in all.iter().filter(|k| k.by == at) {
            match k.of {
                Some(callee) if k.path.is_empty() => todo.extend(seen.insert(callee).then_some(callee)),
                _ => out.push(k),
            }
        }
    }
    out
}

/// Reports the states of two entry points; gives their networks.
pub fn shared(program: &Program<'_>, errors: &Errors) -> Vec<usize> {
    let all = program.kept.borrow();
    let mut bad = Vec::new();
    for (i, n) in program.networks.iter().enumerate() {
        let name = |k: usize| n.entries.get(k).map(|e| e.name.to_string()).unwrap_or_default();
        let built =
            (0..n.entries.len()).filter(|k| *k == main_of(n) || n.entries.get(*k).is_some_and(|e| !e.train));
        let mut before: Vec<(usize, &Kept)> = Vec::new();
        let mut reported: Vec<&str> = Vec::new();
        for k in built {
            let here = of_entry(&all, (i, k));
            for kept in &here {
                let same = |other: &Kept| {
                    other.path == kept.path
                        && match (other.of, kept.of) {
                            (None, None) => true,
                            (Some(a), Some(b)) => !reached(&all, a).is_disjoint(&reached(&all, b)),
                            _ => false,
                        }
                };
                if let Some((first, _)) = before.iter().find(|(_, other)| same(other))
                    && !reported.contains(&kept.path.as_str())
                {
                    reported.push(&kept.path);
                    errors.push(
                        kept.place,
                        messages::shared_state(&kept.path, kept.of.is_some(), &name(*first), &name(k)),
                    );
                    bad.push(i);
                }
            }
            before.extend(here.into_iter().map(|kept| (k, kept)));
        }
    }
    bad
}
