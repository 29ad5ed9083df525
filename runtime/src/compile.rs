//! The whole machine: every stage from a declared graph to code with packed weights, in order.
//!
//! What comes before is in `macros/src/lib.rs` (`stages`): rustc runs it, and its result is code that builds
//! the declared graph. What comes after is a run, see [`Session`](crate::Session).

use crate::codes::Codes;
use crate::error::Error;
use crate::options::Options;
use crate::weights::Weights;
use crate::weights::pack::{Packed, Packs};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tancho_ir::fuse::{Constants, Fused, fuse_within};
use tancho_ir::passes::{self, round_states};
use tancho_ir::{Dim, Graph, verify};
use tancho_jit::plan::{Plan, plan};
use tancho_jit::spec::StepSpec;
use tancho_jit::{Code, CompileError, Schedule, Step, Target, generate, lower, programs, sizes};

/// What the stages made of a declared graph.
#[derive(Debug)]
pub(crate) struct Compilation {
    /// The graph that was compiled: as declared, but for states that the target rounds.
    pub graph: Arc<Graph>,
    /// The graph in kernels.
    pub fused: Fused,
    /// The calls of a run, in order, and what is packed for them.
    pub schedule: Schedule,
    /// Where the buffers of each step's values live.
    pub plan: Plan,
    /// The code of each step.
    pub code: Code,
    /// What the stages made of the bodies of its loops.
    pub bodies: Vec<Compilation>,
    /// The weights in the form that the kernels read.
    pub packed: Arc<Packed>,
    /// What it was compiled for.
    pub target: Target,
    /// How it was compiled.
    pub options: Options,
    /// Times and sizes.
    pub stats: Stats,
    /// The time of packing the weights.
    pub pack_time: Duration,
}

/// Compiles a declared graph: every stage in order, each with what goes in and what comes out. `packs` has
/// the packed weights of entry points that were compiled before.
///
/// # Errors
/// The graph is not well formed, an op has a form that no kernel does, a weight cannot be packed, or the
/// machine has no memory or instructions for it.
pub(crate) fn compile(
    declared: Arc<Graph>,
    weights: &Weights,
    options: Options,
    packs: &mut Packs,
) -> Result<Compilation, Error> {
    compile_with(declared, weights, options, packs, None)
}

/// The same for a body, with the code of bodies that were compiled before.
fn compile_with(
    declared: Arc<Graph>,
    weights: &Weights,
    options: Options,
    packs: &mut Packs,
    codes: Option<&mut Codes>,
) -> Result<Compilation, Error> {
    let target = options.target;
    let mut clock = Clock(Instant::now());
    let coarsest = weights.coarsest();

    // Graph -> Graph: states are rounded to bf16 if the target asks for it.
    let states = round_states_for(target, declared)?;
    // Graph -> Graph: it is verified, then rewritten to few forms. The list is `passes::PASSES`.
    verify::verify(&states).map_err(CompileError::Graph)?;
    let passes = if options.is_passed { &[] } else { options.stages.passes };
    let graph = passes::run(passes, &states, &mut |_, _| ()).map_err(|e| CompileError::Shape(Box::new(e)))?;
    // Graph -> Graph, or an error: every known size is in bounds.
    sizes::check(&graph)?;
    // Graph -> Constants: what is packed, or computed once, instead of compiled.
    let constants = Constants::of(&graph);
    // Graph, Constants -> Fused: groups of nodes that become one kernel each, and why others did not.
    let limit = options.fusions.as_ref().map(|fusions| &fusions.limit);
    let mut fused = fuse_within(&graph, constants, limit);
    (options.stages.fused)(&mut fused);
    let graph_time = clock.lap();

    // Fused -> Schedule: a kernel spec with its buffers for each step, and what is packed. Winograd is chosen
    // here.
    let mut schedule = lower(&fused, target, &coarsest)?;
    // Fused, Schedule -> Plan: the memory block of each value.
    let plan = plan(&fused, &schedule)?;
    let lower_time = clock.lap();

    let make = || {
        // Schedule -> Programs: for each kernel its loop nest and the vector programs that it calls.
        let programs = programs(&schedule, target);
        // Schedule, Programs -> Code: machine code by Cranelift and the x86 emitter, verified, executable.
        generate(&schedule, programs, target, false)
    };
    let code = match codes {
        Some(codes) => codes.get(&schedule, make)?,
        None => make()?,
    };
    let code_time = clock.lap();

    // Schedule, Weights -> Packed: the weights in the form that the kernels read. What another entry point of
    // the network has packed alike is shared.
    let packed = packs.pack(weights, &schedule.packs, &schedule.prepared)?;
    let pack_time = clock.lap();

    // Graphs -> Compilations: the same stages for the body of each loop and expert. Experts, and loops of
    // equal blocks, differ in their weights alone, so that most have their code already.
    let mut codes = Codes::default();
    let body = |body: &Graph| {
        compile_with(Arc::new(body.clone()), weights, options.of_body(body), packs, Some(&mut codes))
    };
    let bodies = schedule.bodies.iter().map(body).collect::<Result<Vec<_>, _>>()?;
    schedule.steps.iter_mut().for_each(|step| count_runs(step, &bodies));

    let mut stats = Stats::new([graph_time, lower_time, code_time], schedule.steps.len(), &code);
    bodies.iter().for_each(|body| stats.add(&body.stats));
    let pack_time = pack_time + bodies.iter().map(|body| body.pack_time).sum::<Duration>();
    Ok(Compilation {
        graph: states,
        fused,
        schedule,
        plan,
        code,
        bodies,
        packed,
        target,
        options,
        stats,
        pack_time,
    })
}

/// The graph with its states rounded to bf16, if the target asks for it.
fn round_states_for(target: Target, declared: Arc<Graph>) -> Result<Arc<Graph>, Error> {
    let rounds = target.bf16_states() && !declared.states.is_empty();
    Ok(if rounds { Arc::new(round_states::run(&declared)?) } else { declared })
}

/// Gives a step that runs bodies the work of all their runs: of each iteration of a loop, and of all rows as
/// if one expert were given them. What is too large to write down counts as nothing.
fn count_runs(step: &mut Step, bodies: &[Compilation]) {
    let params = &step.binding.params;
    let (body, times, rows) = match &step.spec {
        StepSpec::Kernel(_) => return,
        StepSpec::Scan(scan) => (&bodies[scan.body], scan.len.bind(params), Dim::default()),
        StepSpec::Experts(experts) => {
            let rows = experts.rows.bind(params).times(&experts.each.bind(params)).unwrap_or_default();
            (&bodies[experts.body], Dim::constant(1), rows)
        }
    };
    let own = body.graph.rows.as_deref();
    let all = |of: &dyn Fn(&Step) -> Dim| {
        let mut steps = body.schedule.steps.iter();
        let sum = steps.try_fold(Dim::default(), |sum, inner| sum.plus(&of(inner)));
        let all = sum.and_then(|sum| sum.subst(&|s| (own == Some(s)).then(|| rows.clone()))?.times(&times));
        all.unwrap_or_default()
    };
    (step.flops, step.bytes) = (all(&|inner| inner.flops.clone()), all(&|inner| inner.bytes.clone()));
}

/// Measures one stage after the other.
struct Clock(Instant);

impl Clock {
    /// The time since the last call.
    fn lap(&mut self) -> Duration {
        let (start, now) = (self.0, Instant::now());
        self.0 = now;
        now - start
    }
}

/// Times and sizes of a compilation.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Passes and fusion.
    pub graph: Duration,
    /// Lowering to kernel specs, and the plan.
    pub lower: Duration,
    /// Vector programs and machine code, verified.
    pub codegen: Duration,
    /// Making the code executable.
    pub finalize: Duration,
    /// Calls per run, each of a loop once.
    pub steps: usize,
    /// Different kernels.
    pub kernels: usize,
    /// Different vector programs.
    pub programs: usize,
    /// Bytes of machine code.
    pub code_bytes: usize,
}

impl Stats {
    /// Of a graph without its bodies: the times of its graph, lowering and code, its steps and its code.
    fn new([graph, lower, codegen]: [Duration; 3], steps: usize, code: &Code) -> Stats {
        Stats {
            graph,
            lower,
            codegen: codegen.saturating_sub(code.finalize),
            finalize: code.finalize,
            steps,
            kernels: code.different_kernels,
            programs: code.programs,
            code_bytes: code.bytes,
        }
    }

    /// Adds the body of a loop.
    fn add(&mut self, body: &Stats) {
        self.graph += body.graph;
        self.lower += body.lower;
        self.codegen += body.codegen;
        self.finalize += body.finalize;
        self.steps += body.steps;
        self.kernels += body.kernels;
        self.programs += body.programs;
        self.code_bytes += body.code_bytes;
    }

    /// All of it.
    pub fn total(&self) -> Duration {
        self.graph + self.lower + self.codegen + self.finalize
    }
}
