//! The programs of tiles.

use super::nest::Pointers;
use crate::code::Pointer;
use crate::lanes::{Encoding, Inst, Len, Prefetch, Program, Ptr, Stmt, Tile};

/// The shape of a tile, and the encoding of its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileShape {
    pub rows: u8,
    pub cols: u8,
    pub encoding: Encoding,
}

/// The pointers of a tile's program.
pub struct TilePointers {
    /// The left operand's row.
    pub left: Pointer,
    /// The first column in the packed panels of the right operand.
    pub right: Pointer,
    /// What the epilogue reads and writes.
    pub slots: Vec<Pointer>,
    /// What the tile prefetches, if it does.
    pub prefetch: Option<Pointer>,
}

impl Pointers for TilePointers {
    fn in_order(self) -> Vec<Pointer> {
        let mut all = vec![self.left, self.right];
        all.extend(self.slots);
        all.extend(self.prefetch);
        all
    }
}

impl TilePointers {
    const LEFT: u16 = 0;
    const RIGHT: u16 = 1;
    /// The first slot.
    const SLOTS: u16 = 2;
}

/// What the program of a tile is made of.
pub struct TileProgram<'a> {
    /// Its shape.
    pub shape: TileShape,
    /// Length of the sums.
    pub k: Len,
    /// Length of the packed panels: that of the sums, or more where a tile takes a part of them.
    pub panel: Len,
    /// Elements from one row of the left operand to the next.
    pub left_row: Len,
    /// Elements from one element of a row of the left operand to the next.
    pub left_step: Len,
    /// Slots of the epilogue.
    pub slots: usize,
    /// The work on each accumulator; pointer argument `i` is slot `i`.
    pub epilogue: &'a [Inst],
    /// Lines of memory that an iteration of the loop over the sum prefetches.
    pub prefetch: u8,
}

impl TileProgram<'_> {
    /// The program, whose pointers are those of [`TilePointers`].
    pub fn build(&self) -> Program {
        let TileShape { rows, cols, encoding } = self.shape;
        let body = self.epilogue.iter().map(|inst| behind_operands(*inst)).collect();
        let behind_slots = TilePointers::SLOTS + self.slots as u16;
        let prefetch = (self.prefetch > 0).then_some(Prefetch { arg: behind_slots, lines: self.prefetch });
        let stmt = Stmt::Tile(Tile {
            rows,
            cols,
            k: self.k,
            panel: self.panel,
            left: TilePointers::LEFT,
            left_row: self.left_row,
            left_step: self.left_step,
            right: TilePointers::RIGHT,
            encoding,
            prefetch,
            body,
        });
        let ptrs = behind_slots + u16::from(prefetch.is_some());
        Program { ptrs, stmts: vec![stmt], ..Program::default() }
    }
}

/// An instruction of an epilogue, whose slots are numbered behind the two operands.
fn behind_operands(inst: Inst) -> Inst {
    let behind = |ptr: Ptr| match ptr {
        Ptr::Arg(slot) => Ptr::Arg(TilePointers::SLOTS + slot),
        derived => derived,
    };
    match inst {
        Inst::Load { ptr, step, row_step, mem } => Inst::Load { ptr: behind(ptr), step, row_step, mem },
        Inst::Store { ptr, step, row_step, mem, value } => {
            Inst::Store { ptr: behind(ptr), step, row_step, mem, value }
        }
        other => other,
    }
}
