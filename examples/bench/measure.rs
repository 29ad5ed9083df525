//! One case: compiled, run, and compared with the limit.

use super::cases::Case;
use std::time::{Duration, Instant};
use tancho::inspect::Limits;
use tancho::{AnyView, Compiled, Error, Model, Session, Target};

/// The seed of random weights.
const SEED: u64 = 1;
/// Runs of a case at least.
pub const RUNS: usize = 30;
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

/// A case that is ready to run.
pub struct Prepared {
    /// Runs it once.
    pub run: Box<dyn FnMut() -> Result<Duration, Error>>,
    pub compile: Duration,
    pub pack: Duration,
}

/// Measures a case.
pub fn measure(case: &Case, limits: &Limits, target: Target) -> Result<Measured, Error> {
    let mut prepared = prepare(case, target.with_isa(limits.isa)?, limits.threads)?;
    let times = repeat(RUNS, &mut prepared.run)?;
    let (median, min) = (times[times.len() / 2], times[0]);
    let cost = case.cost(target);
    let per_second = |amount: u64| amount as f64 / (median * 1e6);
    Ok(Measured {
        case: case.name.clone(),
        median,
        min,
        compile: prepared.compile.as_secs_f64() * 1e3,
        pack: prepared.pack.as_secs_f64() * 1e3,
        limit: limits.seconds(cost.flops, cost.read, cost.written) * 1e3,
        gflops: per_second(cost.flops),
        gbs: per_second(cost.read + cost.written),
    })
}

/// Compiles a case, and fills its cache.
pub fn prepare(case: &Case, target: Target, threads: usize) -> Result<Prepared, Error> {
    if let Some(training) = case.training() {
        let mut steps = training.compile(target, threads)?;
        let run = move || {
            let start = Instant::now();
            (steps.run)()?;
            Ok(start.elapsed())
        };
        return Ok(Prepared { run: Box::new(run), compile: steps.compile, pack: steps.pack });
    }
    let compiled = model(case)?.compile(target)?;
    let mut session = filled(case, &compiled, threads)?;
    let inputs = case.inputs()?;
    // Tokens follow one another for a while, as they do in a conversation, and then those are forgotten.
    let grows = !compiled.graph().states.is_empty();
    let turns = if case.cached > 0 { RUNS } else { 1 };
    let (mut turn, cached) = (0, case.cached);
    let run = move || {
        if grows && turn % turns == 0 {
            session.truncate("P", cached)?;
        }
        turn += 1;
        let views: Vec<AnyView<'_>> = inputs.iter().map(AnyView::from).collect();
        let start = Instant::now();
        session.run_inputs(&views)?;
        Ok(start.elapsed())
    };
    Ok(Prepared { run: Box::new(run), compile: compiled.stats().total(), pack: compiled.pack_time() })
}

/// The network of a case with random weights.
pub fn model(case: &Case) -> Result<Model, Error> {
    Model::from_graph(case.graph()?, SEED)
}

/// A session with the cached positions of a case.
pub fn filled(case: &Case, compiled: &Compiled, threads: usize) -> Result<Session, Error> {
    let mut session = compiled.session_with_threads(threads)?;
    if case.cached > 0 {
        let prompt = case.prompt()?;
        session.run_inputs(&prompt.iter().map(AnyView::from).collect::<Vec<_>>())?;
    }
    Ok(session)
}

/// Times of at least so many runs in milliseconds, the shortest first.
pub fn repeat(least: usize, run: &mut dyn FnMut() -> Result<Duration, Error>) -> Result<Vec<f64>, Error> {
    let start = Instant::now();
    let mut warm = 0;
    while warm < 3 || (start.elapsed() < SPAN / 3 && warm < least) {
        run()?;
        warm += 1;
    }
    let (mut times, start) = (Vec::new(), Instant::now());
    while times.len() < least || start.elapsed() < SPAN {
        times.push(run()?.as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}
