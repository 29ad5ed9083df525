//! The steps of one `train fn`.

use super::TrainOptions;
use crate::compiled::Compiled;
use crate::error::Error;
use crate::inspect::finite::NotFinite;
use crate::model::Model;
use crate::options::Options;
use crate::run::session::Session;
use crate::tensor::Tensor;
use crate::tensor::element::Element;
use crate::tensor::view::{AnyView, View};
use crate::weights::pack::Packs;
use std::sync::Arc;
use tancho_ir::training::{Learned, Minimize, STEP, Step, Use, step_with};
use tancho_jit::Target;

/// The steps of a `train fn`.
pub struct Part {
    /// The runs that update the weights.
    pub session: Session,
    /// The runs before them, whose gradients wait for an update; nothing if each run is an update.
    pub waiting: Option<Session>,
    /// How many wait now.
    pub runs: u32,
    pub learned: Vec<Learned>,
    /// The weights that a step changes, by number: those that are learned, and running statistics.
    pub changed: Vec<usize>,
    /// Weights that it does not reach.
    pub unreached: Vec<usize>,
    /// How many results the `train fn` has. Those of the step follow them.
    results: usize,
    minimize: Minimize,
    /// Runs for an update.
    calls: u32,
    /// Whether the last run made no update.
    waits: bool,
}

impl Part {
    /// Compiles the steps of the `train fn` of that number.
    ///
    /// # Errors
    /// It has no gradient, or the target cannot run it.
    pub fn new(
        model: &Model,
        i: usize,
        target: Target,
        options: &TrainOptions,
        packs: &mut Packs,
    ) -> Result<Part, Error> {
        let objective = &model.objectives()[i];
        let results = objective.graph.outputs.len();
        let mut make = |use_: Use| -> Result<(Session, Step), Error> {
            let step = step_with(&objective.graph, &objective.minimize, use_, &|w| options.of(w), &|net| {
                options.recomputes(net)
            });
            let mut step = step.map_err(|why| Error::Train {
                network: objective.graph.name.clone(),
                entry: objective.graph.entry.clone(),
                why: Box::new(why),
            })?;
            let graph = Arc::new(std::mem::take(&mut step.graph));
            let weights = model.shared_weights().clone();
            let compiled = Compiled::new(graph, weights, Options::new(target), packs)?;
            compiled.dump_by_environment()?;
            compiled.map_by_environment()?;
            Ok((options.session(&compiled)?, step))
        };
        let calls = options.calls();
        let (session, step) = make(if calls > 1 { Use::UpdateMean(calls) } else { Use::Update })?;
        let waiting = if calls > 1 { Some(make(Use::Add)?.0) } else { None };
        let changed = step.changed().collect();
        let Step { learned, unreached, .. } = step;
        Ok(Part {
            session,
            waiting,
            runs: 0,
            learned,
            changed,
            unreached,
            results,
            minimize: objective.minimize,
            calls,
            waits: false,
        })
    }

    /// Runs once. Gives the loss, the norm of all gradients, and whether weights were updated, which they
    /// are not if those are not finite.
    pub fn run(&mut self, inputs: &[AnyView<'_>]) -> Result<([f32; 2], bool), Error> {
        self.waits = self.waiting.is_some() && self.runs + 1 < self.calls;
        self.now_mut().run_inputs(inputs)?;
        let numbers = [self.number(self.learned.len())?, self.number(self.learned.len() + 1)?];
        let counts = numbers.iter().all(|x| x.is_finite());
        if counts {
            self.runs = if self.waits { self.runs + 1 } else { 0 };
        }
        Ok((numbers, counts && !self.waits))
    }

    /// The first op of the last run whose result is not finite. The masks of dropout are those of that run,
    /// after which the count of steps has gone on.
    pub fn first_not_finite(&mut self, inputs: &[AnyView<'_>]) -> Result<Option<NotFinite>, Error> {
        let session = self.now_mut();
        let after = session.state(STEP).ok().flatten();
        let Some(&[count]) = after.as_ref().and_then(Tensor::as_i32) else {
            return session.first_not_finite(inputs);
        };
        session.set_state(STEP, &Tensor::scalar(count.wrapping_sub(1)))?;
        let first = session.first_not_finite(inputs);
        session.set_state(STEP, &Tensor::scalar(count))?;
        first
    }

    /// The session of the last run.
    pub fn now(&self) -> &Session {
        self.waiting.as_ref().filter(|_| self.waits).unwrap_or(&self.session)
    }

    fn now_mut(&mut self) -> &mut Session {
        match &mut self.waiting {
            Some(waiting) if self.waits => waiting,
            _ => &mut self.session,
        }
    }

    /// All its sessions.
    pub fn sessions(&mut self) -> impl Iterator<Item = &mut Session> {
        [&mut self.session].into_iter().chain(&mut self.waiting)
    }

    /// Result `i` of those that follow the results of the `train fn`.
    pub fn number(&self, i: usize) -> Result<f32, Error> {
        self.now().output::<f32>(self.results + i).map(first)
    }

    /// Its name.
    pub fn entry(&self) -> &str {
        &self.session.compiled().graph().entry
    }

    /// How weights follow from gradients, as text.
    pub fn settings(&self) -> String {
        let clip = self.minimize.clip.map_or(String::new(), |norm| format!(", clip_norm {norm}"));
        format!("{:?}{clip}", self.minimize.optimizer)
    }
}

/// The element of a scalar.
pub fn first<T: Element + Default>(view: View<'_, T>) -> T {
    view.data().first().copied().unwrap_or_default()
}
