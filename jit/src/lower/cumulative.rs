//! Sums that go on along an axis: the last axis is the row, unless it is that of the sums.

use super::Lower;
use super::unbound::{Unbound, bind};
use crate::CompileError;
use crate::spec::{Binding, Buffer, CumulativeSpec, KernelSpec};
use tancho_ir::op::Op;
use tancho_ir::{Dim, Value};

/// Lowers a cumulative sum.
pub fn lower(lower: &mut Lower<'_>, v: Value) -> Result<(), CompileError> {
    let node = lower.graph.node(v);
    let Op::Cumsum { axis } = node.op else { return Ok(()) };
    let mut outer = node.ty.shape.clone();
    let steps = outer.remove(axis);
    let at_end = axis == outer.len();
    let len = if at_end { Dim::constant(1) } else { outer.pop().unwrap_or_default() };
    // The stride along the sums is the last one.
    let along = |mut slot: Unbound| {
        let stride = match at_end {
            true => std::mem::replace(&mut slot.step, Dim::constant(1)),
            false => slot.strides.remove(axis),
        };
        slot.strides.push(stride);
        slot
    };
    let mut binding = Binding::default();
    let access = lower.access(node.args[0])?;
    let from = bind(&mut binding, &along(lower.slot(node.args[0], access)));
    let to = bind(&mut binding, &along(lower.whole(v)?));
    let spec = CumulativeSpec {
        outer: binding.lens(&outer),
        steps: binding.len(&steps),
        len: binding.len(&len),
        from,
        to,
        scratch: binding.buffer(Buffer::Scratch),
    };
    lower.push(KernelSpec::Cumulative(spec), binding, v)
}
