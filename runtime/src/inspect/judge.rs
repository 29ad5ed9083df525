//! The right results of a call, and how far others may be from them.

use crate::error::Error;
use crate::inspect::compare::{compare, compare_within};
use crate::inspect::report::{BOUND, TensorReport};
use crate::inspect::spread;
use crate::interpreter::{Dims, Interpreter};
use crate::tensor::Tensor;
use tancho_ir::Graph;

/// What weights are, by number.
pub type WeightsOf<'w> = &'w dyn Fn(usize) -> Result<Tensor, Error>;

/// The results of the interpreter, followed by what states become.
pub struct Judge<'g> {
    interpreter: Interpreter<'g>,
    /// Every value of the graph.
    all: Vec<Tensor>,
    names: Vec<String>,
    right: Vec<Tensor>,
    /// How far right results may be from these, as seen so far.
    reach: Vec<Vec<f64>>,
    /// How often the reach was widened.
    tries: u64,
}

impl<'g> Judge<'g> {
    /// Runs the interpreter from these states.
    ///
    /// # Errors
    /// As `Interpreter::for_call` and `Interpreter::run_all`.
    pub fn new(
        graph: &'g Graph,
        inputs: &[Tensor],
        held: &[Option<Tensor>],
        weights: WeightsOf<'_>,
    ) -> Result<Judge<'g>, Error> {
        let interpreter = Interpreter::for_call(graph, inputs, held)?;
        let all = interpreter.run_all(inputs, weights)?;
        let names = graph.outputs.iter().map(|o| graph.label(*o));
        let names = names.chain(graph.states.iter().map(|s| s.name.clone())).collect();
        let right = results(&interpreter, &all)?;
        let reach = right.iter().map(|t| vec![0.0; t.len()]).collect();
        Ok(Judge { interpreter, all, names, right, reach, tries: 0 })
    }

    /// The right results.
    pub fn right(&self) -> &[Tensor] {
        &self.right
    }

    /// The run-time dims of the call.
    pub fn dims(&self) -> &Dims {
        self.interpreter.dims()
    }

    /// Every value of the graph.
    pub fn all(&self) -> &[Tensor] {
        &self.all
    }

    /// Compares results by their rows alone.
    pub fn by_rows(&self, results: &[Tensor]) -> Vec<TensorReport> {
        let pairs = self.names.iter().zip(results.iter().zip(&self.right));
        pairs.map(|(name, (got, want))| compare(name, got, want, None, BOUND)).collect()
    }

    /// Compares results with what right ones may be where each op is off by its `errors`, one a value. How
    /// far that is, is found out as far as these results need it.
    ///
    /// # Errors
    /// There is no memory for the results.
    pub fn within_reach(&mut self, results: &[Tensor], errors: &[f64]) -> Result<Vec<TensorReport>, Error> {
        let mut reports = match self.tries {
            0 => self.by_rows(results),
            _ => self.compare(results),
        };
        while self.tries < spread::TRIES && !reports.iter().all(TensorReport::is_ok) {
            if self.widen(errors)? {
                reports = self.compare(results);
            }
        }
        Ok(reports)
    }

    fn compare(&self, results: &[Tensor]) -> Vec<TensorReport> {
        let pairs = self.names.iter().zip(results.iter().zip(&self.right)).zip(&self.reach);
        pairs.map(|((name, (got, want)), reach)| compare_within(name, got, want, reach)).collect()
    }

    /// Computes the results once more with each op off, and widens the reach to them; whether there are any.
    fn widen(&mut self, errors: &[f64]) -> Result<bool, Error> {
        let seed = self.tries;
        self.tries += 1;
        // Where an error takes an id out of range there are no results to compare; the other tries remain.
        let graph = self.interpreter.graph();
        let Ok(moved) = spread::run(graph, &self.interpreter, &self.all, errors, seed) else {
            return Ok(false);
        };
        let seen = results(&self.interpreter, &moved)?;
        for ((reach, seen), right) in self.reach.iter_mut().zip(&seen).zip(&self.right) {
            spread::widen(reach, seen, right);
        }
        Ok(true)
    }
}

/// Results and new states of a run that gave these values.
fn results(interpreter: &Interpreter<'_>, all: &[Tensor]) -> Result<Vec<Tensor>, Error> {
    let outputs = interpreter.graph().outputs.iter().map(|o| all[o.index()].copied());
    let outputs: Vec<Tensor> = outputs.collect::<Result<_, _>>()?;
    Ok(outputs.into_iter().chain(interpreter.states_after(all)?).collect())
}
