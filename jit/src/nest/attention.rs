//! Attention: per sequence and head, keys and values packed into strips, then per
//! block of queries the scores, their softmax, and the product with the values.
//! Only a block of scores exists at a time. A unit is one head of one sequence.

use super::columns::{Calls, Columns, Count, strip_column};
use super::contract::tile_program;
use super::decode;
use super::{Extents, Menu, address, ceil_div, copy_program, dim_of, extra, min};
use crate::code::{Code, Pointer};
use crate::functions::Nest;
use crate::lanes::expr::Expr;
use crate::lanes::norms::softmax_parts;
use crate::lanes::schedule::{Scheduled, schedule};
use crate::lanes::{Inst, Len, Mem, Program, STRIP, Stmt, Terms};
use crate::spec::{AttentionSpec, Slot};
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;
use tancho_ir::Dim;

const ONE: Len = Len::Const(1);
const NONE: Len = Len::Const(0);
/// Integers that the nest passes: the length of a padded row of scores, and the keys a query sees.
const PADDED: u16 = 0;
const SEEN: u16 = 1;

/// Softmax of a row of scores in place, without its denominator: pointer 0 the scores, 1 the reciprocal
/// of their sum, 2 the mask if there is one. The product with the values is scaled instead of its weights.
fn softmax_work(s: &AttentionSpec) -> Scheduled {
    let mut e = Expr::default();
    let x = e.load(0, ONE, NONE, Mem::F32);
    let keep = s.mask.as_ref().map(|m| e.load(2, m.step, NONE, Mem::Bool));
    let (weights, scale) = softmax_parts(&mut e, x, keep);
    e.store(0, ONE, NONE, Mem::F32, weights);
    e.store(1, NONE, NONE, Mem::F32, scale);
    schedule(&e, extra(SEEN), 2 + u16::from(keep.is_some()), 0)
}

fn row(s: &Slot) -> Len {
    s.strides[2]
}

/// Copies a row of values into strips: for each strip its part of the row, then where it goes.
fn value_strips(s: &AttentionSpec) -> Program {
    let part = |i: i64| {
        let ptr = 2 * i as u16;
        let body = vec![
            Inst::Load { ptr, step: s.v.step, row_step: NONE, mem: s.v.mem },
            Inst::Store { ptr: ptr + 1, step: ONE, row_step: NONE, mem: Mem::F32, value: 0 },
        ];
        Stmt::Map { len: Len::Const((s.width - i * STRIP).min(STRIP)), body, folds: Vec::new() }
    };
    let strips = strips(s);
    Program { ptrs: 2 * strips as u16, ints: 0, slots: 0, derived: Vec::new(), stmts: (0..strips).map(part).collect() }
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
    let zero = vec![Inst::Float(0), Inst::Store { ptr: 0, step: ONE, row_step: NONE, mem: Mem::F32, value: 0 }];
    let fill = Program {
        ptrs: 1,
        ints: 0,
        slots: 0,
        derived: Vec::new(),
        stmts: vec![Stmt::Map { len: extra(SEEN), body: zero, folds: Vec::new() }],
    };
    let mut list =
        vec![copy_program(Len::Const(s.width), (s.k.mem, s.k.step), Len::Const(STRIP)), value_strips(s), softmax_work(s).program, fill];
    let scores = [
        Inst::Acc,
        Inst::Float(s.scale),
        Inst::Bin(crate::lanes::Bin::Mul, 0, 1),
        Inst::Store { ptr: 0, step: ONE, row_step: extra(PADDED), mem: Mem::F32, value: 2 },
    ];
    list.extend(score_columns(menu, s).shapes().iter().map(|t| tile_program((t.0, t.1), Len::Const(s.width), row(&s.q), 1, &scores)));
    let out = [
        Inst::Acc,
        Inst::Load { ptr: 1, step: NONE, row_step: ONE, mem: Mem::F32 },
        Inst::Bin(crate::lanes::Bin::Mul, 0, 1),
        Inst::Store { ptr: 0, step: ONE, row_step: row(&s.out), mem: Mem::F32, value: 2 },
    ];
    list.extend(value_columns(menu, s).shapes().iter().map(|t| tile_program((t.0, t.1), s.t, extra(PADDED), 2, &out)));
    list.extend(decode::programs(s, menu));
    list
}

/// The number of the first program for few queries.
fn programs_before(s: &AttentionSpec, menu: Menu) -> usize {
    4 + score_columns(menu, s).shapes().len() + value_columns(menu, s).shapes().len()
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
    let floats = padded.times(&Dim::constant(k + v + rows)).ok()?.plus(&Dim::constant(reciprocals(s) + strips(s) * STRIP)).ok()?;
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
    let skip = c.int(4 * strips(s) * STRIP);
    let base = c.moved(single, skip);
    let part = |c: &mut Code<'_, '_>, floats: i64| {
        let bytes = c.mul_imm(padded, 4 * floats);
        c.moved(base, bytes)
    };
    let packed_k = base;
    let packed_v = part(c, k_floats);
    let scores = part(c, k_floats + v_floats);
    let rows: Vec<Pointer> = (0..softmax_work(s).scratch_rows).map(|i| part(c, k_floats + v_floats + s.block + i64::from(i))).collect();
    let zero = c.int(0);
    let width = c.int(s.width);
    let unseen = c.b.ins().isub(keys, queries);
    c.for_each(begin, end, 1, &mut |c, u| {
        let heads = c.int(s.heads);
        let (b, h) = (c.b.ins().udiv(u, heads), c.b.ins().urem(u, heads));
        let group = c.int(s.heads / s.key_heads.max(1));
        let kv = c.b.ins().udiv(h, group);
        let (q, k, v) = (address(n, c, &s.q, &[b, h]), address(n, c, &s.k, &[b, kv]), address(n, c, &s.v, &[b, kv]));
        let out = address(n, c, &s.out, &[b, h]);
        let mask = s.mask.as_ref().map(|m| (address(n, c, m, &[b, h]), m));
        let down = |c: &mut Code<'_, '_>, p: Pointer, r: Value, l: Len| {
            let by = n.times(c, r, l);
            let by = c.mul_imm(by, 4);
            c.moved(p, by)
        };
        let softmax = |c: &mut Code<'_, '_>, r: Value, p: Pointer, sum: Pointer| {
            let mut seen = keys;
            if s.causal {
                let last = c.add(r, unseen);
                let last = c.add_imm(last, 1);
                let last = c.b.ins().smax(last, zero);
                seen = min(c, last, keys);
            }
            let mut ptrs = vec![p, sum];
            if let Some((m, slot)) = &mask {
                let by = n.times(c, r, slot.strides[2]);
                ptrs.push(c.moved(*m, by));
            }
            ptrs.extend(&rows);
            n.call(c, 2, &ptrs, &[padded, seen]);
            if s.causal {
                let rest = c.b.ins().isub(keys, seen);
                let behind = down(c, p, seen, ONE);
                n.call(c, 3, &[behind], &[padded, rest]);
            }
        };
        let by = |c: &mut Code<'_, '_>, r: Value| softmax(c, r, scores, sums);
        let head = decode::Head { q, k, v, out, row: scores, reciprocal: sums, sums: single, queries, keys, softmax: &by };
        let first = programs_before(s, n.menu);
        decode::choose(s, c, queries, &mut |c| decode::build(s, n, c, &head, first), &mut |c| {
            pack(s, n, c, (k, v), (packed_k, packed_v), keys);
            c.for_each(zero, queries, s.block, &mut |c, q0| {
                let q1 = c.add_imm(q0, s.block);
                let q1 = min(c, q1, queries);
                let score_row = |c: &mut Code<'_, '_>, r: Value| {
                    let r = c.b.ins().isub(r, q0);
                    let at = c.mul(r, padded);
                    let bytes = c.mul_imm(at, 4);
                    c.moved(scores, bytes)
                };
                let columns = score_columns(n.menu, s);
                let calls = Calls {
                    first: 4,
                    extra: &[padded],
                    left: &|c, r, _| down(c, q, r, row(&s.q)),
                    begin: None,
                    right: &|c, j| strip_column(c, packed_k, width, j),
                    slots: &|c, r, j| {
                        let p = score_row(c, r);
                        vec![down(c, p, j, ONE)]
                    },
                };
                columns.run(n, c, (q0, q1), (zero, padded), &calls);
                c.for_each(q0, q1, 1, &mut |c, r| {
                    let p = score_row(c, r);
                    let number = c.b.ins().isub(r, q0);
                    let sum = down(c, sums, number, ONE);
                    softmax(c, r, p, sum);
                });
                let calls = Calls {
                    first: 4 + columns.shapes().len(),
                    extra: &[padded],
                    left: &|c, r, _| score_row(c, r),
                    begin: None,
                    right: &|c, j| strip_column(c, packed_v, keys, j),
                    slots: &|c, r, j| {
                        let p = down(c, out, r, row(&s.out));
                        let number = c.b.ins().isub(r, q0);
                        vec![down(c, p, j, ONE), down(c, sums, number, ONE)]
                    },
                };
                value_columns(n.menu, s).run(n, c, (q0, q1), (zero, width), &calls);
            });
        });
    });
}

/// Keys into strips of 16 keys, values into strips of 16 columns.
fn pack(s: &AttentionSpec, n: &Nest, c: &mut Code<'_, '_>, from: (Pointer, Pointer), to: (Pointer, Pointer), keys: Value) {
    let (zero, width) = (c.int(0), c.int(s.width));
    c.for_each(zero, keys, 1, &mut |c, t| {
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
        n.call(c, 1, &ptrs, &[]);
    });
}
