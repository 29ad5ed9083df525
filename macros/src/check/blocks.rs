//! Statements, and the body as a whole.

use super::checker::Checker;
use super::index::is_bare;
use super::scope::{Hint, Meaning, Shaped, Tensor};
use super::sig;
use crate::ast::{Block, Entry, Expr, ExprKind, Network, Stmt, Ty};
use crate::errors::Place;
use crate::messages;
use crate::plan::{StepKind, Val};
use proc_macro2::Ident;
use tancho_ir::infer::is_suffix;
use tancho_ir::op::{Binary, Op};
use tancho_ir::{DType, Type};

impl Checker<'_> {
    /// The whole body against the promise of the signature.
    pub fn network(&mut self, network: &Network, entry: &Entry) -> Option<Vec<Val>> {
        let promised = self.sig.declared.outputs.clone();
        let hint = Hint { types: (!self.sig.broken).then_some(promised.as_slice()), name: None };
        let value = self.block(&entry.body, hint, false);
        let Some(tail) = &entry.body.tail else {
            // A `;` after the result is the one mistake where there is a value before it.
            let valued = matches!(entry.body.stmts.last(), Some(Stmt::Value(_)));
            if !network.broken_header && !valued {
                let end = entry.body.end.map_or(entry.promise, Place::of);
                let last = match entry.body.stmts.last() {
                    Some(Stmt::Let { names, .. }) if names.len() == 1 => names.first(),
                    _ => None,
                };
                let last = last.map(ToString::to_string);
                self.fail(end, messages::no_result(&promised, last.as_deref()));
            }
            return None;
        };
        let tensors = self.tensors(value?, tail)?;
        let types: Vec<Type> = tensors.iter().map(|t| t.ty.clone()).collect();
        if types != promised && !self.sig.broken {
            self.broken_promise(tail, &promised, &types);
            return None;
        }
        Some(tensors.into_iter().map(|t| t.val).collect())
    }

    /// The network or entry point that promises the results.
    fn promised_by(&self) -> &str {
        let short = self.program.networks.get(self.me.0).is_none_or(|n| n.short);
        if short { &self.sig.declared.name } else { &self.sig.declared.entry }
    }

    fn broken_promise(&self, tail: &Expr, promised: &[Type], types: &[Type]) {
        let (mut removed, mut instead) = (None, None);
        if let ([p], [t]) = (promised, types) {
            let lost = |d: &tancho_ir::Dim| p.shape.contains(d) && !t.shape.contains(d);
            removed =
                self.removed.iter().rev().find(|(d, _)| lost(d)).map(|(d, by)| (d.to_string(), by.clone()));
            let fits = |b: &Meaning| matches!(b, Meaning::Value(Shaped::Tensor(v)) if v.ty == *p);
            instead = self.scopes.iter().flatten().find(|(_, b)| fits(&b.meaning)).map(|(n, _)| n.clone());
        }
        let removed = removed.as_ref().map(|(a, b)| (a.as_str(), b.as_str()));
        let message =
            messages::promise(self.promised_by(), promised, types, removed, instead.as_deref(), &self.facts);
        let from_the_end = match &tail.kind {
            ExprKind::Index(_, list) => list.len() > 1 && list.first().is_some_and(is_bare),
            _ => false,
        };
        let message = if from_the_end { messages::indexed_from_the_end(message) } else { message };
        self.fail(tail.place, message);
    }

    /// All tensors of a value.
    pub fn tensors(&mut self, v: Shaped, expr: &Expr) -> Option<Vec<Tensor>> {
        match v {
            Shaped::Tuple(parts) => {
                let parts: Vec<Option<Tensor>> =
                    parts.into_iter().map(|p| self.tensor(p, expr, DType::F32)).collect();
                parts.into_iter().collect()
            }
            v => Some(vec![self.tensor(v, expr, DType::F32)?]),
        }
    }

    /// A block in a scope of its own: items, statements, value.
    pub fn block(&mut self, block: &Block, hint: Hint<'_>, own_scope: bool) -> Option<Shaped> {
        if own_scope {
            self.scopes.push(Default::default());
        }
        self.items(&block.items);
        for s in &block.stmts {
            self.stmt(s);
        }
        let value = block.tail.as_ref().map(|e| self.eval(e, hint));
        if own_scope {
            self.scopes.pop();
        }
        value
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Let { mutable, names, tuple, ty, value } => {
                self.let_stmt(mutable, names, *tuple, ty.as_deref(), value)
            }
            Stmt::Assign(name, value) => self.assign(name, value),
            Stmt::Value(e) => {
                let before = self.errors.count();
                let value = self.eval(e, Hint::default());
                // A loop may be there for what it carries alone.
                let nothing = matches!(&value, Shaped::Tuple(parts) if parts.is_empty());
                if self.errors.count() == before && !nothing && !matches!(e.kind, ExprKind::Poison) {
                    self.fail(e.place, messages::unused_value(&e.text));
                }
            }
            Stmt::For(name, array, body) => self.for_stmt(name, array, body),
            Stmt::Repeat(name, ends, body) => self.repeat(name, &ends.0, &ends.1, body),
            Stmt::Minimize(m) => self.minimize(m),
        }
    }

    fn let_stmt(&mut self, mutable: &[bool], names: &[Ident], tuple: bool, ty: Option<&[Ty]>, value: &Expr) {
        let declared: Option<Vec<Type>> = ty.and_then(|all| {
            let types: Vec<_> = all.iter().map(|t| self.dims(|d| sig::ty(t, d, None))).collect();
            types.into_iter().collect()
        });
        // An annotation with an error still counts as one, so N12 is not reported.
        let types = ty.map(|_| declared.as_deref().unwrap_or_default());
        let mut v = self.eval(value, Hint { types, name: names.first() });
        if ty.is_some() && declared.is_none() {
            v = Shaped::Poison;
        }
        if let Some(want) = &declared
            && !matches!(v, Shaped::Poison)
        {
            v = self.annotated(v, want, names, value);
        }
        let parts = match (tuple, v) {
            (false, v) => vec![v],
            (true, Shaped::Poison) => vec![Shaped::Poison; names.len()],
            (true, Shaped::Tuple(parts)) if parts.len() == names.len() => parts,
            (true, v) => {
                let n = if let Shaped::Tuple(p) = &v { p.len() } else { 1 };
                self.fail(value.place, messages::pattern_count(&value.text, names.len(), n));
                vec![Shaped::Poison; names.len()]
            }
        };
        for ((name, mutable), v) in names.iter().zip(mutable).zip(parts) {
            self.let_name(*mutable, name, v, value);
        }
    }

    fn annotated(&mut self, v: Shaped, want: &[Type], names: &[Ident], value: &Expr) -> Shaped {
        let is_tuple = matches!(v, Shaped::Tuple(_));
        let Some(tensors) = self.tensors(v, value) else { return Shaped::Poison };
        let types: Vec<Type> = tensors.iter().map(|t| t.ty.clone()).collect();
        if types != want {
            let name = names.first().map(ToString::to_string).unwrap_or_default();
            self.fail(value.place, messages::annotation(&name, want, &types, &self.facts));
            return Shaped::Poison;
        }
        let mut parts: Vec<Shaped> = tensors.into_iter().map(Shaped::Tensor).collect();
        match parts.pop() {
            Some(one) if !is_tuple && parts.is_empty() => one,
            last => {
                parts.extend(last);
                Shaped::Tuple(parts)
            }
        }
    }

    fn let_name(&mut self, mutable: bool, name: &Ident, v: Shaped, value: &Expr) {
        let text = name.to_string();
        if let Some(earlier) = self.taken(&text, false) {
            self.fail(Place::of(name.span()), messages::duplicate(&text, "a `let`", earlier));
            self.bind(&text, Meaning::Poison);
            return;
        }
        let binding = match v {
            Shaped::Poison => Meaning::Poison,
            Shaped::Tensor(t) => self.named(&text, t, mutable, value),
            Shaped::Number(_) if mutable => match self.tensor(v, value, DType::F32) {
                Some(t) => self.named(&text, t, mutable, value),
                None => Meaning::Poison,
            },
            other => Meaning::Value(other),
        };
        self.declare(&text, "value", Place::of(name.span()), binding);
    }

    fn named(&mut self, name: &str, mut tensor: Tensor, mutable: bool, value: &Expr) -> Meaning {
        self.step(value.place, &value.text, StepKind::Name { of: tensor.val, name: name.into() });
        tensor.name = name.into();
        if !mutable {
            return Meaning::Value(Shaped::Tensor(tensor));
        }
        let out = self.fresh();
        self.step(value.place, &value.text, StepKind::Slot { out, from: tensor.val });
        Meaning::Slot(Tensor { val: out, ..tensor }, self.loops.len())
    }

    fn assign(&mut self, name: &Ident, value: &Expr) {
        let text = name.to_string();
        let place = Place::of(name.span()).to(value.place);
        // What is only assigned to is not used.
        let now = match self.peek(&text) {
            Some(Meaning::Slot(t, loops)) => Some(Meaning::Slot(t.clone(), *loops)),
            _ => self.lookup(&text),
        };
        let (slot, loops) = match now {
            Some(Meaning::Slot(t, loops)) => (t, loops),
            Some(Meaning::Poison) => {
                self.eval(value, Hint { types: None, name: Some(name) });
                return;
            }
            Some(Meaning::State(i)) => return self.assign_state(i, name, value),
            Some(_) => return self.fail(Place::of(name.span()), messages::not_mutable(&text)),
            None => {
                let message = messages::assigned_unknown(self.unknown(&text), &text);
                return self.fail(Place::of(name.span()), message);
            }
        };
        let types = [slot.ty.clone()];
        let v = self.eval(value, Hint { types: Some(&types), name: Some(name) });
        let Some(t) = self.tensor(v, value, slot.ty.dtype) else { return };
        if t.ty != slot.ty {
            self.distrust(&text);
            let message =
                if self.loops.len() > loops { messages::loop_shape } else { messages::assign_shape };
            return self.fail(place, message(&text, &slot.ty, &t.ty, &self.facts));
        }
        self.step(value.place, &value.text, StepKind::Name { of: t.val, name: text });
        self.step(place, &value.text, StepKind::Assign { slot: slot.val, from: t.val });
    }

    /// `residual(x) { body }`: the sum of both, whose shapes must be equal.
    pub fn residual(&mut self, expr: &Expr, stream: &Expr, body: &Block) -> Shaped {
        let x = self.eval(stream, Hint::default());
        let x = self.tensor(x, stream, DType::F32);
        let Some(value) = self.block(body, Hint::default(), true) else {
            self.fail(body.end.map_or(expr.place, Place::of), messages::empty_block());
            return Shaped::Poison;
        };
        let Some(tail) = &body.tail else { return Shaped::Poison };
        let Some((x, f)) = x.zip(self.tensor(value, tail, DType::F32)) else { return Shaped::Poison };
        if x.ty.shape != f.ty.shape {
            let message = if is_suffix(&f.ty.shape, &x.ty.shape) {
                messages::residual_broadcast(&f.name, &f.ty, &x.ty, &self.facts)
            } else {
                messages::residual_shape(&x.name, &x.ty, &f.name, &f.ty, &self.facts)
            };
            self.fail(tail.place, message);
            return Shaped::Poison;
        }
        self.apply(Op::Binary(Binary::Add), &[(&x, stream.place), (&f, tail.place)], expr)
    }
}
