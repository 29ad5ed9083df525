//! Helpers to write the programs of loop nests.

use super::nest::Pointers;
use crate::code::Pointer;
use crate::lanes::{Derived, Inst, Len, Mem, Program, Ptr, Reg, Stmt};

/// Adds an instruction to a body.
pub fn push(body: &mut Vec<Inst>, inst: Inst) -> Reg {
    body.push(inst);
    body.len() as Reg - 1
}

/// Loads an f32 of a row.
pub fn load(body: &mut Vec<Inst>, ptr: impl Into<Ptr>) -> Reg {
    push(body, load_of(ptr, Len::ONE, Mem::F32))
}

/// Stores an f32 of a row.
pub fn store(body: &mut Vec<Inst>, ptr: impl Into<Ptr>, value: Reg) {
    push(body, store_of(ptr, Len::ONE, Mem::F32, value));
}

/// A load outside of a tile.
pub fn load_of(ptr: impl Into<Ptr>, step: Len, mem: Mem) -> Inst {
    Inst::Load { ptr: ptr.into(), step, row_step: Len::ZERO, mem }
}

/// A store outside of a tile.
pub fn store_of(ptr: impl Into<Ptr>, step: Len, mem: Mem, value: Reg) -> Inst {
    Inst::Store { ptr: ptr.into(), step, row_step: Len::ZERO, mem, value }
}

/// One statement over a row of `width` elements.
pub fn map(width: i64, ptrs: u16, derived: Vec<Derived>, body: Vec<Inst>) -> Program {
    let stmts = vec![Stmt::Map { len: Len::Const(width), body, reductions: Vec::new() }];
    Program { ptrs, derived, stmts, ..Program::default() }
}

/// The pointers of [`copy`].
pub struct Copy {
    pub from: Pointer,
    pub to: Pointer,
}

impl Pointers for Copy {
    fn in_order(self) -> Vec<Pointer> {
        vec![self.from, self.to]
    }
}

impl Copy {
    pub const FROM: u16 = 0;
    pub const TO: u16 = 1;
}

/// Copies a row of `len` elements of 32 bits.
pub fn copy(len: Len, (mem, from_step): (Mem, Len), to_step: Len) -> Program {
    let body = vec![load_of(Copy::FROM, from_step, mem), store_of(Copy::TO, to_step, Mem::F32, 0)];
    let stmts = vec![Stmt::Map { len, body, reductions: Vec::new() }];
    Program { ptrs: 2, stmts, ..Program::default() }
}

/// The pointers of a program that works on one row.
pub struct InPlace {
    pub row: Pointer,
}

impl Pointers for InPlace {
    fn in_order(self) -> Vec<Pointer> {
        vec![self.row]
    }
}

impl InPlace {
    pub const ROW: u16 = 0;
}

/// Fills a row of `len` elements with an f32, given by its bits.
pub fn fill(len: Len, bits: u32) -> Program {
    let body = vec![Inst::Float(bits), store_of(InPlace::ROW, Len::ONE, Mem::F32, 0)];
    let stmts = vec![Stmt::Map { len, body, reductions: Vec::new() }];
    Program { ptrs: 1, stmts, ..Program::default() }
}

/// The pointers of work that was scheduled: its slots, then scratch rows.
pub struct WorkPointers {
    pub slots: Vec<Pointer>,
    pub scratch: Vec<Pointer>,
}

impl Pointers for WorkPointers {
    fn in_order(mut self) -> Vec<Pointer> {
        self.slots.extend(self.scratch);
        self.slots
    }
}
