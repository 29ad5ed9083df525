//! Where the elements of slots are.

use super::nest::Nest;
use crate::blob::STATUS_SLOTS;
use crate::code::{FunctionCode, Pointer};
use crate::lanes::{Len, Mem};
use crate::spec::{Gather, Slot};
use cranelift::codegen::ir::{Value, types};
use cranelift::prelude::*;

/// The coordinates of unit `unit` along `axes`, the last running fastest.
pub fn coordinates(nest: &Nest, code: &mut FunctionCode<'_, '_>, unit: Value, axes: &[Len]) -> Vec<Value> {
    let mut left = unit;
    let mut coords = vec![unit; axes.len()];
    for i in (1..axes.len()).rev() {
        let extent = nest.len(code, axes[i]);
        coords[i] = code.ins().urem(left, extent);
        left = code.ins().udiv(left, extent);
    }
    if let Some(first) = coords.first_mut() {
        *first = left;
    }
    coords
}

/// The address of a slot at these coordinates along its strides. Strides beyond the coordinates do not count.
pub fn address(nest: &Nest, code: &mut FunctionCode<'_, '_>, slot: &Slot, coords: &[Value]) -> Pointer {
    let base = nest.buffer(code, slot.buffer);
    let base = match slot.offset {
        Len::ZERO => base,
        offset => {
            let offset = nest.len(code, offset);
            let bytes = code.mul_imm(offset, slot.mem.size());
            code.moved(base, bytes)
        }
    };
    along(nest, code, base, slot.mem, coords, &slot.strides)
}

/// A pointer moved by these coordinates along strides.
pub fn along(
    nest: &Nest,
    code: &mut FunctionCode<'_, '_>,
    base: Pointer,
    mem: Mem,
    coords: &[Value],
    strides: &[Len],
) -> Pointer {
    let mut bytes: Option<Value> = None;
    for (x, stride) in coords.iter().zip(strides).filter(|(_, stride)| !stride.is(0)) {
        let step = nest.times(code, *x, *stride);
        let step = code.mul_imm(step, mem.size());
        bytes = Some(match bytes {
            Some(bytes) => code.add(bytes, step),
            None => step,
        });
    }
    match bytes {
        Some(bytes) => code.moved(base, bytes),
        None => base,
    }
}

/// The address of a slot that may take rows by number, as [`checked_id`] reads them.
pub fn gathered(
    nest: &Nest,
    code: &mut FunctionCode<'_, '_>,
    slot: &Slot,
    coords: &[Value],
    unit: Value,
    which: usize,
) -> Pointer {
    let pointer = address(nest, code, slot, coords);
    let Some(gather) = &slot.gather else { return pointer };
    let id = checked_id(nest, code, gather, coords, unit, which);
    named_row(nest, code, slot, gather, pointer, id)
}

/// The row of a slot that an id names; `pointer` is its first row.
pub fn named_row(
    nest: &Nest,
    code: &mut FunctionCode<'_, '_>,
    slot: &Slot,
    gather: &Gather,
    pointer: Pointer,
    id: Value,
) -> Pointer {
    let from = nest.times(code, id, gather.row_stride);
    let from = code.mul_imm(from, slot.mem.size());
    code.moved(pointer, from)
}

/// The number that a gather reads at these coordinates. One out of range ends the kernel: it returns
/// `unit * STATUS_SLOTS + which`.
pub fn checked_id(
    nest: &Nest,
    code: &mut FunctionCode<'_, '_>,
    gather: &Gather,
    coords: &[Value],
    unit: Value,
    which: usize,
) -> Value {
    let ids = address(nest, code, &gather.ids, coords);
    let id = code.load(types::I32, ids, 0);
    let id = code.ins().sextend(types::I64, id);
    let rows = nest.len(code, gather.rows);
    let ok = code.ins().icmp(IntCC::UnsignedLessThan, id, rows);
    let (go, stop) = (code.builder.create_block(), code.builder.create_block());
    code.ins().brif(ok, go, &[], stop, &[]);
    code.builder.switch_to_block(stop);
    code.builder.seal_block(stop);
    let status = code.mul_imm(unit, STATUS_SLOTS);
    let status = code.add_imm(status, which as i64);
    code.ins().return_(&[status]);
    code.builder.switch_to_block(go);
    code.builder.seal_block(go);
    id
}

/// Elements of a slot from one row to the next.
pub fn row_stride(slot: &Slot) -> Len {
    slot.strides.last().copied().unwrap_or(Len::ZERO)
}

/// A pointer into a slot moved by `row` rows.
pub fn row_at(
    nest: &Nest,
    code: &mut FunctionCode<'_, '_>,
    slot: &Slot,
    base: Pointer,
    row: Value,
) -> Pointer {
    let down = nest.times(code, row, row_stride(slot));
    let down = code.mul_imm(down, slot.mem.size());
    code.moved(base, down)
}

/// A pointer to f32 moved by `count` times a constant number of elements.
pub fn moved_floats(
    code: &mut FunctionCode<'_, '_>,
    pointer: Pointer,
    count: Value,
    elements: i64,
) -> Pointer {
    let bytes = code.mul_imm(count, 4 * elements);
    code.moved(pointer, bytes)
}
