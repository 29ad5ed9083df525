//! Loops: over the nets of an array, and a fixed number of iterations. Both are unrolled when the graph is
//! built.

use super::checker::Checker;
use super::scope::{Hint, Meaning};
use crate::ast::{Block, Expr, ExprKind, ItemKind, Stmt};
use crate::errors::Place;
use crate::messages;
use crate::plan::{self, Count, StepKind};
use proc_macro2::Ident;
use tancho_ir::Dim;
use tancho_ir::bind::{DimDecl, DimKind};

impl Checker<'_> {
    /// `for layer in layers { .. }`
    pub fn for_stmt(&mut self, name: &Ident, array: &Ident, body: &Block) {
        let (text, place) = (array.to_string(), Place::of(array.span()));
        let array = match self.lookup(&text) {
            Some(Meaning::Array(i)) => {
                self.nets.get(i).and_then(|n| Some((i, n.count.clone()?, n.plan.clone())))
            }
            Some(Meaning::Poison) => None,
            Some(_) => return self.fail(place, messages::not_an_array(&text)),
            None => return self.fail(place, self.unknown(&text)),
        };
        if let Some(earlier) = self.taken(&name.to_string(), true) {
            return self
                .fail(Place::of(name.span()), messages::duplicate(&name.to_string(), "a `for`", earlier));
        }
        let meaning = array.as_ref().map_or(Meaning::Poison, |(i, ..)| Meaning::Net(*i));
        let before = self.errors.count();
        let steps = self.iteration("i", Some((name, meaning)), body);
        self.moves(body, &format!("for {name} in {text}"), Place::of(name.span()).to(place), before);
        if let Some((_, count, net)) = array {
            let body = plan::Body { steps, results: Vec::new() };
            let count = Count { name: "i".into(), from: Dim::default(), to: count, is_dim: false };
            self.step(
                place,
                &format!("for {name} in {text}"),
                StepKind::Loop { count, net: Some(net), body },
            );
        }
    }

    /// `repeat i in 0..N { .. }`: the iteration's number is a dim of the body.
    pub fn repeat(&mut self, name: &Ident, from: &Expr, to: &Expr, body: &Block) {
        let (text, place, before) = (name.to_string(), Place::of(name.span()), self.errors.count());
        let ends: Vec<Option<Dim>> =
            [from, to].into_iter().map(|e| self.fixed(e, "the number of iterations")).collect();
        if let Some(earlier) = self.taken(&text, true) {
            return self.fail(place, messages::duplicate(&text, "the iteration of a `repeat`", earlier));
        }
        let broken = ends.contains(&None);
        self.known.push(DimDecl { name: text.clone(), kind: DimKind::Required });
        let steps = self.iteration(&text, None, body);
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
                StepKind::Loop { count, net: None, body },
            );
        }
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
    fn iteration(&mut self, variable: &str, net: Option<(&Ident, Meaning)>, body: &Block) -> Vec<plan::Step> {
        self.loops.push(variable.into());
        let (steps, ()) = self.collect(|b| {
            b.scopes.push(Default::default());
            if let Some((name, meaning)) = net {
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

/// Whether a block changes something outside of it.
fn assigns(block: &Block) -> bool {
    let stmt = |s: &Stmt| match s {
        Stmt::Assign(..) | Stmt::Minimize(_) => true,
        Stmt::For(_, _, inner) | Stmt::Repeat(_, _, inner) => assigns(inner),
        Stmt::Let { .. } | Stmt::Value(_) => false,
    };
    block.stmts.iter().any(stmt)
        || block.items.iter().any(|i| matches!(i.kind, ItemKind::State(..) | ItemKind::Broken))
}
