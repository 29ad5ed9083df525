//! States: what a session keeps between calls, and `.push`.

use super::checker::Checker;
use super::scans::SCAN;
use super::scope::{Hint, Meaning, Shaped, State, Tensor};
use super::sig;
use crate::ast::{Arg, Expr, Growth, Item, Ty};
use crate::errors::{Errors, Place};
use crate::messages;
use crate::plan::StepKind;
use proc_macro2::Ident;
use tancho_ir::bind::DimKind;
use tancho_ir::{Dim, Type};

/// A growing state in one entry point.
pub struct Pushes {
    pub state: String,
    pub place: Place,
    pub dim: String,
    pub pushed: bool,
}

/// Checks over all entry points that every growing state is pushed, and that those of one dim are pushed
/// together. `entries` has what each does with them.
pub fn pushed_together(entries: &[(String, Vec<Pushes>)], errors: &Errors) {
    let all = || entries.iter().flat_map(|(_, all)| all);
    let same = |a: &Pushes, b: &Pushes| a.place.line_column() == b.place.line_column();
    let mut seen: Vec<&Pushes> = Vec::new();
    for s in all() {
        if seen.iter().any(|other| same(other, s)) {
            continue;
        }
        seen.push(s);
        if !all().any(|p| same(p, s) && p.pushed) {
            errors.push(s.place, messages::never_pushed(&s.state));
            continue;
        }
        // An entry point that pushes another state of the dim, but not this one.
        let alone = |(_, of): &&(String, Vec<Pushes>)| {
            of.iter().any(|p| p.dim == s.dim && p.pushed) && !of.iter().any(|p| same(p, s) && p.pushed)
        };
        let with = entries.iter().find(|(_, of)| of.iter().any(|p| same(p, s) && p.pushed));
        if let (Some((without, _)), Some((with, _))) = (entries.iter().find(alone), with) {
            errors.push(s.place, messages::pushed_by_one(&s.state, &s.dim, with, without));
        }
    }
}

impl Checker<'_> {
    /// `state keys: [B, HEADS, P, HD] grow P;`
    pub fn state(&mut self, item: &Item, name: &str, t: &Ty, grows: Option<&Growth>) -> Option<Meaning> {
        let place = Place::of(item.name.span());
        let path = item.attrs.path.as_ref().map(|(_, s)| Place::of(*s));
        if let Some(attribute) = path.or(item.attrs.frozen).or(item.attrs.no_decay) {
            self.fail(attribute, messages::no_weight(name));
            return None;
        }
        let ty = self.dims(|d| sig::ty(t, d, Some("a state")))?;
        let keeps_last = grows.is_some_and(|g| g.keeps_last);
        let grows = match grows {
            Some(g) => Some(self.growth(name, &g.dim, &ty)?),
            None => None,
        };
        let path = self.path(item, name, None, false)?;
        let (before, val) = (self.fresh(), self.fresh());
        let axis = grows.as_ref().map(|(axis, _)| *axis);
        self.step(
            place,
            &format!("state {name}"),
            StepKind::State { out: before, slot: val, path, ty: ty.clone(), grows: axis, keeps_last },
        );
        let tensor = Tensor { ty, val, name: name.into() };
        self.states.push(State {
            name: name.into(),
            tensor,
            before,
            grows,
            keeps_last,
            place,
            loops: self.loops.len(),
            changed: Vec::new(),
        });
        Some(Meaning::State(self.states.len() - 1))
    }

    /// The axis of `grow P`: a run-time dim with a bound that stands alone on one axis.
    fn growth(&mut self, name: &str, dim: &Ident, ty: &Type) -> Option<(usize, String)> {
        let (text, place) = (dim.to_string(), Place::of(dim.span()));
        let refuse = |me: &Self, m| {
            me.fail(place, m);
            None
        };
        let Some(info) = self.known.iter().find(|d| d.name == text) else {
            return refuse(self, messages::unknown_dim(&text, self.known.iter().map(|d| d.name.as_str())));
        };
        if !matches!(info.kind, DimKind::Bounded(_)) {
            return refuse(self, messages::growth_needs_bound(name, &text, info.is_static()));
        }
        if let DimKind::Bounded(bound) = &info.kind
            && self.facts.value(bound).is_some_and(|n| n < 1)
        {
            let m = messages::growth_without_room(name, &text, bound, &self.facts);
            return refuse(self, m);
        }
        let at: Vec<usize> =
            ty.shape.iter().enumerate().filter(|(_, d)| d.syms().contains(&text)).map(|(i, _)| i).collect();
        match at.as_slice() {
            [i] if ty.shape.get(*i).and_then(Dim::as_sym) == Some(&text) => Some((*i, text)),
            _ => refuse(self, messages::growth_axis(name, &text, ty)),
        }
    }

    /// `keys.push(v)`: the state with the new rows after those it has.
    pub fn push(&mut self, expr: &Expr, state: usize, args: &[Arg]) -> Shaped {
        let [Arg { name: None, value, .. }] = args else {
            return self.refuse(expr.place, messages::push_takes_one());
        };
        let v = self.eval(value, Hint::default());
        let Some(state_now) = self.states.get(state).cloned() else { return Shaped::Poison };
        let Some(v) = self.tensor(v, value, state_now.tensor.ty.dtype) else { return Shaped::Poison };
        let Some((axis, dim)) = &state_now.grows else {
            return self.refuse(expr.place, messages::push_without_growth(&state_now.name));
        };
        let Shaped::Tensor(now) = self.alike(Shaped::Tensor(state_now.tensor.clone())) else {
            return Shaped::Poison;
        };
        let want = &now.ty;
        let rows = v.ty.shape.get(*axis).cloned();
        let fits = v.ty.rank() == want.rank()
            && v.ty.dtype == want.dtype
            && v.ty.shape.iter().zip(&want.shape).enumerate().all(|(i, (a, b))| i == *axis || a == b);
        let Some(rows) = rows.filter(|_| fits) else {
            return self.refuse(
                value.place,
                messages::push_shape(&state_now.name, want, dim, &v.name, &v.ty, &self.facts),
            );
        };
        if let Some(bound) = self.bound(dim)
            && sig::fails(
                tancho_ir::graph::Relation::AtMost,
                self.facts.value(&rows),
                self.facts.value(&bound),
            )
        {
            return self.refuse(expr.place, messages::outgrows(&state_now.name, &bound, &rows, &self.facts));
        }
        let mut ty = want.clone();
        let len = ty.shape.get(*axis).and_then(|p| p.plus(&rows).ok());
        match (ty.shape.get_mut(*axis), len) {
            (Some(d), Some(len)) => *d = len,
            _ => return Shaped::Poison,
        }
        self.change(state, Some(rows), expr.place);
        let out = self.fresh();
        self.step(expr.place, &expr.text, StepKind::Push { out, state: state_now.before, rows: v.val });
        Shaped::Tensor(Tensor { ty, val: out, name: expr.text.clone() })
    }

    /// `h = expr;` of a state that does not grow.
    pub fn assign_state(&mut self, state: usize, name: &Ident, value: &Expr) {
        let Some(s) = self.states.get(state).cloned() else { return };
        let place = Place::of(name.span()).to(value.place);
        let types = [s.tensor.ty.clone()];
        let v = self.eval(value, Hint { types: Some(&types), name: Some(name) });
        let Some(t) = self.tensor(v, value, s.tensor.ty.dtype) else { return };
        if s.grows.is_some() {
            return self.fail(place, messages::growing_is_pushed(&s.name));
        }
        if t.ty != s.tensor.ty {
            return self.fail(place, messages::assign_shape(&s.name, &s.tensor.ty, &t.ty, &self.facts));
        }
        self.change(state, None, place);
        self.step(place, &value.text, StepKind::Keep { state: s.before, slot: s.tensor.val, from: t.val });
    }

    pub fn change(&mut self, state: usize, rows: Option<Dim>, place: Place) {
        let depth = self.loops.len();
        let Some(s) = self.states.get_mut(state) else { return };
        let (name, pushes) = (s.name.clone(), s.grows.is_some());
        let (again, in_loop) = (pushes && !s.changed.is_empty(), pushes && s.loops != depth);
        s.changed.push((rows, place));
        if again {
            self.fail(place, messages::pushed_twice(&name));
        } else if in_loop {
            let in_scan = self.loops.last().is_some_and(|l| l == SCAN);
            let message = if in_scan { messages::pushed_in_scan } else { messages::pushed_in_loop };
            self.fail(place, message(&name));
        }
    }

    /// What was pushed or assigned so far, to see what a branch adds.
    pub fn changes(&self) -> Vec<usize> {
        self.states.iter().map(|s| s.changed.len()).collect()
    }

    /// A branch begins where the other began: only one of them runs. Gives what this one has changed.
    pub fn rewind(&mut self, before: &[usize]) -> Vec<usize> {
        let after = self.changes();
        for (s, n) in self.states.iter_mut().zip(before) {
            s.changed.truncate(*n);
        }
        after
    }

    /// Whatever branch runs, a state is pushed once.
    pub fn same_changes(&self, then: &[usize], place: Place) {
        for ((s, now), then) in self.states.iter().zip(self.changes()).zip(then) {
            if s.grows.is_some() && now != *then {
                self.fail(place, messages::pushed_in_one_branch(&s.name));
            }
        }
    }

    /// At the end: growing states of one dim were pushed by as many rows, or none was, and nothing else of a
    /// state's shape grows.
    pub fn settle_states(&mut self) {
        let grown = |s: &State| s.grows.as_ref().map(|(_, dim)| dim.clone());
        let dims: Vec<String> = self.states.iter().filter_map(grown).collect();
        for s in &self.states {
            let own = s.grows.as_ref().map(|(axis, _)| *axis);
            let others = s.tensor.ty.shape.iter().enumerate().filter(|(i, _)| Some(*i) != own);
            if let Some(dim) = others.flat_map(|(_, d)| d.syms()).find(|d| dims.contains(d)) {
                self.fail(s.place, messages::moving_state(&s.name, &s.tensor.ty, &dim));
            }
        }
        let pushed = |dim: &str| {
            let of = |s: &&State| s.grows.as_ref().is_some_and(|(_, d)| d == dim) && !s.changed.is_empty();
            self.states.iter().find(of)
        };
        let mut rows: Vec<(&str, &Dim, &str)> = Vec::new();
        for s in &self.states {
            let Some((_, dim)) = &s.grows else { continue };
            let unlike = |o: &&State| o.keeps_last && o.grows.as_ref().is_some_and(|(_, d)| d == dim);
            if let Some(last) = self.states.iter().find(unlike).filter(|_| !s.keeps_last) {
                self.fail(s.place, messages::last_and_all(&last.name, &s.name, dim));
            }
            let Some((Some(n), place)) = s.changed.first() else {
                if let Some(other) = pushed(dim) {
                    self.fail(s.place, messages::pushed_alone(&other.name, &s.name, dim));
                }
                continue;
            };
            match rows.iter().find(|(d, ..)| d == dim) {
                Some((_, m, other)) if *m != n => {
                    self.fail(*place, messages::uneven_growth(dim, other, m, &s.name, n, &self.facts))
                }
                _ => rows.push((dim, n, &s.name)),
            }
        }
    }

    /// The growing states of this entry point, and whether rows are added to them.
    pub fn pushes(&self) -> Vec<Pushes> {
        let of = |s: &State| {
            let dim = s.grows.as_ref()?.1.clone();
            Some(Pushes { state: s.name.clone(), place: s.place, dim, pushed: !s.changed.is_empty() })
        };
        self.states.iter().filter_map(of).collect()
    }

    /// Refuses a place that is counted by a dim whose oldest rows are forgotten: it stops where they begin to
    /// be.
    pub fn no_place(&self, d: &Dim, place: Place) -> bool {
        let of = |s: &&State| s.keeps_last && s.grows.as_ref().is_some_and(|(_, dim)| d.syms().contains(dim));
        let Some(state) = self.states.iter().find(of) else { return false };
        let dim = state.grows.as_ref().map_or("", |(_, dim)| dim);
        self.fail(place, messages::kept_rows_as_place(&state.name, dim));
        true
    }

    fn bound(&self, dim: &str) -> Option<Dim> {
        self.known
            .iter()
            .find(|d| d.name == dim)
            .and_then(|d| if let DimKind::Bounded(b) = &d.kind { Some(b.clone()) } else { None })
    }
}
