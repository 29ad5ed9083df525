//! What the page shows of runs: times, the limits of the machine, and errors against the interpreter.

use crate::error::Error;
use crate::inspect::cost::Roof;
use crate::inspect::limits::Limits;
use crate::inspect::profile::Profile;
use crate::inspect::report::OpReport;
use crate::page::sources::Sources;
use crate::run::session::Session;
use crate::tensor::view::AnyView;
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};
use tancho_ir::Graph;

/// Runs are measured until they have taken so long together, or are so many.
const LONG_ENOUGH: Duration = Duration::from_millis(400);
const MANY: usize = 50;

/// What was measured.
pub struct Measured {
    /// Of the run whose time is the median.
    pub profile: Profile,
    /// How many runs there were, and the nanoseconds of the shortest and of the longest.
    count: usize,
    spread: [u64; 2],
    pub roof: Roof,
    /// The error of each op of the declared graph by itself, up to the first that diverges.
    errors: Vec<f64>,
    diverges: Option<OpReport>,
}

impl Measured {
    /// Runs a copy of a session on these inputs, several times from the same states, and compares each op
    /// with the interpreter. Gives the values of the run-time dims as well.
    ///
    /// # Errors
    /// As a run, or the machine cannot be measured.
    pub fn of(session: &Session, inputs: &[AnyView<'_>]) -> Result<(Measured, Vec<i64>), Error> {
        let mut copy = session.fork()?;
        copy.run_inputs(inputs)?;
        let dims = copy.bound_dims().to_vec();
        let (start, mut runs) = (Instant::now(), Vec::new());
        while runs.is_empty() || (runs.len() < MANY && start.elapsed() < LONG_ENOUGH) {
            copy.adopt(session.forked_states()?);
            copy.set_profiling(true);
            copy.run_inputs(inputs)?;
            runs.push(copy.profile());
        }
        // A machine that is shared disturbs some runs: the page shows the median as it was.
        runs.sort_by_key(|profile| profile.total().nanos);
        let (count, spread) = (runs.len(), [0, runs.len() - 1].map(|i| runs[i].total().nanos));
        let profile = runs.swap_remove(count / 2);
        let compiled = session.compiled();
        let limits = Limits::measure(compiled.inner().compilation.target.isa(), session.threads())?;
        let roof = limits.roof((copy.memory_bytes() + compiled.packed_bytes()) as u64);
        let (errors, diverges) = session.errors_of_ops(inputs)?;
        let diverges = diverges.map(|(_, op)| op);
        Ok((Measured { profile, count, spread, roof, errors, diverges }, dims))
    }

    pub fn json(&self, declared: &Graph, sources: &mut Sources) -> Json {
        let Measured { profile, count, spread, roof, errors, diverges } = self;
        let with_error = declared.values().zip(errors).filter(|(_, error)| **error > 0.0);
        let errors: Vec<Json> = with_error
            .map(|(v, error)| json!([sources.add(&declared.node(v).source).0, declared.label(v), error]))
            .collect();
        let spans: Vec<_> = profile.spans.iter().map(|s| (s.step, s.thread, s.begin, s.end)).collect();
        json!({
            "runs": count,
            "spread": spread,
            "roof": [roof.gflops, roof.gbytes],
            "spans": spans,
            "errors": errors,
            "diverges": diverges.as_ref().map(|op| format!("{}: {}\n{}", op.label, op.place, op.report)),
        })
    }
}
