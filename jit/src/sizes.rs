//! Bounds of sizes, offsets and strides. These are computed in 64 bits while code is made and while it runs,
//! and none of them may overflow.

use crate::CompileError;
use tancho_ir::access::row_major;
use tancho_ir::op::{Op, Padding};
use tancho_ir::{Dim, Graph, Sight, Value};

/// The most bytes of a value, 64 TiB. No machine has more memory, and the sum of a few such values is far
/// below 2^63.
pub const MOST_BYTES: i64 = 1 << 46;

/// The most elements from one element of a window or a slice to another. Memory has none further away.
pub const MOST_DISTANCE: i64 = MOST_BYTES / 4;

/// Checks that all sizes and strides, as far as they are known, are within [`MOST_BYTES`]. This includes
/// strides along an axis without elements. What depends on run-time dims is checked when they are bound.
///
/// # Errors
/// The first value that is larger.
pub fn check(g: &Graph) -> Result<(), CompileError> {
    let fits = |v: Value| {
        let shape = g.stored_shape(v);
        let bytes = Dim::from(g.ty(v).dtype.size());
        // Coefficients that may be multiplied by this without overflow are small enough.
        let small =
            |elements: &Dim| elements.times(&bytes).ok()?.times(&Dim::constant(i64::MAX / MOST_BYTES)).ok();
        let strides = row_major(&shape)?;
        strides.iter().try_for_each(|s| small(s).map(drop))?;
        small(&Dim::product(shape.iter()).ok()?)
    };
    let refused = |v: Value, why: String| CompileError::Unsupported { what: g.label(v), why };
    for v in g.values() {
        if fits(v).is_none() {
            return Err(refused(v, format!("{} has more elements than memory can hold", g.ty(v))));
        }
        if let Some(n) = distances(g, v).into_iter().find(|n| !(-MOST_DISTANCE..=MOST_DISTANCE).contains(n)) {
            return Err(refused(v, format!("a window or a slice cannot go {n} elements far")));
        }
    }
    Ok(())
}

/// The lengths and steps of a window or a slice that are known.
fn distances(g: &Graph, v: Value) -> Vec<i64> {
    let dims: Vec<Dim> = match (&g.node(v).op, g.sight(v)) {
        (Op::Slice { start, end, step, .. }, _) => vec![start.clone(), end.clone(), step.clone()],
        (_, Some(Sight { window, kernel, .. })) => {
            let spans = (0..2)
                .map(|axis| window.extent(axis, &kernel[axis]).unwrap_or_else(|_| Dim::constant(i64::MAX)));
            let around = if let Padding::Explicit(p) = &window.pad { p.as_slice() } else { &[] };
            kernel
                .iter()
                .chain(&window.stride)
                .chain(&window.dilation)
                .chain(around)
                .cloned()
                .chain(spans)
                .collect()
        }
        _ => Vec::new(),
    };
    dims.iter().filter_map(Dim::as_const).collect()
}
