//! Which id was out of range, told from the status of the kernel that found it.

use crate::compiled::Compiled;
use crate::error::Error;
use crate::run::bind::Env;
use crate::run::region::Call;
use tancho_ir::op::Op;
use tancho_ir::{Graph, Value};
use tancho_jit::Step;
use tancho_jit::spec::Slot;

/// The error of an id out of range: which id it was, read where the kernel read it.
pub fn id_error(compiled: &Compiled, step: usize, call: &Call, dims: &[i64], status: i64) -> Error {
    let code = &compiled.0.code;
    let (unit, which) = (status / tancho_jit::STATUS_SLOTS, (status % tancho_jit::STATUS_SLOTS) as usize);
    let s: &Step = &code.schedule.steps[step];
    let unknown = || Error::IdOutOfRange { op: s.name.clone(), id: -1, rows: 0, position: Vec::new() };
    let Some((_, gather)) = s.spec.gathers().find(|(slot, _)| *slot == which) else { return unknown() };
    let len = |len: tancho_jit::lanes::Len| len.value(&call.params);
    let coords = s.spec.coordinates(unit, &call.params);
    let ids: &Slot = &gather.ids;
    let element = len(ids.offset) + coords.iter().zip(&ids.strides).map(|(c, st)| c * len(*st)).sum::<i64>();
    // SAFETY: the kernel has just read this element of the same buffer, which this call still holds.
    let id =
        unsafe { call.buffers[ids.buffer as usize].cast::<i32>().offset(element as isize).read_unaligned() };
    let graph = &code.fused.graph;
    let op = graph.values().find(|v| matches!(graph.node(*v).op, Op::Gather) && is_of(s, graph, *v, ids));
    let op = op.map_or_else(|| s.name.clone(), |v| graph.node(v).source.to_string());
    // The place in the ids as they are stored, axis by axis.
    let mut position = Vec::new();
    if let tancho_jit::spec::Buffer::Value(root) = s.binding.buffers[ids.buffer as usize] {
        let env = Env { graph, dims };
        let mut rest = element;
        for d in graph.ty(root).shape.iter().rev() {
            let n = env.value(d).unwrap_or(1).max(1);
            position.insert(0, (rest % n) as usize);
            rest /= n;
        }
    }
    Error::IdOutOfRange { op, id: i64::from(id), rows: len(gather.rows) as usize, position }
}

/// Whether gather `v` reads its ids from the buffer of this slot.
fn is_of(s: &Step, g: &Graph, v: Value, ids: &Slot) -> bool {
    let tancho_jit::spec::Buffer::Value(root) = s.binding.buffers[ids.buffer as usize] else { return false };
    let mut at = g.node(v).args[1];
    while at != root && tancho_ir::access::is_view(&g.node(at).op) {
        at = g.node(at).args[0];
    }
    at == root
}
