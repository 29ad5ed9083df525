//! Compiled networks: code, plan and packed weights, shared by sessions.

use crate::error::Error;
use crate::run::gathered::Gathered;
use crate::run::layout::Layout;
use crate::weights::pack::Packed;
use crate::weights::{WeightData, Weights};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tancho_ir::{Graph, Value};
use tancho_jit::{Dump, Stats, Target};

/// A network as native code. It is cheap to clone, `Send` and `Sync`; each thread makes a
/// [`Session`](crate::Session) of its own.
#[derive(Clone, Debug)]
pub struct Compiled {
    inner: Arc<Inner>,
}

/// What clones of a compiled network share.
#[derive(Debug)]
pub(crate) struct Inner {
    /// The graph that was compiled; see [`Compiled::graph`].
    pub graph: Arc<Graph>,
    pub weights: Arc<Weights>,
    /// The machine code, and the plan of the buffers that its kernels work on.
    pub code: tancho_jit::Code,
    /// The sizes, as polynomials of the run-time dims.
    pub layout: Layout,
    /// The weights that kernels read in a layout of their own.
    pub packed: Packed,
    /// The weights of which only some rows are decoded, by the numbers of the weights in ascending order.
    pub gathered: Vec<Gathered>,
    /// Results that are an earlier result as well, with the number of that.
    pub twice: Vec<(usize, usize)>,
    pub pack_time: Duration,
}

impl Inner {
    /// The weight of that number.
    pub fn weight(&self, i: usize) -> Result<&WeightData, Error> {
        self.weights.at(i).ok_or_else(|| Error::Graph(format!("weight {i} is missing")))
    }
}

impl Compiled {
    /// Compiles a graph and packs its weights.
    ///
    /// # Errors
    /// The graph has a form that no kernel does, a weight cannot be packed, or the machine has no memory or
    /// instructions for it.
    pub(crate) fn new(graph: Arc<Graph>, weights: Arc<Weights>, target: Target) -> Result<Compiled, Error> {
        let graph = match target.bf16_states() && !graph.states.is_empty() {
            true => Arc::new(tancho_ir::passes::round_states::run(&graph)?),
            false => graph,
        };
        let options = tancho_jit::Options { dump: false, coarsest: &weights.coarsest() };
        let code = tancho_jit::compile(&graph, target, options)?;
        let start = Instant::now();
        let packed = Packed::new(&weights, &code.schedule.packs, &code.schedule.prepared)?;
        let pack_time = start.elapsed();
        let (layout, gathered) = (Layout::new(&graph, &code), Gathered::of(&code, &weights));
        let twice = twice(&code.fused.graph.outputs);
        let inner = Inner { graph, weights, code, layout, packed, gathered, twice, pack_time };
        Ok(Compiled { inner: Arc::new(inner) })
    }

    /// The parts that it is made of.
    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// The graph it was compiled from: as declared, but for the element type of states and of what is made of
    /// them where [`Target::with_bf16_states`] rounds them. [`Model::graph`](crate::Model::graph) has the
    /// graph as declared.
    pub fn graph(&self) -> &Graph {
        &self.inner.graph
    }

    /// The weights it was compiled with.
    pub fn weights(&self) -> &Weights {
        &self.inner.weights
    }

    /// The graph in kernels, as text: what was fused, and what was not and why.
    pub fn fused_ir(&self) -> String {
        self.inner.code.fused.to_string()
    }

    /// The graph after each pass, by the pass's name.
    ///
    /// # Errors
    /// A pass could not infer a shape.
    pub fn ir_after_passes(&self) -> Result<Vec<(String, Graph)>, Error> {
        let mut all = Vec::new();
        let seen = &mut |name: &str, g: &Graph| all.push((name.to_string(), g.clone()));
        tancho_ir::passes::run_all(&self.inner.graph, seen)?;
        Ok(all)
    }

    /// Cranelift's IR and the machine code of every function, made anew for this call.
    ///
    /// # Errors
    /// The machine has no memory for it.
    pub fn dump(&self) -> Result<Vec<Dump>, Error> {
        let options = tancho_jit::Options { dump: true, coarsest: &self.inner.weights.coarsest() };
        Ok(tancho_jit::compile(&self.inner.graph, self.inner.code.target, options)?.dumps)
    }

    /// Times and sizes of the compilation.
    pub fn stats(&self) -> Stats {
        self.inner.code.stats
    }

    /// How long packing the weights took.
    pub fn pack_time(&self) -> Duration {
        self.inner.pack_time
    }

    /// Bytes of packed weights.
    pub fn packed_bytes(&self) -> usize {
        self.inner.packed.len()
    }

    /// The same network with other outputs.
    pub(crate) fn with_outputs(&self, outputs: Vec<Value>) -> Result<Compiled, Error> {
        let graph = Graph { outputs, ..(*self.inner.graph).clone() };
        Compiled::new(Arc::new(graph), self.inner.weights.clone(), self.inner.code.target)
    }
}

/// Results that are an earlier result as well, with the number of that.
fn twice(outputs: &[Value]) -> Vec<(usize, usize)> {
    let mut first = HashMap::new();
    let pairs = outputs.iter().enumerate().map(|(i, o)| (i, *first.entry(*o).or_insert(i)));
    pairs.filter(|(i, first)| first < i).collect()
}
