//! Whether what a `train fn` takes from networks of other macro calls has gradients.

use super::text::Text;
use super::{At, Fault, fault};
use crate::builder::FlatSig;

/// The op without a gradient before a result of a network, as a mistake of the call.
pub const fn gradient(all: &[FlatSig], output: usize, path: &'static str) -> Option<Fault> {
    let op = flat(all, output);
    if op.is_empty() {
        return None;
    }
    let t = Text::new().name(op).and(" in ").name(path);
    let t = t.and(" has no gradient, so nothing before it would learn");
    fault(
        At::Call,
        t.and("\nhelp: take another result for the loss, or write `stop_gradient(..)` around the call"),
    )
}

/// The op, or nothing.
const fn flat(all: &[FlatSig], output: usize) -> &'static str {
    if output >= all.len() {
        return "";
    }
    let before = all[output];
    if !before.op.is_empty() {
        return before.op;
    }
    let mut i = 0;
    while i < before.of.len() {
        let op = flat(before.of[i].0, before.of[i].1);
        if !op.is_empty() {
            return op;
        }
        i += 1;
    }
    ""
}
