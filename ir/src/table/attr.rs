//! Values of options, and the kinds of them.

use crate::dim::Dim;
use crate::types::{split_commas, split_type};
use std::fmt;

/// The value of an option in a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Attr {
    /// Axes, already resolved to positions.
    Axes(Vec<usize>),
    /// A dim.
    Dim(Dim),
    /// A shape.
    Dims(Vec<Dim>),
    /// A number.
    Float(f64),
    /// An integer constant (only of `const`).
    Int(i32),
    /// A flag.
    Bool(bool),
    /// One of a few words.
    Word(String),
}

impl fmt::Display for Attr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attr::Axes(a) => match a.as_slice() {
                [x] => write!(f, "({x},)"),
                many => write!(f, "({})", many.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
            },
            Attr::Dim(d) => write!(f, "{d}"),
            Attr::Dims(d) => write!(f, "{}", crate::types::Shape(d)),
            // A point or exponent always, so that the reader can tell it from a dim.
            Attr::Float(x) => write!(f, "{x:?}"),
            Attr::Int(i) => write!(f, "{i}"),
            Attr::Bool(b) => write!(f, "{b}"),
            Attr::Word(w) => write!(f, "{w}"),
        }
    }
}

/// What kind of value an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One axis, by dim name or integer.
    Axis,
    /// One axis or several in a tuple.
    Axes,
    /// All axes in a new order.
    Perm,
    /// A dim.
    Dim,
    /// A shape `[..]`.
    Shape,
    /// A number.
    Float,
    /// An i32 literal.
    Int,
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A dim, or two for rows and columns.
    Pair,
    /// What surrounds an image: a dim for all sides, two for rows and columns, or four.
    Pad,
    /// What surrounds a signal: a dim for both ends, or two.
    Ends,
}

impl Kind {
    /// In words, for messages.
    pub fn describe(self) -> String {
        match self {
            Kind::Axis => "an axis: a dim's name or an integer".into(),
            Kind::Axes => "an axis or a tuple of axes: dims' names or integers".into(),
            Kind::Perm => "all axes in their new order, as a tuple".into(),
            Kind::Dim => "a dimension".into(),
            Kind::Shape => "a shape such as `[B, D]`".into(),
            Kind::Float => "a number".into(),
            Kind::Int => "an integer".into(),
            Kind::Bool => "`true` or `false`".into(),
            Kind::Pair => "a dimension, or two: `(rows, columns)`".into(),
            Kind::Ends => "`same`, a dimension, or two: `(before, after)`".into(),
            Kind::Pad => {
                "`same`, a dimension, two `(rows, columns)` or four `(above, below, left, right)`".into()
            }
            Kind::Word(w) => {
                format!("one of {}", w.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Reads a value of this kind as the text form has it; `None` where it is of another kind.
    pub fn parse(self, text: &str) -> Option<Attr> {
        Some(match self {
            Kind::Axis | Kind::Axes | Kind::Perm => {
                let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).unwrap_or(text);
                Attr::Axes(split_commas(inner).iter().map(|a| a.parse().ok()).collect::<Option<_>>()?)
            }
            Kind::Dim => Attr::Dim(Dim::parse(text).ok()?),
            Kind::Shape => {
                // In a network's body `..` stands for its leading axes.
                let dim = |a: &&str| if *a == ".." { Some(Dim::sym(a)) } else { Dim::parse(a).ok() };
                Attr::Dims(split_type(text)?.1.iter().map(dim).collect::<Option<_>>()?)
            }
            Kind::Pad | Kind::Ends if text == "same" => Attr::Word(text.into()),
            Kind::Pair | Kind::Pad | Kind::Ends if !text.starts_with('[') => {
                Attr::Dims(vec![Dim::parse(text).ok()?])
            }
            Kind::Pair | Kind::Pad | Kind::Ends => {
                Attr::Dims(split_type(text)?.1.iter().map(|a| Dim::parse(a).ok()).collect::<Option<_>>()?)
            }
            Kind::Float => Attr::Float(text.parse().ok()?),
            Kind::Int => Attr::Int(text.parse().ok()?),
            Kind::Bool => Attr::Bool(text.parse().ok()?),
            Kind::Word(_) => Attr::Word(text.into()),
        })
    }
}
