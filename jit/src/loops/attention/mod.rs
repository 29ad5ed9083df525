//! Attention: per sequence and head, keys and values packed into strips, then per block of queries the
//! scores, their softmax, and the product with the values. Only a block of scores exists at a time, of the
//! keys that its queries see. A unit is one head of one sequence.

mod few;

use crate::code::{Code, Pointer};
use crate::codegen::Nest;
use crate::lanes::expr::Expr;
use crate::lanes::norms::softmax_parts;
use crate::lanes::schedule::{Scheduled, schedule};
use crate::lanes::{Bin, Fold, Inst, Len, Mem, Program, STRIP, Stmt, Terms, Ty, derive};
use crate::loops::columns::{Calls, Columns, Count, strip_column};
use crate::loops::matmul::{tile_of, tile_program};
use crate::loops::sums;
use crate::loops::{Extents, Menu, address, ceil_div, copy_program, dim_of, extra, min};
use crate::spec::{AttentionSpec, Slot};
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;
use tancho_ir::Dim;

const ONE: Len = Len::Const(1);
const NONE: Len = Len::Const(0);
/// Integers that the nest passes: the length of a padded row of scores, and the keys that a query, or a block
/// of them, sees.
const PADDED: u16 = 0;
const SEEN: u16 = 1;

/// Softmax of a row of scores in place, without its denominator: pointer 0 the scores, 1 the reciprocal of
/// their sum, then the mask and the bias if there are. The product with the values is scaled instead of its
/// weights.
fn softmax_work(s: &AttentionSpec) -> Scheduled {
    let mut e = Expr::default();
    let mut x = e.load(0, ONE, NONE, Mem::F32);
    let mut ptrs = 2;
    let mut operand = |e: &mut Expr, slot: &Slot| {
        ptrs += 1;
        e.load(ptrs - 1, slot.step, NONE, slot.mem)
    };
    let keep = s.mask.as_ref().map(|m| operand(&mut e, m));
    if let Some(bias) = &s.bias {
        let bias = operand(&mut e, bias);
        x = e.add(x, bias);
    }
    let (weights, scale) = softmax_parts(&mut e, x, keep);
    e.store(0, ONE, NONE, Mem::F32, weights);
    e.store(1, NONE, NONE, Mem::F32, scale);
    schedule(&e, extra(SEEN), ptrs, 0)
}

/// Whether queries see a part of the keys by their place.
fn in_part(s: &AttentionSpec) -> bool {
    s.causal || s.window.is_some()
}

fn row(s: &Slot) -> Len {
    s.strides[2]
}

/// Copies a row of values into strips: for each strip its part of the row, then where it goes. Where queries
/// see a part of the keys, the last pointer is a row that becomes NaN where a value is no finite number.
fn value_strips(s: &AttentionSpec) -> Program {
    let strips = strips(s);
    let (last, mut derived) = (2 * strips as u16, Vec::new());
    let mut part = |i: i64| {
        let ptr = 2 * i as u16;
        let mut body = vec![
            Inst::Load { ptr, step: s.v.step, row_step: NONE, mem: s.v.mem },
            Inst::Store { ptr: ptr + 1, step: ONE, row_step: NONE, mem: Mem::F32, value: 0 },
        ];
        if in_part(s) {
            let ptr = if i == 0 { last } else { derive(&mut derived, last, i * STRIP) };
            body.extend([
                Inst::Load { ptr, step: ONE, row_step: NONE, mem: Mem::F32 },
                Inst::Bin(Bin::Sub, 0, 0),
                Inst::Bin(Bin::Add, 2, 3),
                Inst::Store { ptr, step: ONE, row_step: NONE, mem: Mem::F32, value: 4 },
            ]);
        }
        Stmt::Map { len: Len::Const((s.width - i * STRIP).min(STRIP)), body, folds: Vec::new() }
    };
    let stmts = (0..strips).map(&mut part).collect();
    Program { ptrs: last + u16::from(in_part(s)), ints: 0, slots: 0, derived, stmts }
}

/// The sum of that row: pointer 0 the row, 1 the sum.
fn sum_of_row(s: &AttentionSpec) -> Program {
    let row = vec![Inst::Load { ptr: 0, step: ONE, row_step: NONE, mem: Mem::F32 }];
    let fold = Stmt::Map { len: Len::Const(s.width), body: row, folds: vec![(Fold::Sum, 0, 0)] };
    let store = Inst::Store { ptr: 1, step: NONE, row_step: NONE, mem: Mem::F32, value: 0 };
    let store = Stmt::Once { body: vec![Inst::Slot(0, Ty::F), store], outs: Vec::new() };
    Program { ptrs: 2, ints: 0, slots: 1, derived: Vec::new(), stmts: vec![fold, store] }
}

/// Strips of a head's width.
fn strips(s: &AttentionSpec) -> i64 {
    (s.width + STRIP - 1) / STRIP
}

/// Tiles of the scores run over whole strips, so that a run-time number of keys needs no narrow tiles.
fn score_columns(menu: Menu, s: &AttentionSpec) -> Columns {
    Columns::new(menu, s.columns.0, s.s, Count::Strips, (Terms::F32, Terms::F32))
}

fn value_columns(menu: Menu, s: &AttentionSpec) -> Columns {
    Columns::new(menu, s.columns.1, s.s, Count::Any(Len::Const(s.width)), (Terms::F32, Terms::F32))
}

pub fn programs(s: &AttentionSpec, menu: Menu) -> Vec<Program> {
    let zero =
        vec![Inst::Float(0), Inst::Store { ptr: 0, step: ONE, row_step: NONE, mem: Mem::F32, value: 0 }];
    let fill = Program {
        ptrs: 1,
        ints: 0,
        slots: 0,
        derived: Vec::new(),
        stmts: vec![Stmt::Map { len: extra(SEEN), body: zero, folds: Vec::new() }],
    };
    let mut list = vec![
        copy_program(Len::Const(s.width), (s.k.mem, s.k.step), Len::Const(STRIP)),
        value_strips(s),
        softmax_work(s).program,
        fill,
    ];
    if in_part(s) {
        list.push(sum_of_row(s));
    }
    let scores = [
        Inst::Acc,
        Inst::Float(s.scale),
        Inst::Bin(crate::lanes::Bin::Mul, 0, 1),
        Inst::Store { ptr: 0, step: ONE, row_step: extra(PADDED), mem: Mem::F32, value: 2 },
    ];
    list.extend(
        score_columns(menu, s)
            .shapes()
            .iter()
            .map(|t| tile_program((t.0, t.1), Len::Const(s.width), row(&s.q), 1, &scores)),
    );
    let out = [
        Inst::Acc,
        Inst::Load { ptr: 1, step: NONE, row_step: ONE, mem: Mem::F32 },
        Inst::Bin(crate::lanes::Bin::Mul, 0, 1),
        Inst::Store { ptr: 0, step: ONE, row_step: row(&s.out), mem: Mem::F32, value: 2 },
    ];
    let seen = if in_part(s) { extra(SEEN) } else { s.t };
    let values =
        |t: &(u8, u8, Terms)| tile_of((t.0, t.1), (seen, s.t, Terms::F32), extra(PADDED), 2, &out, 0);
    list.extend(value_columns(menu, s).shapes().iter().map(values));
    if one_by_one(s) {
        list.extend(few::programs(s, menu));
    }
    list
}

/// Whether queries may be worked on one by one.
fn one_by_one(s: &AttentionSpec) -> bool {
    few::applies(s) || in_part(s)
}

/// The numbers of the first tile of the scores, of the first of the product with the values, and of the first
/// program for queries one by one.
fn numbers(s: &AttentionSpec, menu: Menu) -> (usize, usize, usize) {
    let scores = 4 + usize::from(in_part(s));
    let values = scores + score_columns(menu, s).shapes().len();
    (scores, values, values + value_columns(menu, s).shapes().len())
}

/// Floats of scratch for each key: packed keys, packed values, a block of scores and rows of the softmax.
/// Before them there are the reciprocals of a block, and the sums of a single query.
fn layout(s: &AttentionSpec) -> (i64, i64, i64) {
    let rows = s.block + i64::from(softmax_work(s).scratch_rows);
    (s.width, strips(s) * STRIP, rows)
}

/// Floats for the reciprocals of a block: whole cache lines.
fn reciprocals(s: &AttentionSpec) -> i64 {
    (s.block + STRIP - 1) / STRIP * STRIP
}

pub fn extents(s: &AttentionSpec) -> Option<Extents> {
    let units = dim_of(s.batch).times(&Dim::constant(s.heads)).ok()?;
    let (k, v, rows) = layout(s);
    let padded = dim_of(s.t).ceil_div(&Dim::constant(STRIP)).ok()?.times(&Dim::constant(STRIP)).ok()?;
    let floats = padded
        .times(&Dim::constant(k + v + rows))
        .ok()?
        .plus(&Dim::constant(reciprocals(s) + sums::floats(s.width)))
        .ok()?;
    Some(Extents { units, scratch: floats.times(&Dim::constant(4)).ok()?, columns: None })
}

pub fn build(s: &AttentionSpec, n: &mut Nest, c: &mut Code<'_, '_>, begin: Value, end: Value) {
    let (queries, keys) = (n.len(c, s.s), n.len(c, s.t));
    let padded = ceil_div(c, keys, STRIP);
    let padded = c.mul_imm(padded, STRIP);
    let (k_floats, v_floats, _) = layout(s);
    let sums = n.scratch(c, s.scratch);
    let skip = c.int(4 * reciprocals(s));
    let single = c.moved(sums, skip);
    let skip = c.int(4 * sums::floats(s.width));
    let base = c.moved(single, skip);
    let part = |c: &mut Code<'_, '_>, floats: i64| {
        let bytes = c.mul_imm(padded, 4 * floats);
        c.moved(base, bytes)
    };
    let packed_k = base;
    let packed_v = part(c, k_floats);
    let scores = part(c, k_floats + v_floats);
    let rows: Vec<Pointer> = (0..softmax_work(s).scratch_rows)
        .map(|i| part(c, k_floats + v_floats + s.block + i64::from(i)))
        .collect();
    let zero = c.int(0);
    let width = c.int(s.width);
    let unseen = c.b.ins().isub(keys, queries);
    // The keys that query `r` sees by its place: from the first up to the second.
    let seen = |c: &mut Code<'_, '_>, r: Value| {
        let next = c.add(r, unseen);
        let next = c.add_imm(next, 1);
        let within = |c: &mut Code<'_, '_>, at: Value| {
            let at = c.b.ins().smax(at, zero);
            min(c, at, keys)
        };
        let to = if s.causal { within(c, next) } else { keys };
        let from = s.window.map_or(zero, |w| {
            let w = n.len(c, w);
            let from = c.b.ins().isub(next, w);
            let from = within(c, from);
            // A window whose length the call gives may be below 1, and sees nothing.
            min(c, from, to)
        });
        (from, to)
    };
    c.for_each(begin, end, 1, &mut |c, u| {
        let heads = c.int(s.heads);
        let (b, h) = (c.b.ins().udiv(u, heads), c.b.ins().urem(u, heads));
        let group = c.int(s.heads / s.key_heads.max(1));
        let kv = c.b.ins().udiv(h, group);
        let (q, k, v) =
            (address(n, c, &s.q, &[b, h]), address(n, c, &s.k, &[b, kv]), address(n, c, &s.v, &[b, kv]));
        let out = address(n, c, &s.out, &[b, h]);
        let operands: Vec<(Pointer, &Slot)> =
            s.mask.iter().chain(&s.bias).map(|x| (address(n, c, x, &[b, h]), x)).collect();
        let down = |c: &mut Code<'_, '_>, p: Pointer, r: Value, l: Len| {
            let by = n.times(c, r, l);
            let by = c.mul_imm(by, 4);
            c.moved(p, by)
        };
        let softmax =
            |c: &mut Code<'_, '_>, r: Value, p: Pointer, sum: Pointer, (from, to): (Value, Value)| {
                let first = down(c, p, from, ONE);
                let mut ptrs = vec![first, sum];
                for (base, slot) in &operands {
                    let (by, on) = (n.times(c, r, slot.strides[2]), n.times(c, from, slot.step));
                    let by = c.add(by, on);
                    let by = c.mul_imm(by, slot.mem.size());
                    ptrs.push(c.moved(*base, by));
                }
                ptrs.extend(&rows);
                let count = c.b.ins().isub(to, from);
                n.call(c, 2, &ptrs, &[padded, count]);
            };
        let by = |c: &mut Code<'_, '_>, r: Value, seen: (Value, Value)| softmax(c, r, scores, sums, seen);
        let head = few::Head {
            q,
            k,
            v,
            out,
            row: scores,
            reciprocal: sums,
            sums: single,
            queries,
            seen: &seen,
            softmax: &by,
        };
        let (first_scores, first_values, first_alone) = numbers(s, n.menu);
        let pack = |c: &mut Code<'_, '_>| {
            let last = c.add_imm(queries, -1);
            let (from, to) = (seen(c, zero).0, seen(c, last).1);
            pack(s, n, c, (k, v), (packed_k, packed_v), (from, to), single);
        };
        let alone = |c: &mut Code<'_, '_>| few::build(s, n, c, &head, first_alone);
        let blocks = |c: &mut Code<'_, '_>| {
            c.for_each(zero, queries, s.block, &mut |c, q0| {
                let q1 = c.add_imm(q0, s.block);
                let q1 = min(c, q1, queries);
                let score_row = |c: &mut Code<'_, '_>, r: Value| {
                    let r = c.b.ins().isub(r, q0);
                    let at = c.mul(r, padded);
                    let bytes = c.mul_imm(at, 4);
                    c.moved(scores, bytes)
                };
                // What the block sees; its scores are whole strips.
                let last = c.add_imm(q1, -1);
                let (from, to) = (seen(c, q0).0, seen(c, last).1);
                let strip = c.b.ins().band_imm_s(from, -STRIP);
                let behind = ceil_div(c, to, STRIP);
                let behind = c.mul_imm(behind, STRIP);
                let columns = score_columns(n.menu, s);
                let calls = Calls {
                    first: first_scores,
                    extra: &[padded],
                    left: &|c, r, _| down(c, q, r, row(&s.q)),
                    begin: None,
                    ahead: &|_, _| 0,
                    right: &|c, j| strip_column(c, packed_k, width, j),
                    slots: &|c, r, j| {
                        let p = score_row(c, r);
                        vec![down(c, p, j, ONE)]
                    },
                };
                columns.run(n, c, (q0, q1), (strip, behind), &calls);
                c.for_each(q0, q1, 1, &mut |c, r| {
                    let p = score_row(c, r);
                    let number = c.b.ins().isub(r, q0);
                    let sum = down(c, sums, number, ONE);
                    let mine = seen(c, r);
                    softmax(c, r, p, sum, mine);
                    // Others of the block see more.
                    let clear = |c: &mut Code<'_, '_>, from: Value, to: Value| {
                        let at = down(c, p, from, ONE);
                        let count = c.b.ins().isub(to, from);
                        n.call(c, 3, &[at], &[padded, count]);
                    };
                    if s.window.is_some() {
                        clear(c, from, mine.0);
                    }
                    if s.causal {
                        clear(c, mine.1, to);
                    }
                });
                let count = c.b.ins().isub(to, from);
                let calls = Calls {
                    first: first_values,
                    extra: &[padded, count],
                    left: &|c, r, _| {
                        let p = score_row(c, r);
                        down(c, p, from, ONE)
                    },
                    begin: None,
                    ahead: &|_, _| 0,
                    right: &|c, j| {
                        let p = strip_column(c, packed_v, keys, j);
                        let lines = c.mul_imm(from, 4 * STRIP);
                        c.moved(p, lines)
                    },
                    slots: &|c, r, j| {
                        let p = down(c, out, r, row(&s.out));
                        let number = c.b.ins().isub(r, q0);
                        vec![down(c, p, j, ONE), down(c, sums, number, ONE)]
                    },
                };
                value_columns(n.menu, s).run(n, c, (q0, q1), (zero, width), &calls);
            });
        };
        if !one_by_one(s) {
            pack(c);
            return blocks(c);
        }
        let few = few::few(s, c, queries);
        let alone_all = c.either(few, &mut |c| c.b.ins().iconst(types::I8, 1), &mut |c| {
            pack(c);
            if !in_part(s) {
                return c.b.ins().iconst(types::I8, 0);
            }
            // A block's queries do not see the same keys, and 0 times what is not finite is NaN: it must not
            // show where it is not seen.
            n.call(c, 4, &[single, sums], &[]);
            let sum = c.load(types::F32, sums, 0);
            c.b.ins().fcmp(FloatCC::Unordered, sum, sum)
        });
        c.when(alone_all, &mut |c| alone(c));
        let together = c.b.ins().icmp_imm_s(IntCC::Equal, alone_all, 0);
        c.when(together, &mut |c| blocks(c));
    });
}

/// Keys that are seen into strips of 16 keys, their values into strips of 16 columns; `finite` is a row for
/// [`value_strips`].
fn pack(
    s: &AttentionSpec,
    n: &Nest,
    c: &mut Code<'_, '_>,
    from: (Pointer, Pointer),
    to: (Pointer, Pointer),
    seen: (Value, Value),
    finite: Pointer,
) {
    let (keys, width) = (n.len(c, s.t), c.int(s.width));
    if in_part(s) {
        n.call(c, 3, &[finite], &[width, width]);
    }
    c.for_each(seen.0, seen.1, 1, &mut |c, t| {
        let by = n.times(c, t, row(&s.k));
        let by = c.mul_imm(by, s.k.mem.size());
        let key = c.moved(from.0, by);
        let column = strip_column(c, to.0, width, t);
        n.call(c, 0, &[key, column], &[]);
        let by = n.times(c, t, row(&s.v));
        let by = c.mul_imm(by, s.v.mem.size());
        let value = c.moved(from.1, by);
        let inside = c.mul_imm(t, STRIP * 4);
        let mut ptrs = Vec::new();
        for first in (0..strips(s)).map(|i| i * STRIP) {
            let first_value = c.int(first);
            let skip = n.times(c, first_value, s.v.step);
            let skip = c.mul_imm(skip, s.v.mem.size());
            ptrs.push(c.moved(value, skip));
            // Row t of the strip.
            let strip = c.mul_imm(keys, first * 4);
            let at = c.add(strip, inside);
            ptrs.push(c.moved(to.1, at));
        }
        if in_part(s) {
            ptrs.push(finite);
        }
        n.call(c, 1, &ptrs, &[]);
    });
}
