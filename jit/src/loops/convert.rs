//! Rows of a left operand in the form that a tile's terms have: bf16, or integers in groups.

use crate::code::{Code, Pointer};
use crate::codegen::Nest;
use crate::lanes::{Bin, Cmp, Fold, Inst, Len, Mem, Program, Reg, Stmt, Terms, Ty, Un};

const ONE: Len = Len::Const(1);
const NONE: Len = Len::Const(0);
/// The largest magnitude of an element in integers.
const LARGEST: f32 = 127.0;
/// Groups of smaller magnitudes count as zeros: the reciprocal of their factor would be none.
const SMALLEST: f32 = 1e-30;

/// The program that converts a row, or a group of one.
pub fn program(terms: Terms, k: Len) -> Program {
    match terms.group() {
        Some(group) => quantize(terms, Len::Const(group.terms)),
        None => {
            let body = vec![load(0), store(1, Mem::Bf16, ONE, 0)];
            let stmts = vec![Stmt::Map { len: k, body, folds: Vec::new() }];
            Program { ptrs: 2, stmts, ..Program::default() }
        }
    }
}

/// Converts a row of `k` terms by the nest's program of that number.
pub fn row(
    n: &Nest,
    c: &mut Code<'_, '_>,
    program: usize,
    (k, terms): (i64, Terms),
    (from, to): (Pointer, Pointer),
) {
    let Some(group) = terms.group() else { return n.call(c, program, &[from, to], &[]) };
    let (zero, count) = (c.int(0), c.int(k / group.terms));
    c.for_each(zero, count, 1, &mut |c, g| {
        let (read, written) = (c.mul_imm(g, 4 * group.terms), c.mul_imm(g, 4 * group.left()));
        let (from, to) = (c.moved(from, read), c.moved(to, written));
        let bytes = c.int(group.terms);
        let behind = c.moved(to, bytes);
        n.call(c, program, &[from, to, behind], &[]);
    });
}

fn load(ptr: u16) -> Inst {
    Inst::Load { ptr, step: ONE, row_step: NONE, mem: Mem::F32 }
}

fn store(ptr: u16, mem: Mem, step: Len, value: Reg) -> Inst {
    Inst::Store { ptr, step, row_step: NONE, mem, value }
}

/// A group of floats (pointer 0) as bytes (1), their factor and what [`Terms`] wants of their sum (2). The
/// largest magnitude becomes 127; NaN and infinities make the factor one.
fn quantize(terms: Terms, len: Len) -> Program {
    let float = |x: f32| Inst::Float(x.to_bits());
    let magnitudes = vec![
        load(0),
        Inst::Un(Un::Bits, 0),
        Inst::Int(i32::MAX),
        Inst::Bin(Bin::And, 1, 2),
        Inst::Un(Un::FromBits, 3),
    ];
    let factor = vec![
        Inst::Slot(0, Ty::F),
        float(SMALLEST),
        Inst::Cmp(Cmp::Lt, 0, 1),
        float(LARGEST),
        float(0.0),
        Inst::Bin(Bin::Div, 3, 0),
        Inst::Select(2, 4, 5),
        Inst::Bin(Bin::Div, 0, 3),
        Inst::Select(2, 4, 7),
        store(2, Mem::F32, NONE, 8),
    ];
    let bytes = vec![
        load(0),
        Inst::Slot(1, Ty::F),
        Inst::Bin(Bin::Mul, 0, 1),
        Inst::Un(Un::Round, 2),
        Inst::Un(Un::ToInt, 3),
        store(1, Mem::I8, ONE, 4),
    ];
    let mut sum = vec![Inst::Slot(3, Ty::I)];
    let mut stmts = vec![
        Stmt::Map { len, body: magnitudes, folds: vec![(Fold::MaxNan, 4, 0)] },
        Stmt::Once { body: factor, outs: vec![(6, 1), (8, 2)] },
        Stmt::Map { len, body: bytes, folds: vec![(Fold::ISum, 4, 3)] },
    ];
    let mut derived = Vec::new();
    let behind = crate::lanes::derive(&mut derived, 2, 1);
    if terms == Terms::Bytes {
        sum.extend([Inst::Int(-128), Inst::Bin(Bin::IMul, 0, 1), store(behind, Mem::I32, NONE, 2)]);
    } else {
        sum.extend([
            Inst::Un(Un::ToFloat, 0),
            Inst::Slot(2, Ty::F),
            Inst::Bin(Bin::Mul, 1, 2),
            store(behind, Mem::F32, NONE, 3),
        ]);
    }
    stmts.push(Stmt::Once { body: sum, outs: Vec::new() });
    Program { ptrs: 3, slots: 4, derived, stmts, ..Program::default() }
}
