//! What a network declares: run-time dims and promises about them, inputs, weights and states.

use super::{Table, Value};
use crate::dim::Dim;
use crate::element::ElementType;
use crate::types::{Shape, Type};
use std::fmt;

/// A run-time dim: taken from the inputs at each call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDim {
    /// Its name.
    pub name: String,
    /// Its largest value, if it has one.
    pub bound: Option<i64>,
}

/// A promise of a `where` clause about run-time dims, checked when they are bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// Left side.
    pub left: Dim,
    /// How the sides relate.
    pub relation: Relation,
    /// Right side.
    pub right: Dim,
}

/// The relation of a [`Constraint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `left == right`
    Equal,
    /// `left <= right`
    AtMost,
    /// `left < right`
    Less,
    /// `left % right == 0`
    Multiple,
}

impl Relation {
    /// Whether it holds for these values.
    pub const fn holds(self, left: i64, right: i64) -> bool {
        match self {
            Relation::Equal => left == right,
            Relation::AtMost => left <= right,
            Relation::Less => left < right,
            Relation::Multiple => right > 0 && left % right == 0,
        }
    }

    /// What is written between the sides, and after them.
    pub const fn written(self) -> (&'static str, &'static str) {
        match self {
            Relation::Equal => (" == ", ""),
            Relation::AtMost => (" <= ", ""),
            Relation::Less => (" < ", ""),
            Relation::Multiple => (" % ", " == 0"),
        }
    }
}

impl Constraint {
    /// Whether it holds for these values.
    pub fn holds(&self, left: i64, right: i64) -> bool {
        self.relation.holds(left, right)
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (between, after) = self.relation.written();
        write!(f, "{}{between}{}{after}", self.left, self.right)
    }
}

/// An input of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputDecl {
    /// Its name.
    pub name: String,
    /// The type of its value inside of the network.
    pub ty: Type,
    /// The element type in which the caller gives it. Where it is none that values have, a session converts
    /// the elements; the input of a loop's body is a value.
    pub given: ElementType,
}

impl InputDecl {
    /// An input that is given as its value is.
    pub fn new(name: impl Into<String>, ty: Type) -> InputDecl {
        InputDecl { name: name.into(), given: ty.dtype.into(), ty }
    }

    /// An input whose elements are converted where it enters.
    pub fn converted(name: impl Into<String>, given: ElementType, shape: Vec<Dim>) -> InputDecl {
        InputDecl { name: name.into(), ty: Type::new(given.dtype(), shape), given }
    }
}

impl fmt::Display for InputDecl {
    /// As the text form has it: `ids: i64[B, S]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.name, self.given, Shape(&self.ty.shape))
    }
}

/// How a weight starts when nothing is loaded, or where the values of a constant are.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
    /// Uniform in `±sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio 2010).
    Xavier,
    /// Uniform in this range.
    Uniform(f64, f64),
    /// Of a constant: its values.
    Table(Table),
    /// Of a constant: its values are given when the network is made.
    Given,
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Init::Zeros => write!(f, "zeros"),
            Init::Ones => write!(f, "ones"),
            Init::Normal(s) => write!(f, "normal({s:?})"),
            Init::Xavier => write!(f, "xavier"),
            Init::Uniform(a, b) => write!(f, "uniform({a:?}, {b:?})"),
            Init::Table(table) => write!(f, "{table}"),
            Init::Given => write!(f, "given"),
        }
    }
}

/// A weight of the network, or a [constant](WeightDecl::is_constant).
#[derive(Clone, Debug, PartialEq)]
pub struct WeightDecl {
    /// Its name in weight files, where constants are not: the path through the nets, joined by dots.
    pub name: String,
    /// Its type; static dims only.
    pub ty: Type,
    /// How it starts when nothing is loaded.
    pub init: Init,
    /// Its attributes.
    pub marks: Marks,
}

impl WeightDecl {
    /// A weight that learns and is stored as it is.
    pub fn new(name: impl Into<String>, ty: Type, init: Init) -> WeightDecl {
        WeightDecl { name: name.into(), ty, init, marks: Marks::default() }
    }

    /// The name of the tensor in a file that the weight is, or is a part of.
    pub fn stored_name(&self) -> &str {
        match &self.marks.part {
            Some(p) => self.name.strip_suffix(&p.to_string()).unwrap_or(&self.name),
            None => &self.name,
        }
    }
}

/// The attributes of a weight.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Loaded and saved, but no parameter: never learned.
    pub buffer: bool,
    /// `#[frozen]`: not learned.
    pub frozen: bool,
    /// `#[no_decay]`: learned without weight decay.
    pub no_decay: bool,
    /// The weight is a part of a stored tensor.
    pub part: Option<Part>,
}

impl Marks {
    /// Whether training changes the weight.
    pub fn learns(&self) -> bool {
        !self.buffer && !self.frozen
    }
}

/// A part of a stored tensor: indices `start..end` of one axis, whatever its length is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The axis of the stored tensor.
    pub axis: usize,
    /// The first index.
    pub start: usize,
    /// One past the last.
    pub end: usize,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Part { axis, start, end } = self;
        write!(f, "[{}{start}..{end}]", ":, ".repeat(*axis))
    }
}

/// What a session keeps from one run to the next: a cache of keys, the hidden state of a recurrent network.
#[derive(Clone, Debug, PartialEq)]
pub struct StateDecl {
    /// Its name: the path through the nets, joined by dots.
    pub name: String,
    /// Its type before a run. It starts as zeros; a growing one without rows.
    pub ty: Type,
    /// The axis it grows along: a run-time dim with a bound, which is how many rows it keeps.
    pub grows: Option<usize>,
    /// Whether it forgets its oldest rows after a run that made more than it keeps. Otherwise such a run is
    /// an error.
    pub keeps_last: bool,
    /// Its value after a run; unchanged if `None`.
    pub next: Option<Value>,
}

impl StateDecl {
    /// The dim it grows along.
    pub fn grown_dim(&self) -> Option<&str> {
        self.ty.shape.get(self.grows?)?.as_sym()
    }
}
