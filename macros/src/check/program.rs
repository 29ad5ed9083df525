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
}

impl Program<'_> {
    /// The numbers of the network and the entry point that have a signature; nothing if it is the prelude's.
    pub fn entry_of(&self, sig: &Sig) -> Option<(usize, usize)> {
        let same =
            |s: &Sig| (&s.declared.name, &s.declared.entry) == (&sig.declared.name, &sig.declared.entry);
        self.entries.iter().enumerate().find_map(|(i, all)| Some((i, all.iter().position(same)?)))
    }
}

/// The entry point that is called through a net: `forward`, or else the first.
pub fn main_of(network: &Network) -> usize {
    let forward = network.entries.iter().position(|e| e.name == "forward" && !e.train);
    forward.or_else(|| network.entries.iter().position(|e| !e.train)).unwrap_or(0)
}
