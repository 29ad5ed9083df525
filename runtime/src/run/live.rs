//! Which steps of a run have anything to do. Kernels count rows whatever a row holds: of rows without
//! elements there may be 2^40, and what only such steps read need not be computed either.

use crate::compile::Compilation;
use tancho_jit::Step;
use tancho_jit::plan::Place;
use tancho_jit::spec::{Buffer, KernelSpec, StepSpec};

/// What a step reads and writes.
#[derive(Debug)]
pub struct Flow {
    writes: Vec<Place>,
    /// Blocks that it reads, or works in.
    reads: Vec<usize>,
    /// It is there to find ids out of range as well, and has as many units as there are ids.
    finds_ids: bool,
}

/// What each step of a network reads and writes.
pub fn flows(compilation: &Compilation) -> Vec<Flow> {
    let flow = |(step, places): (&Step, &Vec<Place>)| {
        let packs = step.spec.kernel().is_some_and(KernelSpec::packs);
        let written = |b: &Buffer| match b {
            Buffer::Value(v) => !packs && compilation.fused.groups[step.kernel].outputs.contains(v),
            Buffer::Packed(_) => packs,
            _ => false,
        };
        let buffers = || step.binding.buffers.iter().zip(places);
        let block = |(_, place): (_, &Place)| if let Place::Block(n) = place { Some(*n) } else { None };
        Flow {
            writes: buffers().filter(|(b, _)| written(b)).map(|(_, place)| *place).collect(),
            reads: buffers().filter(|(b, _)| !written(b)).filter_map(block).collect(),
            finds_ids: match &step.spec {
                StepSpec::Kernel(spec) => reads_all_ids_once(spec),
                StepSpec::Scan(_) => false,
                StepSpec::Experts(_) => true,
            },
        }
    };
    compilation.schedule.steps.iter().zip(&compilation.plan.places).map(flow).collect()
}

/// Whether each unit reads an id of its own, or a scatter all of them.
fn reads_all_ids_once(spec: &KernelSpec) -> bool {
    matches!(spec, KernelSpec::Scatter(_))
        || spec.gathers().any(|(_, gather)| gather.ids.strides.iter().all(|stride| !stride.is(0)))
}

/// Finds the steps that write something which is read or returned. `is_empty` asks it of results and states,
/// `has_units` asks whether a step has units; `sizes` has the bytes of blocks, and those that no step needs
/// become 0.
pub fn find(
    flows: &[Flow],
    is_empty: &dyn Fn(Place) -> bool,
    has_units: &dyn Fn(usize) -> bool,
    sizes: &mut [usize],
    live: &mut Vec<bool>,
) {
    live.clear();
    live.resize(flows.len(), true);
    let all = |flow: &Flow| {
        flow.writes.iter().all(|p| !matches!(p, Place::Block(n) if sizes[*n] == 0) && !is_empty(*p))
    };
    if flows.iter().all(all) {
        return;
    }
    let mut read = vec![false; sizes.len()];
    for (i, (flow, live)) in flows.iter().zip(live).enumerate().rev() {
        let wanted = |p: &Place| match *p {
            Place::Block(n) => read[n] && sizes[n] > 0,
            other => !is_empty(other),
        };
        *live = flow.writes.iter().any(wanted) || (flow.finds_ids && has_units(i));
        if *live {
            flow.reads.iter().for_each(|n| read[*n] = true);
            let blocks =
                flow.writes.iter().filter_map(|p| if let Place::Block(n) = p { Some(*n) } else { None });
            blocks.for_each(|n| read[n] = true);
        }
    }
    sizes.iter_mut().zip(read).filter(|(_, read)| !read).for_each(|(size, _)| *size = 0);
}
