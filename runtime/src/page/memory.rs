//! The memory map as the page has it: where each block lies, and from which step to which.

use crate::compile::Compilation;
use crate::inspect::stages::held;
use crate::run::bound::Bound;
use serde_json::{Value as Json, json};

/// The blocks of a network that is laid out: offset, bytes, first and last step, and the values in each.
pub fn blocks(compilation: &Compilation, bound: &Bound) -> Json {
    let (plan, held) = (&compilation.plan, held(compilation));
    let block = |(n, (offset, bytes)): (usize, (usize, usize))| {
        let block = &plan.blocks[n];
        json!({
            "offset": offset,
            "bytes": bytes,
            "first": block.first,
            "last": block.last,
            "perThread": block.per_thread,
            "values": held[n].iter().map(|v| v.0).collect::<Vec<_>>(),
        })
    };
    let laid_out = bound.blocks().enumerate().filter(|(_, (_, bytes))| *bytes > 0);
    Json::from(laid_out.map(block).collect::<Vec<_>>())
}
