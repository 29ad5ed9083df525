//! Products: row blocks, strips of 16 columns, tiles; then row work on the block
//! while it is in cache. A unit is one row block of one batch.

use super::columns::{Calls, Columns, strip_column};
use super::{Menu, address, ceil_div, decode, dim_of, min, product_of};
use crate::code::{Code, Pointer};
use crate::functions::Nest;
use crate::lanes::{Inst, Len, Program, Stmt};
use crate::spec::{ContractSpec, ROW_BLOCK, Slot};
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;
use tancho_ir::Dim;

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

pub fn programs(s: &ContractSpec, menu: Menu) -> Vec<Program> {
    let columns = Columns::new(menu, s.m, s.n);
    let tile = |t: &(u8, u8)| tile_program(*t, s.k, row_of(&s.a), s.slots.len(), &s.epilogue);
    let mut p: Vec<Program> = columns.shapes().iter().map(tile).collect();
    p.extend(s.rows.iter().map(|(work, _)| work.program.clone()));
    p
}

pub fn extents(s: &ContractSpec) -> Option<(Dim, Dim)> {
    let blocks = dim_of(s.m).ceil_div(&Dim::constant(ROW_BLOCK)).ok()?;
    let rows = s.rows.as_ref().map_or(0, |(w, _)| ROW_BLOCK + i64::from(w.scratch_rows));
    let scratch = dim_of(s.n).times(&Dim::constant(4 * rows)).ok()?;
    Some((product_of(&s.batch)?.times(&blocks).ok()?, if s.scratch.is_some() { scratch } else { Dim::constant(0) }))
}

pub fn build(s: &ContractSpec, n: &mut Nest, c: &mut Code<'_, '_>, begin: Value, end: Value) {
    let (m, cols, k) = (n.len(c, s.m), n.len(c, s.n), n.len(c, s.k));
    let blocks = ceil_div(c, m, ROW_BLOCK);
    let columns = Columns::new(n.menu, s.m, s.n);
    let row_program = columns.shapes().len();
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
        let calls = Calls {
            first: 0,
            extra: &[],
            left: &|c, r| row_at(n, c, &s.a, a, r),
            right: &|c, j| strip_column(c, b, k, j),
            slots: &|c, r, j| {
                let at = |(slot, base): (&Slot, &Pointer), c: &mut Code<'_, '_>| {
                    let r = row_in(c, slot, r);
                    let p = row_at(n, c, slot, *base, r);
                    let across = n.times(c, j, slot.step);
                    let across = c.mul_imm(across, slot.mem.size());
                    c.moved(p, across)
                };
                s.slots.iter().zip(&bases).map(|x| at(x, c)).collect()
            },
        };
        columns.run(n, c, (m0, m1), cols, &calls);
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
