//! Which id was out of range, by the status of the kernel that found it.

use crate::compiled::Inner;
use crate::error::Error;
use crate::run::bind::Env;
use tancho_ir::op::{Op, Reduction};
use tancho_ir::{Graph, Value};
use tancho_jit::Step;
use tancho_jit::spec::{Buffer, KernelSpec, Slot};

/// The error of an id out of range: which id it was, read where the kernel read it. `params` are the
/// parameters the step was given, and `bytes` has the bytes of its buffers by number.
pub fn id_error<'a>(
    inner: &Inner,
    step: usize,
    params: &[i64],
    bytes: &dyn Fn(usize) -> &'a [u8],
    dims: &[i64],
    status: i64,
) -> Error {
    let compilation = &inner.compilation;
    let (unit, which) = (status / tancho_jit::STATUS_SLOTS, (status % tancho_jit::STATUS_SLOTS) as usize);
    let kernel: &Step = &compilation.schedule.steps[step];
    let unknown = || Error::IdOutOfRange { op: kernel.name.clone(), id: -1, rows: 0, position: Vec::new() };
    let Some(spec) = kernel.spec.kernel() else { return unknown() };
    let Some((_, gather)) = spec.gathers().find(|(slot, _)| *slot == which) else { return unknown() };
    let len = |len: tancho_jit::lanes::Len| len.value(params);
    let coords = spec.coordinates(unit, params);
    let ids: &Slot = &gather.ids;
    let element = len(ids.offset) + coords.iter().zip(&ids.strides).map(|(c, st)| c * len(*st)).sum::<i64>();
    let buffer = bytes(ids.buffer as usize).as_chunks::<4>().0;
    let Some(id) = usize::try_from(element).ok().and_then(|i| buffer.get(i)) else { return unknown() };
    let id = i32::from_ne_bytes(*id);
    let graph = &compilation.fused.graph;
    let scatters = matches!(spec, KernelSpec::Scatter(_));
    let by_ids = |op: &Op| if scatters { matches!(op, Op::ScatterAdd { .. }) } else { *op == Op::Gather };
    let gather_op = graph.values().find(|v| by_ids(&graph.node(*v).op) && is_of(kernel, graph, *v, ids));
    let op = gather_op.map_or_else(|| kernel.name.clone(), |v| graph.node(v).source.to_string());
    let found = len(gather.rows) as usize;
    if let Some(asked) = gather_op.filter(|_| id == i32::MAX).and_then(|v| places_of_largest(graph, v)) {
        return Error::TooFewElements { op, asked, found };
    }
    let position = position(graph, &kernel.binding.buffers[ids.buffer as usize], dims, element);
    Error::IdOutOfRange { op, id: i64::from(id), rows: found, position }
}

/// How many places a `topk` looks for, if a gather is the end of one: the places are taken from the list of
/// all of them, where that of an element that is not there is `i32::MAX`. Each place is the smallest of some.
fn places_of_largest(graph: &Graph, v: Value) -> Option<usize> {
    let behind_views = |v: Value| {
        let mut at = v;
        while tancho_ir::access::is_view(&graph.node(at).op) {
            at = graph.node(at).args[0];
        }
        at
    };
    let [numbers, places] = graph.node(v).args.as_slice() else { return None };
    let smallest =
        |v: Value| matches!(graph.node(behind_views(v)).op, Op::Reduce { kind: Reduction::Min, .. });
    let found = match &graph.node(behind_views(*places)).op {
        Op::Concat { .. } => graph.node(behind_views(*places)).args.iter().all(|v| smallest(*v)),
        _ => smallest(*places),
    };
    let listed = matches!(graph.node(behind_views(*numbers)).op, Op::Arange { .. });
    let count = graph.ty(*places).shape.last()?.as_const()?;
    usize::try_from(count).ok().filter(|_| found && listed)
}

/// The place of an element in the ids as they are stored, axis by axis.
pub fn position(graph: &Graph, ids: &Buffer, dims: &[i64], element: i64) -> Vec<usize> {
    let mut position = Vec::new();
    let Buffer::Value(root) = *ids else { return position };
    let env = Env { graph, dims };
    let mut remaining = element;
    for d in graph.ty(root).shape.iter().rev() {
        let n = env.value(d).unwrap_or(1).max(1);
        position.insert(0, (remaining % n) as usize);
        remaining /= n;
    }
    position
}

/// Whether `v`, whose second argument is ids, reads them from the buffer of this slot.
fn is_of(step: &Step, graph: &Graph, v: Value, ids: &Slot) -> bool {
    let Buffer::Value(root) = step.binding.buffers[ids.buffer as usize] else {
        return false;
    };
    let mut at = graph.node(v).args[1];
    while at != root && tancho_ir::access::is_view(&graph.node(at).op) {
        at = graph.node(at).args[0];
    }
    at == root
}
