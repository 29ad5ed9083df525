//! A network with its weights, and how one is made from a declaration.

use crate::compiled::Compiled;
use crate::error::Error;
use crate::options::{Options, Stages};
use crate::train::{TrainOptions, Trainer};
use crate::weights::pack::Packs;
use crate::weights::{ConstantValues, Given, LoadOptions, LoadReport, Weights};
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use tancho_ir::Graph;
use tancho_ir::builder::{BuildError, Network, OptionValue, share_states, share_weights};
use tancho_ir::training::Objective;
use tancho_jit::Target;

/// A graph with its weights: what a declared network holds. A network with several entry points has a graph
/// for each, over the same weights.
#[derive(Clone)]
pub struct Model {
    graph: Arc<Graph>,
    others: Vec<Arc<Graph>>,
    /// What its `train fn`s minimise.
    objectives: Vec<Arc<Objective>>,
    weights: Arc<Weights>,
    report: LoadReport,
}

/// The graphs of a network, over the same weights.
struct Declaration {
    /// Of its entry points, the main one first.
    entries: Vec<Graph>,
    /// Of its `train fn`s.
    objectives: Vec<Objective>,
}

impl Model {
    /// A model from a graph that no declaration made: one read from its text form, for instance. Its weights
    /// are initialised from the seed.
    ///
    /// # Errors
    /// The graph is not valid, there is no memory for the weights, or a constant has to be given.
    pub fn from_graph(graph: Graph, seed: u64) -> Result<Model, Error> {
        tancho_ir::verify::verify(&graph)
            .and_then(|()| tancho_ir::verify::interface(&graph))
            .map_err(Error::Graph)?;
        let declaration = Declaration { entries: vec![graph], objectives: Vec::new() };
        Model::new(declaration, |g| Ok((Weights::init(g, seed)?, LoadReport::default())))
    }

    /// The graph as declared.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The graph of an entry point, by its name.
    pub fn entry(&self, name: &str) -> Option<&Graph> {
        let all = std::iter::once(&self.graph).chain(&self.others);
        all.map(|g| &**g).find(|g| g.entry == name)
    }

    /// Its weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Its weights, to replace some. What was compiled before keeps those it had.
    pub fn weights_mut(&mut self) -> &mut Weights {
        Arc::make_mut(&mut self.weights)
    }

    /// What loading converted, and what of the files it did not use.
    pub fn load_report(&self) -> &LoadReport {
        &self.report
    }

    /// Native code for the graph, with the weights packed for it.
    ///
    /// # Errors
    /// The graph has a form that no kernel does, or the machine has no memory or instructions for it.
    pub fn compile(&self, target: Target) -> Result<Compiled, Error> {
        self.compile_entry(0, target, &mut Packs::default())
    }

    /// The same for the entry point of that number; 0 is the main one. Weights that another entry point has
    /// packed alike are shared with it.
    ///
    /// # Errors
    /// As [`Model::compile`].
    #[doc(hidden)]
    pub fn compile_entry(&self, i: usize, target: Target, packs: &mut Packs) -> Result<Compiled, Error> {
        let graph = i.checked_sub(1).and_then(|i| self.others.get(i)).unwrap_or(&self.graph);
        let compiled = Compiled::new(graph.clone(), self.weights.clone(), Options::new(target), packs)?;
        compiled.dump_by_environment()?;
        compiled.map_by_environment()?;
        Ok(compiled)
    }

    /// Native code for the graph by other stages. For tests.
    ///
    /// # Errors
    /// As [`Model::compile`].
    #[doc(hidden)]
    pub fn compile_by(&self, target: Target, stages: Stages) -> Result<Compiled, Error> {
        let options = Options { stages, ..Options::new(target) };
        Compiled::new(self.graph.clone(), self.weights.clone(), options, &mut Packs::default())
    }

    /// Machine code for the steps of training, which begins with the weights as they are.
    ///
    /// # Errors
    /// A `train fn` has no gradient, an option fits no weight, or as [`Model::compile`].
    pub fn compile_train(&self, target: Target, options: &TrainOptions) -> Result<Trainer, Error> {
        Trainer::new(self.clone(), target, options)
    }

    /// What its `train fn`s minimise.
    pub(crate) fn objectives(&self) -> &[Arc<Objective>] {
        &self.objectives
    }

    /// Its weights, to compile with.
    pub(crate) fn shared_weights(&self) -> &Arc<Weights> {
        &self.weights
    }

    fn new(
        declaration: Declaration,
        weights: impl FnOnce(&Graph) -> Result<(Weights, LoadReport), Error>,
    ) -> Result<Model, Error> {
        let mut graphs = declaration.entries.into_iter().map(Arc::new);
        let graph = graphs.next().ok_or_else(|| Error::Graph("a network has no entry point".into()))?;
        let (weights, report) = weights(&graph)?;
        let objectives = declaration.objectives.into_iter().map(Arc::new).collect();
        Ok(Model { graph, others: graphs.collect(), objectives, weights: Arc::new(weights), report })
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("network", &self.graph.name).field("weights", &self.weights).finish()
    }
}

/// A type that `network!` declared.
#[doc(hidden)]
pub trait Declared: Network + Sized {
    /// The network of a model.
    fn from_model(model: Model) -> Self;
    /// Its model.
    fn model(&self) -> &Model;
    /// Its model, to change.
    fn model_mut(&mut self) -> &mut Model;
    /// The graphs of its entry points, the main one first.
    ///
    /// # Errors
    /// As [`Blueprint::graph`].
    fn graphs(dims: &[(&str, i64)], options: &[(&str, OptionValue)]) -> Result<Vec<Graph>, BuildError>;
    /// The graphs of its `train fn`s, with what they minimise.
    ///
    /// # Errors
    /// As [`Blueprint::graph`].
    fn objectives(_: &[(&str, i64)], _: &[(&str, OptionValue)]) -> Result<Vec<Objective>, BuildError> {
        Ok(Vec::new())
    }
}

/// A declared network with values for its static dims and options, before it has weights.
#[derive(Clone, Debug)]
#[must_use = "a blueprint does nothing until it is loaded or initialised"]
pub struct Blueprint<N> {
    dims: Vec<(&'static str, usize)>,
    options: Vec<(String, OptionValue)>,
    constants: Given,
    network: PhantomData<fn() -> N>,
}

impl<N: Declared> Blueprint<N> {
    /// A blueprint with these static dims.
    pub fn new(dims: &[(&'static str, usize)]) -> Blueprint<N> {
        Blueprint {
            dims: dims.to_vec(),
            options: Vec::new(),
            constants: Given::default(),
            network: PhantomData,
        }
    }

    /// Sets an option of the network: `.option("eps", 1e-6)`.
    pub fn option(mut self, name: &str, value: impl Into<OptionValue>) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }

    /// Gives a constant that the network declares without values: `.constant("inv_freq", &inv_freq)`. A
    /// constant of a net has its path before its name, `"layers.0.rope.inv_freq"`, and `*` stands for any
    /// characters, `"layers.*.inv_freq"`. Of several that fit, the last counts.
    ///
    /// Values that do not fit, are missing or belong to no constant are one error of `load` or `init`.
    pub fn constant(mut self, name: &str, values: impl ConstantValues) -> Self {
        self.constants.add(name, values);
        self
    }

    /// The graph, without weights.
    ///
    /// # Errors
    /// A dim or option does not exist, a `where` clause does not hold, or a shape does not fit.
    pub fn graph(&self) -> Result<Graph, Error> {
        let entries = self.declaration()?.entries;
        entries.into_iter().next().ok_or_else(|| Error::Graph("a network has no entry point".into()))
    }

    /// The graphs of all entry points and `train fn`s, over the same weights.
    fn declaration(&self) -> Result<Declaration, Error> {
        let options: Vec<(&str, OptionValue)> = self.options.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        let length = |(name, n): &(&'static str, usize)| match i64::try_from(*n) {
            Ok(n) => Ok((*name, n)),
            Err(_) => Err(Error::Dim {
                dim: (*name).into(),
                place: "the static dims".into(),
                why: format!("a length cannot be {n}"),
            }),
        };
        let dims: Vec<(&str, i64)> = self.dims.iter().map(length).collect::<Result<_, _>>()?;
        let mut entries = N::graphs(&dims, &options)?;
        let mut objectives = N::objectives(&dims, &options)?;
        share_states(&entries)?;
        let trained = objectives.iter_mut().map(|o| &mut o.graph);
        share_weights(entries.iter_mut().chain(trained).collect())?;
        Ok(Declaration { entries, objectives })
    }

    /// The network with the weights of a `.safetensors` or `.gguf` file, an index of sharded safetensors
    /// files, or a folder with `model.safetensors` or its index.
    ///
    /// # Errors
    /// As [`Blueprint::graph`]; or constants do not fit ([`Error::Constants`]); or the file cannot be read,
    /// or weights are missing, of another shape or type, or unexpected: one error lists them all.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<N, Error> {
        self.load_with(path, &LoadOptions::new())
    }

    /// The same with other names in the file.
    ///
    /// # Errors
    /// As [`Blueprint::load`].
    pub fn load_with(&self, path: impl AsRef<Path>, options: &LoadOptions) -> Result<N, Error> {
        Model::new(self.declaration()?, |g| Weights::load_with(g, path, options, &self.constants))
            .map(N::from_model)
    }

    /// The network with weights as their initialisers say; equal seeds give equal weights on every machine.
    ///
    /// # Errors
    /// As [`Blueprint::graph`]; or constants do not fit ([`Error::Constants`]), or there is no memory for the
    /// weights.
    pub fn init(&self, seed: u64) -> Result<N, Error> {
        let weights = |g: &Graph| Weights::init_with(g, seed, &self.constants);
        Model::new(self.declaration()?, |g| Ok((weights(g)?, LoadReport::default()))).map(N::from_model)
    }
}
