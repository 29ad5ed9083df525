//! States that are updated in place: the kernel that computes what a state becomes writes over what it was.
//!
//! This needs no memory for both, and an optimiser reads and writes each cache line once. It is right where
//! nothing needs the old elements any more, and where the run can no longer fail: a run that fails leaves all
//! states as they were.

use crate::lanes::{Inst, Program, Ptr, Stmt};
use crate::lower::{Schedule, Step};
use crate::plan::Place;
use crate::spec::{KernelSpec, RowSpec, Slot, StepSpec};
use std::collections::HashMap;

/// Makes each [`Place::Next`] whose state can be updated in place the [`Place::State`] of that number.
pub fn update(schedule: &Schedule, places: &mut [Vec<Place>]) {
    let mut last_use: HashMap<usize, usize> = HashMap::new();
    for (i, places) in places.iter().enumerate() {
        last_use.extend(places.iter().filter_map(|place| state(*place)).map(|state| (state, i)));
    }
    let Some(safe) = schedule.steps.iter().rposition(may_stop).map_or(Some(0), |last| last.checked_add(1))
    else {
        return;
    };
    for (i, step) in schedule.steps.iter().enumerate().skip(safe) {
        for at in 0..places[i].len() {
            let Place::Next(state) = places[i][at] else { continue };
            if last_use.get(&state) == Some(&i) && writes_what_it_read(step, &places[i], state) {
                places[i][at] = Place::State(state);
            }
        }
    }
}

/// The state whose old or new value a place is.
fn state(place: Place) -> Option<usize> {
    match place {
        Place::State(n) | Place::Next(n) => Some(n),
        _ => None,
    }
}

/// Whether a step, or one of the body of a loop, may stop the run at an id that is out of range.
fn may_stop(step: &Step) -> bool {
    matches!(step.spec, StepSpec::Scan(_)) || step.spec.finds_ids()
}

/// Whether a step is done with each element of a state when it writes what the element becomes.
fn writes_what_it_read(step: &Step, places: &[Place], state: usize) -> bool {
    let Some(KernelSpec::Row(spec)) = step.spec.kernel() else { return false };
    if spec.window.is_some() || spec.sums.is_some() {
        return false;
    }
    let numbers = |place: Place| {
        let here = move |slot: &Slot| places[usize::from(slot.buffer)] == place;
        (0u16..).zip(&spec.slots).filter(move |(_, slot)| here(slot))
    };
    let written: Vec<(u16, &Slot)> = numbers(Place::Next(state)).collect();
    let &[(to, written)] = written.as_slice() else { return false };
    let read: Vec<u16> = numbers(Place::State(state)).map(|(n, _)| n).collect();
    let is_same = |n: &u16| {
        let slot = &spec.slots[usize::from(*n)];
        *slot == Slot { buffer: slot.buffer, ..written.clone() }
    };
    // A run may give another shape to a state that it does not read.
    !read.is_empty() && read.iter().all(is_same) && is_done_with(spec, &read, to)
}

/// Whether the work on a row has loaded each element of the slots `read` when it writes that of the slot
/// `to`.
fn is_done_with(spec: &RowSpec, read: &[u16], to: u16) -> bool {
    let program = &spec.work.program;
    let is_old = |inst: &Inst| matches!(inst, Inst::Load { ptr, .. } if points_to(program, *ptr, read));
    let is_new = |inst: &Inst| matches!(inst, Inst::Store { ptr, .. } if points_to(program, *ptr, &[to]));
    let mut touching =
        program.stmts.iter().map(Stmt::body).filter(|b| b.iter().any(|i| is_old(i) || is_new(i)));
    let (Some(body), None) = (touching.next(), touching.next()) else { return false };
    let Some(store) = body.iter().position(is_new) else { return false };
    // Both back ends load an element where its load stands, and once.
    !body[store + 1..].iter().any(|inst| is_old(inst) || is_new(inst))
}

/// Whether a pointer is that of one of these slots.
fn points_to(program: &Program, ptr: Ptr, slots: &[u16]) -> bool {
    program.resolve(ptr).is_some_and(|(arg, _)| slots.contains(&arg))
}
