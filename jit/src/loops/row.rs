//! Row kernels: for each row the addresses of its slots, then the work.

use super::conv::{fold, window};
use super::{Extents, decode, dim_of, gathered, product_of};
use crate::code::{Code, Pointer};
use crate::codegen::Nest;
use crate::lanes::Program;
use crate::spec::{RowSpec, RowWindow, WindowFold};
use cranelift::codegen::ir::Value;
use tancho_ir::Dim;

pub fn programs(s: &RowSpec) -> Vec<Program> {
    let mut p = vec![s.work.program.clone()];
    match &s.window {
        Some(RowWindow { window, fold: Some(fold), .. }) => p.extend(fold::programs(window, *fold)),
        Some(w) => p.extend(window::border(&w.window)),
        None => {}
    }
    p
}

pub fn extents(s: &RowSpec) -> Option<Extents> {
    let row = dim_of(s.len).times(&Dim::constant(4 * i64::from(s.work.scratch_rows))).ok()?;
    let window = s
        .window
        .as_ref()
        .map_or(0, |w| 4 * if w.fold.is_some() { fold::floats(&w.window) } else { w.window.patch() });
    Some(Extents {
        units: product_of(&s.outer)?,
        scratch: row.plus(&Dim::constant(window)).ok()?,
        columns: None,
    })
}

pub fn build(s: &RowSpec, n: &mut Nest, c: &mut Code<'_, '_>, begin: Value, end: Value) {
    let scratch = scratch_rows(s, n, c);
    c.for_each(begin, end, 1, &mut |c, u| {
        let coords = decode(n, c, u, &s.outer);
        let mut ptrs: Vec<Pointer> =
            s.slots.iter().enumerate().map(|(i, slot)| gathered(n, c, slot, &coords, u, i)).collect();
        if let Some(w) = &s.window {
            let rows = window_rows(s, w, n, c, &coords, &ptrs);
            ptrs.splice(w.first..w.first + rows.len(), rows);
        }
        ptrs.extend(&scratch);
        n.call(c, 0, &ptrs, &[]);
    });
}

/// The rows that the window sees at these coordinates, on the image or in a patch; or what it is folded to.
fn window_rows(
    s: &RowSpec,
    w: &RowWindow,
    n: &Nest,
    c: &mut Code<'_, '_>,
    coords: &[Value],
    ptrs: &[Pointer],
) -> Vec<Pointer> {
    let Some(buffer) = s.scratch else { return Vec::new() };
    let base = n.scratch(c, buffer);
    let len = n.len(c, s.len);
    let bytes = c.mul_imm(len, 4 * i64::from(s.work.scratch_rows));
    let memory = c.moved(base, bytes);
    let at = (coords[0], [coords[1], coords[2]]);
    match w.fold {
        Some(fold) => {
            let filters =
                if let WindowFold::Filtered(slot, row) = fold { Some((ptrs[slot], row)) } else { None };
            fold::build(&w.window, fold, n, c, at, (memory, filters), 1);
            vec![memory]
        }
        None => window::seen(&w.window, n, c, at, memory, 1),
    }
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
