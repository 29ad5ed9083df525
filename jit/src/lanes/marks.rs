//! Marks: numbers for the parts of a program. Back ends mark the code they make with them, so that dumps can
//! say what each line of it computes.
//!
//! A statement has a mark of its own, for loops and sums of products. Behind it come those of the
//! instructions of its body, then those of its reductions. Statements follow one another in order.

use super::{Inst, Stmt, Tile};
use tancho_ir::Value;

/// The number of a part of a program.
pub type Mark = u32;

/// The node of the graph that each part of a program computes, by its mark. It is no part of the program:
/// equal programs of different nodes share their code.
pub type Origins = Vec<Option<Value>>;

impl Stmt {
    /// The instructions of its body.
    pub fn body(&self) -> &[Inst] {
        match self {
            Stmt::Scalar { body, .. } | Stmt::Map { body, .. } | Stmt::Tile(Tile { body, .. }) => body,
        }
    }

    /// How many marks it has.
    pub fn marks(&self) -> Mark {
        let reductions = if let Stmt::Map { reductions, .. } = self { reductions.len() } else { 0 };
        (1 + self.body().len() + reductions) as Mark
    }
}
