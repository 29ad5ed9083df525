//! The text form of a graph: what `ir()` prints, and the parser that reads it back.
//!
//! ```text
//! network Mlp<B, S <= 512>
//! where P + S <= 1024
//! input x: f32[B, 768]
//! weight "up.weight": f32[3072, 768] = xavier
//! state "keys": f32[B, P, 64] grow axis 1 = %7
//! %0: f32[B, 768] = input(index = 0) as "x"
//! %1: f32[3072, 768] = weight(index = 0) as "up.weight"
//! %2: f32[B, 3072] = linear(%0, %1) // "up(x)" "src/main.rs":9:20 "mlp.up"
//! return %2
//! ```
//!
//! One line is one op: its value, the type of its result, the op with its
//! arguments and options, the user's name, then source text, place and scope.

mod declare;
mod lines;
mod parse;
mod print;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use parse::parse_op;
pub use print::{print_definition, print_node, print_op};

use std::fmt;

/// Why a text is no graph, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for TextError {}
