//! Networks as Rust: what `network!` emits, and how a declaration becomes a [`Graph`].
//!
//! A network is a type with a signature and a `build` function that adds its
//! body to a graph. Calling another network, in this crate or another, is calling
//! its `build` with a child [`Scope`].

mod bodies;
mod calls;
mod constants;
mod experts;
mod formula;
mod items;
mod minimize;
mod network;
mod ops;
mod scan;
mod sig;
mod states;
mod weights;

use crate::bind::{Binding, DimDecl, Signature, Values, is_open};
use crate::dim::{Dim, DimError};
use crate::element::ElementType;
use crate::graph::*;
use crate::infer::ShapeError;
use crate::op::{Op, Scalar};
use crate::path::with_numbers;
use crate::table::{Attr, Call, CallError, make};
use crate::training::Minimize;
use crate::types::split_type;
use crate::types::{DType, Shape, Type};
use bodies::Around;
use experts::OpenExperts;
use scan::OpenScan;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use weights::Storage;

pub use crate::bind::{DimKind, OptionValue};
pub use formula::evaluate;
pub use network::{graph_of, objective_of};
pub use ops::{AttrRef, scalar_for};
pub use sig::*;
pub use states::share_states;
pub use weights::{Attributes, share_weights};

type Result<T, E = BuildError> = std::result::Result<T, E>;

/// A graph with more ops is refused: it is a mistake of the user, and memory would run out before the build
/// ends.
const MOST_OPS: usize = 1 << 20;

/// A `net` item: where its weights live and what was fixed for it.
#[derive(Clone, Debug, Default)]
pub struct Net {
    path: String,
    dims: Vec<(String, Dim)>,
    options: Vec<(String, OptionValue)>,
    storage: Storage,
    /// It is the network around, of which another entry point is called.
    is_self: bool,
}

impl Net {
    /// The dims that are given to an entry point which the macro knows. The other ones that were given to the
    /// net are those of other entry points. What its inputs say is not handed on from one to the other.
    fn dims_for(&self, callee: &Signature) -> Vec<(String, Dim)> {
        let takes = |name: &str| match callee.dim(name) {
            Some(d) => d.is_static() || !self.is_self || !callee.is_on_input(name),
            None => name.is_empty(),
        };
        self.dims.iter().filter(|(name, _)| takes(name)).cloned().collect()
    }
}

/// The weights and states of a graph by their names: their numbers, and the values they are. In a body, the
/// graphs around it are here, and the loops and experts that have begun.
#[derive(Debug, Default)]
struct Known {
    weights: HashMap<String, (usize, Value)>,
    states: HashMap<String, (usize, Value)>,
    around: Vec<Around>,
    scans: Vec<OpenScan>,
    experts: Vec<OpenExperts>,
    /// What a `train fn` minimises.
    minimize: Option<Minimize>,
}

/// A name that is not taken: this one, or this one with a number.
fn free_name(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let (mut free, mut number) = (name.to_string(), 1u64);
    while is_taken(&free) {
        number += 1;
        free = format!("{name}_{number}");
    }
    free
}

/// The place a body is built in: the graph, the values of its dims and options, and the path of its weights.
#[derive(Debug)]
pub struct Scope<'g> {
    graph: &'g mut Graph,
    known: &'g mut Known,
    file: &'static str,
    path: String,
    dims: Values,
    options: BTreeMap<String, OptionValue>,
    leading: Vec<Dim>,
    source: Source,
    storage: Storage,
    /// The loops around, innermost last: the loop variable in paths, and its number in this iteration.
    loops: Vec<(&'static str, usize)>,
    /// How many networks it is inside of.
    depth: usize,
}

/// What `network!` emits calls to. Texts of dims, types and options are those of the text form.
impl Scope<'_> {
    /// Sets the file that the body is written in.
    pub fn file(&mut self, file: &'static str) {
        self.file = file;
    }

    /// Sets the place of the ops that follow.
    pub fn at(&mut self, text: &str, line: u32, column: u32) {
        self.source = Source {
            text: text.into(),
            file: self.file.into(),
            line,
            column,
            scope: self.path.trim_end_matches('.').into(),
            phase: Phase::Forward,
        };
    }

    fn fail(&self, e: impl Into<BuildError>) -> BuildError {
        let mut e = e.into();
        if e.source.line == 0 {
            e.source = Box::new(self.source.clone());
        }
        e
    }

    /// A dim of this scope from its text.
    pub fn dim(&self, text: &str) -> Result<Dim> {
        self.value_of(&Dim::parse(text).map_err(|e| self.fail(e))?)
    }

    /// A static dim as a number: the parts of a split, an end of a loop.
    pub fn count(&self, text: &str) -> Result<usize> {
        let d = self.dim(text)?;
        d.as_const()
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| self.fail(BuildError::new(format!("`{text}` must be static here, but is {d}"))))
    }

    /// The numbers that a loop counts through.
    pub fn iterations(&self, from: &str, to: &str) -> Result<std::ops::Range<usize>> {
        let (from, to) = (self.count(from)?, self.count(to)?);
        if to.saturating_sub(from) > MOST_OPS {
            return Err(self.fail(BuildError::new(format!(
                "{} iterations: loops are unrolled, {MOST_OPS} is the most",
                to - from
            ))));
        }
        if from > to {
            return Err(
                self.fail(BuildError::new(format!("the loop from {from} to {to} ends before it begins")))
            );
        }
        Ok(from..to)
    }

    /// Begins an iteration: `{name}` in paths is its number, and so is the dim `name` if it is one.
    pub fn begin_iteration(&mut self, name: &'static str, number: usize, is_dim: bool) {
        if is_dim {
            self.dims.insert(name.into(), Dim::from(number));
        }
        self.loops.push((name, number));
    }

    /// Ends it.
    pub fn end_iteration(&mut self) {
        if let Some((name, _)) = self.loops.pop() {
            self.dims.remove(name);
        }
    }

    /// A path with the numbers of the iterations and of static dims in it.
    fn numbered(&self, path: &str) -> String {
        let number = |s: &str| match self.loops.iter().rev().find(|(name, _)| *name == s) {
            Some((_, n)) => i64::try_from(*n).ok(),
            None => self.dims.get(s)?.as_const(),
        };
        with_numbers(path, &|d| d.eval(&number).ok().map(|n| n.to_string()))
    }

    /// The value of an option of this network.
    pub fn option(&self, name: &str) -> Result<OptionValue> {
        self.options
            .get(name)
            .copied()
            .ok_or_else(|| self.fail(BuildError::new(format!("there is no option `{name}`"))))
    }

    /// Whether a flag of this network is set.
    pub fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.option(name)? == OptionValue::Bool(true))
    }

    /// A type of this scope from its text, `i32[B, 4*D]`; `..` stands for the leading axes.
    pub fn ty(&self, text: &str) -> Result<Type> {
        let ty = sig::read_type(text).map_err(|e| self.fail(e))?;
        Ok(Type { dtype: ty.dtype, shape: self.shape(&ty.shape)? })
    }

    /// Axes with the values of this scope's dims; `..` stands for the leading axes.
    fn shape(&self, axes: &[Dim]) -> Result<Vec<Dim>> {
        let mut shape = Vec::new();
        for d in axes {
            if d.as_sym() == Some("..") {
                shape.extend(self.leading.iter().cloned());
            } else {
                shape.push(self.value_of(d)?);
            }
        }
        Ok(shape)
    }

    /// A dim of the network's names with the values they have here.
    fn value_of(&self, d: &Dim) -> Result<Dim> {
        let value = d.subst(&|s| self.dims.get(s).cloned()).map_err(|e| self.fail(e))?;
        // What is a name or a number has nothing to divide.
        if value.as_const().is_some() || value.as_sym().is_some() || self.graph.constraints.is_empty() {
            return Ok(value);
        }
        self.graph.facts().reduce(&value).map_err(|e| self.fail(e))
    }

    /// Gives a value the user's name for it. The first name stays.
    pub fn name(&mut self, v: Value, name: &str) {
        let scope = self.path.clone();
        let node = &mut self.graph.nodes[v.index()];
        if node.name.is_none() {
            node.name = Some(format!("{scope}{name}"));
        }
    }

    /// The type of a value.
    pub fn type_of(&self, v: Value) -> &Type {
        self.graph.ty(v)
    }

    /// Checks a value against the type the user wrote for it.
    pub fn expect(&self, v: Value, ty: &str) -> Result<()> {
        let want = self.ty(ty)?;
        let have = self.graph.ty(v);
        if *have == want {
            return Ok(());
        }
        Err(self.fail(BuildError::new(format!("expected {want}, but it is {have}"))))
    }
}
