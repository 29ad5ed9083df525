//! What networks are compiled for.

use tancho::{Isa, Target};

/// Every ISA level of this machine, from the lowest to its own.
pub fn levels() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| *isa <= Isa::host())
}

/// A target of every ISA level of this machine, and checked mode at the end.
pub fn targets() -> Vec<Target> {
    let levels = levels().map(|isa| Target::host().with_isa(isa).expect("a level of this machine"));
    levels.chain([Target::host().with_checked(true)]).collect()
}
