//! Row kernels: for each row the addresses of its slots, then the work.

use super::{Extents, decode, dim_of, gathered, product_of};
use crate::code::{Code, Pointer};
use crate::functions::Nest;
use crate::spec::RowSpec;
use cranelift::codegen::ir::Value;
use tancho_ir::Dim;

pub fn extents(s: &RowSpec) -> Option<Extents> {
    let row = dim_of(s.len).times(&Dim::constant(4 * i64::from(s.work.scratch_rows))).ok()?;
    Some(Extents { units: product_of(&s.outer)?, scratch: row, columns: None })
}

pub fn build(s: &RowSpec, n: &mut Nest, c: &mut Code<'_, '_>, begin: Value, end: Value) {
    let scratch = scratch_rows(s, n, c);
    c.for_each(begin, end, 1, &mut |c, u| {
        let coords = decode(n, c, u, &s.outer);
        let mut ptrs: Vec<Pointer> = s.slots.iter().enumerate().map(|(i, slot)| gathered(n, c, slot, &coords, u, i)).collect();
        ptrs.extend(&scratch);
        n.call(c, 0, &ptrs, &[]);
    });
}

fn scratch_rows(s: &RowSpec, n: &Nest, c: &mut Code<'_, '_>) -> Vec<Pointer> {
    let Some(buffer) = s.scratch else { return Vec::new() };
    let base = n.scratch(c, buffer);
    let len = n.len(c, s.len);
    (0..s.work.scratch_rows)
        .map(|i| {
            let bytes = c.mul_imm(len, 4 * i64::from(i));
            c.moved(base, bytes)
        })
        .collect()
}
