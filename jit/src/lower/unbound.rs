//! Slots while a kernel is lowered: their dims are those of the network.

use crate::lanes::Mem;
use crate::spec::{Binding, Buffer, Gather, Slot};
use tancho_ir::{DType, Dim};

/// A [`Slot`] before outer axes are joined and dims are bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Unbound {
    pub buffer: Buffer,
    pub mem: Mem,
    pub offset: Dim,
    pub strides: Vec<Dim>,
    pub step: Dim,
    pub gather: Option<UnboundGather>,
    pub block: bool,
}

/// A [`Gather`] before dims are bound.
#[derive(Clone, Debug, PartialEq)]
pub struct UnboundGather {
    pub ids: Box<Unbound>,
    pub rows: Dim,
    pub row_stride: Dim,
}

impl Unbound {
    /// Floats that lie one after another from a buffer's start, the same along all `outer` axes.
    pub fn floats(buffer: Buffer, outer: usize) -> Unbound {
        let (offset, step) = (Dim::constant(0), Dim::constant(1));
        Unbound {
            buffer,
            mem: Mem::F32,
            offset,
            strides: vec![Dim::constant(0); outer],
            step,
            gather: None,
            block: false,
        }
    }

    /// Whether axis `i` of this extent goes on where the axis before it has made a step.
    fn joins(&self, i: usize, extent: &Dim) -> bool {
        // A block's rows are counted from its first, whatever axes they come from.
        let one = |slot: &Unbound| {
            slot.block || slot.strides[i].times(extent).is_ok_and(|all| all == slot.strides[i - 1])
        };
        one(self) && self.gather.as_ref().is_none_or(|gather| one(&gather.ids))
    }
}

/// How elements of a type lie in memory.
pub fn mem_of(dtype: DType) -> Mem {
    match dtype {
        DType::F32 => Mem::F32,
        DType::Bf16 => Mem::Bf16,
        DType::I32 => Mem::I32,
        DType::Bool => Mem::Bool,
    }
}

/// Joins neighbouring outer axes where every slot walks through both with one stride.
pub fn join_axes(outer: &mut Vec<Dim>, slots: &mut [&mut Unbound]) {
    let mut i = outer.len();
    while i >= 2 {
        i -= 1;
        let extent = outer[i].clone();
        if slots.iter().all(|slot| slot.joins(i, &extent))
            && let Ok(both) = outer[i - 1].times(&extent)
        {
            outer[i - 1] = both;
            outer.remove(i);
            for slot in slots.iter_mut() {
                slot.strides.remove(i - 1);
                if let Some(gather) = &mut slot.gather {
                    gather.ids.strides.remove(i - 1);
                }
            }
        }
    }
}

/// Strides along `outer` axes of something of fewer axes: 0 along those it does not have.
pub fn aligned(mut strides: Vec<Dim>, outer: usize) -> Vec<Dim> {
    while strides.len() < outer {
        strides.insert(0, Dim::constant(0));
    }
    strides
}

/// A slot with its dims bound.
pub fn bind(binding: &mut Binding, slot: &Unbound) -> Slot {
    Slot {
        buffer: binding.buffer(slot.buffer.clone()),
        mem: slot.mem,
        offset: binding.len(&slot.offset),
        strides: binding.lens(&slot.strides),
        step: binding.len(&slot.step),
        gather: slot.gather.as_ref().map(|gather| Gather {
            ids: Box::new(bind(binding, &gather.ids)),
            rows: binding.len(&gather.rows),
            row_stride: binding.len(&gather.row_stride),
        }),
        block: slot.block,
    }
}

/// The shape a kernel runs over: outer axes and the row.
pub fn domain_of(shape: &[Dim]) -> (Vec<Dim>, Dim) {
    match shape.split_last() {
        Some((last, outer)) => (outer.to_vec(), last.clone()),
        None => (Vec::new(), Dim::constant(1)),
    }
}
