//! Matmuls: blocks of rows, panels of 16 columns, tiles; then row work on the block while it is in cache.
//! Work is divided by rows, or by columns where rows are few. Row work then waits for all columns and is a
//! call of its own ([`UnitKind`]).

use super::LoopNest;
use super::address::{address, coordinates, moved_floats, row_at, row_stride};
use super::columns::{ColumnCount, Columns, Cut, Operands, Tiles, panel_column};
use super::conv::im2col::{Im2col, Pixels};
use super::convert::Conversion;
use super::nest::{Nest, Pool, ProgramId, Span};
use super::program::{self, Copy, WorkPointers};
use super::tile::{TileProgram, TileShape};
use crate::blob::UnitKind;
use crate::code::{FunctionCode, Pointer};
use crate::lanes::{Encoding, Len, Local, PANEL, UNROLL};
use crate::machine::Machine;
use crate::spec::{MatmulSpec, RowWork, Slot, WorkPart};
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;

/// Rows of the block at hand.
const ROWS: Local = Local(0);

/// The loop nest of a matmul.
pub struct Matmul<'s> {
    spec: &'s MatmulSpec,
    machine: Machine,
    tiles: Tiles,
    row_work: Option<(&'s RowWork, ProgramId<WorkPointers>)>,
    /// The left operand is what a window sees.
    window: Option<Im2col>,
    /// Rows of the left operand are converted for tiles of many.
    conversion: Option<Conversion>,
    /// Copies a column of a block of a transposed left operand.
    column: Option<ProgramId<Copy>>,
}

/// How a matmul is cut into tiles.
fn columns(spec: &MatmulSpec, machine: Machine) -> Columns {
    let (main, encodings) = (spec.blocking.cols, spec.encodings);
    let cut = Cut { machine, main, columns: ColumnCount::Any(spec.n), encodings };
    match spec.window {
        Some(_) => cut.of_pixels(),
        None => cut.of_rows(spec.m),
    }
}

/// Iterations of the loop over the sum of a tile.
fn iterations(encoding: Encoding, k: i64) -> i64 {
    match encoding.group() {
        Some(group) => k / group.terms,
        None => encoding.panel_rows(k) / UNROLL,
    }
}

/// Lines of memory that an iteration of a tile of many rows prefetches: the bands of a whole block prefetch
/// all of the next group of columns, which else the first of them would wait for.
fn prefetched_lines(spec: &MatmulSpec, machine: Machine, shape: TileShape) -> u8 {
    let (Some(_), Len::Const(k)) = (machine.width, spec.k) else { return 0 };
    let cut = spec.blocking;
    if i64::from(shape.rows) < cut.rows || i64::from(shape.cols) < cut.cols || spec.window.is_some() {
        return 0;
    }
    let (iterations, bands) = (iterations(shape.encoding, k), cut.block / cut.rows);
    if iterations == 0 || bands < 4 {
        return 0;
    }
    let lines = cut.cols / PANEL * shape.encoding.panel_rows(k);
    u8::try_from((lines + iterations * bands - 1) / (iterations * bands)).unwrap_or(0)
}

impl<'s> Matmul<'s> {
    /// Adds the programs.
    pub fn new(spec: &'s MatmulSpec, machine: Machine, pool: &mut Pool) -> Matmul<'s> {
        let left_row = |encoding: Encoding| match spec.k {
            Len::Const(k) if encoding.converts() => Len::Const(encoding.left_len(k)),
            _ if spec.transposed() => Len::ONE,
            _ => row_stride(&spec.a),
        };
        let left_step = if spec.transposed() { Len::Const(spec.blocking.block) } else { Len::ONE };
        let tiles = Tiles::new(columns(spec, machine), pool, WorkPart::Epilogue, |shape| {
            let tile = TileProgram {
                shape,
                k: spec.k,
                panel: spec.k,
                left_row: left_row(shape.encoding),
                left_step,
                slots: spec.slots.len(),
                epilogue: &spec.epilogue,
                prefetch: prefetched_lines(spec, machine, shape),
            };
            tile.build()
        });
        let row_work =
            spec.rows.as_ref().map(|rows| (rows, pool.add_part(&rows.work.program, WorkPart::Work(0))));
        let window = spec.window.as_ref().map(|window| Im2col::new(window, pool));
        let conversion = spec.converted().map(|(k, encoding)| Conversion::new(k, encoding, pool));
        let column = spec.transposed().then(|| {
            let from = (spec.a.mem, row_stride(&spec.a));
            pool.add(&program::copy(Len::Local(ROWS), from, Len::ONE))
        });
        Matmul { spec, machine, tiles, row_work, window, conversion, column }
    }

    /// What all units share.
    fn frame(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>) -> Frame {
        let spec = self.spec;
        let lines = match spec.k {
            Len::Const(k) => Len::Const(spec.encodings.many_rows.panel_rows(k)),
            k => k,
        };
        let (cols, lines) = (nest.len(code, spec.n), nest.len(code, lines));
        let mut is = |kind: UnitKind| code.ins().icmp_imm_s(IntCC::Equal, nest.unit_kind, kind as i64);
        let (by_rows, by_columns) = (is(UnitKind::Rows), is(UnitKind::Columns));
        let row_work = is(UnitKind::RowWork);
        // A thread's own block stays in its cache; columns divided among threads meet in the first block.
        let own = spec.scratch.map(|buffer| nest.scratch(code, buffer));
        let shared = spec.scratch.map(|buffer| nest.buffer(code, buffer));
        let block = own.zip(shared).map(|(own, shared)| {
            let addr = code.ins().select(by_rows, own.addr, shared.addr);
            Pointer { addr, ..own }
        });
        Frame { cols, lines, by_rows, by_columns, row_work, own, block }
    }

    /// The area that begins with unit `unit`: a block of rows, or columns of all rows.
    fn area(
        &self,
        nest: &Nest,
        code: &mut FunctionCode<'_, '_>,
        unit: Value,
        end: Value,
        by_columns: Value,
    ) -> Area {
        let (m, n, cut) = (nest.len(code, self.spec.m), nest.len(code, self.spec.n), self.spec.blocking);
        let zero = code.int(0);
        let pick = |code: &mut FunctionCode<'_, '_>, a: Value, b: Value| code.ins().select(by_columns, a, b);
        let (across, down) = (code.ceil_div(n, cut.cols), code.ceil_div(m, cut.rows));
        let per_batch = pick(code, across, down);
        let (batch, at) = (code.ins().udiv(unit, per_batch), code.ins().urem(unit, per_batch));
        let (left, inside) = (code.sub(end, unit), code.sub(per_batch, at));
        let most = code.min(left, inside);
        let block = code.int(cut.block / cut.rows);
        let block = code.min(most, block);
        let units = pick(code, most, block);
        let to = code.add(at, units);
        let part = |code: &mut FunctionCode<'_, '_>, by: i64, all: Value| {
            let (from, to) = (code.mul_imm(at, by), code.mul_imm(to, by));
            (from, code.min(to, all))
        };
        let (from, to) = part(code, cut.rows, m);
        let rows = Span { from: pick(code, zero, from), to: pick(code, m, to) };
        let (from, to) = part(code, cut.cols, n);
        let cols = Span { from: pick(code, from, zero), to: pick(code, to, n) };
        Area { rows, cols, units, batch }
    }
}

impl LoopNest for Matmul<'_> {
    fn build(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, units: Span) {
        let frame = self.frame(nest, code);
        code.for_spans(units.from, units.to, &mut |code, unit| {
            let area = self.area(nest, code, unit, units.to, frame.by_columns);
            let done = area.units;
            let block = RowBlock::new(self, nest, code, &frame, area);
            let Some((rows, program)) = self.row_work else {
                block.tiles(code);
                return done;
            };
            let wanted = code.ins().icmp_imm_s(IntCC::Equal, frame.row_work, 0);
            code.when(wanted, &mut |code| block.tiles(code));
            let wanted = code.ins().icmp_imm_s(IntCC::Equal, frame.by_columns, 0);
            code.when(wanted, &mut |code| block.row_work(code, rows, program));
            done
        });
    }
}

/// What all units share.
struct Frame {
    /// Columns of the result.
    cols: Value,
    /// Lines of 32 bits of a packed column.
    lines: Value,
    /// What the units are.
    by_rows: Value,
    by_columns: Value,
    row_work: Value,
    /// This thread's part of working memory.
    own: Option<Pointer>,
    /// Where rows of a block are kept that are not stored.
    block: Option<Pointer>,
}

/// Rows and columns of one batch.
struct Area {
    rows: Span,
    cols: Span,
    /// Units it makes up.
    units: Value,
    batch: Value,
}

/// An area with the addresses of its operands.
struct RowBlock<'a> {
    matmul: &'a Matmul<'a>,
    nest: &'a Nest,
    frame: &'a Frame,
    area: Area,
    /// Coordinates of the batch.
    coords: Vec<Value>,
    /// Where the left operand is copied to, if it is.
    copied: Option<Pointer>,
    a: Pointer,
    b: Pointer,
    /// The first row of a block that is not stored.
    first: Value,
}

impl<'a> RowBlock<'a> {
    fn new(
        matmul: &'a Matmul<'_>,
        nest: &'a Nest,
        code: &mut FunctionCode<'_, '_>,
        frame: &'a Frame,
        area: Area,
    ) -> RowBlock<'a> {
        let spec = matmul.spec;
        let coords = coordinates(nest, code, area.batch, &spec.batch);
        // Behind the block of rows: what a window sees, or converted rows.
        let copied = frame.own.map(|own| {
            let behind = code.mul_imm(frame.cols, 4 * spec.scratch_rows());
            code.moved(own, behind)
        });
        let a = match copied.filter(|_| spec.window.is_some()) {
            Some(copied) => copied,
            None => address(nest, code, &spec.a, &coords),
        };
        let b = address(nest, code, &spec.b, &coords);
        let zero = code.int(0);
        let first = code.ins().select(frame.by_rows, area.rows.from, zero);
        RowBlock { matmul, nest, frame, area, coords, copied, a, b, first }
    }

    /// Where each slot begins.
    fn bases(&self, code: &mut FunctionCode<'_, '_>, slots: &[Slot]) -> Vec<Pointer> {
        let base = |slot: &Slot| {
            let block = if slot.block { self.frame.block } else { None };
            block.unwrap_or_else(|| address(self.nest, code, slot, &self.coords))
        };
        slots.iter().map(base).collect()
    }

    /// A slot's pointer at a row of the result.
    fn slot_row(&self, code: &mut FunctionCode<'_, '_>, slot: &Slot, base: Pointer, row: Value) -> Pointer {
        let row = if slot.block { code.sub(row, self.first) } else { row };
        row_at(self.nest, code, slot, base, row)
    }

    /// All tiles of the area. Where the left operand is copied, a block of it at a time.
    fn tiles(&self, code: &mut FunctionCode<'_, '_>) {
        let (rows, size) = (self.area.rows, self.matmul.spec.blocking.block);
        let pixels = self.matmul.window.as_ref().map(|window| (window, self.pixels(code)));
        if self.matmul.conversion.is_none() && pixels.is_none() && self.matmul.column.is_none() {
            return self.tiles_of(code, rows, None);
        }
        code.for_each(rows.from, rows.to, size, &mut |code, from| {
            let to = code.add_imm(from, size);
            let to = code.min(to, rows.to);
            let rows = Span { from, to };
            if let Some((window, pixels)) = &pixels {
                window.block(self.nest, code, pixels, rows, self.a);
            }
            if let Some((column, to)) = self.matmul.column.zip(self.copied) {
                self.copy_columns(code, rows, column, to);
            }
            self.tiles_of(code, rows, Some(from));
        });
    }

    /// Copies these rows of a transposed left operand, column by column.
    fn copy_columns(
        &self,
        code: &mut FunctionCode<'_, '_>,
        rows: Span,
        column: ProgramId<Copy>,
        to: Pointer,
    ) {
        let spec = self.matmul.spec;
        let first = row_at(self.nest, code, &spec.a, self.a, rows.from);
        let (zero, k, count) = (code.int(0), self.nest.len(code, spec.k), code.sub(rows.to, rows.from));
        code.for_each(zero, k, 1, &mut |code, i| {
            let across = self.nest.times(code, i, spec.a.step);
            let from = moved_floats(code, first, across, 1);
            let to = moved_floats(code, to, i, spec.blocking.block);
            self.nest.call_with(code, column, Copy { from, to }, &[(ROWS, count)]);
        });
    }

    /// The tiles of these rows; the copy of the left operand begins with row `copied_from`.
    fn tiles_of(&self, code: &mut FunctionCode<'_, '_>, rows: Span, copied_from: Option<Value>) {
        let bases = self.bases(code, &self.matmul.spec.slots);
        let operands = BlockOperands { block: self, rows, copied_from, bases };
        self.matmul.tiles.run(self.nest, code, rows, self.area.cols, &operands);
    }

    /// Which pixels of the result the rows of the batch are.
    fn pixels(&self, code: &mut FunctionCode<'_, '_>) -> Pixels {
        let (spec, nest) = (self.matmul.spec, self.nest);
        let grouped = spec.window.as_ref().is_some_and(|window| window.grouped);
        let length = nest.len(code, spec.m);
        let mut number = self.area.batch;
        if grouped {
            let one = code.int(1);
            let each = spec.batch[1..].iter().fold(one, |product, len| nest.times(code, product, *len));
            number = code.ins().urem(self.area.batch, each);
        }
        Pixels { number, length, group: grouped.then(|| self.coords[0]) }
    }

    /// The work on the finished rows of the area.
    fn row_work(&self, code: &mut FunctionCode<'_, '_>, rows: &RowWork, program: ProgramId<WorkPointers>) {
        let bases = self.bases(code, &rows.slots);
        let block = self.matmul.spec.blocking.block;
        let scratch = |i| {
            let bytes = code.mul_imm(self.frame.cols, 4 * (block + i64::from(i)));
            self.frame.own.map(|base| code.moved(base, bytes))
        };
        let scratch: Vec<Pointer> = (0..rows.work.scratch_rows).filter_map(scratch).collect();
        let area = self.area.rows;
        code.for_each(area.from, area.to, 1, &mut |code, row| {
            let slots = (rows.slots.iter().zip(&bases))
                .map(|(slot, base)| self.slot_row(code, slot, *base, row))
                .collect();
            self.nest.call(code, program, WorkPointers { slots, scratch: scratch.clone() });
        });
    }
}

/// The operands of the tiles of some rows.
struct BlockOperands<'a> {
    block: &'a RowBlock<'a>,
    rows: Span,
    /// The row with which the copy of the left operand begins.
    copied_from: Option<Value>,
    /// Where the slots of the epilogue begin.
    bases: Vec<Pointer>,
}

impl BlockOperands<'_> {
    /// The number of a row in the copy of the left operand.
    fn number(&self, code: &mut FunctionCode<'_, '_>, row: Value) -> Value {
        match self.copied_from {
            Some(from) => code.sub(row, from),
            None => row,
        }
    }

    /// The conversion of rows, and where converted rows begin.
    fn conversion(&self) -> Option<(&Conversion, Pointer)> {
        self.block.matmul.conversion.as_ref().zip(self.block.copied)
    }

    /// A converted row.
    fn converted(
        &self,
        code: &mut FunctionCode<'_, '_>,
        row: Value,
        (conversion, to): (&Conversion, Pointer),
    ) -> Pointer {
        let number = self.number(code, row);
        let down = code.mul_imm(number, 4 * conversion.row());
        code.moved(to, down)
    }
}

impl Operands for BlockOperands<'_> {
    fn left(&self, code: &mut FunctionCode<'_, '_>, row: Value, encoding: Encoding) -> Pointer {
        let (block, spec) = (self.block, self.block.matmul.spec);
        if let Some(conversion) = self.conversion().filter(|_| encoding.converts()) {
            return self.converted(code, row, conversion);
        }
        if let (true, Some(copied)) = (spec.transposed(), block.copied) {
            let number = self.number(code, row);
            return moved_floats(code, copied, number, 1);
        }
        let row = if spec.window.is_some() { self.number(code, row) } else { row };
        row_at(block.nest, code, &spec.a, block.a, row)
    }

    fn right(&self, code: &mut FunctionCode<'_, '_>, column: Value) -> Pointer {
        panel_column(code, self.block.b, self.block.frame.lines, column)
    }

    fn slots(&self, code: &mut FunctionCode<'_, '_>, row: Value, column: Value) -> Vec<Pointer> {
        let block = self.block;
        let at = |(slot, base): (&Slot, &Pointer)| {
            let pointer = block.slot_row(code, slot, *base, row);
            let across = block.nest.times(code, column, slot.step);
            let across = code.mul_imm(across, slot.mem.size());
            code.moved(pointer, across)
        };
        block.matmul.spec.slots.iter().zip(&self.bases).map(at).collect()
    }

    fn convert(&self, code: &mut FunctionCode<'_, '_>) {
        let (block, Some((conversion, to))) = (self.block, self.conversion()) else { return };
        code.for_each(self.rows.from, self.rows.to, 1, &mut |code, row| {
            let from = row_at(block.nest, code, &block.matmul.spec.a, block.a, row);
            let to = self.converted(code, row, (conversion, to));
            conversion.convert(block.nest, code, from, to);
        });
    }

    fn prefetched(&self, shape: TileShape) -> i64 {
        let Matmul { spec, machine, .. } = self.block.matmul;
        match (prefetched_lines(spec, *machine, shape), spec.k) {
            (lines, Len::Const(k)) if lines > 0 => 64 * i64::from(lines) * iterations(shape.encoding, k),
            _ => 0,
        }
    }
}
