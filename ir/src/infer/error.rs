//! What a shape rule is given, and what it answers where it does not hold.

use crate::dim::DimError;
use crate::types::Type;
use std::fmt;

/// An argument as a shape rule sees it.
#[derive(Clone, Copy, Debug)]
pub struct Arg<'a> {
    /// Its type.
    pub ty: &'a Type,
    /// Its name in messages: a variable or the source text.
    pub name: &'a str,
}

/// Which part of a call a message points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The whole call.
    Call,
    /// The argument of that number.
    Arg(usize),
    /// The option of that name.
    Option(&'static str),
}

/// A shape rule that does not hold: one sentence, facts, and a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeError {
    /// One sentence with the names.
    pub message: String,
    /// The shapes it speaks of, one a line.
    pub facts: Vec<String>,
    /// What to write instead.
    pub help: Option<String>,
    /// Where to point.
    pub at: At,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        for fact in &self.facts {
            write!(f, "\n  {fact}")?;
        }
        if let Some(h) = &self.help {
            write!(f, "\nhelp: {h}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ShapeError {}

impl ShapeError {
    /// A message about the whole call.
    pub fn new(message: impl Into<String>) -> ShapeError {
        ShapeError { message: message.into(), facts: Vec::new(), help: None, at: At::Call }
    }

    /// Adds a line of fact.
    pub fn fact(mut self, f: impl Into<String>) -> ShapeError {
        self.facts.push(f.into());
        self
    }

    /// Adds the repair.
    pub fn help(mut self, h: impl Into<String>) -> ShapeError {
        self.help = Some(h.into());
        self
    }

    /// Points at a part of the call.
    pub fn at(mut self, at: At) -> ShapeError {
        self.at = at;
        self
    }
}

impl From<DimError> for ShapeError {
    fn from(e: DimError) -> ShapeError {
        ShapeError::new(e.to_string())
    }
}
