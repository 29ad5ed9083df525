//! Training: the steps that `train fn`s declare, run one after another on the same weights.

mod options;

pub use options::TrainOptions;

use crate::compiled::Compiled;
use crate::error::Error;
use crate::inspect::report::Report;
use crate::model::Model;
use crate::options::Options;
use crate::run::session::Session;
use crate::tensor::Tensor;
use crate::tensor::element::Element;
use crate::tensor::view::{AnyView, View};
use crate::weights::Weights;
use crate::weights::pack::Packs;
use std::fmt;
use std::sync::Arc;
use tancho_ir::Value;
use tancho_ir::training::{self, Learned};
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
    /// How many steps were made.
    steps: u64,
    /// The loss and the norm of all gradients in the last step.
    last: Option<[f32; 2]>,
}

/// The steps of a `train fn`.
struct Part {
    session: Session,
    learned: Vec<Learned>,
    /// How many results the `train fn` has. Those of the step follow them.
    results: usize,
}

impl Part {
    fn new(
        model: &Model,
        i: usize,
        target: Target,
        options: &TrainOptions,
        packs: &mut Packs,
    ) -> Result<Part, Error> {
        let objective = &model.objectives()[i];
        let results = objective.graph.outputs.len();
        let step = training::step(&objective.graph, &objective.minimize).map_err(|why| Error::Train {
            network: objective.graph.name.clone(),
            entry: objective.graph.entry.clone(),
            why,
        })?;
        let compiled =
            Compiled::new(Arc::new(step.graph), model.shared_weights().clone(), Options::new(target), packs)?;
        compiled.dump_by_environment()?;
        compiled.map_by_environment()?;
        Ok(Part { session: options.session(&compiled)?, learned: step.learned, results })
    }

    /// Result `i` of those that follow the results of the `train fn`.
    fn number(&self, i: usize) -> Result<f32, Error> {
        self.session.output::<f32>(self.results + i).map(first)
    }

    /// The loss and the norm of all gradients in the last run.
    fn loss_and_norm(&self) -> Result<[f32; 2], Error> {
        Ok([self.number(self.learned.len())?, self.number(self.learned.len() + 1)?])
    }
}

/// The element of a scalar.
fn first<T: Element + Default>(view: View<'_, T>) -> T {
    view.data().first().copied().unwrap_or_default()
}

impl fmt::Debug for Trainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = self.model.graph();
        f.debug_struct("Trainer").field("network", &graph.name).field("steps", &self.steps).finish()
    }
}

impl Trainer {
    pub(crate) fn new(model: Model, target: Target, options: &TrainOptions) -> Result<Trainer, Error> {
        let mut packs = Packs::default();
        let part = |i| Part::new(&model, i, target, options, &mut packs);
        let mut parts: Vec<Part> = (0..model.objectives().len()).map(part).collect::<Result<_, _>>()?;
        Session::keep_together(&mut parts.iter_mut().map(|p| &mut p.session).collect::<Vec<_>>());
        let mut trainer = Trainer { parts, steps: 0, last: None, model };
        trainer.begin()?;
        Ok(trainer)
    }

    /// Gives the states of weights the values of the network.
    fn begin(&mut self) -> Result<(), Error> {
        for part in &mut self.parts {
            for learned in &part.learned {
                let weights = self.model.shared_weights();
                let value = weights.at(learned.weight).ok_or_else(|| weights.not_f32(learned.weight))?;
                let name = self.model.graph().weights[learned.weight].name.clone();
                part.session.set_state(&name, &value.to_tensor()?)?;
            }
        }
        Ok(())
    }

    /// Makes a step of the `train fn` of that number.
    ///
    /// # Errors
    /// There is no such `train fn`, an input does not fit, or the loss or a gradient is not finite
    /// ([`Error::NotFinite`]): then weights, and what the optimiser keeps, are as before.
    #[doc(hidden)]
    pub fn step(&mut self, i: usize, inputs: &[AnyView<'_>]) -> Result<(), Error> {
        let part = &mut self.parts[i];
        self.last = None;
        part.session.run_inputs(inputs)?;
        let [loss, norm] = part.loss_and_norm()?;
        self.last = Some([loss, norm]);
        if !(loss.is_finite() && norm.is_finite()) {
            // Where the machine has no memory for all values, the step is reported without the op.
            let first = part.session.first_not_finite(inputs).ok().flatten().map(Box::new);
            return Err(Error::NotFinite { step: self.steps, loss, norm, first });
        }
        self.steps += 1;
        Ok(())
    }

    /// Result `k` of the last step of a `train fn`.
    ///
    /// # Errors
    /// As [`Session::output`].
    #[doc(hidden)]
    pub fn output<T: Element>(&self, i: usize, k: usize) -> Result<View<'_, T>, Error> {
        self.parts[i].session.output(k)
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
        let names = part.learned.iter().map(|l| &self.model.graph().weights[l.weight].name);
        for (mut gradient, name) in all.tensors.into_iter().zip(names) {
            gradient.name = format!("gradient of {name}");
            report.tensors.push(gradient);
        }
        report.diverges_at = all.diverges_at;
        Ok(report)
    }

    /// How many steps were made.
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

    /// The weights as they are now, under the names they load from: `trainer.weights()?.save(path)?`.
    ///
    /// # Errors
    /// Memory is short.
    pub fn weights(&self) -> Result<Weights, Error> {
        let mut weights = (**self.model.shared_weights()).clone();
        for part in &self.parts {
            for learned in &part.learned {
                let name = &self.model.graph().weights[learned.weight].name;
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

    /// The session of a `train fn` by its name: its graph, code, profile, and states.
    pub fn session(&self, entry: &str) -> Option<&Session> {
        self.parts.iter().map(|p| &p.session).find(|s| s.compiled().graph().entry == entry)
    }

    /// The same, to change.
    pub fn session_mut(&mut self, entry: &str) -> Option<&mut Session> {
        self.parts.iter_mut().map(|p| &mut p.session).find(|s| s.compiled().graph().entry == entry)
    }

    /// The norm of the gradient of each weight in the last step of a `train fn`, before gradients were
    /// clipped, in the order of the weights. Nothing before the first.
    pub fn gradient_norms(&self, entry: &str) -> Vec<(&str, f32)> {
        let part = self.parts.iter().find(|p| p.session.compiled().graph().entry == entry);
        let Some(part) = part else { return Vec::new() };
        let norm = |(i, learned): (usize, &Learned)| {
            let name = self.model.graph().weights[learned.weight].name.as_str();
            Some((name, part.number(i).ok()?.sqrt()))
        };
        part.learned.iter().enumerate().filter_map(norm).collect()
    }

    /// A state of the first `train fn` that has it: a weight, or what the optimiser keeps for it.
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
}
