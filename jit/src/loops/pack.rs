//! Packing a right operand into panels `[N / 16][K][16]`. A unit is one panel.
//! Columns behind the last stay as they are: no tile reads them.

use super::LoopNest;
use super::address::{address, along, coordinates, moved_floats};
use super::nest::{Nest, Pointers, Pool, ProgramId, Span};
use super::program::{self, Copy, load_of, map, push, store};
use crate::code::{FunctionCode, Pointer};
use crate::lanes::{Len, Local, Mem, PANEL, Program, Ptr, derive};
use crate::spec::PackSpec;
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;

/// Columns of the panel at hand.
const WIDTH: Local = Local(0);

/// How many rows of a whole panel one call copies, and where these are.
#[derive(Clone, Copy)]
struct Together {
    rows: u16,
    /// Elements from one row to the next, if that is known. Else each row has a pointer.
    apart: Option<i64>,
}

impl Together {
    fn of(spec: &PackSpec) -> Together {
        match spec.from.strides.last() {
            // The elements of a column lie side by side: one call takes them by whole cache lines.
            Some(&Len::ONE) => Together { rows: 16, apart: Some(1) },
            Some(Len::Const(n)) => Together { rows: 8, apart: Some(*n) },
            _ => Together { rows: 4, apart: None },
        }
    }

    /// Pointers to rows.
    fn pointers(self) -> u16 {
        if self.apart.is_some() { 1 } else { self.rows }
    }

    /// Copies rows of a whole panel.
    fn program(self, step: Len) -> Program {
        let (mut body, mut derived) = (Vec::new(), Vec::new());
        for i in 0..self.rows {
            let from = match self.apart {
                Some(n) => derive(&mut derived, 0, i64::from(i) * n),
                None => Ptr::Arg(i),
            };
            let value = push(&mut body, load_of(from, step, Mem::F32));
            let to = derive(&mut derived, self.pointers(), i64::from(i) * PANEL);
            store(&mut body, to, value);
        }
        map(PANEL, self.pointers() + 1, derived, body)
    }
}

/// The pointers of a program that copies several rows.
struct Rows {
    from: Vec<Pointer>,
    /// The first of the rows in the panel, which lie one after the other.
    to: Pointer,
}

impl Pointers for Rows {
    fn in_order(self) -> Vec<Pointer> {
        let mut all = self.from;
        all.push(self.to);
        all
    }
}

/// The loop nest that packs a right operand.
pub struct Pack<'s> {
    spec: &'s PackSpec,
    copy: ProgramId<Copy>,
    /// Copies several rows of a whole panel.
    several: ProgramId<Rows>,
    together: Together,
}

impl<'s> Pack<'s> {
    /// Adds the programs that copy rows of a panel.
    pub fn new(spec: &'s PackSpec, pool: &mut Pool) -> Pack<'s> {
        let copy = program::copy(Len::Local(WIDTH), (Mem::F32, spec.from.step), Len::ONE);
        let (copy, together) = (pool.add(&copy), Together::of(spec));
        let several = pool.add(&together.program(spec.from.step));
        Pack { spec, copy, several, together }
    }

    /// Row `i` along the last axis of the rows, of the panel whose first column is at `from`.
    fn row(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, from: Pointer, i: Value) -> Pointer {
        let from_strides = &self.spec.from.strides;
        along(nest, code, from, self.spec.from.mem, &[i], &from_strides[from_strides.len() - 1..])
    }

    /// Copies panels: `whole` of them, then one of `over` columns up to the number of `count`.
    fn panels(
        &self,
        nest: &Nest,
        code: &mut FunctionCode<'_, '_>,
        panels: &Panels<'_>,
        [whole, count, over]: [Value; 3],
    ) {
        let Some((_, outer)) = self.spec.k.split_last() else { return };
        let copy = |code: &mut FunctionCode<'_, '_>, panels: &Panels<'_>| {
            panels.whole(code, whole);
            let zero = code.int(0);
            code.for_each(whole, count, 1, &mut |code, number| {
                panels.rows(code, number, Span { from: zero, to: panels.rows }, over);
            });
        };
        if outer.is_empty() {
            return copy(code, panels);
        }
        let (zero, one) = (code.int(0), code.int(1));
        let all = outer.iter().fold(one, |product, len| nest.times(code, product, *len));
        let strides = &self.spec.from.strides[self.spec.batch.len()..];
        code.for_each(zero, all, 1, &mut |code, number| {
            let coords = coordinates(nest, code, number, outer);
            let from = along(nest, code, panels.from, self.spec.from.mem, &coords, strides);
            let before = code.mul(number, panels.rows);
            let to = moved_floats(code, panels.to, before, PANEL);
            copy(code, &Panels { from, to, ..*panels });
        });
    }
}

/// Rows along the last axis of the rows, of panels of one batch that lie side by side.
#[derive(Clone, Copy)]
struct Panels<'a> {
    pack: &'a Pack<'a>,
    nest: &'a Nest,
    /// Their first row and column.
    from: Pointer,
    /// The first of them when packed.
    to: Pointer,
    /// How many rows.
    rows: Value,
    /// Rows of a panel along all axes.
    k: Value,
}

impl Panels<'_> {
    /// Panel `number`: its first row and column, and where it goes.
    fn panel(&self, code: &mut FunctionCode<'_, '_>, number: Value) -> Copy {
        let across = self.nest.times(code, number, self.pack.spec.from.step);
        let from = moved_floats(code, self.from, across, PANEL);
        let size = code.mul(number, self.k);
        Copy { from, to: moved_floats(code, self.to, size, PANEL) }
    }

    /// Copies several rows of a whole panel, from row `i` on.
    fn several(&self, code: &mut FunctionCode<'_, '_>, panel: &Copy, i: Value) {
        let pack = self.pack;
        let row = |row: u16| {
            let row = code.add_imm(i, i64::from(row));
            pack.row(self.nest, code, panel.from, row)
        };
        let from: Vec<Pointer> = (0..pack.together.pointers()).map(row).collect();
        let to = moved_floats(code, panel.to, i, PANEL);
        self.nest.call(code, pack.several, Rows { from, to });
    }

    /// Copies `width` columns of these rows of a panel.
    fn rows(&self, code: &mut FunctionCode<'_, '_>, number: Value, rows: Span, width: Value) {
        let panel = self.panel(code, number);
        code.for_each(rows.from, rows.to, 1, &mut |code, i| {
            let from = self.pack.row(self.nest, code, panel.from, i);
            let to = moved_floats(code, panel.to, i, PANEL);
            self.nest.call_with(code, self.pack.copy, Copy { from, to }, &[(WIDTH, width)]);
        });
    }

    /// Copies `count` whole panels.
    fn whole(&self, code: &mut FunctionCode<'_, '_>, count: Value) {
        let together = i64::from(self.pack.together.rows);
        let (zero, sixteen) = (code.int(0), code.int(PANEL));
        let over = code.ins().urem_imm_u(self.rows, together);
        let end = code.sub(self.rows, over);
        if self.pack.spec.from.step.is(1) {
            // All panels of some rows, which are read in order.
            code.for_each(zero, end, together, &mut |code, i| {
                code.for_each(zero, count, 1, &mut |code, number| {
                    let panel = self.panel(code, number);
                    self.several(code, &panel, i);
                });
            });
        }
        code.for_each(zero, count, 1, &mut |code, number| {
            if !self.pack.spec.from.step.is(1) {
                let panel = self.panel(code, number);
                code.for_each(zero, end, together, &mut |code, i| self.several(code, &panel, i));
            }
            self.rows(code, number, Span { from: end, to: self.rows }, sixteen);
        });
    }
}

impl LoopNest for Pack<'_> {
    fn build(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, units: Span) {
        let spec = self.spec;
        let one = code.int(1);
        let k = spec.k.iter().fold(one, |product, len| nest.times(code, product, *len));
        let rows = spec.k.last().map_or(k, |last| nest.len(code, *last));
        let cols = nest.len(code, spec.n);
        let (panels, over) = (code.ceil_div(cols, PANEL), code.ins().urem_imm_u(cols, PANEL));
        let packed = nest.buffer(code, spec.to);
        code.for_spans(units.from, units.to, &mut |code, unit| {
            let (batch, first) = (code.ins().udiv(unit, panels), code.ins().urem(unit, panels));
            let coords = coordinates(nest, code, batch, &spec.batch);
            let from = address(nest, code, &spec.from, &coords);
            let (left, inside) = (code.sub(units.to, unit), code.sub(panels, first));
            let count = code.min(left, inside);
            let across = nest.times(code, first, spec.from.step);
            let from = moved_floats(code, from, across, PANEL);
            let size = code.mul(unit, k);
            let to = moved_floats(code, packed, size, PANEL);
            let side_by_side = Panels { pack: self, nest, from, to, rows, k };
            // The last panel may have fewer columns.
            let columns = code.mul_imm(first, PANEL);
            let columns = code.sub(cols, columns);
            let whole = code.ins().sshr_imm_s(columns, i64::from(PANEL.trailing_zeros()));
            let whole = code.min(count, whole);
            self.panels(nest, code, &side_by_side, [whole, count, over]);
            count
        });
    }
}
