//! Loops: over the nets of an array, and a fixed number of turns. Both are unrolled when the graph is built.

use super::exprs::Hint;
use super::scope::{Binding, Body};
use crate::ast::{Block, Expr, ExprKind};
use crate::errors::Place;
use crate::messages;
use crate::plan::{self, Count, DimInfo, DimKind, StepKind};
use proc_macro2::Ident;
use tancho_ir::Dim;

impl Body<'_> {
    /// `for layer in layers { .. }`
    pub fn for_stmt(&mut self, name: &Ident, array: &Ident, body: &Block) {
        let (text, place) = (array.to_string(), Place::of(array.span()));
        let turn = match self.lookup(&text) {
            Some(Binding::Array(i)) => self.nets.get(i).and_then(|n| Some((i, n.turns.clone()?, n.plan.clone()))),
            Some(Binding::Poison) => None,
            Some(_) => return self.fail(place, messages::not_an_array(&text)),
            None => return self.fail(place, self.unknown(&text)),
        };
        if let Some(earlier) = self.taken(&name.to_string(), true) {
            return self.fail(Place::of(name.span()), messages::duplicate(&name.to_string(), "a `for`", earlier));
        }
        let binding = turn.as_ref().map_or(Binding::Poison, |(i, ..)| Binding::Net(*i));
        let steps = self.turns("i", &name.to_string(), binding, body);
        if let Some((_, count, net)) = turn {
            let body = plan::Block { steps, results: Vec::new() };
            let count = Count { name: "i".into(), from: Dim::default(), to: count, is_dim: false };
            self.step(place, &format!("for {name} in {text}"), StepKind::Loop { count, net: Some(net), body });
        }
    }

    /// `repeat i in 0..N { .. }`: the turn's number is a dim of the body.
    pub fn repeat(&mut self, name: &Ident, from: &Expr, to: &Expr, body: &Block) {
        let (text, place) = (name.to_string(), Place::of(name.span()));
        let ends: Vec<Option<Dim>> = [from, to].into_iter().map(|e| self.fixed(e, "the number of turns")).collect();
        if let Some(earlier) = self.taken(&text, true) {
            return self.fail(place, messages::duplicate(&text, "the turn of a `repeat`", earlier));
        }
        let broken = ends.contains(&None);
        self.known.push(DimInfo { name: text.clone(), kind: DimKind::Required, value: None });
        let steps = self.turns(&text, "", Binding::Poison, body);
        self.known.pop();
        let [Some(from), Some(to)] = ends.as_slice() else { return };
        if self.facts.value(from).zip(self.facts.value(to)).is_some_and(|(a, b)| a > b) {
            return self.fail(place, messages::repeat_backwards(from, to, &self.facts));
        }
        if !broken {
            let count = Count { name: text.clone(), from: from.clone(), to: to.clone(), is_dim: true };
            let body = plan::Block { steps, results: Vec::new() };
            self.step(place, &format!("repeat {text} in {from}..{to}"), StepKind::Loop { count, net: None, body });
        }
    }

    /// A dim that is known when the graph is built.
    pub fn fixed(&mut self, e: &Expr, what: &str) -> Option<Dim> {
        let d = self.poly(e)?;
        if let Some(run) = self.dims(|k| k.run_time(&d).map(str::to_string)) {
            self.fail(e.place, messages::not_static(what, &d, &run));
            return None;
        }
        Some(d)
    }

    /// The steps of one turn.
    fn turns(&mut self, turn: &str, name: &str, binding: Binding, body: &Block) -> Vec<plan::Step> {
        self.loops.push(turn.into());
        let (steps, ()) = self.collect(|b| {
            b.scopes.push(Default::default());
            if !name.is_empty() {
                b.bind(name, binding);
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
