//! Packing a right operand into panels `[N / 16][K][16]`. A unit is one panel.
//! Columns behind the last stay as they are: no tile reads them.

use super::LoopNest;
use super::address::{address, along, coordinates, moved_floats};
use super::nest::{Nest, Pointers, Pool, ProgramId, Span};
use super::program::{self, Copy, load_of, map, push, store};
use crate::code::{FunctionCode, Pointer};
use crate::lanes::{Len, Local, Mem, PANEL, Program, derive};
use crate::machine::Machine;
use crate::spec::PackSpec;
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;

/// Columns of the panel at hand.
const WIDTH: Local = Local(0);
/// Rows of a whole panel that one call copies where a row takes four vectors.
const TOGETHER: u16 = 4;

/// The pointers of [`copy_rows`].
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

impl Rows {
    const TO: u16 = TOGETHER;
    const COUNT: u16 = TOGETHER + 1;
}

/// Copies rows of a whole panel.
fn copy_rows(step: Len) -> Program {
    let (mut body, mut derived) = (Vec::new(), Vec::new());
    for i in 0..TOGETHER {
        let value = push(&mut body, load_of(i, step, Mem::F32));
        let to = derive(&mut derived, Rows::TO, i64::from(i) * PANEL);
        store(&mut body, to, value);
    }
    map(PANEL, Rows::COUNT, derived, body)
}

/// The loop nest that packs a right operand.
pub struct Pack<'s> {
    spec: &'s PackSpec,
    copy: ProgramId<Copy>,
    /// Copies several rows of a whole panel.
    together: Option<ProgramId<Rows>>,
}

impl<'s> Pack<'s> {
    /// Adds the programs that copy rows of a panel.
    pub fn new(spec: &'s PackSpec, machine: Machine, pool: &mut Pool) -> Pack<'s> {
        let copy = program::copy(Len::Local(WIDTH), (Mem::F32, spec.from.step), Len::ONE);
        let copy = pool.add(&copy);
        let together = machine.width.is_none().then(|| pool.add(&copy_rows(spec.from.step)));
        Pack { spec, copy, together }
    }

    /// Row `i` of the panel whose first column is at `from`.
    fn row(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, from: Pointer, i: Value) -> Pointer {
        let coords = coordinates(nest, code, i, &self.spec.k);
        along(nest, code, from, self.spec.from.mem, &coords, &self.spec.from.strides[self.spec.batch.len()..])
    }
}

impl LoopNest for Pack<'_> {
    fn build(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, units: Span) {
        let spec = self.spec;
        let one = code.int(1);
        let k = spec.k.iter().fold(one, |product, len| nest.times(code, product, *len));
        let cols = nest.len(code, spec.n);
        let panels = code.ceil_div(cols, PANEL);
        let packed = nest.buffer(code, spec.to);
        let zero = code.int(0);
        code.for_each(units.from, units.to, 1, &mut |code, unit| {
            let (batch, panel) = (code.ins().udiv(unit, panels), code.ins().urem(unit, panels));
            let coords = coordinates(nest, code, batch, &spec.batch);
            let from = address(nest, code, &spec.from, &coords);
            let first = code.mul_imm(panel, PANEL);
            let left = code.sub(cols, first);
            let sixteen = code.int(PANEL);
            let width = code.min(left, sixteen);
            let skip = nest.times(code, first, spec.from.step);
            let skip = code.mul_imm(skip, 4);
            let from = code.moved(from, skip);
            let size = code.mul_imm(k, PANEL * 4);
            let at = code.mul(unit, size);
            let to = code.moved(packed, at);
            let mut first = zero;
            if let Some(together) = self.together {
                let remainder = code.ins().urem_imm_u(k, i64::from(TOGETHER));
                let end = code.sub(k, remainder);
                let whole = code.ins().icmp(IntCC::Equal, width, sixteen);
                let end = code.ins().select(whole, end, zero);
                code.for_each(zero, end, i64::from(TOGETHER), &mut |code, i| {
                    let rows = (0..TOGETHER).map(|row| {
                        let row = code.add_imm(i, i64::from(row));
                        self.row(nest, code, from, row)
                    });
                    let rows = rows.collect();
                    let to = moved_floats(code, to, i, PANEL);
                    nest.call(code, together, Rows { from: rows, to });
                });
                first = end;
            }
            code.for_each(first, k, 1, &mut |code, i| {
                let from = self.row(nest, code, from, i);
                let across = code.mul_imm(i, PANEL * 4);
                let to = code.moved(to, across);
                nest.call_with(code, self.copy, Copy { from, to }, &[(WIDTH, width)]);
            });
        });
    }
}
