//! Products: row blocks, strips of 16 columns, tiles; then row work on the block
//! while it is in cache. A unit is one row block of one batch.

use super::{address, ceil_div, decode, dim_of, min, product_of};
use crate::code::{Code, Pointer};
use crate::functions::Nest;
use crate::lanes::{Inst, Len, Program, STRIP, Stmt};
use crate::spec::{ContractSpec, ROW_BLOCK, Slot};
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;
use tancho_ir::Dim;

/// Rows and columns of the tile at 128 bits: as many accumulators as fit beside one row of the right operand.
pub const TILE: (u8, u8) = (4, 8);

/// The tiles a product of `n` columns needs: whole ones, then one row at a time, narrower and narrower.
fn tiles(m: Len, n: Len) -> Vec<(u8, u8)> {
    let (many, wide) = (!m.is(1), if let Len::Const(n) = n { n >= STRIP } else { true });
    let rest = |width: i64| if let Len::Const(n) = n { n % STRIP >= width && (width == 4 || n % 4 != 0) } else { true };
    let mut t = Vec::new();
    if wide && many {
        t.push(TILE);
    }
    if wide {
        t.push((1, STRIP as u8));
    }
    t.extend([4, 1].into_iter().filter(|w| rest(*w)).map(|w| (1, w as u8)));
    t
}

pub fn tile_program(shape: (u8, u8), k: Len, a_row: Len, slots: usize, epilogue: &[Inst]) -> Program {
    let body = epilogue
        .iter()
        .map(|i| match *i {
            Inst::Load { ptr, step, row_step, mem } => Inst::Load { ptr: ptr + 2, step, row_step, mem },
            Inst::Store { ptr, step, row_step, mem, value } => Inst::Store { ptr: ptr + 2, step, row_step, mem, value },
            other => other,
        })
        .collect();
    let stmt = Stmt::Tile { rows: shape.0, cols: shape.1, k, a: 0, a_row, b: 1, body };
    Program { ptrs: 2 + slots as u16, ints: 0, slots: 0, stmts: vec![stmt] }
}

fn row_of(s: &Slot) -> Len {
    s.strides.last().copied().unwrap_or(Len::Const(0))
}

pub fn programs(s: &ContractSpec) -> Vec<Program> {
    let mut p: Vec<Program> = tiles(s.m, s.n).into_iter().map(|t| tile_program(t, s.k, row_of(&s.a), s.slots.len(), &s.epilogue)).collect();
    p.extend(s.rows.iter().map(|(work, _)| work.program.clone()));
    p
}

pub fn extents(s: &ContractSpec) -> Option<(Dim, Dim)> {
    let blocks = dim_of(s.m).ceil_div(&Dim::constant(ROW_BLOCK)).ok()?;
    let rows = s.rows.as_ref().map_or(0, |(w, _)| ROW_BLOCK + i64::from(w.scratch_rows));
    let scratch = dim_of(s.n).times(&Dim::constant(4 * rows)).ok()?;
    Some((product_of(&s.batch)?.times(&blocks).ok()?, if s.scratch.is_some() { scratch } else { Dim::constant(0) }))
}

/// The columns of a product cut into tiles: calls `tile(program, width, first column)`.
/// Columns are taken in strips, then by fours, then one by one.
pub struct Columns {
    list: Vec<(u8, u8)>,
}

impl Columns {
    pub fn new(m: Len, n: Len) -> Columns {
        Columns { list: tiles(m, n) }
    }

    pub fn programs(&self) -> &[(u8, u8)] {
        &self.list
    }

    fn find(&self, shape: (u8, u8)) -> Option<usize> {
        self.list.iter().position(|t| *t == shape)
    }

    /// `rows` is a range; `left(c, r)` the left operand's row, `right(c, j)` column `j` of the packed strips,
    /// `slots(c, r, j)` the pointers of the epilogue.
    #[allow(clippy::too_many_arguments)]
    pub fn run(
        &self,
        n: &Nest,
        c: &mut Code<'_, '_>,
        first_program: usize,
        rows: (Value, Value),
        cols: Value,
        extra: &[Value],
        left: &dyn Fn(&mut Code<'_, '_>, Value) -> Pointer,
        right: &dyn Fn(&mut Code<'_, '_>, Value) -> Pointer,
        slots: &dyn Fn(&mut Code<'_, '_>, Value, Value) -> Vec<Pointer>,
    ) {
        let zero = c.int(0);
        let call = |c: &mut Code<'_, '_>, shape: (u8, u8), from: Value, to: Value, j: Value, b: Pointer| {
            let Some(program) = self.find(shape) else { return };
            c.for_each(from, to, i64::from(shape.0), &mut |c, r| {
                let mut ptrs = vec![left(c, r), b];
                ptrs.extend(slots(c, r, j));
                n.call(c, first_program + program, &ptrs, extra);
            });
        };
        let wide = c.b.ins().band_imm_s(cols, -STRIP);
        if self.find((1, STRIP as u8)).is_some() {
            // The rows that fill whole tiles, then the rest one by one.
            let count = c.b.ins().isub(rows.1, rows.0);
            let whole = c.b.ins().band_imm_s(count, -i64::from(TILE.0));
            let split = if self.find(TILE).is_some() { c.add(rows.0, whole) } else { rows.0 };
            c.for_each(zero, wide, STRIP, &mut |c, j| {
                for part in (0..STRIP).step_by(TILE.1 as usize) {
                    let j = c.add_imm(j, part);
                    let b = right(c, j);
                    call(c, TILE, rows.0, split, j, b);
                }
                let b = right(c, j);
                call(c, (1, STRIP as u8), split, rows.1, j, b);
            });
        }
        let by_four = c.b.ins().band_imm_s(cols, -4);
        for (from, to, width) in [(wide, by_four, 4u8), (by_four, cols, 1)] {
            if self.find((1, width)).is_some() {
                c.for_each(from, to, i64::from(width), &mut |c, j| {
                    let b = right(c, j);
                    call(c, (1, width), rows.0, rows.1, j, b);
                });
            }
        }
    }
}

/// Column `j` of packed strips of `k` rows that start at `b`.
pub fn strip_column(c: &mut Code<'_, '_>, b: Pointer, k: Value, j: Value) -> Pointer {
    let strip = c.b.ins().sshr_imm_s(j, 4);
    let inside = c.b.ins().band_imm_s(j, STRIP - 1);
    let size = c.mul_imm(k, STRIP);
    let at = c.mul(strip, size);
    let at = c.add(at, inside);
    let bytes = c.mul_imm(at, 4);
    c.moved(b, bytes)
}

pub fn build(s: &ContractSpec, n: &mut Nest, c: &mut Code<'_, '_>, begin: Value, end: Value) {
    let (m, cols, k) = (n.len(c, s.m), n.len(c, s.n), n.len(c, s.k));
    let blocks = ceil_div(c, m, ROW_BLOCK);
    let columns = Columns::new(s.m, s.n);
    let row_program = columns.programs().len();
    c.for_each(begin, end, 1, &mut |c, u| {
        let (batch, block) = (c.b.ins().udiv(u, blocks), c.b.ins().urem(u, blocks));
        let coords = decode(n, c, batch, &s.batch);
        let m0 = c.mul_imm(block, ROW_BLOCK);
        let m1 = c.add_imm(m0, ROW_BLOCK);
        let m1 = min(c, m1, m);
        let a = address(n, c, &s.a, &coords);
        let b = address(n, c, &s.b, &coords);
        let bases: Vec<Pointer> = s.slots.iter().map(|slot| address(n, c, slot, &coords)).collect();
        // A block buffer starts at the block's first row.
        let row_in = |c: &mut Code<'_, '_>, slot: &Slot, r: Value| if slot.block { c.b.ins().isub(r, m0) } else { r };
        columns.run(n, c, 0, (m0, m1), cols, &[], &|c, r| row_at(n, c, &s.a, a, r), &|c, j| strip_column(c, b, k, j), &|c, r, j| {
            (s.slots.iter().zip(&bases))
                .map(|(slot, base)| {
                    let r = row_in(c, slot, r);
                    let p = row_at(n, c, slot, *base, r);
                    let across = n.times(c, j, slot.step);
                    let across = c.mul_imm(across, slot.mem.size());
                    c.moved(p, across)
                })
                .collect()
        });
        if let Some((work, slots)) = &s.rows {
            let bases: Vec<Pointer> = slots.iter().map(|slot| address(n, c, slot, &coords)).collect();
            let mut scratch = Vec::new();
            if let Some(buffer) = s.scratch {
                let base = n.buffer(c, buffer);
                for i in 0..work.scratch_rows {
                    let bytes = c.mul_imm(cols, 4 * (ROW_BLOCK + i64::from(i)));
                    scratch.push(c.moved(base, bytes));
                }
            }
            c.for_each(m0, m1, 1, &mut |c, r| {
                let mut ptrs: Vec<Pointer> = (slots.iter().zip(&bases))
                    .map(|(slot, base)| {
                        let r = row_in(c, slot, r);
                        row_at(n, c, slot, *base, r)
                    })
                    .collect();
                ptrs.extend(&scratch);
                n.call(c, row_program, &ptrs, &[]);
            });
        }
    });
}

/// A slot's pointer moved to row `r`.
fn row_at(n: &Nest, c: &mut Code<'_, '_>, s: &Slot, base: Pointer, r: Value) -> Pointer {
    let down = n.times(c, r, row_of(s));
    let down = c.mul_imm(down, s.mem.size());
    c.moved(base, down)
}
