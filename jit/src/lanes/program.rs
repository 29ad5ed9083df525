//! Vector programs: their statements, and the pointers they take.

use super::{Inst, Len, Ptr, Reduce, Reg, Ty};
use crate::format::Encoding;

/// One statement of a program.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stmt {
    /// A scalar statement: straight-line code on row scalars, run once.
    Scalar {
        /// The instructions.
        body: Vec<Inst>,
        /// What later statements read of its results.
        outs: Vec<ScalarOutput>,
    },
    /// The body for each of `len` elements of a row, and reductions of them to row scalars.
    Map {
        /// Number of elements.
        len: Len,
        /// The instructions for one element.
        body: Vec<Inst>,
        /// The reductions of the row.
        reductions: Vec<RowReduction>,
    },
    /// A register tile of a matrix product, then a body for each of its accumulators.
    Tile(Tile),
}

/// A result of a scalar statement that becomes a row scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScalarOutput {
    /// The register of the statement's body.
    pub value: Reg,
    /// The number of the row scalar.
    pub slot: u16,
}

/// A reduction of a row to a row scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowReduction {
    /// The operation.
    pub how: Reduce,
    /// The register of the statement's body whose values are reduced.
    pub value: Reg,
    /// The number of the row scalar that gets the result.
    pub slot: u16,
}

/// A register tile of a matrix product: `acc[r][c] = Σ_k left[r][k] * right[k][c]`, with partial sums of
/// [`PART`](super::PART) iterations, then the body for each accumulator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Rows of the tile.
    pub rows: u8,
    /// Columns of the tile. They begin at any column of a panel; at 128 bits they lie within one panel.
    pub cols: u8,
    /// Length of the sums.
    pub k: Len,
    /// Length of the right operand's panels: that of the sums, or more where the tile reads a part of a
    /// panel.
    pub panel: Len,
    /// The pointer argument of the left operand.
    pub left: u16,
    /// 32-bit elements from one row of the left operand to the next.
    pub left_row: Len,
    /// 32-bit elements from one element of a row of the left operand to the next: the constant 1 for all
    /// encodings but f32, in which the left operand may be transposed.
    pub left_step: Len,
    /// The pointer argument into the packed panels of the right operand. Element `(i, c)` is
    /// `right[(c / PANEL * panel + i) * PANEL + c % PANEL]`. In bf16, elements `2 i` and `2 i + 1` of a
    /// column are the lower and the upper half of 32 bits:
    /// `right[(c / PANEL * (panel / 2) + i) * PANEL + c % PANEL]`. The rows of 32 bits of other encodings are
    /// addressed in the same way.
    pub right: u16,
    /// What the operands' elements are. For all encodings but f32, `k` and `panel` are constants and
    /// multiples of [`Encoding::unit`].
    pub encoding: Encoding,
    /// Memory that the tile prefetches.
    pub prefetch: Option<Prefetch>,
    /// What is done with each accumulator ([`Inst::Acc`]).
    pub body: Vec<Inst>,
}

/// Memory that will be read soon: cache lines of 64 bytes from a pointer on, some in each iteration of the
/// loop over a tile's sums. This is a hint: nothing there is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefetch {
    /// The number of the pointer argument.
    pub arg: u16,
    /// Cache lines in each iteration.
    pub lines: u8,
}

/// A pointer at a constant distance from a pointer argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Derived {
    /// The number of the pointer argument.
    pub arg: u16,
    /// 32-bit elements from the argument to this pointer.
    pub at: i64,
}

/// The pointer `at` 32-bit elements after pointer argument `arg`. It is added to the list if it is new.
pub fn derive(list: &mut Vec<Derived>, arg: u16, at: i64) -> Ptr {
    let derived = Derived { arg, at };
    let number = list.iter().position(|other| *other == derived).unwrap_or_else(|| {
        list.push(derived);
        list.len() - 1
    });
    Ptr::Derived(number as u16)
}

/// The number of the argument that a pointer is or is derived from, and the bytes from there. `None` if there
/// is no such derived pointer.
pub fn resolve(list: &[Derived], ptr: Ptr) -> Option<(u16, i64)> {
    match ptr {
        Ptr::Arg(arg) => Some((arg, 0)),
        Ptr::Derived(i) => list.get(usize::from(i)).map(|derived| (derived.arg, derived.at * 4)),
    }
}

/// A vector program: a leaf function `fn(pointers.., integers..)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Program {
    /// Number of pointer arguments.
    pub ptrs: u16,
    /// Number of integer arguments.
    pub ints: u16,
    /// Number of row scalars.
    pub slots: u16,
    /// Pointers at constant distances from arguments; [`Ptr::Derived`] gives their number.
    pub derived: Vec<Derived>,
    /// The statements in order.
    pub stmts: Vec<Stmt>,
    /// The sum of a row has one order of additions whatever else its statement computes, so that a value
    /// which two kernels compute has the same bits in both. It costs time: see `docs/decisions.md`.
    pub fixed_sums: bool,
}

impl Program {
    /// The number of the argument that a pointer is or is derived from, and the bytes from there. `None` if
    /// there is no such derived pointer.
    pub fn resolve(&self, ptr: Ptr) -> Option<(u16, i64)> {
        resolve(&self.derived, ptr)
    }
}

/// The lane type of each register of a body; a store's is that of its value.
pub fn body_types(body: &[Inst]) -> Vec<Ty> {
    let mut types: Vec<Ty> = Vec::with_capacity(body.len());
    for inst in body {
        let t = inst.ty(|r| types[r as usize]).unwrap_or(Ty::F);
        types.push(t);
    }
    types
}
