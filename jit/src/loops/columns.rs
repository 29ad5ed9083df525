//! A block of a product cut into tiles: groups of columns from wide to narrow, and in
//! each group bands of rows from high to low.

use super::Menu;
use crate::code::{Code, Pointer};
use crate::codegen::Nest;
use crate::lanes::x86::Width;
use crate::lanes::{Len, STRIP, Terms};
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;

/// Columns done together, and the tiles that do them.
#[derive(Clone, Debug)]
struct Group {
    /// Columns of the group.
    width: i64,
    /// Tiles as rows and columns; the columns divide the group's. The last has one row.
    bands: Vec<(u8, u8)>,
}

/// How a product of `m` rows and `n` columns is cut.
pub struct Columns {
    groups: Vec<Group>,
    /// For two to four rows: as many columns as registers allow, since so few rows hide no latency.
    few: Vec<Group>,
    /// For one row alone: more columns at a time, to hide the latency of the sums.
    single: Vec<Group>,
    /// Rows, columns and terms of the tiles.
    shapes: Vec<(u8, u8, Terms)>,
    /// Terms of tiles of many rows, and of few.
    terms: (Terms, Terms),
    /// Rows of the whole product.
    m: Len,
}

fn group(width: i64, rows: &[u8]) -> Group {
    Group { width, bands: rows.iter().map(|r| (*r, width as u8)).collect() }
}

/// How many columns a product has.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// Any number.
    Any(Len),
    /// Whole strips, how many is known when it runs.
    Strips,
}

/// Groups for many rows and for one row, `main` columns being the widest; those that a constant number of
/// columns has no use for are left out.
fn menu(menu: Menu, main: i64, n: Count, terms: (Terms, Terms)) -> (Vec<Group>, Vec<Group>) {
    let narrow_tails = [group(4, &[1]), group(1, &[1])];
    let (mut many, mut single) = match menu {
        // As many accumulators as fit beside a row of the right operand; one row takes a whole strip.
        Menu::Narrow => {
            (vec![Group { width: STRIP, bands: vec![(4, 8), (1, 16)] }], vec![group(STRIP, &[1])])
        }
        Menu::Wide(machine) => {
            let high = |cols: i64| heights(machine.rows((cols + STRIP - 1) / STRIP, terms.0).unwrap_or(2));
            let many = match n {
                // All columns behind the last whole group are one tile, masked if they are no whole vectors.
                Count::Any(Len::Const(n)) if n % main > 0 => {
                    vec![group(main, &high(main)), group(n % main, &high(n % main))]
                }
                _ => {
                    let mut widths = vec![main, 2 * STRIP, STRIP];
                    widths.retain(|w| *w <= main);
                    widths.dedup();
                    widths.into_iter().map(|w| group(w, &high(w))).collect()
                }
            };
            // One row: more columns at a time, to hide the latency of the sums. Two terms a line take half as
            // many.
            let most = match machine.width {
                Some(Width::Z) if terms.1 == Terms::Halves => 64,
                Some(Width::Z) => 128,
                _ if terms.1.group().is_some() => 32,
                _ => 64,
            };
            (many, (0..4).map(|i| most >> i).filter(|w| *w >= STRIP).map(|w| group(w, &[1])).collect())
        }
    };
    match (menu, n) {
        (_, Count::Strips) => {}
        (_, Count::Any(Len::Const(n))) if n % STRIP == 0 => {}
        (Menu::Wide(_), Count::Any(Len::Const(n))) => single.push(group(n % STRIP, &[1])),
        _ => {
            many.extend(narrow_tails.clone());
            single.extend(narrow_tails);
        }
    }
    if let Count::Any(Len::Const(n)) = n {
        // Columns may be divided among threads, so that a smaller group is used though a larger one divides
        // `n`.
        single.retain(|g| g.width <= n);
        let mut left = n;
        many.retain(|g| {
            let has = left >= g.width;
            left %= g.width;
            has
        });
    }
    (many, single)
}

/// Rows that are few.
const FEW: i64 = 4;

/// Groups for two to [`FEW`] rows, each height a tile of its own, so that each weight is read once; columns
/// are divided among threads by `main`. Only a known number of columns has them, and only 512 bits the
/// registers.
fn few(menu: Menu, main: i64, n: Count, terms: Terms) -> Vec<Group> {
    let (Menu::Wide(machine), Count::Any(Len::Const(n))) = (menu, n) else { return Vec::new() };
    if machine.width != Some(Width::Z) {
        return Vec::new();
    }
    // Whatever the widest leaves of the columns, the next must end where they end.
    let widest = if 6 * STRIP % main == 0 && terms.group().is_none() { 6 * STRIP } else { main };
    let mut widths = vec![widest, main, n % main];
    widths.retain(|w| (1..=n).contains(w));
    widths.dedup();
    widths.into_iter().map(|w| group(w, &[4, 3, 2])).collect()
}

/// Heights of tiles: the highest, then what is left over by halves.
fn heights(most: i64) -> Vec<u8> {
    let mut all = vec![most as u8];
    all.extend([4u8, 2, 1].into_iter().filter(|h| i64::from(*h) < most));
    all
}

impl Columns {
    /// The cut of a product of `m` rows and `n` columns, `main` of them at a time at most.
    pub fn new(which: Menu, main: i64, m: Len, n: Count, terms: (Terms, Terms)) -> Columns {
        let (mut groups, single) = menu(which, main, n, terms);
        let mut few = few(which, main, n, terms.1);
        if m.is(1) {
            (groups, few) = (Vec::new(), Vec::new());
        }
        Columns::of(groups, few, single, terms, m)
    }

    fn of(groups: Vec<Group>, few: Vec<Group>, single: Vec<Group>, terms: (Terms, Terms), m: Len) -> Columns {
        let mut shapes: Vec<(u8, u8, Terms)> = Vec::new();
        let few_rows = few.iter().chain(&single).flat_map(|g| &g.bands).map(|b| (b.0, b.1, terms.1));
        for s in groups.iter().flat_map(|g| &g.bands).map(|b| (b.0, b.1, terms.0)).chain(few_rows) {
            if !shapes.contains(&s) {
                shapes.push(s);
            }
        }
        Columns { groups, few, single, shapes, terms, m }
    }

    /// The same for blocks of pixels: few rows alone are too rare for tiles of their own.
    pub fn of_pixels(which: Menu, main: i64, n: Count) -> Columns {
        Columns::of(
            menu(which, main, n, (Terms::F32, Terms::F32)).0,
            Vec::new(),
            Vec::new(),
            (Terms::F32, Terms::F32),
            Len::Arg(0),
        )
    }

    /// Rows, columns and terms of the tiles, in the order of their programs.
    pub fn shapes(&self) -> &[(u8, u8, Terms)] {
        &self.shapes
    }

    /// Emits the loops. `rows` and `cols` are ranges, the latter from the start of a
    /// group; `left(c, r)` gives the left operand's row, `right(c, j)`
    /// column `j` of the packed strips, `slots(c, r, j)` the pointers of the epilogue.
    pub fn run(
        &self,
        n: &Nest,
        c: &mut Code<'_, '_>,
        rows: (Value, Value),
        cols: (Value, Value),
        calls: &Calls<'_>,
    ) {
        let begin = |c: &mut Code<'_, '_>, terms: Terms| {
            if let (Some(begin), true) = (calls.begin, terms.converts()) {
                begin(c);
            }
        };
        if self.groups.is_empty() {
            begin(c, self.terms.1);
            return self.groups_over((&self.single, self.terms.1), n, c, rows, cols, calls);
        }
        // Where few rows have other terms, those of the whole product decide: a row's result must not depend
        // on how rows are divided among threads.
        let count =
            if self.terms.0 == self.terms.1 { c.b.ins().isub(rows.1, rows.0) } else { n.len(c, self.m) };
        let after = c.b.create_block();
        for (most, groups) in [(1, &self.single), (FEW, &self.few)].into_iter().filter(|(_, g)| !g.is_empty())
        {
            let (these, others) = (c.b.create_block(), c.b.create_block());
            let fits = c.b.ins().icmp_imm_s(IntCC::SignedLessThanOrEqual, count, most);
            c.b.ins().brif(fits, these, &[], others, &[]);
            c.b.switch_to_block(these);
            c.b.seal_block(these);
            begin(c, self.terms.1);
            self.groups_over((groups, self.terms.1), n, c, rows, cols, calls);
            c.b.ins().jump(after, &[]);
            c.b.switch_to_block(others);
            c.b.seal_block(others);
        }
        begin(c, self.terms.0);
        self.groups_over((&self.groups, self.terms.0), n, c, rows, cols, calls);
        c.b.ins().jump(after, &[]);
        c.b.switch_to_block(after);
        c.b.seal_block(after);
    }

    fn groups_over(
        &self,
        (groups, terms): (&[Group], Terms),
        n: &Nest,
        c: &mut Code<'_, '_>,
        rows: (Value, Value),
        cols: (Value, Value),
        calls: &Calls<'_>,
    ) {
        let (mut from, end) = cols;
        for g in groups {
            // As many whole groups as the columns left have.
            let left = c.b.ins().isub(end, from);
            let over = c.b.ins().srem_imm_s(left, g.width);
            let to = c.b.ins().isub(end, over);
            c.for_each(from, to, g.width, &mut |c, j| self.bands((g, terms), n, c, rows, j, calls));
            from = to;
        }
    }

    /// The bands of one group of columns.
    fn bands(
        &self,
        (g, terms): (&Group, Terms),
        n: &Nest,
        c: &mut Code<'_, '_>,
        rows: (Value, Value),
        j: Value,
        calls: &Calls<'_>,
    ) {
        let mut from = rows.0;
        for shape in &g.bands {
            let Some(program) = self.shapes.iter().position(|s| *s == (shape.0, shape.1, terms)) else {
                continue;
            };
            let high = i64::from(shape.0);
            let left = c.b.ins().isub(rows.1, from);
            let over = c.b.ins().srem_imm_s(left, high);
            let to = c.b.ins().isub(rows.1, over);
            for part in (0..g.width).step_by(usize::from(shape.1)) {
                let j = c.add_imm(j, part);
                let b = (calls.right)(c, j);
                let ahead = (calls.ahead)((shape.0, shape.1), terms);
                let next = (ahead > 0).then(|| {
                    let behind = c.add_imm(j, i64::from(shape.1));
                    (calls.right)(c, behind)
                });
                c.for_each(from, to, high, &mut |c, r| {
                    let mut ptrs = vec![(calls.left)(c, r, terms), b];
                    ptrs.extend((calls.slots)(c, r, j));
                    // Each band brings its part.
                    ptrs.extend(next.map(|next| {
                        let done = c.b.ins().isub(r, from);
                        let band = c.b.ins().sdiv_imm_s(done, high);
                        let at = c.mul_imm(band, ahead);
                        c.moved(next, at)
                    }));
                    n.call(c, calls.first + program, &ptrs, calls.extra);
                });
            }
            from = to;
        }
    }
}

/// What the tiles of a product are called with.
pub struct Calls<'a> {
    /// The number of the first tile's program.
    pub first: usize,
    /// Integers of the nest's own.
    pub extra: &'a [Value],
    /// The left operand's row.
    pub left: &'a dyn Fn(&mut Code<'_, '_>, Value, Terms) -> Pointer,
    /// What comes before tiles whose terms are no f32 of the left operand.
    pub begin: Option<&'a dyn Fn(&mut Code<'_, '_>)>,
    /// Bytes that a tile of that shape and these terms brings nearer, of the columns that come next.
    pub ahead: &'a dyn Fn((u8, u8), Terms) -> i64,
    /// A column of the packed strips.
    pub right: &'a dyn Fn(&mut Code<'_, '_>, Value) -> Pointer,
    /// The pointers of the epilogue at a row and column.
    pub slots: &'a dyn Fn(&mut Code<'_, '_>, Value, Value) -> Vec<Pointer>,
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
