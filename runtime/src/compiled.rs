//! Compiled networks: code, plan and packed weights, shared by sessions.

use crate::error::Error;
use crate::run::gathered::Gathered;
use crate::run::layout::Layout;
use crate::run::pool::cores;
use crate::run::session::Session;
use crate::weights::Weights;
use crate::weights::pack::Packed;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tancho_ir::Graph;
use tancho_ir::fuse::Fused;
use tancho_jit::{Dump, Stats, Target};

/// More threads than any session may have: each has working memory of its own.
pub(crate) const MOST_THREADS: usize = 256;

/// A network as native code. Cheap to clone, `Send` and `Sync`; each thread makes a [`Session`] of its own.
#[derive(Clone, Debug)]
pub struct Compiled(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub graph: Arc<Graph>,
    pub weights: Arc<Weights>,
    pub code: tancho_jit::Code,
    pub layout: Layout,
    pub packed: Packed,
    /// By the numbers of their weights, in ascending order.
    pub gathered: Vec<Gathered>,
    /// Results that are another result as well, which stands before them, with the number of that.
    pub twice: Vec<(usize, usize)>,
    pub pack_time: Duration,
}

impl Compiled {
    pub(crate) fn new(graph: Arc<Graph>, weights: Arc<Weights>, target: Target) -> Result<Compiled, Error> {
        let graph = match target.bf16_states() && !graph.states.is_empty() {
            true => Arc::new(
                tancho_ir::passes::round_states::run(&graph).map_err(|e| Error::Graph(e.to_string()))?,
            ),
            false => graph,
        };
        let code = tancho_jit::compile(
            &graph,
            target,
            tancho_jit::Options { dump: false, coarsest: &weights.coarsest() },
        )?;
        let start = Instant::now();
        let packed = Packed::new(&weights, &code.schedule.packs, &code.schedule.prepared)?;
        let pack_time = start.elapsed();
        let (layout, gathered) = (Layout::new(&graph, &code), Gathered::of(&code, &weights));
        let mut first = HashMap::new();
        let outputs = code.fused.graph.outputs.iter().enumerate();
        let twice = outputs
            .filter_map(|(i, o)| Some((i, *first.entry(*o).or_insert(i))).filter(|(i, first)| first < i))
            .collect();
        Ok(Compiled(Arc::new(Inner { graph, weights, code, layout, packed, gathered, twice, pack_time })))
    }

    /// The graph as declared.
    pub fn graph(&self) -> &Graph {
        &self.0.graph
    }

    /// The weights it was compiled with.
    pub fn weights(&self) -> &Weights {
        &self.0.weights
    }

    /// The graph in kernels, as text: what was fused, and what was not and why.
    pub fn fused_ir(&self) -> String {
        self.0.code.fused.to_string()
    }

    /// The graph in kernels.
    pub fn fused(&self) -> &Fused {
        &self.0.code.fused
    }

    /// The graph after each pass, by the pass's name.
    ///
    /// # Errors
    /// A pass could not infer a shape.
    pub fn ir_after_passes(&self) -> Result<Vec<(String, Graph)>, Error> {
        let mut all = Vec::new();
        let seen = &mut |name: &str, g: &Graph| all.push((name.to_string(), g.clone()));
        tancho_ir::passes::run_all(&self.0.graph, seen).map_err(|e| Error::Graph(e.to_string()))?;
        Ok(all)
    }

    /// Cranelift's IR and the machine code of every function, made anew for this call.
    ///
    /// # Errors
    /// The machine has no memory for it.
    pub fn dump(&self) -> Result<Vec<Dump>, Error> {
        let options = tancho_jit::Options { dump: true, coarsest: &self.0.weights.coarsest() };
        Ok(tancho_jit::compile(&self.0.graph, self.0.code.target, options)?.dumps)
    }

    /// Times and sizes of the compilation.
    pub fn stats(&self) -> Stats {
        self.0.code.stats
    }

    /// How long packing the weights took.
    pub fn pack_time(&self) -> Duration {
        self.0.pack_time
    }

    /// Bytes of packed weights.
    pub fn packed_bytes(&self) -> usize {
        self.0.packed.len()
    }

    /// Buffers to run it with, on all cores of the machine.
    pub fn session(&self) -> Session {
        Session::new(self.clone(), cores().min(MOST_THREADS))
    }

    /// The same with runs divided among `threads` threads. One thread is the caller's own; the others come
    /// from a pool that all sessions of the process share. With more threads than cores the work is divided
    /// into so many parts, but no more threads run than there are cores; so it is where other sessions run at
    /// the same time. The results are the same to the last bit for any number.
    ///
    /// # Errors
    /// No threads, or more than 256.
    pub fn session_with_threads(&self, threads: usize) -> Result<Session, Error> {
        if threads == 0 || threads > MOST_THREADS {
            return Err(Error::Threads { asked: threads, most: MOST_THREADS });
        }
        Ok(Session::new(self.clone(), threads))
    }

    /// The same network with other outputs.
    pub(crate) fn with_outputs(&self, outputs: Vec<tancho_ir::Value>) -> Result<Compiled, Error> {
        let graph = Graph { outputs, ..(*self.0.graph).clone() };
        Compiled::new(Arc::new(graph), self.0.weights.clone(), self.0.code.target)
    }
}
