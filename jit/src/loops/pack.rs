//! Packing a right operand into panels `[N / 16][K][16]`. A unit is one panel.
//! Columns behind the last stay as they are: no tile reads them.

use super::LoopNest;
use super::address::{address, along, coordinates};
use super::nest::{Nest, Pool, ProgramId, Span};
use super::program::{self, Copy};
use crate::code::FunctionCode;
use crate::lanes::{Len, Local, Mem, PANEL};
use crate::spec::PackSpec;
use cranelift::prelude::InstBuilder;

/// Columns of the panel at hand.
const WIDTH: Local = Local(0);

/// The loop nest that packs a right operand.
pub struct Pack<'s> {
    spec: &'s PackSpec,
    copy: ProgramId<Copy>,
}

impl<'s> Pack<'s> {
    /// Adds the program that copies a row of a panel.
    pub fn new(spec: &'s PackSpec, pool: &mut Pool) -> Pack<'s> {
        let copy = program::copy(Len::Local(WIDTH), (Mem::F32, spec.from.step), Len::ONE);
        Pack { spec, copy: pool.add(&copy) }
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
        let row_strides = &spec.from.strides[spec.batch.len()..];
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
            code.for_each(zero, k, 1, &mut |code, i| {
                let coords = coordinates(nest, code, i, &spec.k);
                let from = along(nest, code, from, spec.from.mem, &coords, row_strides);
                let across = code.mul_imm(i, PANEL * 4);
                let to = code.moved(to, across);
                nest.call_with(code, self.copy, Copy { from, to }, &[(WIDTH, width)]);
            });
        });
    }
}
