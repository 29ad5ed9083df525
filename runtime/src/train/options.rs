//! What may be chosen for a run of training.

use crate::compiled::Compiled;
use crate::error::Error;
use crate::model::Model;
use crate::run::session::Session;
use crate::tensor::Tensor;
use crate::weights::names::{listed, matches, nearest};
use std::collections::BTreeSet;
use std::fmt;
use tancho_ir::graph::WeightDecl;
use tancho_ir::training::{Adjustment, SEED, nets};

/// Options of a run of training. Weights are chosen by their names, and nets by their paths, in which `*`
/// stands for any characters; where several options choose a weight, the last counts.
///
/// ```
/// use tancho_runtime::train::TrainOptions;
/// let options = TrainOptions::new()
///     .accumulate(4)                      // one update for four calls
///     .freeze("embed.*")
///     .rate("head.*", 10.0)               // ten times the learning rate
///     .recompute("layers.*")              // less memory, for some time
///     .weight_decay("*.bias", 0.0);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct TrainOptions {
    threads: Option<usize>,
    seed: i32,
    accumulate: Option<u32>,
    groups: Vec<(String, Change)>,
    recomputed: Vec<String>,
}

/// What is changed of some weights.
#[derive(Clone, Copy, Debug)]
enum Change {
    Frozen,
    Rate(f64),
    Decay(f64),
}

impl TrainOptions {
    /// As `compile_train` has it: all cores, an update for each call, and what the declaration says.
    pub fn new() -> TrainOptions {
        TrainOptions::default()
    }

    /// Divides steps among so many threads. The results are the same to the last bit for any number.
    pub fn threads(mut self, threads: usize) -> TrainOptions {
        self.threads = Some(threads);
        self
    }

    /// The number that the masks of dropout follow from; 0 if none is given. Training with the same seed,
    /// inputs and first weights gives the same weights, to the last bit.
    pub fn seed(mut self, seed: i32) -> TrainOptions {
        self.seed = seed;
        self
    }

    /// Updates the weights once for so many calls, by the mean of their gradients: as one call with all
    /// batches would, if they are of one size and the loss is a mean.
    pub fn accumulate(mut self, calls: u32) -> TrainOptions {
        self.accumulate = Some(calls);
        self
    }

    /// Leaves weights as they are.
    pub fn freeze(self, names: &str) -> TrainOptions {
        self.change(names, Change::Frozen)
    }

    /// Multiplies the learning rate of weights.
    pub fn rate(self, names: &str, factor: f64) -> TrainOptions {
        self.change(names, Change::Rate(factor))
    }

    /// Gives weights another decay than the optimiser's, even where they are declared `#[no_decay]`.
    pub fn weight_decay(self, names: &str, decay: f64) -> TrainOptions {
        self.change(names, Change::Decay(decay))
    }

    /// Computes again, for the backward pass, what it reads inside of nets, and keeps from the forward pass
    /// what comes into them alone. Nets are chosen by their paths, `layers.3.attention`, and of a net and
    /// what is inside of it the outer one counts. The results are the same to the last bit;
    /// [`Trainer::price`](super::Trainer::price) says what it saves and costs.
    pub fn recompute(mut self, nets: &str) -> Self {
        self.recomputed.push(nets.into());
        self
    }

    fn change(mut self, names: &str, change: Change) -> TrainOptions {
        self.groups.push((names.into(), change));
        self
    }

    /// Checks that every option can be meant.
    ///
    /// # Errors
    /// [`Error::TrainOption`], for the first that cannot.
    pub(super) fn check(&self, model: &Model) -> Result<(), Error> {
        let graph = model.graph();
        let wrong = |option: String, why: String| Err(Error::TrainOption { option, why });
        if let Some(0) = self.accumulate {
            return wrong("accumulate(0)".into(), "an update needs at least one call".into());
        }
        let learns = |w: &&WeightDecl| w.marks.learns() && !w.is_constant();
        let names = || graph.weights.iter().filter(learns).map(|w| w.name.as_str());
        for (pattern, change) in &self.groups {
            let option = change.written(pattern);
            if let Change::Rate(x) | Change::Decay(x) = change
                && !(*x >= 0.0 && x.is_finite())
            {
                return wrong(option, "it must be a finite number that is not negative".into());
            }
            if !names().any(|name| matches(pattern, name)) {
                let near = nearest(pattern, names()).map(|n| format!("; did you mean `{n}`?"));
                let why = format!("no weight of that name is learned{}", near.unwrap_or_default());
                return wrong(option, why);
            }
        }
        self.check_recomputed(model)
    }

    /// Checks that every net that is to be computed again is there.
    ///
    /// # Errors
    /// [`Error::TrainOption`], for the first that is not.
    fn check_recomputed(&self, model: &Model) -> Result<(), Error> {
        let graphs = || model.objectives().iter().map(|objective| &objective.graph);
        let all: BTreeSet<&str> = graphs().flat_map(nets).collect();
        let has_none = |pattern: &&String| !all.iter().any(|net| matches(pattern, net));
        let Some(pattern) = self.recomputed.iter().find(has_none) else { return Ok(()) };
        let near = nearest(pattern, all.iter().copied()).map(|n| format!(", did you mean `{n}`?"));
        let all: Vec<&str> = all.into_iter().collect();
        let there =
            if all.is_empty() { "there are none".into() } else { format!("there are {}", listed(&all)) };
        let why = format!("no net of that path is in a step{}; {there}", near.unwrap_or_default());
        Err(Error::TrainOption { option: format!("recompute({pattern:?})"), why })
    }

    /// Whether what a net of that path has computed is computed again for the backward pass.
    pub(super) fn recomputes(&self, net: &str) -> bool {
        self.recomputed.iter().any(|pattern| matches(pattern, net))
    }

    /// What the options change of a weight.
    pub(super) fn of(&self, weight: &WeightDecl) -> Adjustment {
        let mut all = Adjustment::default();
        for (_, change) in self.groups.iter().filter(|(pattern, _)| matches(pattern, &weight.name)) {
            match change {
                Change::Frozen => all.frozen = true,
                Change::Rate(factor) => all.rate = *factor,
                Change::Decay(decay) => all.weight_decay = Some(*decay),
            }
        }
        all
    }

    /// For how many calls there is one update.
    pub(super) fn calls(&self) -> u32 {
        self.accumulate.unwrap_or(1)
    }

    /// Gives a session the seed, if masks follow from one.
    pub(super) fn give_seed(&self, session: &mut Session) -> Result<(), Error> {
        if session.compiled().graph().states.iter().any(|s| s.name == SEED) {
            session.set_state(SEED, &Tensor::scalar(self.seed))?;
        }
        Ok(())
    }

    /// Buffers for steps.
    pub(super) fn session(&self, compiled: &Compiled) -> Result<Session, Error> {
        match self.threads {
            Some(threads) => compiled.session_with_threads(threads),
            None => Ok(compiled.session()),
        }
    }
}

/// What of the options a checkpoint must agree with: all but what changes no result, and the seed, which it
/// has itself.
impl fmt::Display for TrainOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "accumulate({})", self.calls())?;
        self.groups.iter().try_for_each(|(pattern, change)| write!(f, " {}", change.written(pattern)))
    }
}

impl Change {
    fn written(self, pattern: &str) -> String {
        match self {
            Change::Frozen => format!("freeze({pattern:?})"),
            Change::Rate(factor) => format!("rate({pattern:?}, {factor})"),
            Change::Decay(decay) => format!("weight_decay({pattern:?}, {decay})"),
        }
    }
}
