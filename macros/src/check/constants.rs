//! Constants: tables of numbers, and those whose values Rust gives with the dims.

use super::checker::Checker;
use super::scope::{Meaning, Tensor};
use super::sig;
use crate::ast::{Expr, ExprKind, Item, Ty};
use crate::errors::Place;
use crate::messages;
use crate::plan::{ItemDoc, StepKind};
use tancho_ir::builder::evaluate;
use tancho_ir::graph::fits;
use tancho_ir::infer::show_type;
use tancho_ir::{DType, Dim, Type};

impl Checker<'_> {
    /// `const mean: [3] = [0.485, 0.456, 0.406];`, or without a table.
    pub fn const_item(&mut self, item: &Item, name: &str, t: &Ty, table: Option<&Expr>) -> Option<Meaning> {
        let ty = self.dims(|d| sig::ty(t, d, Some("a constant")))?;
        for (axis, d) in t.axes.iter().zip(&ty.shape) {
            if let Some(run) = self.dims(|k| k.run_time(d).map(str::to_string)) {
                let what = format!("the shape of constant `{name}`");
                self.fail(axis.place, messages::not_static(&what, d, &run));
                return None;
            }
        }
        if !matches!(ty.dtype, DType::F32 | DType::I32) {
            self.fail(t.place, messages::type_of_constant(name, ty.dtype.name()));
            return None;
        }
        self.attributes_of_constant(item)?;
        let path = self.path(item, name, None, false)?;
        let table = match table {
            Some(e) => Some(self.table(name, &ty, e)?),
            None => None,
        };
        let notes = if table.is_some() { "constant" } else { "constant, given by `.constant(..)`" };
        let docs: Vec<&str> = item.attrs.docs.iter().map(|d| d.trim()).collect();
        let what = show_type(&ty, &self.facts);
        self.items.push(ItemDoc {
            path: path.clone(),
            what,
            notes: notes.into(),
            docs: docs.join(" "),
            place: Place::of(item.name.span()),
            name: name.into(),
            learns: false,
            callee: None,
        });
        let out = self.fresh();
        let kind = StepKind::ConstItem { out, name: name.into(), path, ty: ty.clone(), table };
        self.step(Place::of(item.name.span()), &format!("const {name}"), kind);
        Some(Meaning::Const(Tensor { ty, val: out, name: name.into() }))
    }

    /// What is said of weights means nothing for what is in no file and never learned.
    fn attributes_of_constant(&self, item: &Item) -> Option<()> {
        let attrs = &item.attrs;
        let of_weights = [
            ("weights", attrs.path.as_ref().map(|(_, span)| Place::of(*span))),
            ("frozen", attrs.frozen),
            ("no_decay", attrs.no_decay),
        ];
        let Some((name, place)) = of_weights.into_iter().find_map(|(name, place)| Some((name, place?)))
        else {
            return Some(());
        };
        self.fail(place, messages::attribute_of_constant(name));
        None
    }

    /// The shape of a table, and its numbers in postfix form.
    fn table(&self, name: &str, ty: &Type, e: &Expr) -> Option<(Vec<usize>, String)> {
        let mut shape = Vec::new();
        let mut first = Some(e);
        while let Some(Expr { kind: ExprKind::List(list), .. }) = first {
            shape.push(list.len());
            first = list.first();
        }
        let mut numbers = Vec::new();
        if let Err(odd) = leaves(e, &shape, &mut numbers) {
            if !matches!(odd.kind, ExprKind::Poison) {
                self.fail(odd.place, messages::uneven_table(name));
            }
            return None;
        }
        let known = |d: &Dim| self.facts.value(d).and_then(|n| usize::try_from(n).ok());
        let fits_axis = |(d, n): (&Dim, &usize)| known(d).is_none_or(|d| d == *n);
        if shape.len() != ty.rank() || !ty.shape.iter().zip(&shape).all(fits_axis) {
            self.fail(e.place, messages::table_shape(name, ty, &shape, &self.facts));
            return None;
        }
        let mut texts = Vec::with_capacity(numbers.len());
        for number in numbers {
            texts.push(self.number_of_table(ty.dtype, number)?);
        }
        Some((shape, texts.join(",")))
    }

    /// One number, which may be made of static dims.
    fn number_of_table(&self, dtype: DType, e: &Expr) -> Option<String> {
        let Some(postfix) = self.formula(e) else {
            if !matches!(e.kind, ExprKind::Poison) {
                self.fail(e.place, messages::no_number_of_table(&e.text));
            }
            return None;
        };
        let value = |name: &str| self.facts.value(&Dim::sym(name)).map(|n| n as f64);
        // A number that is not known yet is checked when the graph is built.
        match evaluate(&postfix, &value) {
            Some(n) if !fits(n, dtype) => {
                self.fail(e.place, messages::number_of_type(&e.text, n, dtype.name()));
                None
            }
            _ => Some(postfix),
        }
    }
}

/// The numbers of a table of that shape in row-major order, or the part that has another.
fn leaves<'e>(e: &'e Expr, shape: &[usize], out: &mut Vec<&'e Expr>) -> Result<(), &'e Expr> {
    match (&e.kind, shape.split_first()) {
        (ExprKind::List(list), Some((n, inner))) if list.len() == *n => {
            list.iter().try_for_each(|e| leaves(e, inner, out))
        }
        (ExprKind::List(_), _) | (_, Some(_)) => Err(e),
        (_, None) => {
            out.push(e);
            Ok(())
        }
    }
}
