//! The memory that a session owns: what lies between steps, results and states.

use crate::error::Error;
use crate::run::bind::Env;
use crate::run::memory::Lines;
use crate::run::state::States;
use crate::tensor::shape::element_count;
use tancho_ir::Graph;
use tancho_jit::plan::{Place, Plan};

/// A result's memory and the shape it has now.
#[derive(Debug, Default)]
pub struct Output {
    pub data: Lines,
    pub shape: Vec<usize>,
    /// Number of elements.
    pub len: usize,
}

/// The memory of a session. It grows as calls need it and never shrinks.
#[derive(Debug)]
pub struct Buffers {
    /// Holds the plan's blocks: values between steps, and working memory of each thread.
    pub arena: Lines,
    pub outputs: Vec<Output>,
    pub states: States,
}

impl Default for Buffers {
    /// Those of a graph without states whose results lie elsewhere: the body of a loop.
    fn default() -> Buffers {
        Buffers::new(&Graph::default(), &Plan::default(), 0)
    }
}

impl Buffers {
    /// No memory yet, for a network with this many results.
    pub fn new(graph: &Graph, plan: &Plan, outputs: usize) -> Buffers {
        let outputs = (0..outputs).map(|_| Output::default()).collect();
        Buffers { arena: Lines::default(), outputs, states: States::new(graph, plan) }
    }

    /// Reserves the results under these dims.
    ///
    /// # Errors
    /// A length is negative or has no value, or memory is short.
    pub fn reserve_outputs(&mut self, env: &Env<'_>) -> Result<(), Error> {
        for (output, value) in self.outputs.iter_mut().zip(&env.graph.outputs) {
            let ty = env.graph.ty(*value);
            output.shape.clear();
            for d in &ty.shape {
                output.shape.push(env.length(d)?);
            }
            output.len = element_count(&output.shape).ok_or(Error::Memory { bytes: u128::MAX })?;
            let bytes = output.len * ty.dtype.size();
            if !output.data.reserve(bytes) {
                return Err(Error::Memory { bytes: bytes as u128 });
            }
        }
        Ok(())
    }

    /// Whether a result or a state has no elements under the dims bound last; true for other places.
    pub fn is_empty(&self, place: Place) -> bool {
        match place {
            // Those of a loop's body are places of the step around.
            Place::Output(n) => self.outputs.get(n).is_some_and(|output| output.len == 0),
            Place::State(n) => self.states.memory().now(n).1 == 0,
            Place::Next(n) => self.states.memory().next(n).1 == 0,
            _ => true,
        }
    }

    /// Bytes of memory held now, but for states.
    pub fn bytes(&self) -> usize {
        self.arena.bytes().len() + self.outputs.iter().map(|o| o.data.bytes().len()).sum::<usize>()
    }
}
