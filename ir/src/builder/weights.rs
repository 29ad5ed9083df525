//! Where weights are stored: the attributes of items, handed down from nets to the weights in them.

use super::BuildError;
use crate::dim::Dim;
use crate::graph::{Graph, Init, Marks, Part, WeightDecl};
use crate::op::Op;
use crate::types::Type;
use std::collections::HashMap;

/// The attributes of an item. `D` is a polynomial: a [`Dim`], or its text.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<D> {
    /// `buffer`: loaded and saved, never learned.
    pub buffer: bool,
    /// `#[frozen]`
    pub frozen: bool,
    /// `#[no_decay]`
    pub no_decay: bool,
    /// `#[weights("..", transposed)]`: matrices are stored with their axes swapped.
    pub transposed: bool,
    /// `#[weights("..", rows = a..b)]`: these rows of what is stored.
    pub rows: Option<(D, D)>,
}

impl<D> Attributes<D> {
    /// An item without attributes.
    pub const NONE: Attributes<D> =
        Attributes { buffer: false, frozen: false, no_decay: false, transposed: false, rows: None };
}

/// The attributes of the nets around a weight, and its own.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    marks: Marks,
    /// Matrices are stored with their axes swapped.
    pub transposed: bool,
    rows: Option<(usize, usize)>,
}

impl Storage {
    /// The attributes of an item in this place; `count` gives the number of a text.
    ///
    /// # Errors
    /// Rows are no numbers.
    pub fn with(
        &self,
        a: &Attributes<&str>,
        count: impl Fn(&str) -> Result<usize, BuildError>,
    ) -> Result<Storage, BuildError> {
        let rows = match a.rows {
            None => self.rows,
            Some(_) if self.rows.is_some() => {
                return Err(BuildError::new(
                    "`rows` stands before a net and before something in it: one of them must go",
                ));
            }
            Some((from, to)) => {
                let (from, to) = (count(from)?, count(to)?);
                if from > to {
                    return Err(BuildError::new(format!("rows {from}..{to} end before they begin")));
                }
                Some((from, to))
            }
        };
        let marks = Marks {
            buffer: a.buffer,
            frozen: self.marks.frozen || a.frozen,
            no_decay: self.marks.no_decay || a.no_decay,
            part: None,
        };
        Ok(Storage { marks, transposed: self.transposed != a.transposed, rows })
    }

    /// The declaration of a weight of type `ty`, as it is stored.
    ///
    /// # Errors
    /// The rows are not as many as the weight has.
    pub fn decl(&self, name: String, mut ty: Type, init: Init) -> Result<WeightDecl, BuildError> {
        let swapped = self.transposed && ty.rank() == 2;
        let mut marks = self.marks.clone();
        if let Some((start, end)) = self.rows {
            let rows = ty.shape.first().and_then(Dim::as_const);
            if rows != i64::try_from(end - start).ok() {
                let has = rows.map_or("no rows".to_string(), |n| format!("{n} rows"));
                return Err(BuildError::new(format!(
                    "weight `{name}` has {has}, but is stored in rows {start}..{end}"
                )));
            }
            marks.part = Some(Part { axis: usize::from(swapped), start, end });
        }
        if swapped {
            ty.shape.swap(0, 1);
        }
        let suffix = marks.part.iter().map(Part::to_string).collect::<String>();
        Ok(WeightDecl { name: name + &suffix, ty, init, marks })
    }
}

/// Gives graphs of one network the same list of weights, each found by its name.
///
/// # Errors
/// A weight has another type in another graph.
pub fn share_weights(mut graphs: Vec<&mut Graph>) -> Result<(), BuildError> {
    let mut all: Vec<WeightDecl> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for g in graphs.iter() {
        for w in &g.weights {
            match known.get(&w.name).map(|i| &all[*i]) {
                Some(a) if a.ty != w.ty => {
                    return Err(BuildError::new(format!(
                        "weight `{}` is {} in one entry point and {} in another",
                        w.name, a.ty, w.ty
                    )));
                }
                Some(a) if !a.agrees(w) => {
                    return Err(BuildError::new(format!(
                        "`{}` is a constant in one entry point, and in another a weight or has other values",
                        w.name
                    )));
                }
                Some(_) => {}
                None => {
                    known.insert(w.name.clone(), all.len());
                    all.push(w.clone());
                }
            }
        }
    }
    for g in &mut graphs {
        let places: Vec<usize> = g.weights.iter().filter_map(|w| known.get(&w.name).copied()).collect();
        for n in &mut g.nodes {
            if let Op::Weight(i) = &mut n.op {
                *i = places[*i];
            }
        }
        g.weights = all.clone();
    }
    Ok(())
}
