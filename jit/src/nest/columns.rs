//! A block of a product cut into tiles: groups of columns from wide to narrow, and in
//! each group bands of rows from high to low.

use super::Menu;
use crate::code::{Code, Pointer};
use crate::functions::Nest;
use crate::lanes::{Len, STRIP};
use crate::wide::Width;
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
    /// For one row alone: more columns at a time, to hide the latency of the sums.
    single: Vec<Group>,
    shapes: Vec<(u8, u8)>,
}

fn group(width: i64, rows: &[u8]) -> Group {
    Group { width, bands: rows.iter().map(|r| (*r, width as u8)).collect() }
}

/// Groups for many rows and for one row; those that a constant `n` has no columns for are left out.
fn menu(menu: Menu, n: Len) -> (Vec<Group>, Vec<Group>) {
    let rest = |n: i64| (n > 0).then_some(n);
    let tail = if let Len::Const(n) = n { rest(n % STRIP) } else { None };
    let narrow_tails = [group(4, &[1]), group(1, &[1])];
    let (mut many, mut single) = match menu {
        // As many accumulators as fit beside a row of the right operand; one row takes a whole strip.
        Menu::Narrow => (vec![Group { width: STRIP, bands: vec![(4, 8), (1, 16)] }], vec![group(STRIP, &[1])]),
        Menu::Wide(Width::Y) => (vec![group(STRIP, &[6, 4, 2, 1])], vec![group(64, &[1]), group(STRIP, &[1])]),
        Menu::Wide(Width::Z) => (vec![group(48, &[8, 4, 2, 1]), group(STRIP, &[8, 4, 2, 1])], vec![group(128, &[1]), group(STRIP, &[1])]),
    };
    match (menu, tail, n) {
        (_, None, Len::Const(_)) => {}
        // A known rest is one masked tile.
        (Menu::Wide(w), Some(rest), _) => {
            many.push(group(rest, w.pick(&[6, 4, 2, 1], &[8, 4, 2, 1])));
            single.push(group(rest, &[1]));
        }
        _ => {
            many.extend(narrow_tails.clone());
            single.extend(narrow_tails);
        }
    }
    if let Len::Const(n) = n {
        let fits = |mut left: i64| {
            move |g: &Group| {
                let has = left >= g.width;
                left %= g.width;
                has
            }
        };
        let (mut a, mut b) = (fits(n), fits(n));
        many.retain(&mut a);
        single.retain(&mut b);
    }
    (many, single)
}

impl Columns {
    /// The cut of a product of `m` rows and `n` columns.
    pub fn new(which: Menu, m: Len, n: Len) -> Columns {
        let (groups, single) = menu(which, n);
        let groups = if m.is(1) { Vec::new() } else { groups };
        let mut shapes: Vec<(u8, u8)> = Vec::new();
        for s in groups.iter().chain(&single).flat_map(|g| &g.bands) {
            if !shapes.contains(s) {
                shapes.push(*s);
            }
        }
        Columns { groups, single, shapes }
    }

    /// Rows and columns of the tiles, in the order of their programs.
    pub fn shapes(&self) -> &[(u8, u8)] {
        &self.shapes
    }

    /// Emits the loops. `rows` is a range; `left(c, r)` gives the left operand's row, `right(c, j)`
    /// column `j` of the packed strips, `slots(c, r, j)` the pointers of the epilogue.
    pub fn run(&self, n: &Nest, c: &mut Code<'_, '_>, rows: (Value, Value), cols: Value, calls: &Calls<'_>) {
        if self.groups.is_empty() {
            return self.groups_over(&self.single, n, c, rows, cols, calls);
        }
        let count = c.b.ins().isub(rows.1, rows.0);
        let alone = c.b.ins().icmp_imm_s(IntCC::Equal, count, 1);
        let (one, many, after) = (c.b.create_block(), c.b.create_block(), c.b.create_block());
        c.b.ins().brif(alone, one, &[], many, &[]);
        for (block, groups) in [(one, &self.single), (many, &self.groups)] {
            c.b.switch_to_block(block);
            c.b.seal_block(block);
            self.groups_over(groups, n, c, rows, cols, calls);
            c.b.ins().jump(after, &[]);
        }
        c.b.switch_to_block(after);
        c.b.seal_block(after);
    }

    fn groups_over(&self, groups: &[Group], n: &Nest, c: &mut Code<'_, '_>, rows: (Value, Value), cols: Value, calls: &Calls<'_>) {
        let mut from = c.int(0);
        for g in groups {
            // As many whole groups as the columns left have.
            let left = c.b.ins().isub(cols, from);
            let over = c.b.ins().srem_imm_s(left, g.width);
            let to = c.b.ins().isub(cols, over);
            c.for_each(from, to, g.width, &mut |c, j| self.bands(g, n, c, rows, j, calls));
            from = to;
        }
    }

    /// The bands of one group of columns.
    fn bands(&self, g: &Group, n: &Nest, c: &mut Code<'_, '_>, rows: (Value, Value), j: Value, calls: &Calls<'_>) {
        let mut from = rows.0;
        for shape in &g.bands {
            let Some(program) = self.shapes.iter().position(|s| s == shape) else { continue };
            let high = i64::from(shape.0);
            let left = c.b.ins().isub(rows.1, from);
            let over = c.b.ins().srem_imm_s(left, high);
            let to = c.b.ins().isub(rows.1, over);
            for part in (0..g.width).step_by(usize::from(shape.1)) {
                let j = c.add_imm(j, part);
                let b = (calls.right)(c, j);
                c.for_each(from, to, high, &mut |c, r| {
                    let mut ptrs = vec![(calls.left)(c, r), b];
                    ptrs.extend((calls.slots)(c, r, j));
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
    pub left: &'a dyn Fn(&mut Code<'_, '_>, Value) -> Pointer,
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
