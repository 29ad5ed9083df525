//! Row kernels: for each row the addresses of its slots, then the work.

use super::{Extents, decode, dim_of, gathered, product_of, window};
use crate::code::{Code, Pointer};
use crate::functions::Nest;
use crate::lanes::Program;
use crate::spec::{RowSpec, WindowSpec};
use cranelift::codegen::ir::Value;
use tancho_ir::Dim;

pub fn programs(s: &RowSpec) -> Vec<Program> {
    let mut p = vec![s.work.program.clone()];
    if let Some((w, _)) = &s.window {
        p.extend(window::border(w));
    }
    p
}

pub fn extents(s: &RowSpec) -> Option<Extents> {
    let row = dim_of(s.len).times(&Dim::constant(4 * i64::from(s.work.scratch_rows))).ok()?;
    let patch = s.window.as_ref().map_or(0, |(w, _)| 4 * w.patch());
    Some(Extents { units: product_of(&s.outer)?, scratch: row.plus(&Dim::constant(patch)).ok()?, columns: None })
}

pub fn build(s: &RowSpec, n: &mut Nest, c: &mut Code<'_, '_>, begin: Value, end: Value) {
    let scratch = scratch_rows(s, n, c);
    c.for_each(begin, end, 1, &mut |c, u| {
        let coords = decode(n, c, u, &s.outer);
        let mut ptrs: Vec<Pointer> = s.slots.iter().enumerate().map(|(i, slot)| gathered(n, c, slot, &coords, u, i)).collect();
        if let Some((w, first)) = &s.window {
            let rows = window_rows(s, w, n, c, &coords);
            ptrs.splice(*first..first + rows.len(), rows);
        }
        ptrs.extend(&scratch);
        n.call(c, 0, &ptrs, &[]);
    });
}

/// The rows that the window sees at these coordinates, on the image or in a patch.
fn window_rows(s: &RowSpec, w: &WindowSpec, n: &Nest, c: &mut Code<'_, '_>, coords: &[Value]) -> Vec<Pointer> {
    let Some(buffer) = s.scratch else { return Vec::new() };
    let base = n.scratch(c, buffer);
    let len = n.len(c, s.len);
    let bytes = c.mul_imm(len, 4 * i64::from(s.work.scratch_rows));
    let patch = c.moved(base, bytes);
    window::seen(w, n, c, (coords[0], [coords[1], coords[2]]), patch, 1)
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
