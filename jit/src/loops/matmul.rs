//! Products: blocks of rows, strips of 16 columns, tiles; then row work on the block
//! while it is in cache. Work is divided by rows, or where they are few by columns:
//! then row work waits for all columns and is a call of its own ([`Part`]).

use super::columns::{Calls, Columns, Count, strip_column};
use super::conv::window;
use super::{Extents, Menu, address, ceil_div, convert, decode, dim_of, min, product_of};
use crate::blob::Part;
use crate::code::{Code, Pointer};
use crate::codegen::Nest;
use crate::lanes::{Inst, Len, Prefetch, Program, STRIP, Stmt, Terms, Tile, UNROLL};
use crate::spec::{MatmulSpec, Slot, WindowSpec};
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;
use tancho_ir::Dim;

/// A tile of f32 over strips as long as its sum.
pub fn tile_program(shape: (u8, u8), k: Len, a_row: Len, slots: usize, epilogue: &[Inst]) -> Program {
    tile_of(shape, (k, k, Terms::F32), a_row, slots, epilogue, 0)
}

/// A tile of a sum of `k` terms over strips of so many; with `lines` that a turn brings nearer, their pointer
/// is the last.
pub fn tile_of(
    shape: (u8, u8),
    (k, strip, terms): (Len, Len, Terms),
    a_row: Len,
    slots: usize,
    epilogue: &[Inst],
    lines: u8,
) -> Program {
    let body = epilogue
        .iter()
        .map(|i| match *i {
            Inst::Load { ptr, step, row_step, mem } => Inst::Load { ptr: ptr + 2, step, row_step, mem },
            Inst::Store { ptr, step, row_step, mem, value } => {
                Inst::Store { ptr: ptr + 2, step, row_step, mem, value }
            }
            other => other,
        })
        .collect();
    let prefetch = (lines > 0).then_some(Prefetch { ptr: 2 + slots as u16, lines });
    let stmt = Stmt::Tile(Tile {
        rows: shape.0,
        cols: shape.1,
        k,
        panel: strip,
        left: 0,
        left_row: a_row,
        right: 1,
        encoding: terms,
        prefetch,
        body,
    });
    Program {
        ptrs: 2 + slots as u16 + u16::from(lines > 0),
        ints: 0,
        slots: 0,
        derived: Vec::new(),
        stmts: vec![stmt],
    }
}

fn row_of(s: &Slot) -> Len {
    s.strides.last().copied().unwrap_or(Len::Const(0))
}

/// Terms of a sum, if rows of the left operand are brought into another form for tiles of many.
fn converted(s: &MatmulSpec) -> Option<(i64, Terms)> {
    match s.k {
        Len::Const(k) if s.terms.0.converts() => Some((k, s.terms.0)),
        _ => None,
    }
}

fn columns(s: &MatmulSpec, menu: Menu) -> Columns {
    match s.window {
        Some(_) => Columns::of_pixels(menu, s.blocking.cols, Count::Any(s.n)),
        None => Columns::new(menu, s.blocking.cols, s.m, Count::Any(s.n), s.terms),
    }
}

/// Lines a turn that tiles of many rows bring nearer: the bands of a whole block bring all of the next group
/// of columns, which else the first of them would wait for.
fn lines_ahead(s: &MatmulSpec, menu: Menu, (rows, cols): (u8, u8), terms: Terms) -> u8 {
    let (Menu::Wide(_), Len::Const(k)) = (menu, s.k) else { return 0 };
    if i64::from(rows) < s.blocking.rows || i64::from(cols) < s.blocking.cols || s.window.is_some() {
        return 0;
    }
    let (turns, bands) = (turns(terms, k), s.blocking.block / s.blocking.rows);
    if turns == 0 || bands < 4 {
        return 0;
    }
    let lines = s.blocking.cols / STRIP * terms.lines(k);
    u8::try_from((lines + turns * bands - 1) / (turns * bands)).unwrap_or(0)
}

/// Turns of the loop over the sum of a tile.
fn turns(terms: Terms, k: i64) -> i64 {
    match terms.group() {
        Some(group) => k / group.terms,
        None => terms.lines(k) / UNROLL,
    }
}

pub fn programs(s: &MatmulSpec, menu: Menu) -> Vec<Program> {
    let columns = columns(s, menu);
    let row = |t: Terms| match (t, s.k) {
        (t, Len::Const(k)) if t.converts() => Len::Const(t.left(k)),
        _ => row_of(&s.a),
    };
    let tile = |t: &(u8, u8, Terms)| {
        let lines = lines_ahead(s, menu, (t.0, t.1), t.2);
        tile_of((t.0, t.1), (s.k, s.k, t.2), row(t.2), s.slots.len(), &s.epilogue, lines)
    };
    let mut p: Vec<Program> = columns.shapes().iter().map(tile).collect();
    p.extend(s.rows.iter().map(|(work, _)| work.program.clone()));
    if let Some(w) = &s.window {
        p.extend(window::border(w));
        p.extend(window::gather(w));
    }
    p.extend(converted(s).map(|(_, terms)| convert::program(terms, s.k)));
    p
}

pub fn extents(s: &MatmulSpec) -> Option<Extents> {
    let (batch, cut) = (product_of(&s.batch)?, s.blocking);
    let parts = |l: Len, by: i64| dim_of(l).ceil_div(&Dim::constant(by)).ok();
    let rows = s.rows.as_ref().map_or(0, |(w, _)| cut.block + i64::from(w.scratch_rows));
    Some(Extents {
        units: batch.times(&parts(s.m, cut.rows)?).ok()?,
        scratch: match s.scratch {
            Some(_) => dim_of(s.n)
                .times(&Dim::constant(4 * rows))
                .ok()?
                .plus(&Dim::constant(window_bytes(s)))
                .ok()?,
            None => Dim::constant(0),
        },
        columns: Some(batch.times(&parts(s.n, cut.cols)?).ok()?),
    })
}

/// Bytes of a block of what a window sees, or of rows in another form.
fn window_bytes(s: &MatmulSpec) -> i64 {
    match (&s.window, converted(s)) {
        (Some(w), _) => 4 * s.blocking.block * w.terms(),
        (None, Some((k, terms))) => (4 * s.blocking.block * terms.left(k) + 63) / 64 * 64,
        _ => 0,
    }
}

/// Rows and columns of one batch, as values.
struct Area {
    rows: (Value, Value),
    cols: (Value, Value),
    /// Units it makes up.
    units: Value,
    batch: Value,
}

/// The area that begins with unit `u`: a block of rows, or columns of all rows.
fn area(s: &MatmulSpec, n: &Nest, c: &mut Code<'_, '_>, (u, end): (Value, Value), by_columns: Value) -> Area {
    let (m, cols, cut) = (n.len(c, s.m), n.len(c, s.n), s.blocking);
    let zero = c.int(0);
    let pick = |c: &mut Code<'_, '_>, a: Value, b: Value| c.b.ins().select(by_columns, a, b);
    let (across, down) = (ceil_div(c, cols, cut.cols), ceil_div(c, m, cut.rows));
    let per_batch = pick(c, across, down);
    let (batch, at) = (c.b.ins().udiv(u, per_batch), c.b.ins().urem(u, per_batch));
    let (left, inside) = (c.b.ins().isub(end, u), c.b.ins().isub(per_batch, at));
    let most = min(c, left, inside);
    let block = c.int(cut.block / cut.rows);
    let block = min(c, most, block);
    let units = pick(c, most, block);
    let to = c.add(at, units);
    let mut range = |by: i64, whole: bool, all: Value| {
        let (from, to) = (c.mul_imm(at, by), c.mul_imm(to, by));
        let to = min(c, to, all);
        let (a, b) = if whole { ((zero, from), (all, to)) } else { ((from, zero), (to, all)) };
        (pick(c, a.0, a.1), pick(c, b.0, b.1))
    };
    let rows = range(cut.rows, true, m);
    let cols = range(cut.cols, false, cols);
    Area { rows, cols, units, batch }
}

pub fn build(s: &MatmulSpec, n: &mut Nest, c: &mut Code<'_, '_>, begin: Value, end: Value) {
    let lines = match s.k {
        Len::Const(k) => Len::Const(s.terms.0.lines(k)),
        k => k,
    };
    let (cols, lines) = (n.len(c, s.n), n.len(c, lines));
    let columns = columns(s, n.menu);
    let row_program = columns.shapes().len();
    let converted = converted(s);
    let converter = row_program + usize::from(s.rows.is_some());
    let is = |c: &mut Code<'_, '_>, p: Part| c.b.ins().icmp_imm_s(IntCC::Equal, n.part, p as i64);
    let (by_rows, by_columns, row_work) = (is(c, Part::Rows), is(c, Part::Columns), is(c, Part::RowWork));
    // A thread's own block holds its rows at hand; columns divided among threads meet in the first one.
    let own = s.scratch.map(|b| n.scratch(c, b));
    let shared = s.scratch.map(|b| n.buffer(c, b));
    let block = own.zip(shared).map(|(own, shared)| {
        let addr = c.b.ins().select(by_rows, own.addr, shared.addr);
        Pointer { addr, ..own }
    });
    c.for_spans(begin, end, &mut |c, u| {
        let Area { rows, cols: across, units, batch } = area(s, n, c, (u, end), by_columns);
        let coords = decode(n, c, batch, &s.batch);
        // Behind the block of rows: what a window sees, or rows in another form.
        let copied = own.map(|own| {
            let rows = s.rows.as_ref().map_or(0, |(w, _)| s.blocking.block + i64::from(w.scratch_rows));
            let behind = c.mul_imm(cols, 4 * rows);
            c.moved(own, behind)
        });
        let a = match copied.filter(|_| s.window.is_some()) {
            Some(copied) => copied,
            None => address(n, c, &s.a, &coords),
        };
        let b = address(n, c, &s.b, &coords);
        let zero = c.int(0);
        let first = c.b.ins().select(by_rows, rows.0, zero);
        let bases = |c: &mut Code<'_, '_>, slots: &[Slot]| -> Vec<Pointer> {
            let base = |slot: &Slot| {
                if slot.block { block } else { None }.unwrap_or_else(|| address(n, c, slot, &coords))
            };
            slots.iter().map(base).collect()
        };
        let row_in = |c: &mut Code<'_, '_>, slot: &Slot, r: Value| {
            if slot.block { c.b.ins().isub(r, first) } else { r }
        };
        let tiles_of = |c: &mut Code<'_, '_>, rows: (Value, Value), begins: Option<Value>| {
            let bases = bases(c, &s.slots);
            let copied_row = |c: &mut Code<'_, '_>, r: Value, (k, terms): (i64, Terms), to: Pointer| {
                let r = begins.map_or(r, |b| c.b.ins().isub(r, b));
                let down = c.mul_imm(r, 4 * terms.left(k));
                c.moved(to, down)
            };
            let convert = |c: &mut Code<'_, '_>| {
                let Some((row, to)) = converted.zip(copied) else { return };
                c.for_each(rows.0, rows.1, 1, &mut |c, r| {
                    let from = row_at(n, c, &s.a, a, r);
                    let to = copied_row(c, r, row, to);
                    convert::row(n, c, converter, row, (from, to));
                });
            };
            let calls = Calls {
                first: 0,
                extra: &[],
                left: &|c, r, terms| match converted.zip(copied).filter(|_| terms.converts()) {
                    Some((row, to)) => copied_row(c, r, row, to),
                    None if s.window.is_some() => {
                        let r = begins.map_or(r, |b| c.b.ins().isub(r, b));
                        row_at(n, c, &s.a, a, r)
                    }
                    None => row_at(n, c, &s.a, a, r),
                },
                begin: converted.is_some().then_some(&convert),
                right: &|c, j| strip_column(c, b, lines, j),
                ahead: &|shape, terms| match (lines_ahead(s, n.menu, shape, terms), s.k) {
                    (0, _) | (_, Len::Arg(_)) => 0,
                    (count, Len::Const(k)) => 64 * i64::from(count) * turns(terms, k),
                },
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
            columns.run(n, c, rows, across, &calls);
        };
        let tiles = &mut |c: &mut Code<'_, '_>| {
            if converted.is_some() {
                return c.for_each(rows.0, rows.1, s.blocking.block, &mut |c, from| {
                    let to = c.add_imm(from, s.blocking.block);
                    let to = min(c, to, rows.1);
                    tiles_of(c, (from, to), Some(from));
                });
            }
            let Some(w) = &s.window else { return tiles_of(c, rows, None) };
            let block = window_block(s, w, n, c, (batch, &coords));
            c.for_each(rows.0, rows.1, s.blocking.block, &mut |c, from| {
                let to = c.add_imm(from, s.blocking.block);
                let to = min(c, to, rows.1);
                window::block(w, n, c, &block, (from, to), a, row_program + usize::from(s.rows.is_some()));
                tiles_of(c, (from, to), Some(from));
            });
        };
        let Some((work, slots)) = &s.rows else {
            tiles(c);
            return units;
        };
        let wanted = c.b.ins().icmp_imm_s(IntCC::Equal, row_work, 0);
        c.when(wanted, tiles);
        let wanted = c.b.ins().icmp_imm_s(IntCC::Equal, by_columns, 0);
        c.when(wanted, &mut |c| {
            let bases = bases(c, slots);
            let scratch = |i| {
                let bytes = c.mul_imm(cols, 4 * (s.blocking.block + i64::from(i)));
                own.map(|base| c.moved(base, bytes))
            };
            let scratch: Vec<Pointer> = (0..work.scratch_rows).filter_map(scratch).collect();
            c.for_each(rows.0, rows.1, 1, &mut |c, r| {
                let mut ptrs: Vec<Pointer> = (slots.iter().zip(&bases))
                    .map(|(slot, base)| {
                        let r = row_in(c, slot, r);
                        row_at(n, c, slot, *base, r)
                    })
                    .collect();
                ptrs.extend(&scratch);
                n.call(c, row_program, &ptrs, &[]);
            });
        });
        units
    });
}

/// Which pixels of the result the rows of a batch are.
fn window_block(
    s: &MatmulSpec,
    w: &WindowSpec,
    n: &Nest,
    c: &mut Code<'_, '_>,
    (batch, coords): (Value, &[Value]),
) -> window::Block {
    let length = n.len(c, s.m);
    let mut number = batch;
    if w.grouped {
        let one = c.int(1);
        let per = s.batch[1..].iter().fold(one, |p, l| n.times(c, p, *l));
        number = c.b.ins().urem(batch, per);
    }
    window::Block { number, length, group: w.grouped.then(|| coords[0]) }
}

/// A slot's pointer moved to row `r`.
fn row_at(n: &Nest, c: &mut Code<'_, '_>, s: &Slot, base: Pointer, r: Value) -> Pointer {
    let down = n.times(c, r, row_of(s));
    let down = c.mul_imm(down, s.mem.size());
    c.moved(base, down)
}
