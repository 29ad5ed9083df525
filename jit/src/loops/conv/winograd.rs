//! Winograd's convolutions: patches of a block of tiles are transformed, each place of a patch is a product
//! of its own, and row programs take the results of a tile from the products.

use super::window;
use crate::code::{Code, Pointer};
use crate::codegen::Nest;
use crate::lanes::{Inst, Len, Mem, Program, Reg, STRIP, Stmt, Terms, derive};
use crate::loops::columns::{Calls, Columns, Count, strip_column};
use crate::loops::matmul::tile_program;
use crate::loops::{Extents, Menu, ceil_div, dim_of, gathered, min};
use crate::spec::{Slot, WindowSpec, WinogradSpec};
use crate::winograd::{combine, matrices};
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;
use tancho_ir::Dim;

const ONE: Len = Len::Const(1);
const NONE: Len = Len::Const(0);

impl WinogradSpec {
    fn side(&self) -> i64 {
        self.m + 2
    }

    /// Products of a tile.
    fn places(&self) -> i64 {
        self.side() * self.side()
    }

    /// The patch is a window of its own: it moves by whole tiles.
    fn patch(&self) -> WindowSpec {
        WindowSpec { kernel: [self.side(); 2], stride: [self.m; 2], ..self.window.clone() }
    }

    /// Floats of the transformed patches of a block.
    fn patches(&self) -> i64 {
        self.places() * self.block * self.channels
    }

    /// Floats of the products of a block.
    fn products(&self) -> i64 {
        self.places() * self.block * self.columns
    }

    fn scratch_rows(&self) -> i64 {
        self.work.iter().map(|w| i64::from(w.scratch_rows)).max().unwrap_or(0)
    }
}

fn columns(s: &WinogradSpec, menu: Menu) -> Columns {
    Columns::of_pixels(menu, s.cols, Count::Any(Len::Const(s.columns)))
}

/// `Bt d B` of a patch, channel by channel: pointers are the patch's rows and the target, whose places lie
/// `block * channels` apart.
fn transform(s: &WinogradSpec) -> Program {
    let bt = matrices(s.m as usize).bt;
    let side = s.side() as usize;
    let (mut body, mut derived) = (Vec::new(), Vec::new());
    let push = |body: &mut Vec<Inst>, i: Inst| {
        body.push(i);
        body.len() as Reg - 1
    };
    // Row by row of the result: few values are alive at a time, and loads cost less than registers.
    for (i, row) in bt.iter().enumerate() {
        let down: Vec<Option<Reg>> = (0..side)
            .map(|j| {
                combine(&mut body, push, row, |body, a| {
                    let ptr = derive(&mut derived, a as u16, j as i64 * s.window.column());
                    push(body, Inst::Load { ptr, step: ONE, row_step: NONE, mem: Mem::F32 })
                })
            })
            .collect();
        for (b, across) in bt.iter().enumerate() {
            let Some(value) = combine(&mut body, push, across, |_, j| down[j].unwrap_or(0)) else { continue };
            let place = (i * side + b) as i64;
            let ptr = derive(&mut derived, side as u16, place * s.block * s.channels);
            body.push(Inst::Store { ptr, step: ONE, row_step: NONE, mem: Mem::F32, value });
        }
    }
    let stmt = Stmt::Map { len: Len::Const(s.channels), body, folds: Vec::new() };
    Program { ptrs: side as u16 + 1, ints: 0, slots: 0, derived, stmts: vec![stmt] }
}

pub fn programs(s: &WinogradSpec, menu: Menu) -> Vec<Program> {
    let store = [
        Inst::Acc,
        Inst::Store { ptr: 0, step: ONE, row_step: Len::Const(s.columns), mem: Mem::F32, value: 0 },
    ];
    let channels = Len::Const(s.channels);
    let tile = |t: &(u8, u8, Terms)| tile_program((t.0, t.1), channels, channels, 1, &store);
    let mut p: Vec<Program> = columns(s, menu).shapes().iter().map(tile).collect();
    p.push(transform(s));
    p.extend(window::border(&s.window));
    p.extend(s.work.iter().map(|w| w.program.clone()));
    p
}

pub fn extents(s: &WinogradSpec) -> Option<Extents> {
    let tiles = |l: Len| dim_of(l).ceil_div(&Dim::constant(s.m)).ok();
    let all = dim_of(s.images).times(&tiles(s.window.out[0])?).ok()?.times(&tiles(s.window.out[1])?).ok()?;
    let floats = s.patches() + s.products() + s.scratch_rows() * s.columns + s.patch().patch();
    let units = all.ceil_div(&Dim::constant(s.unit)).ok()?.times(&Dim::constant(s.parts)).ok()?;
    Some(Extents { units, scratch: Dim::constant(4 * floats), columns: None })
}

/// Where a block's numbers are in scratch memory.
struct Areas {
    patches: Pointer,
    products: Pointer,
    rows: Pointer,
    patch: Pointer,
}

fn areas(s: &WinogradSpec, n: &Nest, c: &mut Code<'_, '_>) -> Areas {
    let base = n.scratch(c, s.scratch);
    let mut floats = 0;
    let mut next = |c: &mut Code<'_, '_>, size: i64| {
        let bytes = c.int(4 * floats);
        floats += size;
        c.moved(base, bytes)
    };
    Areas {
        patches: next(c, s.patches()),
        products: next(c, s.products()),
        rows: next(c, s.scratch_rows() * s.columns),
        patch: next(c, 0),
    }
}

/// Moves a pointer by elements of 4 bytes: `by` times a constant.
fn moved(c: &mut Code<'_, '_>, p: Pointer, by: Value, elements: i64) -> Pointer {
    let bytes = c.mul_imm(by, 4 * elements);
    c.moved(p, bytes)
}

pub fn build(s: &WinogradSpec, n: &mut Nest, c: &mut Code<'_, '_>, begin: Value, end: Value) {
    let columns = columns(s, n.menu);
    let transform = columns.shapes().len();
    let work = transform + 3;
    let patch = s.patch();
    let a = areas(s, n, c);
    let filters = n.buffer(c, s.filters);
    let across = |c: &mut Code<'_, '_>, l: Len| {
        let l = n.len(c, l);
        ceil_div(c, l, s.m)
    };
    let (high, wide) = (across(c, s.window.out[0]), across(c, s.window.out[1]));
    let tiles = c.mul(high, wide);
    let images = n.len(c, s.images);
    let all = c.mul(tiles, images);
    let (rows, cols) = (n.len(c, s.window.out[0]), n.len(c, s.window.out[1]));
    let zero = c.int(0);
    let place = |c: &mut Code<'_, '_>, t: Value| {
        let (number, inside) = (c.b.ins().udiv(t, tiles), c.b.ins().urem(t, tiles));
        [number, c.b.ins().udiv(inside, wide), c.b.ins().urem(inside, wide)]
    };
    c.for_spans(begin, end, &mut |c, u| {
        let per_part = ceil_div(c, all, s.unit);
        let (part, at) = (c.b.ins().udiv(u, per_part), c.b.ins().urem(u, per_part));
        let (left, inside) = (c.b.ins().isub(end, u), c.b.ins().isub(per_part, at));
        let most = c.int(s.block / s.unit);
        let units = min(c, left, most);
        let units = min(c, units, inside);
        let u = at;
        let column = c.mul_imm(part, s.columns);
        let from = c.mul_imm(u, s.unit);
        let to = c.add(u, units);
        let to = c.mul_imm(to, s.unit);
        let to = min(c, to, all);
        let count = c.b.ins().isub(to, from);
        c.for_each(zero, count, 1, &mut |c, t| {
            let tile = c.add(from, t);
            let [number, th, tw] = place(c, tile);
            let mut ptrs = window::seen(&patch, n, c, (number, [th, tw]), a.patch, transform + 1);
            let to = moved(c, a.patches, t, s.channels);
            ptrs.push(to);
            n.call(c, transform, &ptrs, &[]);
        });
        let (places, k, width) = (c.int(s.places()), c.int(s.channels), c.int(s.columns));
        let strips = s.parts * ((s.columns + STRIP - 1) / STRIP);
        let own = moved(c, filters, column, s.channels);
        c.for_each(zero, places, 1, &mut |c, p| {
            let left = moved(c, a.patches, p, s.block * s.channels);
            let right = moved(c, own, p, strips * STRIP * s.channels);
            let to = moved(c, a.products, p, s.block * s.columns);
            let calls = Calls {
                first: 0,
                extra: &[],
                begin: None,
                ahead: &|_, _| 0,
                left: &|c, r, _| moved(c, left, r, s.channels),
                right: &|c, j| strip_column(c, right, k, j),
                slots: &|c, r, j| {
                    let row = moved(c, to, r, s.columns);
                    vec![moved(c, row, j, 1)]
                },
            };
            columns.run(n, c, (zero, count), (zero, width), &calls);
        });
        c.for_each(zero, count, 1, &mut |c, t| {
            let tile = c.add(from, t);
            let [number, th, tw] = place(c, tile);
            let products = moved(c, a.products, t, s.columns);
            for (i, w) in s.work.iter().enumerate() {
                let (down, across) = (i as i64 / s.m, i as i64 % s.m);
                let row = c.mul_imm(th, s.m);
                let row = c.add_imm(row, down);
                let pixel = c.mul_imm(tw, s.m);
                let pixel = c.add_imm(pixel, across);
                let there = c.b.ins().icmp(IntCC::SignedLessThan, row, rows);
                let here = c.b.ins().icmp(IntCC::SignedLessThan, pixel, cols);
                let both = c.b.ins().band(there, here);
                c.when(both, &mut |c| {
                    let coords = [number, row, pixel];
                    let mut ptrs = vec![products];
                    ptrs.extend(s.slots.iter().map(|slot: &Slot| {
                        let p = gathered(n, c, slot, &coords, u, 0);
                        let across = n.times(c, column, slot.step);
                        let across = c.mul_imm(across, slot.mem.size());
                        c.moved(p, across)
                    }));
                    ptrs.extend((0..w.scratch_rows).map(|r| {
                        let bytes = c.int(4 * i64::from(r) * s.columns);
                        c.moved(a.rows, bytes)
                    }));
                    n.call(c, work + i, &ptrs, &[]);
                });
            }
        });
        units
    });
}
