//! A block of a matmul cut into tiles: groups of columns from wide to narrow, and in each group bands of rows
//! from high to low.

use super::nest::{Nest, Pool, ProgramId, Span};
use super::tile::{TilePointers, TileShape};
use crate::code::{FunctionCode, Pointer};
use crate::lanes::x86::Width;
use crate::lanes::{Encoding, Len, Local, PANEL, Program};
use crate::machine::Machine;
use crate::spec::{Encodings, WorkPart};
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;

/// Up to this many rows are few.
const FEW: i64 = 4;
/// The highest tile of a remainder of rows: a higher remainder is two tiles.
const HALVED: i64 = 5;

/// Columns done together, and the tiles that do them.
#[derive(Clone, Debug)]
struct TileGroup {
    /// Columns of the group.
    width: i64,
    /// Tiles from high to low. Their columns divide the group's, and the last has one row.
    bands: Vec<TileShape>,
}

impl TileGroup {
    /// A group of tiles as wide as the group.
    fn new(width: i64, rows: &[u8], encoding: Encoding) -> TileGroup {
        let bands = rows.iter().map(|rows| TileShape { rows: *rows, cols: width as u8, encoding }).collect();
        TileGroup { width, bands }
    }

    /// Whether the bands are those of [`heights`], several of them.
    fn has_all_heights(&self) -> bool {
        let rows = self.bands.iter().map(|shape| shape.rows);
        self.bands.len() > 1 && rows.eq(heights(i64::from(self.bands[0].rows)))
    }
}

/// Groups of the emitter's tiles for one row alone.
fn one_row_groups(width: Width, encoding: Encoding) -> Vec<TileGroup> {
    // More columns at a time hide the latency of the sums. Two terms in a row of a panel take half as many.
    let most = match width {
        Width::Z if encoding == Encoding::Halves => 64,
        Width::Z => 128,
        _ if encoding.group().is_some() => 32,
        _ => 64,
    };
    let widths = (0..4).map(|i| most >> i).filter(|width| *width >= PANEL);
    widths.map(|width| TileGroup::new(width, &[1], encoding)).collect()
}

/// How many columns a matmul has.
#[derive(Clone, Copy, Debug)]
pub enum ColumnCount {
    /// Any number.
    Any(Len),
    /// Whole panels, how many is known when it runs.
    Panels,
}

/// How a matmul is cut.
pub struct Columns {
    /// For many rows.
    many: Vec<TileGroup>,
    /// For two to [`FEW`] rows: as many columns as registers allow, since so few rows hide no latency.
    few: Vec<TileGroup>,
    /// For one row alone: more columns at a time, to hide the latency of the sums.
    single: Vec<TileGroup>,
    /// What the operands are in tiles.
    encodings: Encodings,
    /// Rows of the whole matmul.
    m: Len,
}

/// What decides how a matmul is cut.
#[derive(Clone, Copy)]
pub struct Cut {
    /// Its width says which tiles there are.
    pub machine: Machine,
    /// Columns of the widest tile of many rows.
    pub main: i64,
    /// Columns of the matmul.
    pub columns: ColumnCount,
    /// What the operands are in tiles.
    pub encodings: Encodings,
}

impl Cut {
    /// Groups for many rows and for one row. Those that a constant number of columns has no use for are left
    /// out.
    fn groups(self) -> (Vec<TileGroup>, Vec<TileGroup>) {
        let Encodings { many_rows, few_rows } = self.encodings;
        let (mut many, mut single) = match self.machine.width {
            // One row takes a whole panel.
            None => {
                let (rows, cols) = self.machine.narrow_tile(many_rows);
                let tile = |rows: i64, cols: i64| TileShape {
                    rows: rows as u8,
                    cols: cols as u8,
                    encoding: many_rows,
                };
                let mut bands = vec![tile(rows, cols)];
                bands.extend(
                    [4, 2]
                        .into_iter()
                        .filter(|less| cols == PANEL && *less < rows)
                        .map(|rows| tile(rows, cols)),
                );
                bands.push(tile(1, PANEL));
                (vec![TileGroup { width: PANEL, bands }], vec![TileGroup::new(PANEL, &[1], few_rows)])
            }
            Some(width) => (self.many_rows(), one_row_groups(width, few_rows)),
        };
        match (self.machine.width, self.columns) {
            (_, ColumnCount::Panels) => {}
            (_, ColumnCount::Any(Len::Const(n))) if n % PANEL == 0 => {}
            (Some(_), ColumnCount::Any(Len::Const(n))) => {
                single.push(TileGroup::new(n % PANEL, &[1], few_rows))
            }
            _ => {
                let narrow = |encoding| [4, 1].map(|width| TileGroup::new(width, &[1], encoding));
                many.extend(narrow(many_rows));
                single.extend(narrow(few_rows));
            }
        }
        if let ColumnCount::Any(Len::Const(n)) = self.columns {
            // Columns may be divided among threads, so that a smaller group is used though a larger one
            // divides `n`.
            single.retain(|group| group.width <= n);
            let mut left = n;
            many.retain(|group| {
                let fits = left >= group.width;
                left %= group.width;
                fits
            });
        }
        (many, single)
    }

    /// Groups of the emitter's tiles for many rows.
    fn many_rows(self) -> Vec<TileGroup> {
        let (main, encoding) = (self.main, self.encodings.many_rows);
        let group = |width: i64| {
            let most = self.machine.rows((width + PANEL - 1) / PANEL, encoding).unwrap_or(2);
            TileGroup::new(width, &heights(most), encoding)
        };
        match self.columns {
            // All columns behind the last whole group are one tile, masked if they are no whole vectors.
            ColumnCount::Any(Len::Const(n)) if n % main > 0 => vec![group(main), group(n % main)],
            _ => {
                let mut widths = vec![main, 2 * PANEL, PANEL];
                widths.retain(|width| *width <= main);
                widths.dedup();
                widths.into_iter().map(group).collect()
            }
        }
    }

    /// Groups for two to [`FEW`] rows, each height a tile of its own, so that each weight is read once;
    /// columns are divided among threads by `main`. Only a known number of columns has them, and only 512
    /// bits have the registers.
    fn few_rows(self) -> Vec<TileGroup> {
        let (main, encoding) = (self.main, self.encodings.few_rows);
        let ColumnCount::Any(Len::Const(n)) = self.columns else { return Vec::new() };
        if self.machine.width != Some(Width::Z) {
            return Vec::new();
        }
        // Whatever the widest leaves of the columns, the next must end where they end.
        let widest = if 6 * PANEL % main == 0 && encoding.group().is_none() { 6 * PANEL } else { main };
        let mut widths = vec![widest, main, n % main];
        widths.retain(|width| (1..=n).contains(width));
        widths.dedup();
        widths.into_iter().map(|width| TileGroup::new(width, &[4, 3, 2], encoding)).collect()
    }

    /// The cut of a matmul of `m` rows.
    pub fn of_rows(self, m: Len) -> Columns {
        let (mut many, single) = self.groups();
        let mut few = self.few_rows();
        if m.is(1) {
            (many, few) = (Vec::new(), Vec::new());
        }
        Columns { many, few, single, encodings: self.encodings, m }
    }

    /// The cut for blocks of pixels: few rows alone are too rare for tiles of their own.
    pub fn of_pixels(self) -> Columns {
        let many = self.groups().0;
        let (few, single) = (Vec::new(), Vec::new());
        Columns { many, few, single, encodings: self.encodings, m: Len::Arg(0) }
    }
}

/// Heights of tiles: the highest, and all that [`Run::last_bands`] makes of a remainder.
fn heights(most: i64) -> Vec<u8> {
    let mut all = vec![most as u8];
    all.extend((1..=HALVED.min(most - 1) as u8).rev());
    all
}

/// Where the operands of a matmul's tiles are.
pub trait Operands {
    /// A row of the left operand, in this encoding.
    fn left(&self, code: &mut FunctionCode<'_, '_>, row: Value, encoding: Encoding) -> Pointer;

    /// A column of the packed panels.
    fn right(&self, code: &mut FunctionCode<'_, '_>, column: Value) -> Pointer;

    /// The pointers of the epilogue at a row and column.
    fn slots(&self, code: &mut FunctionCode<'_, '_>, row: Value, column: Value) -> Vec<Pointer>;

    /// Emits what comes before tiles for which the left operand is converted.
    fn convert(&self, _code: &mut FunctionCode<'_, '_>) {}

    /// Bytes of the columns that come next which a tile of that shape prefetches.
    fn prefetched(&self, _shape: TileShape) -> i64 {
        0
    }

    /// Integers of the nest that the tiles' programs take.
    fn locals(&self) -> Vec<(Local, Value)> {
        Vec::new()
    }
}

/// How a matmul is cut, with the programs of its tiles.
pub struct Tiles {
    columns: Columns,
    programs: Vec<(TileShape, ProgramId<TilePointers>)>,
}

impl Tiles {
    /// Adds a program for each shape of tile, each of which does that part of the kernel.
    pub fn new(
        columns: Columns,
        pool: &mut Pool,
        part: WorkPart,
        program: impl Fn(TileShape) -> Program,
    ) -> Tiles {
        let Columns { many, few, single, .. } = &columns;
        let mut programs: Vec<(TileShape, ProgramId<TilePointers>)> = Vec::new();
        for shape in many.iter().chain(few).chain(single).flat_map(|group| &group.bands) {
            if programs.iter().all(|(other, _)| other != shape) {
                programs.push((*shape, pool.add_part(&program(*shape), part)));
            }
        }
        Tiles { columns, programs }
    }

    /// Emits the loops over the tiles of these rows and columns, which begin where a group begins.
    pub fn run(
        &self,
        nest: &Nest,
        code: &mut FunctionCode<'_, '_>,
        rows: Span,
        cols: Span,
        operands: &dyn Operands,
    ) {
        let run = Run { tiles: self, nest, rows, cols, operands };
        let Columns { many, few, single, encodings: Encodings { many_rows, few_rows }, m } = &self.columns;
        if many.is_empty() {
            return run.all(code, single, *few_rows);
        }
        // Where few rows have another encoding, those of the whole matmul decide: a row's result must not
        // depend on how rows are divided among threads.
        let count = if many_rows == few_rows { code.sub(rows.to, rows.from) } else { nest.len(code, *m) };
        let after = code.builder.create_block();
        for (most, groups) in [(1, single), (FEW, few)].into_iter().filter(|(_, groups)| !groups.is_empty()) {
            let (these, others) = (code.builder.create_block(), code.builder.create_block());
            let fits = code.ins().icmp_imm_s(IntCC::SignedLessThanOrEqual, count, most);
            code.ins().brif(fits, these, &[], others, &[]);
            code.builder.switch_to_block(these);
            code.builder.seal_block(these);
            run.all(code, groups, *few_rows);
            code.ins().jump(after, &[]);
            code.builder.switch_to_block(others);
            code.builder.seal_block(others);
        }
        run.all(code, many, *many_rows);
        code.ins().jump(after, &[]);
        code.builder.switch_to_block(after);
        code.builder.seal_block(after);
    }
}

/// The loops over the tiles of a block.
struct Run<'a> {
    tiles: &'a Tiles,
    nest: &'a Nest,
    rows: Span,
    cols: Span,
    operands: &'a dyn Operands,
}

impl Run<'_> {
    /// All columns by groups in one encoding.
    fn all(&self, code: &mut FunctionCode<'_, '_>, groups: &[TileGroup], encoding: Encoding) {
        if encoding.converts() {
            self.operands.convert(code);
        }
        let mut from = self.cols.from;
        for group in groups {
            // As many whole groups as the columns left have.
            let left = code.sub(self.cols.to, from);
            let over = code.ins().srem_imm_s(left, group.width);
            let to = code.sub(self.cols.to, over);
            code.for_each(from, to, group.width, &mut |code, column| self.bands(code, group, column));
            from = to;
        }
    }

    /// The bands of one group of columns.
    fn bands(&self, code: &mut FunctionCode<'_, '_>, group: &TileGroup, column: Value) {
        let Some(highest) = group.bands.first().map(|shape| i64::from(shape.rows)) else { return };
        let split = group.has_all_heights().then(|| self.last_bands(code, highest));
        let mut from = self.rows.from;
        for (i, shape) in group.bands.iter().enumerate() {
            let high = i64::from(shape.rows);
            let to = match split {
                Some((whole, _)) if i == 0 => whole,
                // Those of the last two bands that have this height.
                Some((_, last)) => {
                    let mut one = |rows: Value| {
                        let is = code.ins().icmp_imm_s(IntCC::Equal, rows, high);
                        code.ins().uextend(types::I64, is)
                    };
                    let (first, second) = (one(last[0]), one(last[1]));
                    let count = code.add(first, second);
                    let rows = code.mul_imm(count, high);
                    code.add(from, rows)
                }
                None => {
                    let left = code.sub(self.rows.to, from);
                    let over = code.ins().srem_imm_s(left, high);
                    code.sub(self.rows.to, over)
                }
            };
            for part in (0..group.width).step_by(usize::from(shape.cols)) {
                let column = code.add_imm(column, part);
                self.band(code, *shape, Span { from, to }, column);
            }
            from = to;
        }
    }

    /// Where the highest bands end, and the heights of the two bands behind them; a height may be 0. A band
    /// of few rows takes as long as one of [`FEW`], since it waits for its sums: one of the highest bands is
    /// divided with it.
    fn last_bands(&self, code: &mut FunctionCode<'_, '_>, highest: i64) -> (Value, [Value; 2]) {
        let count = code.sub(self.rows.to, self.rows.from);
        let (whole, over) = (code.ins().sdiv_imm_s(count, highest), code.ins().srem_imm_s(count, highest));
        let zero = code.int(0);
        let some = code.ins().icmp_imm_s(IntCC::SignedGreaterThan, over, 0);
        // With a highest band they must be two bands that there are tiles for. Low tiles gain nothing.
        let most = if highest > FEW { FEW.min(2 * HALVED + 1 - highest) } else { 0 };
        let few = code.ins().icmp_imm_s(IntCC::SignedLessThan, over, most);
        let above = code.ins().icmp_imm_s(IntCC::SignedGreaterThan, whole, 0);
        let divided = code.ins().band(some, few);
        let divided = code.ins().band(divided, above);
        let given = code.int(highest);
        let given = code.ins().select(divided, given, zero);
        let over = code.add(over, given);
        let two = code.ins().icmp_imm_s(IntCC::SignedGreaterThan, over, HALVED.min(highest - 1));
        let half = code.ins().sshr_imm_s(over, 1);
        let second = code.ins().select(two, half, zero);
        let first = code.sub(over, second);
        let whole = code.sub(self.rows.to, over);
        (whole, [first, second])
    }

    /// Tiles of one shape one below the other.
    fn band(&self, code: &mut FunctionCode<'_, '_>, shape: TileShape, rows: Span, column: Value) {
        let program = self.tiles.programs.iter().find(|(other, _)| *other == shape);
        let Some((_, program)) = program else { panic!("a tile {shape:?} has no program") };
        let (high, operands) = (i64::from(shape.rows), self.operands);
        let right = operands.right(code, column);
        let bytes = operands.prefetched(shape);
        let next = (bytes > 0).then(|| {
            let behind = code.add_imm(column, i64::from(shape.cols));
            operands.right(code, behind)
        });
        code.for_each(rows.from, rows.to, high, &mut |code, row| {
            let left = operands.left(code, row, shape.encoding);
            let slots = operands.slots(code, row, column);
            // Each band prefetches its part.
            let prefetch = next.map(|next| {
                let done = code.sub(row, rows.from);
                let band = code.ins().sdiv_imm_s(done, high);
                let at = code.mul_imm(band, bytes);
                code.moved(next, at)
            });
            let tile = TilePointers { left, right, slots, prefetch };
            self.nest.call_with(code, *program, tile, &operands.locals());
        });
    }
}

/// Column `column` of packed panels of `k` rows that start at `packed`.
pub fn panel_column(code: &mut FunctionCode<'_, '_>, packed: Pointer, k: Value, column: Value) -> Pointer {
    let panel = code.ins().sshr_imm_s(column, i64::from(PANEL.trailing_zeros()));
    let inside = code.ins().band_imm_s(column, PANEL - 1);
    let size = code.mul_imm(k, PANEL);
    let at = code.mul(panel, size);
    let at = code.add(at, inside);
    let bytes = code.mul_imm(at, 4);
    code.moved(packed, bytes)
}
