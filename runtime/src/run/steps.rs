//! The steps of a graph, once: kernels in stages, and between them steps with bodies, which are such graphs.

// Runs stages, whose kernels take raw pointers, and reads an id where a kernel read it.
#![allow(unsafe_code)]

use crate::compiled::Inner;
use crate::error::Error;
use crate::run::bound::Bound;
use crate::run::ids::id_error;
use crate::run::region::{self, Progress};

/// Runs all steps of a graph that is bound.
///
/// # Errors
/// An id is out of range, or there is no memory to decode a weight.
///
/// # Safety
/// The tables of `bound` have the buffers of the plan, whose sizes were computed from its dims, with working
/// memory for the threads that `progress` was reserved for. No one else reads or writes what kernels write
/// while this runs, and no one writes what they read. [`region::run`] says this in full.
pub unsafe fn run(
    inner: &Inner,
    bound: &mut Bound,
    progress: &mut Progress,
    timed: bool,
) -> Result<(), Error> {
    let Bound { calls, stages, nested, dims, .. } = bound;
    let mut begin = 0;
    for i in 0..=nested.len() {
        let end = nested.get(i).map_or(stages.len(), |n| n.before);
        let kernels = &inner.compilation.code.kernels;
        // SAFETY: the caller vouches for it.
        let stopped = unsafe { region::run(kernels, calls, stages, begin..end, progress, timed) };
        if let Some((stage, status)) = stopped {
            let step = stages[stage].step;
            let call = &calls[step];
            // SAFETY: the run is over, and the buffers it read are still there with the sizes of the table.
            let bytes = |buffer: usize| unsafe {
                std::slice::from_raw_parts(call.buffers[buffer].cast_const(), call.sizes[buffer] as usize)
            };
            return Err(id_error(inner, step, &call.params, &bytes, dims, status));
        }
        begin = end;
        let Some(n) = nested.get_mut(i) else { continue };
        // SAFETY: the call of its step has its buffers, as those of kernels do.
        unsafe { n.run(inner, &calls[n.step], progress.elapsed().filter(|_| timed))? };
    }
    Ok(())
}
