//! Items: names, weights, where they are stored.

use super::checker::Checker;
use super::entry_dims::Seen;
use super::scope::{Meaning, Tensor};
use super::sig;
use crate::ast::{Expr, ExprKind, Item, ItemKind, Ty};
use crate::errors::Place;
use crate::messages;
use crate::plan::{ItemDoc, StepKind};
use std::collections::BTreeSet;
use tancho_ir::builder::Attributes;
use tancho_ir::graph::Init;
use tancho_ir::infer::show_type;
use tancho_ir::path::{numbers, with_numbers};
use tancho_ir::{DType, Dim};

impl Checker<'_> {
    /// Declares the items of the network that an entry point can have: a state is kept by those that use it,
    /// and what has dims of other entry points belongs to them.
    pub fn items_of_network(&mut self, items: &[Item], seen: &Seen<'_>) {
        for item in items {
            if seen.is_of_others(item) {
                let what = if matches!(item.kind, ItemKind::State(..)) { "state" } else { "net" };
                self.note(&item.name.to_string(), what, Place::of(item.name.span()));
            } else {
                self.items(std::slice::from_ref(item));
            }
        }
    }

    /// Declares the items of a block.
    pub fn items(&mut self, items: &[Item]) {
        for item in items {
            let (name, place) = (item.name.to_string(), Place::of(item.name.span()));
            let (what, short) = match item.kind {
                ItemKind::Param(..) => ("a param", "parameter"),
                ItemKind::Buffer(..) => ("a buffer", "buffer"),
                ItemKind::Const(..) => ("a constant", "const"),
                ItemKind::Net(..) => ("a net", "net"),
                ItemKind::State(..) => ("a state", "state"),
                ItemKind::Broken => {
                    self.bind(&name, Meaning::Poison);
                    continue;
                }
            };
            if let Some(earlier) = self.taken(&name, true) {
                self.fail(place, messages::duplicate(&name, what, earlier));
                self.bind(&name, Meaning::Poison);
                continue;
            }
            let binding = match &item.kind {
                ItemKind::Param(ty, init) => self.param(item, &name, ty, init.as_ref(), false),
                ItemKind::Buffer(ty, init) => self.param(item, &name, ty, init.as_ref(), true),
                ItemKind::Const(ty, table) => self.const_item(item, &name, ty, table.as_ref()),
                ItemKind::Net(used, count) => self.net(item, &name, used, count.as_ref()),
                ItemKind::State(ty, grows) => self.state(item, &name, ty, grows.as_ref()),
                ItemKind::Broken => None,
            };
            self.declare(&name, short, place, binding.unwrap_or(Meaning::Poison));
        }
    }

    /// What already has a name that an item or, without `values`, a `let` wants. A `let` may have the name of
    /// a net or a weight, `let q = q(x);`: after it the name is the value. That of a state it may not have:
    /// `let h = ..;` is most often a slip for `h = ..;`, which the next call would miss.
    pub fn taken(&self, name: &str, values: bool) -> Option<&'static str> {
        if self.is_dim(name) {
            return Some("a dimension");
        }
        if self.option(name).is_some() {
            return Some("an option");
        }
        match self.peek(name)? {
            Meaning::Param(_) => values.then_some("a param"),
            Meaning::Const(_) => values.then_some("a constant"),
            Meaning::Net(_) => values.then_some("a net"),
            Meaning::Array(_) => Some("a net"),
            Meaning::State(_) => Some("a state"),
            Meaning::Value(_) | Meaning::Slot(..) => values.then_some("an input or `let`"),
            Meaning::Poison => None,
        }
    }

    fn param(
        &mut self,
        item: &Item,
        name: &str,
        t: &Ty,
        init: Option<&Expr>,
        buffer: bool,
    ) -> Option<Meaning> {
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
                self.fail(
                    axis.place,
                    messages::not_static(&format!("the shape of weight `{name}`"), d, &run),
                );
                return None;
            }
        }
        if let (Some(span), true) = (item.attrs.transposed, ty.rank() != 2) {
            self.fail(Place::of(span), messages::transposed_rank(name, &ty, &self.facts));
            return None;
        }
        let float = matches!(ty.dtype, DType::F32 | DType::Bf16);
        let default = if float && ty.rank() >= 2 { Init::Xavier } else { Init::Zeros };
        let given = init.as_ref().map(|(e, _)| e.place);
        let init = init.and_then(|(_, i)| i).unwrap_or(default);
        let fits = match ty.dtype {
            DType::F32 | DType::Bf16 => true,
            DType::I32 | DType::Bool => matches!(init, Init::Zeros | Init::Ones),
        };
        if let (Some(place), false) = (given, fits) {
            self.fail(place, messages::init_of_type(&init.to_string(), ty.dtype.name()));
            return None;
        }
        let path = self.path(item, name, None, false)?;
        let attributes = Attributes { buffer, ..self.attributes(item)? };
        self.document(item, &path, show_type(&ty, &self.facts), Some(init.clone()), &attributes);
        let out = self.fresh();
        let text = format!("{} {name}", if buffer { "buffer" } else { "param" });
        let kind = StepKind::Param { out, name: name.into(), path, ty: ty.clone(), init, attributes };
        self.step(Place::of(item.name.span()), &text, kind);
        Some(Meaning::Param(Tensor { ty, val: out, name: name.into() }))
    }

    /// The attributes of an item.
    pub fn attributes(&mut self, item: &Item) -> Option<Attributes<Dim>> {
        let rows = match &item.attrs.rows {
            None => None,
            Some((a, b)) => {
                let (start, end) = (self.poly(a), self.poly(b));
                for (d, e) in [(start.as_ref()?, a), (end.as_ref()?, b)] {
                    if let Some(run) = self.dims(|k| k.run_time(d).map(str::to_string)) {
                        self.fail(e.place, messages::not_static("a row of a stored weight", d, &run));
                        return None;
                    }
                }
                start.zip(end)
            }
        };
        let is = |p: &Option<Place>| p.is_some();
        Some(Attributes {
            buffer: false,
            frozen: is(&item.attrs.frozen),
            no_decay: is(&item.attrs.no_decay),
            transposed: item.attrs.transposed.is_some(),
            rows,
        })
    }

    /// The path of an item's weights; `array` is the number of nets of an array, and `inside` whether their
    /// own items tell them apart.
    pub fn path(&self, item: &Item, name: &str, array: Option<&str>, inside: bool) -> Option<String> {
        let mut variables: Vec<&str> = self.loops.iter().map(String::as_str).collect();
        variables.extend(array.map(|_| "i"));
        if variables.iter().filter(|t| **t == "i").count() > 1 {
            self.fail(Place::of(item.name.span()), messages::iteration_called_i(name));
            return None;
        }
        let Some((path, span)) = &item.attrs.path else {
            let numbers: String = variables.iter().map(|t| format!(".{{{t}}}")).collect();
            return Some(format!("{name}{numbers}"));
        };
        let place = Place::of(*span);
        let mut used = BTreeSet::new();
        for inside in numbers(path) {
            let unknown = match Dim::parse(inside) {
                Ok(d) => {
                    d.syms().into_iter().find(|s| !variables.contains(&s.as_str()) && !self.is_static(s))
                }
                Err(_) => Some(inside.to_string()),
            };
            if let Some(u) = unknown {
                self.fail(place, messages::unknown_loop_variable(name, &u, &variables));
                return None;
            }
            used.extend(Dim::parse(inside).iter().flat_map(Dim::syms));
        }
        if inside {
            used.insert("i".into());
            variables.retain(|v| *v != "i");
        }
        let missing: Vec<&str> = variables.iter().filter(|t| !used.contains(**t)).copied().collect();
        if !missing.is_empty() {
            self.fail(place, messages::path_without_number(name, array, path, &missing));
            return None;
        }
        if let Some(both) = doubled(path, &variables) {
            self.fail(place, messages::same_paths(name, path, &both));
            return None;
        }
        Some(path.clone())
    }

    /// Notes a weight or net for the docs of the network.
    pub fn document(
        &mut self,
        item: &Item,
        path: &str,
        what: String,
        init: Option<Init>,
        attributes: &Attributes<Dim>,
    ) {
        let mut notes: Vec<String> = init.iter().map(Init::to_string).collect();
        let flags = [
            (attributes.buffer, "buffer"),
            (attributes.frozen, "frozen"),
            (attributes.no_decay, "no decay"),
            (attributes.transposed, "stored transposed"),
        ];
        notes.extend(flags.iter().filter(|(yes, _)| *yes).map(|(_, s)| s.to_string()));
        notes.extend(attributes.rows.iter().map(|(a, b)| format!("rows {a}..{b}")));
        let docs: Vec<&str> = item.attrs.docs.iter().map(|d| d.trim()).collect();
        self.items.push(ItemDoc {
            path: path.into(),
            what,
            notes: notes.join(", "),
            docs: docs.join(" "),
            place: Place::of(item.name.span()),
            name: item.name.to_string(),
            learns: !(attributes.buffer || attributes.frozen),
            callee: None,
        });
    }
}

/// A path that two of the first iterations have.
pub fn doubled(path: &str, variables: &[&str]) -> Option<String> {
    const FIRST: usize = 5;
    let loops = u32::try_from(variables.len()).ok().filter(|n| *n <= 4)?;
    let mut seen = BTreeSet::new();
    (0..FIRST.pow(loops)).find_map(|at| {
        let iteration = |s: &str| {
            let k = u32::try_from(variables.iter().position(|v| *v == s)?).ok()?;
            i64::try_from(at / FIRST.pow(k) % FIRST).ok()
        };
        let one = with_numbers(path, &|d| d.eval(&iteration).ok().map(|n| n.to_string()));
        // What has no number there is no path of any iteration.
        if one.contains('{') || seen.insert(one.clone()) { None } else { Some(one) }
    })
}

fn init_of(e: &Expr) -> Option<Init> {
    let fits = |x: &f64| x.abs() <= f64::from(f32::MAX);
    let number = |e: &Expr| match sig::literal(e)? {
        tancho_ir::builder::OptionValue::Float(x) => Some(x),
        tancho_ir::builder::OptionValue::Int(i) => Some(i as f64),
        tancho_ir::builder::OptionValue::Bool(_) => None,
    };
    match &e.kind {
        ExprKind::Name(n) if n == "zeros" => Some(Init::Zeros),
        ExprKind::Name(n) if n == "ones" => Some(Init::Ones),
        ExprKind::Name(n) if n == "xavier" => Some(Init::Xavier),
        ExprKind::Call(f, args) => {
            let all: Option<Vec<f64>> =
                args.iter().map(|a| if a.name.is_none() { number(&a.value) } else { None }).collect();
            match (f.text.as_str(), all?.as_slice()) {
                ("normal", [s]) if *s >= 0.0 && fits(s) => Some(Init::Normal(*s)),
                ("uniform", [a, b]) if a <= b && fits(a) && fits(b) => Some(Init::Uniform(*a, *b)),
                _ => None,
            }
        }
        _ => None,
    }
}
