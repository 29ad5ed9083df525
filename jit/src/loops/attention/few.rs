//! Attention of few queries over many keys, as a decoder's next token has it: keys and values are read where
//! they lie, each once, from several places at a time, so that a cache is read as fast as memory gives it.

use crate::code::{Code, Pointer};
use crate::codegen::Nest;
use crate::lanes::x86::Width;
use crate::lanes::{Bin, Fold, Inst, Len, Mem, PART, Program, Stmt, Ty};
use crate::loops::sums::{self, push};
use crate::loops::{Menu, min};
use crate::spec::{AttentionSpec, Slot};
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;

const ONE: Len = Len::Const(1);
const NONE: Len = Len::Const(0);

/// At most so many queries are worked on one by one; packing the keys pays from more on.
const FEW: i64 = 4;

/// Whether queries may be few: they are fewer than keys.
pub fn applies(s: &AttentionSpec) -> bool {
    let few = match s.s {
        Len::Const(n) => n <= FEW,
        Len::Arg(_) => s.s != s.t,
    };
    few && s.k.step.is(1) && s.v.step.is(1)
}

/// Rows done together, each from a place of its own: one stream does not keep memory busy, eight do.
/// Registers hold a sum and a vector of each.
fn places(menu: Menu) -> u16 {
    match menu {
        Menu::Wide(m) if m.width == Some(Width::Z) => 8,
        _ => 6,
    }
}

/// Scores of a key at each of `n` places: pointers are the query, the keys, and their scores.
fn scores(s: &AttentionSpec, n: u16) -> Program {
    let (mut body, mut folds) = (Vec::new(), Vec::new());
    let q = push(&mut body, Inst::Load { ptr: 0, step: ONE, row_step: NONE, mem: s.q.mem });
    for i in 0..n {
        let k = push(&mut body, Inst::Load { ptr: 1 + i, step: s.k.step, row_step: NONE, mem: s.k.mem });
        let product = push(&mut body, Inst::Bin(Bin::Mul, q, k));
        folds.push((Fold::Sum, product, i));
    }
    let dots = Stmt::Map { len: Len::Const(s.width), body, folds };
    let mut body = Vec::new();
    let scale = push(&mut body, Inst::Float(s.scale));
    for i in 0..n {
        let dot = push(&mut body, Inst::Slot(i, Ty::F));
        let value = push(&mut body, Inst::Bin(Bin::Mul, dot, scale));
        push(&mut body, Inst::Store { ptr: 1 + n + i, step: NONE, row_step: NONE, mem: Mem::F32, value });
    }
    program(n, vec![dots, Stmt::Once { body, outs: Vec::new() }])
}

/// Adds a weighted row of values at each of `n` places to the sums: pointers are the sums, the rows, and
/// their weights.
fn weighted(s: &AttentionSpec, n: u16) -> Program {
    let (mut body, mut outs) = (Vec::new(), Vec::new());
    for i in 0..n {
        outs.push((
            push(&mut body, Inst::Load { ptr: 1 + n + i, step: NONE, row_step: NONE, mem: Mem::F32 }),
            i,
        ));
    }
    let weights = Stmt::Once { body, outs };
    let mut body = Vec::new();
    let mut sum = push(&mut body, Inst::Load { ptr: 0, step: ONE, row_step: NONE, mem: Mem::F32 });
    for i in 0..n {
        let w = push(&mut body, Inst::Slot(i, Ty::F));
        let v = push(&mut body, Inst::Load { ptr: 1 + i, step: s.v.step, row_step: NONE, mem: s.v.mem });
        sum = push(&mut body, Inst::Fma(w, v, sum));
    }
    push(&mut body, Inst::Store { ptr: 0, step: ONE, row_step: NONE, mem: Mem::F32, value: sum });
    program(n, vec![weights, Stmt::Map { len: Len::Const(s.width), body, folds: Vec::new() }])
}

fn program(places: u16, stmts: Vec<Stmt>) -> Program {
    Program { ptrs: 1 + 2 * places, ints: 0, slots: places, derived: Vec::new(), stmts }
}

/// The sums times the reciprocal of the weights' sum: pointers are the reciprocal, the sums and the result.
fn scaled(s: &AttentionSpec) -> Program {
    let (mut body, mut derived) = (Vec::new(), Vec::new());
    let by = push(&mut body, Inst::Load { ptr: 0, step: NONE, row_step: NONE, mem: Mem::F32 });
    let sum = sums::whole(s.width, &mut body, &mut derived, 1);
    let value = push(&mut body, Inst::Bin(Bin::Mul, sum, by));
    push(&mut body, Inst::Store { ptr: 2, step: ONE, row_step: NONE, mem: s.out.mem, value });
    sums::map(s.width, 3, derived, body)
}

/// The programs, in the order their numbers count from the first.
pub fn programs(s: &AttentionSpec, menu: Menu) -> Vec<Program> {
    let n = places(menu);
    vec![
        scores(s, n),
        scores(s, 1),
        sums::clear(s.width),
        weighted(s, n),
        weighted(s, 1),
        scaled(s),
        sums::add_part(s.width),
    ]
}

/// Keys from the first up to the second.
pub type Keys = (Value, Value);

/// What the loops over queries share: memory of one head, how many queries there are, and what they see.
pub struct Head<'a> {
    pub q: Pointer,
    pub k: Pointer,
    pub v: Pointer,
    pub out: Pointer,
    /// A row of scores, the reciprocal of its sum, and sums of values.
    pub row: Pointer,
    pub reciprocal: Pointer,
    pub sums: Pointer,
    pub queries: Value,
    /// The keys that a query sees.
    pub seen: &'a dyn Fn(&mut Code<'_, '_>, Value) -> Keys,
    /// Softmax of the scores of a query and the keys it sees.
    pub softmax: &'a dyn Fn(&mut Code<'_, '_>, Value, Keys),
}

/// Whether queries are so few that they are worked on one by one.
pub fn few(s: &AttentionSpec, c: &mut Code<'_, '_>, queries: Value) -> Value {
    match s.s {
        _ if !applies(s) => c.b.ins().iconst(types::I8, 0),
        Len::Const(_) => c.b.ins().iconst(types::I8, 1),
        Len::Arg(_) => c.b.ins().icmp_imm_s(IntCC::SignedLessThanOrEqual, queries, FEW),
    }
}

/// One head, query by query. `first` is the number of the first of [`programs`].
pub fn build(s: &AttentionSpec, n: &Nest, c: &mut Code<'_, '_>, h: &Head<'_>, first: usize) {
    let zero = c.int(0);
    let places = places(n.menu);
    let at = |c: &mut Code<'_, '_>, p: Pointer, i: Value, slot: &Slot| {
        let by = n.times(c, i, slot.strides[2]);
        let by = c.mul_imm(by, slot.mem.size());
        c.moved(p, by)
    };
    // Rows of a slot and their scores: the same number of rows from each place on, then those left over one
    // by one. Between parts of the loop runs the program `part`.
    let over = |c: &mut Code<'_, '_>,
                program: usize,
                part: Option<usize>,
                first: Pointer,
                (p, slot): (Pointer, &Slot),
                (from, to): Keys| {
        let count = c.b.ins().isub(to, from);
        let each = c.b.ins().sdiv_imm_s(count, i64::from(places));
        let whole = c.mul_imm(each, i64::from(places));
        let (end, whole) = (c.add(from, each), c.add(from, whole));
        let turn = |c: &mut Code<'_, '_>, program: usize, t: Value, places: u16| {
            let (mut all, mut scores, mut t) = (vec![first], Vec::new(), t);
            for place in 0..places {
                if place > 0 {
                    t = c.add(t, each);
                }
                all.push(at(c, p, t, slot));
                let by = c.mul_imm(t, 4);
                scores.push(c.moved(h.row, by));
            }
            all.extend(scores);
            n.call(c, program, &all, &[]);
        };
        c.for_each(from, end, PART, &mut |c, t| {
            if let Some(program) = part {
                let behind = c.b.ins().icmp(IntCC::SignedGreaterThan, t, from);
                c.when(behind, &mut |c| n.call(c, program, &[first], &[]));
            }
            let next = c.add_imm(t, PART);
            let next = min(c, next, end);
            c.for_each(t, next, 1, &mut |c, t| turn(c, program, t, places));
        });
        c.for_each(whole, to, 1, &mut |c, t| turn(c, program + 1, t, 1));
    };
    c.for_each(zero, h.queries, 1, &mut |c, r| {
        let q = at(c, h.q, r, &s.q);
        let seen = (h.seen)(c, r);
        over(c, first, None, q, (h.k, &s.k), seen);
        (h.softmax)(c, r, seen);
        n.call(c, first + 2, &[h.sums], &[]);
        over(c, first + 3, Some(first + 6), h.sums, (h.v, &s.v), seen);
        let out = at(c, h.out, r, &s.out);
        n.call(c, first + 5, &[h.reciprocal, h.sums, out], &[]);
    });
}
