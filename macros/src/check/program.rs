//! Everything a body may refer to.

use crate::ast::Network;
use crate::errors::Place;
use crate::plan::Sig;
use std::cell::RefCell;

/// Everything a body may refer to.
pub struct Program<'a> {
    /// The networks of this macro call, in order.
    pub networks: &'a [Network],
    /// The signatures of their main entry points.
    pub sigs: Vec<Sig>,
    /// The signatures of all entry points of each.
    pub entries: Vec<Vec<Sig>>,
    /// The prelude's signatures.
    pub prelude: Vec<Sig>,
    /// Which network uses which, and where.
    pub uses: RefCell<Vec<(usize, usize, Place)>>,
    /// Which entry point of which network calls which other of its own.
    pub calls: RefCell<Vec<(usize, usize, usize, Place)>>,
    /// Which entry point keeps which states, itself or through nets.
    pub kept: RefCell<Vec<Kept>>,
}

/// A network and an entry point of it, by their numbers.
pub type EntryAt = (usize, usize);

/// A state that an entry point declares, or a call that may lead to some.
pub struct Kept {
    /// Who declares or calls.
    pub by: EntryAt,
    /// The path of the state, or of the net that is called; empty for the network itself.
    pub path: String,
    /// Where.
    pub place: Place,
    /// Who is called.
    pub of: Option<EntryAt>,
}

/// The entry point that is called through a net: `forward`, or else the first.
pub fn main_of(network: &Network) -> usize {
    let forward = network.entries.iter().position(|e| e.name == "forward" && !e.train);
    forward.or_else(|| network.entries.iter().position(|e| !e.train)).unwrap_or(0)
}
