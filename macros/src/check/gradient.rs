//! Whether what is trained has gradients: ops that have none may not stand between a loss and a weight, and
//! each weight that learns must have a path to a loss.

use super::flow::{Flows, Made};
use crate::ast::Network;
use crate::errors::{Errors, Place};
use crate::messages;
use crate::plan::{Body, Checked, Foreign, StepKind, Val};
use std::collections::BTreeSet;

/// What is found of an entry point for those that call it: what has no gradient in it.
type Found = (Vec<String>, Vec<Foreign>);

/// Reports what has no gradient, and notes for rustc what of it networks of other macro calls decide.
/// `whole` says of which networks everything is used.
pub fn check(networks: &[Network], checked: &mut [Checked], whole: &[bool], errors: &Errors) {
    let found: Vec<Vec<Found>> = {
        let flows = Flows::new(checked);
        networks.iter().enumerate().map(|(i, n)| network(n, (i, whole[i]), checked, &flows, errors)).collect()
    };
    for (c, found) in checked.iter_mut().zip(found) {
        for (e, (flat, differentiated)) in c.entries.iter_mut().zip(found) {
            (e.flat, e.differentiated) = (flat, differentiated);
        }
    }
}

fn network(
    n: &Network,
    (i, whole): (usize, bool),
    checked: &[Checked],
    flows: &Flows<'_>,
    errors: &Errors,
) -> Vec<Found> {
    let before = errors.count();
    let mut joined: BTreeSet<String> = BTreeSet::new();
    let mut steps: Vec<String> = Vec::new();
    let mut out = Vec::new();
    for (k, e) in checked[i].entries.iter().enumerate() {
        let mut found = Found::default();
        if !e.train {
            found.0 = flows.results(i, k).iter().map(Made::flat).collect();
        } else if let Some(body) = &e.body {
            for (place, loss) in minimised(body) {
                let made = flows.made_of(e, body, loss);
                if let Some(flat) = &made.before_weights {
                    errors.push(flat.place, messages::no_gradient(&flat.op, &flat.text));
                } else if !made.learns {
                    errors.push(place, messages::loss_without_weights());
                }
                joined.extend(made.items);
                found.1.extend(made.foreign);
            }
            steps.push(e.sig.declared.entry.clone());
        }
        out.push(found);
    }
    // One mistake is one error.
    let whole = whole && checked[i].entries.iter().all(|e| e.body.is_some()) && errors.count() == before;
    if whole && !steps.is_empty() {
        let learns = |callee: Option<(usize, usize)>| {
            callee.is_none_or(|(n, e)| flows.results(n, e).iter().any(|made| made.learns))
        };
        for item in checked[i].items.iter().filter(|item| item.learns && learns(item.callee)) {
            let kept = item.name.starts_with('_');
            if !kept && !joined.contains(&item.path) {
                errors.push(item.place, messages::no_path_to_loss(&item.name, &n.name.to_string(), &steps));
            }
        }
    }
    out
}

/// What is minimised, and where that is said: in each of the blocks between which conditions choose.
fn minimised(body: &Body) -> Vec<(Place, Val)> {
    let mut all = Vec::new();
    for step in &body.steps {
        match &step.kind {
            StepKind::Minimize { loss, .. } => all.push((step.place, *loss)),
            StepKind::If { then, otherwise, .. } => {
                all.extend([then, otherwise].into_iter().flat_map(minimised))
            }
            _ => {}
        }
    }
    all
}
