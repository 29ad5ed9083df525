//! Items and statements.

use super::exprs::Hint;
use super::scope::{Binding, Body, Shaped, Tensor};
use super::sig;
use crate::ast::{Block, Expr, ExprKind, Item, ItemKind, Network, Stmt, Ty};
use crate::errors::Place;
use crate::messages;
use crate::plan::{self, StepKind, Val};
use proc_macro2::Ident;
use tancho_ir::graph::Init;
use tancho_ir::infer::is_suffix;
use tancho_ir::{DType, Type};

impl Body<'_> {
    /// The whole body against the promise of the signature.
    pub fn network(&mut self, n: &Network) -> Option<Vec<Val>> {
        let promised = self.sig.outputs.clone();
        let hint = Hint { types: (!self.sig.broken).then_some(promised.as_slice()), name: None };
        let value = self.block(&n.body, hint, false);
        let Some(tail) = &n.body.tail else {
            if !n.broken_header {
                let end = n.body.end.map_or(n.promise, Place::of);
                self.fail(end, messages::no_result(&promised));
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

    fn broken_promise(&self, tail: &Expr, promised: &[Type], types: &[Type]) {
        let (mut removed, mut instead) = (None, None);
        if let ([p], [t]) = (promised, types) {
            let lost = |d: &tancho_ir::Dim| p.shape.contains(d) && !t.shape.contains(d);
            removed = self.removed.iter().rev().find(|(d, _)| lost(d)).map(|(d, by)| (d.to_string(), by.clone()));
            let fits = |b: &Binding| matches!(b, Binding::Value(Shaped::Tensor(v)) if v.ty == *p);
            instead = self.scopes.iter().flatten().find(|(_, b)| fits(b)).map(|(n, _)| n.clone());
        }
        let removed = removed.as_ref().map(|(a, b)| (a.as_str(), b.as_str()));
        self.fail(tail.place, messages::promise(&self.sig.name, promised, types, removed, instead.as_deref(), &self.facts));
    }

    /// All tensors of a value.
    pub fn tensors(&mut self, v: Shaped, e: &Expr) -> Option<Vec<Tensor>> {
        match v {
            Shaped::Tuple(parts) => {
                let parts: Vec<Option<Tensor>> = parts.into_iter().map(|p| self.tensor(p, e, DType::F32)).collect();
                parts.into_iter().collect()
            }
            v => Some(vec![self.tensor(v, e, DType::F32)?]),
        }
    }

    /// A block in a scope of its own: items, statements, value.
    pub fn block(&mut self, b: &Block, hint: Hint<'_>, own_scope: bool) -> Option<Shaped> {
        if own_scope {
            self.scopes.push(Default::default());
        }
        self.items(&b.items);
        for s in &b.stmts {
            self.stmt(s);
        }
        let value = b.tail.as_ref().map(|e| self.eval(e, hint));
        if own_scope {
            self.scopes.pop();
        }
        value
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            let (name, place) = (item.name.to_string(), Place::of(item.name.span()));
            let what = match item.kind {
                ItemKind::Param(..) => "a param",
                ItemKind::Net(..) => "a net",
                ItemKind::Broken => {
                    self.bind(&name, Binding::Poison);
                    continue;
                }
            };
            if self.loops > 0 {
                self.fail(place, messages::not_yet("an item inside `for`"));
                self.bind(&name, Binding::Poison);
                continue;
            }
            if let Some(earlier) = self.taken(&name, true) {
                self.fail(place, messages::duplicate(&name, what, earlier));
                self.bind(&name, Binding::Poison);
                continue;
            }
            let binding = match &item.kind {
                ItemKind::Param(ty, init) => self.param(item, &name, ty, init.as_ref()),
                ItemKind::Net(used, count) => self.net(item, &name, used, count.as_ref()),
                ItemKind::Broken => None,
            };
            self.declare(&name, if matches!(item.kind, ItemKind::Param(..)) { "parameter" } else { "net" }, place);
            self.bind(&name, binding.unwrap_or(Binding::Poison));
        }
    }

    /// What already has a name that an item or, without `values`, a `let` wants.
    fn taken(&self, name: &str, values: bool) -> Option<&'static str> {
        if self.is_dim(name) {
            return Some("a dimension");
        }
        if self.option(name).is_some() {
            return Some("an option");
        }
        match self.peek(name)? {
            Binding::Param(_) => Some("a param"),
            Binding::Net(_) | Binding::Array(_) => Some("a net"),
            Binding::Value(_) | Binding::Slot(..) => values.then_some("an input or `let`"),
            Binding::Poison => None,
        }
    }

    fn param(&mut self, item: &Item, name: &str, t: &Ty, init: Option<&Expr>) -> Option<Binding> {
        let init = init.map(|e| (e, init_of(e)));
        if let Some((e, None)) = init {
            if !matches!(e.kind, ExprKind::Poison) {
                self.fail(e.place, messages::unknown_init(&e.text));
            }
            return None;
        }
        let ty = self.dims(|d| sig::ty(t, d, Some("a weight")))?;
        for (axis, d) in t.axes.iter().zip(&ty.shape) {
            if let Some(run) = self.dims(|k| k.run_time(d).map(str::to_string)) {
                self.fail(axis.place, messages::not_static(&format!("the shape of weight `{name}`"), d, &run));
                return None;
            }
        }
        if ty.dtype != DType::F32 {
            self.fail(t.place, messages::param_type(ty.dtype.name()));
            return None;
        }
        let default = if ty.rank() >= 2 { Init::Xavier } else { Init::Zeros };
        let init = init.and_then(|(_, i)| i).unwrap_or(default);
        let path = self.path(item, name, None)?;
        let out = self.fresh();
        let text = format!("param {name}");
        let kind = StepKind::Param { out, name: name.into(), path, ty: ty.clone(), init };
        self.step(Place::of(item.name.span()), &text, kind);
        Some(Binding::Param(Tensor { ty, val: out, name: name.into() }))
    }

    /// The path of an item's weights; `turns` are those of an array.
    pub fn path(&self, item: &Item, name: &str, turns: Option<&str>) -> Option<String> {
        match (&item.weights, turns) {
            (Some((path, span)), Some(turns)) if !path.contains("{i}") => {
                self.fail(Place::of(*span), messages::path_without_turn(name, turns, path));
                None
            }
            (Some((path, span)), None) if path.contains("{i}") => {
                self.fail(Place::of(*span), messages::turn_without_array(name));
                None
            }
            (Some((path, _)), _) => Some(path.clone()),
            (None, Some(_)) => Some(format!("{name}.{{i}}")),
            (None, None) => Some(name.into()),
        }
    }

    fn stmt(&mut self, s: &Stmt) {
        match s {
            Stmt::Let { mutable, names, tuple, ty, value } => self.let_stmt(*mutable, names, *tuple, ty.as_deref(), value),
            Stmt::Assign(name, value) => self.assign(name, value),
            Stmt::Value(e) => {
                let before = self.errors.count();
                self.eval(e, Hint::default());
                if self.errors.count() == before && !matches!(e.kind, ExprKind::Poison) {
                    self.fail(e.place, messages::unused_value(&e.text));
                }
            }
            Stmt::For(name, array, body) => self.for_stmt(name, array, body),
        }
    }

    fn let_stmt(&mut self, mutable: bool, names: &[Ident], tuple: bool, ty: Option<&[Ty]>, value: &Expr) {
        let declared: Option<Vec<Type>> = ty.and_then(|all| {
            let types: Vec<_> = all.iter().map(|t| self.dims(|d| sig::ty(t, d, None))).collect();
            types.into_iter().collect()
        });
        let mut v = self.eval(value, Hint { types: declared.as_deref(), name: names.first() });
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
                self.fail(value.place, messages::pattern_count(names.len(), n));
                vec![Shaped::Poison; names.len()]
            }
        };
        for (name, v) in names.iter().zip(parts) {
            self.let_name(mutable, name, v, value);
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
            return;
        }
        let binding = match v {
            Shaped::Poison => Binding::Poison,
            Shaped::Tensor(t) => self.named(&text, t, mutable, value),
            Shaped::Number(_) if mutable => match self.tensor(v, value, DType::F32) {
                Some(t) => self.named(&text, t, mutable, value),
                None => Binding::Poison,
            },
            other => Binding::Value(other),
        };
        self.bind(&text, binding);
    }

    fn named(&mut self, name: &str, mut t: Tensor, mutable: bool, value: &Expr) -> Binding {
        self.step(value.place, &value.text, StepKind::Name { of: t.val, name: name.into() });
        t.name = name.into();
        if !mutable {
            return Binding::Value(Shaped::Tensor(t));
        }
        let out = self.fresh();
        self.step(value.place, &value.text, StepKind::Slot { out, from: t.val });
        Binding::Slot(Tensor { val: out, ..t }, self.loops)
    }

    fn assign(&mut self, name: &Ident, value: &Expr) {
        let text = name.to_string();
        let place = Place::of(name.span()).to(value.place);
        let (slot, loops) = match self.lookup(&text) {
            Some(Binding::Slot(t, loops)) => (t, loops),
            Some(Binding::Poison) => {
                self.eval(value, Hint { types: None, name: Some(name) });
                return;
            }
            Some(_) => return self.fail(Place::of(name.span()), messages::not_mutable(&text)),
            None => return self.fail(Place::of(name.span()), self.unknown(&text)),
        };
        let types = [slot.ty.clone()];
        let v = self.eval(value, Hint { types: Some(&types), name: Some(name) });
        let Some(t) = self.tensor(v, value, slot.ty.dtype) else { return };
        if t.ty != slot.ty {
            let message = if self.loops > loops { messages::loop_shape } else { messages::assign_shape };
            return self.fail(place, message(&text, &slot.ty, &t.ty, &self.facts));
        }
        self.step(value.place, &value.text, StepKind::Name { of: t.val, name: text });
        self.step(place, &value.text, StepKind::Assign { slot: slot.val, from: t.val });
    }

    fn for_stmt(&mut self, name: &Ident, array: &Ident, body: &Block) {
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
        self.loops += 1;
        let (steps, ()) = self.collect(|b| {
            b.scopes.push(Default::default());
            b.bind(&name.to_string(), turn.as_ref().map_or(Binding::Poison, |(i, ..)| Binding::Net(*i)));
            b.block(body, Hint::default(), false);
            b.scopes.pop();
        });
        self.loops -= 1;
        if let Some(tail) = &body.tail
            && !matches!(tail.kind, ExprKind::Poison)
        {
            self.fail(tail.place, messages::unused_value(&tail.text));
        }
        if let Some((_, count, net)) = turn {
            let body = plan::Block { steps, results: Vec::new() };
            self.step(place, &format!("for {name} in {text}"), StepKind::For { count, net, body });
        }
    }

    /// `residual(x) { body }`: the sum of both, whose shapes must be equal.
    pub fn residual(&mut self, e: &Expr, stream: &Expr, body: &Block) -> Shaped {
        let x = self.eval(stream, Hint::default());
        let x = self.tensor(x, stream, DType::F32);
        let Some(value) = self.block(body, Hint::default(), true) else {
            self.fail(body.end.map_or(e.place, Place::of), messages::empty_block());
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
        self.op("add", &[("a", &x, stream.place), ("b", &f, tail.place)], Vec::new(), e.place, &e.text)
    }
}

fn init_of(e: &Expr) -> Option<Init> {
    let number = |e: &Expr| match sig::literal(e)? {
        tancho_ir::build::OptionValue::Float(x) => Some(x),
        tancho_ir::build::OptionValue::Int(i) => Some(i as f64),
        tancho_ir::build::OptionValue::Bool(_) => None,
    };
    match &e.kind {
        ExprKind::Name(n) if n == "zeros" => Some(Init::Zeros),
        ExprKind::Name(n) if n == "ones" => Some(Init::Ones),
        ExprKind::Name(n) if n == "xavier" => Some(Init::Xavier),
        ExprKind::Call(f, args) => {
            let all: Option<Vec<f64>> = args.iter().map(|a| if a.name.is_none() { number(&a.value) } else { None }).collect();
            match (f.text.as_str(), all?.as_slice()) {
                ("normal", [s]) if *s >= 0.0 => Some(Init::Normal(*s)),
                ("uniform", [a, b]) if a <= b => Some(Init::Uniform(*a, *b)),
                _ => None,
            }
        }
        _ => None,
    }
}
