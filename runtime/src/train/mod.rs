//! Training: the steps that `train fn`s declare, run one after another on the same weights.

mod checkpoint;
mod checkpoints;
mod options;
mod part;
mod price;
mod schedule;

pub use checkpoints::Checkpoints;
pub use options::TrainOptions;
pub use price::{Kept, Recomputed, StepPrice};
pub use schedule::Schedule;

use crate::error::Error;
use crate::inspect::report::Report;
use crate::model::Model;
use crate::run::session::Session;
use crate::tensor::Tensor;
use crate::tensor::element::Element;
use crate::tensor::view::{AnyView, View};
use crate::weights::Weights;
use crate::weights::pack::Packs;
use part::{Part, first};
use std::collections::BTreeMap;
use std::fmt;
use tancho_ir::Value;
use tancho_ir::training::{Learned, NoStep};
use tancho_jit::Target;

/// A network in training. What `compile_train` gives is one with a method for each `train fn`.
///
/// It has the weights that are learned, and what the optimiser keeps for them, in memory of its own. The
/// network that it was made from keeps the weights it had.
pub struct Trainer {
    /// The network, with the weights that training began with.
    model: Model,
    /// One for each `train fn`.
    parts: Vec<Part>,
    options: TrainOptions,
    /// How many updates were made.
    steps: u64,
    /// The loss and the norm of all gradients in the last step.
    last: Option<[f32; 2]>,
    /// What the user noted for checkpoints.
    notes: BTreeMap<String, String>,
}

impl fmt::Debug for Trainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = self.model.graph();
        f.debug_struct("Trainer").field("network", &graph.name).field("steps", &self.steps).finish()
    }
}

impl Trainer {
    pub(crate) fn new(model: Model, target: Target, options: &TrainOptions) -> Result<Trainer, Error> {
        options.check(&model)?;
        let mut packs = Packs::default();
        let part = |i| Part::new(&model, i, target, options, &mut packs);
        let mut parts: Vec<Part> = (0..model.objectives().len()).map(part).collect::<Result<_, _>>()?;
        reached(&model, &parts)?;
        Session::keep_together(&mut parts.iter_mut().flat_map(Part::sessions).collect::<Vec<_>>());
        let options = options.clone();
        let mut trainer = Trainer { parts, options, steps: 0, last: None, notes: BTreeMap::new(), model };
        trainer.begin()?;
        Ok(trainer)
    }

    /// Gives the states of weights the values of the network, and masks of dropout their seed.
    fn begin(&mut self) -> Result<(), Error> {
        let weights = self.model.shared_weights();
        for part in &mut self.parts {
            self.options.give_seed(&mut part.session)?;
            for &weight in &part.changed {
                let value = weights.at(weight).ok_or_else(|| weights.not_f32(weight))?;
                let name = &self.model.graph().weights[weight].name;
                part.session.set_state(name, &value.to_tensor()?)?;
            }
        }
        Ok(())
    }

    /// Makes a step of the `train fn` of that number.
    ///
    /// # Errors
    /// An input does not fit, or the loss or a gradient is not finite ([`Error::NotFinite`]): then weights,
    /// and what the optimiser keeps for them, are as before.
    #[doc(hidden)]
    pub fn step(&mut self, i: usize, inputs: &[AnyView<'_>]) -> Result<(), Error> {
        self.last = None;
        let part = &mut self.parts[i];
        let ([loss, norm], updated) = part.run(inputs)?;
        self.last = Some([loss, norm]);
        if !(loss.is_finite() && norm.is_finite()) {
            // Where the machine has no memory for all values, the step is reported without the op.
            let first = part.first_not_finite(inputs).ok().flatten().map(Box::new);
            return Err(Error::NotFinite { step: self.steps, loss, norm, first });
        }
        self.steps += u64::from(updated);
        Ok(())
    }

    /// Result `k` of the last step of a `train fn`.
    ///
    /// # Errors
    /// As [`Session::output`].
    #[doc(hidden)]
    pub fn output<T: Element>(&self, i: usize, k: usize) -> Result<View<'_, T>, Error> {
        self.parts[i].now().output(k)
    }

    /// The same of a scalar.
    ///
    /// # Errors
    /// As [`Session::output`].
    #[doc(hidden)]
    pub fn scalar<T: Element + Default>(&self, i: usize, k: usize) -> Result<T, Error> {
        self.output(i, k).map(first)
    }

    /// Compares a step with what the interpreter makes of it: its results, all gradients, and all that it
    /// changes. Nothing is changed.
    ///
    /// # Errors
    /// As [`Session::check_inputs`].
    #[doc(hidden)]
    pub fn check_step(&self, i: usize, inputs: &[AnyView<'_>]) -> Result<Report, Error> {
        let part = &self.parts[i];
        let mut report = part.session.check_inputs(inputs)?;
        if !report.is_ok() {
            return Ok(report);
        }
        // The code of a step stores no gradient that its update can take from registers.
        let gradients: Vec<Value> = part.learned.iter().map(|learned| learned.gradient).collect();
        let stored = part.session.compiled().with_outputs(gradients)?;
        let all = part.session.beside(stored)?.check_inputs(inputs)?;
        let names = part.learned.iter().map(|learned| self.name(learned));
        for (mut gradient, name) in all.tensors.into_iter().zip(names) {
            gradient.name = format!("gradient of {name}");
            report.tensors.push(gradient);
        }
        report.diverges_at = all.diverges_at;
        Ok(report)
    }

    /// How many updates of the weights were made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The loss of the last step; `None` before the first.
    pub fn loss(&self) -> Option<f32> {
        self.last.map(|[loss, _]| loss)
    }

    /// The norm of all gradients of the last step together, before they were clipped; `None` before the
    /// first.
    pub fn gradient_norm(&self) -> Option<f32> {
        self.last.map(|[_, norm]| norm)
    }

    /// The norm of the gradient of each weight in the last step of a `train fn`, before gradients were
    /// clipped, in the order of the weights. Nothing before the first, or if there is no such `train fn`.
    pub fn gradient_norms(&self, entry: &str) -> Vec<(&str, f32)> {
        let Some(part) = self.parts.iter().find(|p| p.entry() == entry) else { return Vec::new() };
        let norm = |(i, learned)| Some((self.name(learned), part.number(i).ok()?.sqrt()));
        part.learned.iter().enumerate().filter_map(norm).collect()
    }

    /// The weights as they are now, under the names they load from: `trainer.weights()?.save(path)?`.
    ///
    /// # Errors
    /// Memory is short.
    pub fn weights(&self) -> Result<Weights, Error> {
        let mut weights = (**self.model.shared_weights()).clone();
        for part in &self.parts {
            for &weight in &part.changed {
                let name = &self.model.graph().weights[weight].name;
                if let Some(now) = part.session.state(name)? {
                    weights.set(name, now)?;
                }
            }
        }
        Ok(weights)
    }

    /// The network with the weights as they are now.
    ///
    /// # Errors
    /// Memory is short.
    #[doc(hidden)]
    pub fn model(&self) -> Result<Model, Error> {
        let mut model = self.model.clone();
        *model.weights_mut() = self.weights()?;
        Ok(model)
    }

    /// The session of a `train fn` by its name: its graph, code, profile, and states. With accumulated
    /// gradients it is that of the runs which update the weights.
    pub fn session(&self, entry: &str) -> Option<&Session> {
        self.parts.iter().find(|p| p.entry() == entry).map(|p| &p.session)
    }

    /// The same, to change.
    pub fn session_mut(&mut self, entry: &str) -> Option<&mut Session> {
        self.parts.iter_mut().find(|p| p.entry() == entry).map(|p| &mut p.session)
    }

    /// What a weight is now, or what the optimiser keeps for it: `step.up.weight.mean`, with the name of the
    /// `train fn` first. `None` for what no step has made yet.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn state(&self, name: &str) -> Result<Option<Tensor>, Error> {
        let mut found = Err(Error::NoState { name: name.into(), known: "none".into() });
        for part in &self.parts {
            found = part.session.state(name);
            if found.is_ok() {
                break;
            }
        }
        found
    }

    /// Notes a text that checkpoints keep: where the data stand, for instance.
    pub fn set_note(&mut self, name: &str, text: impl Into<String>) {
        self.notes.insert(name.into(), text.into());
    }

    /// A text that was noted, maybe before a checkpoint was read.
    pub fn note(&self, name: &str) -> Option<&str> {
        self.notes.get(name).map(String::as_str)
    }

    fn name(&self, learned: &Learned) -> &str {
        &self.model.graph().weights[learned.weight].name
    }
}

/// Checks that every weight that is to be learned is reached by a `train fn`.
fn reached(model: &Model, parts: &[Part]) -> Result<(), Error> {
    let Some(first) = parts.first() else { return Ok(()) };
    let by_none = |i: &&usize| parts.iter().all(|part| part.unreached.contains(i));
    let weights = &model.graph().weights;
    let weights: Vec<String> =
        first.unreached.iter().filter(by_none).map(|i| weights[*i].name.clone()).collect();
    if weights.is_empty() {
        return Ok(());
    }
    let (network, entry) = (model.graph().name.clone(), first.entry().into());
    Err(Error::Train { network, entry, why: Box::new(NoStep::NoPath { weights }) })
}
