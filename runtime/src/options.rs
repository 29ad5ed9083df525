//! How a graph is compiled: for which target, by which passes, and with which fusions.

use std::sync::Arc;
use tancho_ir::Graph;
use tancho_ir::fuse::{Fused, Limit};
use tancho_ir::passes::{PASSES, Pass};
use tancho_jit::Target;

/// Stages that a graph is compiled by. Only tests take others than the default: faulty ones, which must be
/// found.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Stages {
    /// The passes in order.
    pub passes: &'static [Pass],
    /// What is done to the graph once it is in groups: normally nothing.
    pub fused: fn(&mut Fused),
}

impl Default for Stages {
    fn default() -> Stages {
        Stages { passes: PASSES, fused: |_| () }
    }
}

/// How a graph is compiled.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub target: Target,
    pub stages: Stages,
    /// Whether the graph has run through the passes before.
    pub is_passed: bool,
    /// The fusions that are made; all of them if there is no such list.
    pub fusions: Option<Fusions>,
}

impl Options {
    /// As usual, for a target.
    pub fn new(target: Target) -> Options {
        Options { target, stages: Stages::default(), is_passed: false, fusions: None }
    }

    /// How the body of a loop or an expert is compiled that a graph with these options has.
    pub fn of_body(&self, body: &Graph) -> Options {
        let known = |all: &Fusions| all.bodies.iter().find(|(graph, _)| **graph == *body).cloned();
        let fusions = |all: &Fusions| known(all).map(|(_, fusions)| fusions).unwrap_or_default();
        Options { is_passed: false, fusions: self.fusions.as_ref().map(fusions), ..*self }
    }
}

/// Some fusions of a graph and of its bodies. Bodies that are not listed have none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fusions {
    pub limit: Limit,
    pub bodies: Vec<(Arc<Graph>, Fusions)>,
}
