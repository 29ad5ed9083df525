//! One case: compiled, run, and compared with the limit.

use super::cases::Case;
use std::time::{Duration, Instant};
use tancho::Model;
use tancho::inspect::Limits;
use tancho::{AnyView, Error, Target};

/// Runs of a case at least.
const RUNS: usize = 30;
/// Time for all of them at least.
const SPAN: Duration = Duration::from_millis(300);

/// What was measured, in milliseconds.
#[derive(Clone, Debug)]
pub struct Measured {
    pub case: String,
    pub median: f64,
    pub min: f64,
    pub compile: f64,
    pub pack: f64,
    pub limit: f64,
    pub gflops: f64,
    pub gbs: f64,
}

impl Measured {
    /// The share of the limit.
    pub fn share(&self) -> f64 {
        self.limit / self.median
    }
}

/// Measures a case.
pub fn measure(case: &Case, limits: &Limits, target: Target) -> Result<Measured, Error> {
    let target = target.with_isa(limits.isa)?;
    let (times, compile, pack) = match case.training() {
        Some(training) => {
            let mut steps = training.compile(target, limits.threads)?;
            let run = || {
                let start = Instant::now();
                (steps.run)()?;
                Ok(start.elapsed())
            };
            (repeat(run)?, steps.compile, steps.pack)
        }
        None => runs(case, target, limits.threads)?,
    };
    let (median, min) = (times[times.len() / 2], times[0]);
    let cost = case.cost(target);
    let per_second = |amount: u64| amount as f64 / (median * 1e6);
    Ok(Measured {
        case: case.name.clone(),
        median,
        min,
        compile: compile.as_secs_f64() * 1e3,
        pack: pack.as_secs_f64() * 1e3,
        limit: limits.seconds(cost.flops, cost.read, cost.written) * 1e3,
        gflops: per_second(cost.flops),
        gbs: per_second(cost.read + cost.written),
    })
}

/// The times of a network's runs, and those of compiling and packing it.
fn runs(case: &Case, target: Target, threads: usize) -> Result<(Vec<f64>, Duration, Duration), Error> {
    let compiled = Model::from_graph(case.graph()?, 1)?.compile(target)?;
    let inputs = case.inputs()?;
    let views: Vec<AnyView<'_>> = inputs.iter().map(AnyView::from).collect();
    let mut session = compiled.session_with_threads(threads)?;
    if case.cached > 0 {
        let prompt = case.prompt()?;
        session.run_inputs(&prompt.iter().map(AnyView::from).collect::<Vec<_>>())?;
    }
    // Tokens follow one another for a while, as they do in a conversation, and then those are forgotten.
    let grows = !compiled.graph().states.is_empty();
    let turns = if case.cached > 0 { RUNS } else { 1 };
    let mut turn = 0;
    let times = repeat(|| {
        if grows && turn % turns == 0 {
            session.truncate("P", case.cached)?;
        }
        turn += 1;
        let start = Instant::now();
        session.run_inputs(&views)?;
        Ok(start.elapsed())
    })?;
    Ok((times, compiled.stats().total(), compiled.pack_time()))
}

/// Times in milliseconds, the shortest first.
fn repeat(mut run: impl FnMut() -> Result<Duration, Error>) -> Result<Vec<f64>, Error> {
    let start = Instant::now();
    let mut warm = 0;
    while warm < 3 || (start.elapsed() < SPAN / 3 && warm < RUNS) {
        run()?;
        warm += 1;
    }
    let (mut times, start) = (Vec::new(), Instant::now());
    while times.len() < RUNS || start.elapsed() < SPAN {
        times.push(run()?.as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}
