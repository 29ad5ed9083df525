//! Calls whose results are wrong, as files that have all that is needed to run them again.
//!
//! The file is a safetensors file. Its metadata has the graph as IR text, the target, the number of threads
//! and the report; its tensors are the inputs, the states and the weights, bit for bit.

mod cut;
pub(crate) mod failure;
mod file;
mod settings;

use crate::compiled::Compiled;
use crate::error::Error;
use crate::options::{Options, Stages};
use crate::run::session::Session;
use crate::tensor::Tensor;
use crate::tensor::view::AnyView;
use crate::weights::Weights;
use crate::weights::pack::Packs;
use settings::Settings;
use std::path::Path;
use std::sync::Arc;
use tancho_ir::Graph;
use tancho_jit::{Isa, Target};

pub use crate::tensor::any::AnyTensor;
pub use failure::REPRODUCTION_DIR;

/// A call whose results are wrong: a graph with its weights, the states before the call and its inputs.
///
/// A check that fails writes one, see [`Report::write_reproduction`](crate::Report::write_reproduction). It
/// is as small as could be found: the first op that is wrong by itself with the arguments it had, the ops of
/// the kernel that is wrong, or the whole network with all its weights.
///
/// ```
/// use tancho_runtime::inspect::reproduction::Reproduction;
/// let e = Reproduction::read("missing.safetensors").unwrap_err().to_string();
/// assert!(e.contains("missing.safetensors"));
/// ```
#[derive(Clone, Debug)]
pub struct Reproduction {
    graph: Arc<Graph>,
    weights: Arc<Weights>,
    inputs: Vec<AnyTensor>,
    states: Vec<Option<Tensor>>,
    target: Settings,
    threads: usize,
    version: String,
    of: String,
    report: String,
}

impl Reproduction {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, is no reproduction, or is damaged: a tensor is missing or has another shape
    /// than the graph declares.
    pub fn read(path: impl AsRef<Path>) -> Result<Reproduction, Error> {
        file::read(path.as_ref())
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        file::write(self, path.as_ref())
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The inputs of the call.
    pub fn inputs(&self) -> Vec<AnyView<'_>> {
        self.inputs.iter().map(AnyTensor::view).collect()
    }

    /// The report of the check that failed.
    pub fn report(&self) -> &str {
        &self.report
    }

    /// What it is of: a network, or some values of one.
    pub fn of(&self) -> &str {
        &self.of
    }

    /// The version of this crate that wrote it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What it was compiled for.
    ///
    /// # Errors
    /// This machine does not have the level of its vectors: [`Reproduction::target_on`] takes another.
    pub fn target(&self) -> Result<Target, Error> {
        self.target_on(self.target.isa)
    }

    /// The same with vectors of another level.
    ///
    /// # Errors
    /// This machine does not have that level.
    pub fn target_on(&self, isa: Isa) -> Result<Target, Error> {
        self.target.on(isa)
    }

    /// A session for the call, with the states that it had before. [`Session::check_inputs`] of
    /// [`Reproduction::inputs`] fails as the check did.
    ///
    /// # Errors
    /// The graph cannot be compiled for the target, or memory is short.
    pub fn session(&self, target: Target) -> Result<Session, Error> {
        self.session_by(target, Stages::default())
    }

    /// The same compiled by other stages. For tests.
    ///
    /// # Errors
    /// As [`Reproduction::session`].
    #[doc(hidden)]
    pub fn session_by(&self, target: Target, stages: Stages) -> Result<Session, Error> {
        let options = Options { stages, ..Options::new(target) };
        let compiled =
            Compiled::new(self.graph.clone(), self.weights.clone(), options, &mut Packs::default())?;
        let mut session = compiled.session_with_threads(self.threads)?;
        session.restore(&self.states)?;
        Ok(session)
    }

    /// Whether the results of the call are wrong.
    fn is_wrong(&self, stages: Stages) -> Result<bool, Error> {
        let session = self.session_by(self.target()?, stages)?;
        let inputs = self.inputs();
        Ok(!session.judge_inputs(&inputs, &session.results(&inputs)?)?.is_ok())
    }
}
