//! Whether what a `train fn` takes from networks of other macro calls has gradients.

use super::text::Text;
use super::{At, Fault, fault};
use crate::builder::Sig;

/// The op without a gradient before a result of a network, as a mistake of the call.
pub const fn gradient(sig: &Sig, output: usize, path: &'static str) -> Option<Fault> {
    if sig.broken || output >= sig.flat.len() || sig.flat[output].is_empty() {
        return None;
    }
    let t = Text::new().name(sig.flat[output]).and(" in ").name(path);
    let t = t.and(" has no gradient, so nothing before it would learn");
    fault(
        At::Call,
        t.and("\nhelp: take another result for the loss, or write `stop_gradient(..)` around the call"),
    )
}
