//! The states of a network with several entry points, which all of them keep together.

use super::BuildError;
use crate::graph::{Graph, StateDecl};
use std::collections::BTreeSet;

/// Checks that the entry points of a network agree on the states that several of them have.
///
/// # Errors
/// A state has another type or another capacity in another entry point. Or entry points that add rows along
/// one dim add them to different states. Or a run-time dim follows from a state alone, and no entry point
/// gives that state a value of a length that follows from its inputs.
pub fn share_states(graphs: &[Graph]) -> Result<(), BuildError> {
    for (i, g) in graphs.iter().enumerate() {
        for other in &graphs[..i] {
            agree(other, g).map_err(BuildError::new)?;
        }
        for (dim, states) in g.held_dims() {
            let set =
                states.iter().any(|(at, axis)| graphs.iter().any(|w| sets(w, &g.states[*at].name, *axis)));
            if let (false, Some((at, _))) = (set, states.first()) {
                return Err(BuildError::new(format!(
                    "dim `{}` of `{}` follows from no input, and no entry point gives the state `{}` its length",
                    g.dims[dim].name,
                    entry(g),
                    g.states[*at].name
                )));
            }
        }
    }
    Ok(())
}

fn entry(g: &Graph) -> &str {
    if g.entry.is_empty() { &g.name } else { &g.entry }
}

/// Whether two entry points mean the same by the states that both have.
fn agree(a: &Graph, b: &Graph) -> Result<(), String> {
    for (i, s) in b.states.iter().enumerate() {
        let Some(at) = a.states.iter().position(|t| t.name == s.name) else { continue };
        let t = &a.states[at];
        if t.ty != s.ty || (t.grows, t.keeps_last) != (s.grows, s.keeps_last) {
            return Err(format!(
                "the state `{}` is {} in `{}` and {} in `{}`",
                s.name,
                t.ty,
                entry(a),
                s.ty,
                entry(b)
            ));
        }
        if let (Some(one), Some(two)) = (a.capacity(at), b.capacity(i))
            && one != two
        {
            return Err(format!(
                "the state `{}` has the capacity for {one} rows in `{}` and for {two} in `{}`",
                s.name,
                entry(a),
                entry(b)
            ));
        }
    }
    let dims: BTreeSet<&str> = b.states.iter().filter_map(StateDecl::grown_dim).collect();
    for dim in dims {
        let (one, two) = (pushed(a, dim), pushed(b, dim));
        let odd = one.symmetric_difference(&two).next();
        if let (Some(odd), false, false) = (odd, one.is_empty(), two.is_empty()) {
            let (with, without) = if one.contains(odd) { (a, b) } else { (b, a) };
            return Err(format!(
                "`{}` adds rows along `{dim}` to the state `{odd}` and `{}` does not: states that grow along one dim have equally many rows",
                entry(with),
                entry(without)
            ));
        }
    }
    Ok(())
}

/// The states that an entry point adds rows to along a dim.
fn pushed<'g>(g: &'g Graph, dim: &str) -> BTreeSet<&'g str> {
    let of = |s: &&StateDecl| s.next.is_some() && s.grown_dim() == Some(dim);
    g.states.iter().filter(of).map(|s| s.name.as_str()).collect()
}

/// Whether an entry point writes a state whose axis has a length that its inputs give.
fn sets(g: &Graph, state: &str, axis: usize) -> bool {
    let held = g.held_dims();
    let is_held = |name: &str| held.iter().any(|(i, _)| g.dims[*i].name == name);
    let written = g.states.iter().find(|s| s.name == state && s.next.is_some());
    written.is_some_and(|s| !s.ty.shape[axis].syms().iter().any(|d| is_held(d)))
}
