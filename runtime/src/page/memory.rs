//! The memory map as the page has it: where each block lies, and from which step to which.

use crate::compile::Compilation;
use crate::run::bound::Bound;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use tancho_jit::plan::Place;
use tancho_jit::spec::Buffer;

/// The blocks of a network that is laid out: offset, bytes, first and last step, and the values in each.
pub fn blocks(compilation: &Compilation, bound: &Bound) -> Json {
    let Compilation { schedule, plan, .. } = compilation;
    let mut held = vec![BTreeSet::new(); plan.blocks.len()];
    for (step, places) in schedule.steps.iter().zip(&plan.places) {
        for (buffer, place) in step.binding.buffers.iter().zip(places) {
            if let (Buffer::Value(v) | Buffer::Packed(v) | Buffer::Source(v), Place::Block(n)) =
                (buffer, place)
            {
                held[*n].insert(v.0);
            }
        }
    }
    let block = |(n, (offset, bytes)): (usize, (usize, usize))| {
        let block = &plan.blocks[n];
        json!({
            "offset": offset,
            "bytes": bytes,
            "first": block.first,
            "last": block.last,
            "perThread": block.per_thread,
            "values": held[n],
        })
    };
    let laid_out = bound.blocks().enumerate().filter(|(_, (_, bytes))| *bytes > 0);
    Json::from(laid_out.map(block).collect::<Vec<_>>())
}
