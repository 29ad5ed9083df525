//! Winograd's convolutions: patches of a block of tiles are transformed, each place of a patch is a matmul of
//! its own, and row programs take the results of a tile from the matmuls.

use super::window::Border;
use crate::code::{FunctionCode, Pointer};
use crate::lanes::schedule::Scheduled;
use crate::lanes::{Encoding, Inst, Len, Mem, Program, Ptr, Reg, Stmt, derive};
use crate::loops::LoopNest;
use crate::loops::address::{gathered, moved_floats};
use crate::loops::columns::{ColumnCount, Cut, Operands, Tiles, panel_column};
use crate::loops::nest::{Nest, Pointers, Pool, ProgramId, Span};
use crate::loops::program::{load, push, store};
use crate::loops::tile::TileProgram;
use crate::machine::Machine;
use crate::spec::extents::whole_panels;
use crate::spec::{Encodings, Slot, WinogradSpec, WorkPart};
use crate::winograd::{combine, matrices};
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;

/// The pointers of [`transform`].
struct Transform {
    /// The rows of a patch.
    rows: Vec<Pointer>,
    to: Pointer,
}

impl Pointers for Transform {
    fn in_order(mut self) -> Vec<Pointer> {
        self.rows.push(self.to);
        self.rows
    }
}

impl Transform {
    fn row(i: usize) -> u16 {
        i as u16
    }

    /// The pointer behind those of `rows` rows.
    fn to(rows: usize) -> u16 {
        rows as u16
    }
}

/// `Bt d B` of a patch, channel by channel. Places of the target lie `block * channels` apart.
fn transform(spec: &WinogradSpec) -> Program {
    let bt = matrices(spec.m as usize).bt;
    let side = spec.side() as usize;
    let (mut body, mut derived) = (Vec::new(), Vec::new());
    // Row by row of the result: few values are alive at a time, and loads cost less than registers.
    for (i, row) in bt.iter().enumerate() {
        let down: Vec<Option<Reg>> = (0..side)
            .map(|j| {
                combine(&mut body, push, row, |body, a| {
                    let ptr = derive(&mut derived, Transform::row(a), j as i64 * spec.window.column());
                    load(body, ptr)
                })
            })
            .collect();
        for (j, across) in bt.iter().enumerate() {
            let Some(value) = combine(&mut body, push, across, |_, j| down[j].unwrap_or(0)) else { continue };
            let place = (i * side + j) as i64;
            let ptr = derive(&mut derived, Transform::to(side), place * spec.block * spec.channels);
            store(&mut body, ptr, value);
        }
    }
    let stmt = Stmt::Map { len: Len::Const(spec.channels), body, reductions: Vec::new() };
    Program { ptrs: side as u16 + 1, derived, stmts: vec![stmt], ..Program::default() }
}

/// The pointers of the work on a result of a tile.
struct Work {
    /// The matmuls' results of the tile.
    products: Pointer,
    slots: Vec<Pointer>,
    scratch: Vec<Pointer>,
}

impl Pointers for Work {
    fn in_order(self) -> Vec<Pointer> {
        let mut all = vec![self.products];
        all.extend(self.slots);
        all.extend(self.scratch);
        all
    }
}

/// The loop nest of a convolution by Winograd's algorithm.
pub struct Winograd<'s> {
    spec: &'s WinogradSpec,
    tiles: Tiles,
    transform: ProgramId<Transform>,
    patch: Border,
    /// For each result of a tile.
    work: Vec<ProgramId<Work>>,
}

impl<'s> Winograd<'s> {
    /// Adds the programs.
    pub fn new(spec: &'s WinogradSpec, machine: Machine, pool: &mut Pool) -> Winograd<'s> {
        /// The only slot of the tiles.
        const PRODUCT: Ptr = Ptr::Arg(0);
        let columns = ColumnCount::Any(Len::Const(spec.columns));
        let cut = Cut { machine, main: spec.cols, columns, encodings: Encodings::F32 };
        let (channels, row_step) = (Len::Const(spec.channels), Len::Const(spec.columns));
        let store = Inst::Store { ptr: PRODUCT, step: Len::ONE, row_step, mem: Mem::F32, value: 0 };
        let tiles = Tiles::new(cut.of_pixels(), pool, WorkPart::Own, |shape| {
            let tile = TileProgram {
                shape,
                k: channels,
                panel: channels,
                left_row: channels,
                left_step: Len::ONE,
                slots: 1,
                epilogue: &[Inst::Acc, store],
                prefetch: 0,
            };
            tile.build()
        });
        let transform = pool.add(&transform(spec));
        let patch = Border::new(spec.patch_window(), pool);
        let add = |(i, work): (usize, &Scheduled)| pool.add_part(&work.program, WorkPart::Work(i));
        let work = spec.work.iter().enumerate().map(add).collect();
        Winograd { spec, tiles, transform, patch, work }
    }

    /// What all units share.
    fn frame(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>) -> Frame {
        let spec = self.spec;
        let base = nest.scratch(code, spec.scratch);
        let mut floats = 0;
        let mut next = |size: i64| {
            let bytes = code.int(4 * floats);
            floats += size;
            code.moved(base, bytes)
        };
        let patches = next(spec.patch_floats());
        let products = next(spec.product_floats());
        let scratch = next(spec.scratch_rows() * spec.columns);
        let patch = next(0);
        let filters = nest.buffer(code, spec.filters);
        let mut across = |len: Len| {
            let len = nest.len(code, len);
            code.ceil_div(len, spec.m)
        };
        let [rows, columns] = spec.window.out;
        let (tile_rows, tile_columns) = (across(rows), across(columns));
        let tiles = code.mul(tile_rows, tile_columns);
        let images = nest.len(code, spec.images);
        let all_tiles = code.mul(tiles, images);
        let (rows, columns) = (nest.len(code, rows), nest.len(code, columns));
        let zero = code.int(0);
        Frame {
            patches,
            products,
            scratch,
            patch,
            filters,
            tile_columns,
            tiles,
            all_tiles,
            rows,
            columns,
            zero,
        }
    }
}

impl LoopNest for Winograd<'_> {
    fn build(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, units: Span) {
        let (spec, frame) = (self.spec, self.frame(nest, code));
        code.for_spans(units.from, units.to, &mut |code, unit| {
            let per_part = code.ceil_div(frame.all_tiles, spec.unit);
            let (part, at) = (code.ins().udiv(unit, per_part), code.ins().urem(unit, per_part));
            let (left, inside) = (code.sub(units.to, unit), code.sub(per_part, at));
            let most = code.int(spec.block / spec.unit);
            let done = code.min(left, most);
            let done = code.min(done, inside);
            let column = code.mul_imm(part, spec.columns);
            let first = code.mul_imm(at, spec.unit);
            let behind = code.add(at, done);
            let behind = code.mul_imm(behind, spec.unit);
            let behind = code.min(behind, frame.all_tiles);
            let count = code.sub(behind, first);
            let block = TileBlock { winograd: self, nest, frame: &frame, unit: at, column, first, count };
            block.transform(code);
            block.matmuls(code);
            block.results(code);
            done
        });
    }
}

/// What all units share.
struct Frame {
    /// Parts of working memory: the transformed patches of a block, the matmuls' results, scratch rows, and
    /// one patch of the image.
    patches: Pointer,
    products: Pointer,
    scratch: Pointer,
    patch: Pointer,
    filters: Pointer,
    /// Tiles of a row of an image, of an image, and of all images.
    tile_columns: Value,
    tiles: Value,
    all_tiles: Value,
    /// Rows and columns of the result.
    rows: Value,
    columns: Value,
    zero: Value,
}

/// A block of tiles, for a part of the output channels.
struct TileBlock<'a> {
    winograd: &'a Winograd<'a>,
    nest: &'a Nest,
    frame: &'a Frame,
    /// The first unit, counted within the part.
    unit: Value,
    /// The first output channel.
    column: Value,
    /// The first tile, and how many there are.
    first: Value,
    count: Value,
}

impl TileBlock<'_> {
    /// The image of a tile of the block, and the tile's row and column there.
    fn place(&self, code: &mut FunctionCode<'_, '_>, tile: Value) -> [Value; 3] {
        let tile = code.add(self.first, tile);
        let tiles = self.frame.tiles;
        let (image, inside) = (code.ins().udiv(tile, tiles), code.ins().urem(tile, tiles));
        let across = self.frame.tile_columns;
        [image, code.ins().udiv(inside, across), code.ins().urem(inside, across)]
    }

    /// Transforms the patches.
    fn transform(&self, code: &mut FunctionCode<'_, '_>) {
        let (Winograd { spec, transform, patch, .. }, frame) = (self.winograd, self.frame);
        code.for_each(frame.zero, self.count, 1, &mut |code, tile| {
            let [image, row, column] = self.place(code, tile);
            let rows = patch.rows(self.nest, code, image, [row, column], frame.patch);
            let to = moved_floats(code, frame.patches, tile, spec.channels);
            self.nest.call(code, *transform, Transform { rows, to });
        });
    }

    /// The matmul of each place of the patches.
    fn matmuls(&self, code: &mut FunctionCode<'_, '_>) {
        let (spec, frame) = (self.winograd.spec, self.frame);
        let (places, k) = (code.int(spec.places()), code.int(spec.channels));
        let width = code.int(spec.columns);
        let filters = spec.parts * whole_panels(spec.columns) * spec.channels;
        let own = moved_floats(code, frame.filters, self.column, spec.channels);
        let (rows, columns) =
            (Span { from: frame.zero, to: self.count }, Span { from: frame.zero, to: width });
        code.for_each(frame.zero, places, 1, &mut |code, place| {
            let left = moved_floats(code, frame.patches, place, spec.block * spec.channels);
            let right = moved_floats(code, own, place, filters);
            let to = moved_floats(code, frame.products, place, spec.block * spec.columns);
            let operands = PlaceOperands { spec, left, right, to, k };
            self.winograd.tiles.run(self.nest, code, rows, columns, &operands);
        });
    }

    /// The results of the tiles, which are taken from the matmuls.
    fn results(&self, code: &mut FunctionCode<'_, '_>) {
        let Winograd { spec, work, .. } = self.winograd;
        code.for_each(self.frame.zero, self.count, 1, &mut |code, tile| {
            let [image, tile_row, tile_column] = self.place(code, tile);
            let products = moved_floats(code, self.frame.products, tile, spec.columns);
            for i in 0..work.len() {
                let (down, across) = (i as i64 / spec.m, i as i64 % spec.m);
                let row = code.mul_imm(tile_row, spec.m);
                let row = code.add_imm(row, down);
                let pixel = code.mul_imm(tile_column, spec.m);
                let pixel = code.add_imm(pixel, across);
                let row_inside = code.ins().icmp(IntCC::SignedLessThan, row, self.frame.rows);
                let inside = code.ins().icmp(IntCC::SignedLessThan, pixel, self.frame.columns);
                let both = code.ins().band(row_inside, inside);
                code.when(both, &mut |code| self.result(code, i, products, [image, row, pixel]));
            }
        });
    }

    /// Result `i` of a tile, at these coordinates of the whole result.
    fn result(&self, code: &mut FunctionCode<'_, '_>, i: usize, products: Pointer, coords: [Value; 3]) {
        let (Winograd { spec, work, .. }, nest) = (self.winograd, self.nest);
        let slot = |slot: &Slot| {
            let pointer = gathered(nest, code, slot, &coords, self.unit, 0);
            let across = nest.times(code, self.column, slot.step);
            let across = code.mul_imm(across, slot.mem.size());
            code.moved(pointer, across)
        };
        let slots = spec.slots.iter().map(slot).collect();
        let scratch = (0..spec.work[i].scratch_rows)
            .map(|row| {
                let bytes = code.int(4 * i64::from(row) * spec.columns);
                code.moved(self.frame.scratch, bytes)
            })
            .collect();
        nest.call(code, work[i], Work { products, slots, scratch });
    }
}

/// The operands of the matmul of one place of the patches.
struct PlaceOperands<'a> {
    spec: &'a WinogradSpec,
    left: Pointer,
    right: Pointer,
    to: Pointer,
    /// Length of the sums.
    k: Value,
}

impl Operands for PlaceOperands<'_> {
    fn left(&self, code: &mut FunctionCode<'_, '_>, row: Value, _terms: Encoding) -> Pointer {
        moved_floats(code, self.left, row, self.spec.channels)
    }

    fn right(&self, code: &mut FunctionCode<'_, '_>, column: Value) -> Pointer {
        panel_column(code, self.right, self.k, column)
    }

    fn slots(&self, code: &mut FunctionCode<'_, '_>, row: Value, column: Value) -> Vec<Pointer> {
        let row = moved_floats(code, self.to, row, self.spec.columns);
        vec![moved_floats(code, row, column, 1)]
    }
}
