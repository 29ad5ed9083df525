//! Packing a right operand into strips `[N / 16][K][16]`. A unit is one strip.
//! Columns behind the last stay as they are: no tile reads them.

use super::{Extents, address, along, copy_program, decode, dim_of, extra, min, product_of};
use crate::code::Code;
use crate::codegen::Nest;
use crate::lanes::{Len, Mem, Program, STRIP};
use crate::spec::PackSpec;
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;
use tancho_ir::Dim;

pub fn programs(s: &PackSpec) -> Vec<Program> {
    vec![copy_program(extra(0), (Mem::F32, s.from.step), Len::Const(1))]
}

pub fn extents(s: &PackSpec) -> Option<Extents> {
    let strips = dim_of(s.n).ceil_div(&Dim::constant(STRIP)).ok()?;
    Some(Extents {
        units: product_of(&s.batch)?.times(&strips).ok()?,
        scratch: Dim::constant(0),
        columns: None,
    })
}

pub fn build(s: &PackSpec, n: &mut Nest, c: &mut Code<'_, '_>, begin: Value, end: Value) {
    let one = c.int(1);
    let (k, cols) = (s.k.iter().fold(one, |p, l| n.times(c, p, *l)), n.len(c, s.n));
    let strips = super::ceil_div(c, cols, STRIP);
    let to = n.buffer(c, s.to);
    let zero = c.int(0);
    let row_strides = &s.from.strides[s.batch.len()..];
    c.for_each(begin, end, 1, &mut |c, u| {
        let (batch, strip) = (c.b.ins().udiv(u, strips), c.b.ins().urem(u, strips));
        let coords = decode(n, c, batch, &s.batch);
        let from = address(n, c, &s.from, &coords);
        let first = c.mul_imm(strip, STRIP);
        let left = c.b.ins().isub(cols, first);
        let sixteen = c.int(STRIP);
        let width = min(c, left, sixteen);
        let skip = n.times(c, first, s.from.step);
        let skip = c.mul_imm(skip, 4);
        let from = c.moved(from, skip);
        let size = c.mul_imm(k, STRIP * 4);
        let at = c.mul(u, size);
        let to = c.moved(to, at);
        c.for_each(zero, k, 1, &mut |c, i| {
            let coords = decode(n, c, i, &s.k);
            let from = along(n, c, from, s.from.mem, &coords, row_strides);
            let across = c.mul_imm(i, STRIP * 4);
            let ptrs = [from, c.moved(to, across)];
            n.call(c, 0, &ptrs, &[width]);
        });
    });
}
