//! Loops: over the nets of an array, and a fixed number of iterations. Both are unrolled when the graph is
//! built.

use super::checker::Checker;
use super::scope::{Hint, Meaning, NetUse};
use crate::ast::{Block, Expr, ExprKind, ItemKind, Stmt};
use crate::errors::Place;
use crate::messages;
use crate::plan::{self, Count, StepKind};
use crate::walk;
use proc_macro2::Ident;
use tancho_ir::Dim;
use tancho_ir::bind::{DimDecl, DimKind};

impl Checker<'_> {
    /// `for layer in layers { .. }`, or over several arrays of one length at once.
    pub fn for_stmt(&mut self, names: &[Ident], arrays: &[Ident], body: &Block) {
        let (Some(first), Some(last)) = (names.first(), arrays.last()) else { return };
        let place = Place::of(first.span()).to(Place::of(last.span()));
        let Some(nets) = self.arrays(names, arrays) else { return };
        let used: Option<Vec<NetUse>> =
            nets.iter().map(|i| i.and_then(|i| self.nets.get(i).cloned())).collect();
        let Some(count) = self.one_length(used.as_deref().unwrap_or_default(), arrays) else { return };
        let by_iteration = used.iter().flatten().any(|n| n.by_iteration);
        if by_iteration && self.is_dim("i") {
            return self.fail(place, messages::iteration_called_i(&first.to_string()));
        }
        let (before, text) = (self.errors.count(), loop_text(names, arrays));
        let meanings = names.iter().zip(nets.iter().map(|i| i.map_or(Meaning::Poison, Meaning::Net)));
        if by_iteration {
            self.known.push(DimDecl { name: "i".into(), kind: DimKind::Required });
        }
        let steps = self.iteration("i", meanings.collect(), body);
        if by_iteration {
            self.known.pop();
        }
        self.moves(body, &text, place, before);
        if let Some(used) = used {
            let body = plan::Body { steps, results: Vec::new() };
            let count = Count { name: "i".into(), from: Dim::default(), to: count, is_dim: by_iteration };
            let nets = used.into_iter().map(|n| n.plan).collect();
            self.step(Place::of(last.span()), &text, StepKind::Loop { count, nets, body });
        }
    }

    /// The nets of the arrays that a loop goes through; nothing for one with an error.
    fn arrays(&mut self, names: &[Ident], arrays: &[Ident]) -> Option<Vec<Option<usize>>> {
        let mut nets = Vec::new();
        for array in arrays {
            let (text, place) = (array.to_string(), Place::of(array.span()));
            let message = match self.lookup(&text) {
                Some(Meaning::Array(i)) => {
                    nets.push(Some(i));
                    continue;
                }
                Some(Meaning::Poison) => {
                    nets.push(None);
                    continue;
                }
                Some(_) => messages::not_an_array(&text),
                None => self.unknown(&text),
            };
            self.fail(place, message);
            return None;
        }
        for name in names {
            if let Some(earlier) = self.taken(&name.to_string(), true) {
                let message = messages::duplicate(&name.to_string(), "a `for`", earlier);
                self.fail(Place::of(name.span()), message);
                return None;
            }
        }
        Some(nets)
    }

    /// How many nets the arrays have: as many each.
    fn one_length(&self, used: &[NetUse], arrays: &[Ident]) -> Option<Dim> {
        let counts = used.iter().zip(arrays).filter_map(|(n, name)| Some((n.count.as_ref()?, name)));
        let mut counts = counts;
        let Some((count, first)) = counts.next() else { return Some(Dim::default()) };
        if let Some((other, name)) = counts.find(|(c, _)| *c != count) {
            let (first, second) = (first.to_string(), name.to_string());
            let message = messages::unequal_arrays(&first, count, &second, other, &self.facts);
            self.fail(Place::of(name.span()), message);
            return None;
        }
        Some(count.clone())
    }

    /// `repeat i in 0..N { .. }`: the iteration's number is a dim of the body.
    pub fn repeat(&mut self, name: &Ident, from: &Expr, to: &Expr, body: &Block) {
        let (text, place, before) = (name.to_string(), Place::of(name.span()), self.errors.count());
        let ends: Vec<Option<Dim>> = [from, to].into_iter().map(|e| self.end_of_loop(e)).collect();
        if let Some(earlier) = self.taken(&text, true) {
            return self.fail(place, messages::duplicate(&text, "the iteration of a `repeat`", earlier));
        }
        let broken = ends.contains(&None);
        self.known.push(DimDecl { name: text.clone(), kind: DimKind::Required });
        let steps = self.iteration(&text, Vec::new(), body);
        self.known.pop();
        self.moves(body, &format!("repeat {text} in {}..{}", from.text, to.text), place.to(to.place), before);
        let [Some(from), Some(to)] = ends.as_slice() else { return };
        if self.facts.value(from).zip(self.facts.value(to)).is_some_and(|(a, b)| a > b) {
            return self.fail(place, messages::repeat_backwards(from, to, &self.facts));
        }
        if !broken {
            let count = Count { name: text.clone(), from: from.clone(), to: to.clone(), is_dim: true };
            let body = plan::Body { steps, results: Vec::new() };
            self.step(
                place,
                &format!("repeat {text} in {from}..{to}"),
                StepKind::Loop { count, nets: Vec::new(), body },
            );
        }
    }

    /// An end of a loop that is unrolled.
    fn end_of_loop(&mut self, expr: &Expr) -> Option<Dim> {
        let d = self.poly(expr)?;
        if let Some(run) = self.dims(|k| k.run_time(&d).map(str::to_string)) {
            self.fail(expr.place, messages::run_time_loop(&d, &run));
            return None;
        }
        Some(d)
    }

    /// A loop without an assignment, a state or a loss has no effect: a `let` in it hides the stream it was
    /// meant for.
    fn moves(&self, body: &Block, text: &str, place: Place, before: usize) {
        if self.errors.count() > before || assigns(body) {
            return;
        }
        let names = body
            .stmts
            .iter()
            .filter_map(|s| if let Stmt::Let { names, .. } = s { Some(names) } else { None });
        let names: Vec<String> = names.flatten().map(ToString::to_string).collect();
        // `let _y` marks it as unused on purpose.
        if names.iter().any(|n| n.starts_with('_')) {
            return;
        }
        let hidden = names.into_iter().find(|n| matches!(self.peek(n), Some(Meaning::Slot(..))));
        self.fail(place, messages::idle_loop(text, hidden.as_deref()));
    }

    /// A dim that is known when the graph is built.
    pub fn fixed(&mut self, expr: &Expr, what: &str) -> Option<Dim> {
        let d = self.poly(expr)?;
        if let Some(run) = self.dims(|k| k.run_time(&d).map(str::to_string)) {
            self.fail(expr.place, messages::not_static(what, &d, &run));
            return None;
        }
        Some(d)
    }

    /// The steps of one iteration.
    fn iteration(&mut self, variable: &str, nets: Vec<(&Ident, Meaning)>, body: &Block) -> Vec<plan::Step> {
        self.loops.push(variable.into());
        let (steps, ()) = self.collect(|b| {
            b.scopes.push(Default::default());
            for (name, meaning) in nets {
                b.declare(&name.to_string(), "loop variable", Place::of(name.span()), meaning);
            }
            b.block(body, Hint::default(), false);
            b.scopes.pop();
        });
        self.loops.pop();
        if let Some(tail) = &body.tail
            && !matches!(tail.kind, ExprKind::Poison)
        {
            self.fail(tail.place, messages::unused_value(&tail.text));
        }
        steps
    }
}

/// `for layer in layers`, as written.
fn loop_text(names: &[Ident], arrays: &[Ident]) -> String {
    let list = |all: &[Ident]| match all {
        [one] => one.to_string(),
        _ => format!("({})", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    };
    format!("for {} in {}", list(names), list(arrays))
}

/// Whether a block changes something outside of it.
fn assigns(block: &Block) -> bool {
    let mut found = false;
    walk::blocks(block, &mut |b| {
        found |= b.stmts.iter().any(|s| matches!(s, Stmt::Assign(..) | Stmt::Minimize(_)));
    });
    found || block.items.iter().any(|i| matches!(i.kind, ItemKind::State(..) | ItemKind::Broken))
}
