//! From a graph to native code. UnitKind of the crate `tancho`.
//!
//! [`compile`] is the whole way in order: the graph passes, fusion, lowering to
//! kernel specs, each spec to a Cranelift function once, executable memory.
//! Nothing runs here: the runtime binds dims, plans buffers and calls the kernels.

mod blob;
mod code;
mod codegen;
mod executable;
mod format;
pub mod lanes;
pub mod limits;
mod loops;
mod lower;
mod machine;
pub mod plan;
pub mod sizes;
pub mod spec;
mod taken;
mod target;
#[doc(hidden)]
pub mod testing;
pub mod winograd;

pub use blob::{Arguments, KernelFn, STATUS_SLOTS, UnitKind};
pub use format::Format;
pub use lower::{Constant, Scale, Schedule, Step, WeightPack, WeightPart};
pub use machine::{Blocking, Machine};
pub use target::{Isa, Precision, Target};

use std::time::{Duration, Instant};
use tancho_ir::Graph;
use tancho_ir::fuse::{Fused, fuse};
use tancho_ir::infer::ShapeError;
use tancho_ir::passes;

/// Why a network could not be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The graph breaks an invariant; a fault of a pass, not of the user.
    #[error("the graph is not well formed: {0}")]
    Graph(String),
    /// A pass could not infer a shape; a fault of the pass, not of the user.
    #[error("the graph is not well formed: {0}")]
    Shape(#[source] Box<ShapeError>),
    /// No kernel does this.
    #[error("cannot compile `{what}`: {why}")]
    Unsupported {
        /// The op in the user's words.
        what: String,
        /// Why not.
        why: String,
    },
    /// The machine cannot be targeted.
    #[error("cannot generate code for this machine: {0}")]
    Host(String),
    /// Cranelift refused a function; a fault of this crate.
    #[error("Cranelift refused {function}: {message}")]
    Cranelift {
        /// The function.
        function: String,
        /// What Cranelift says.
        message: String,
    },
    /// The emitter made code that its verifier rejects; a fault of this crate.
    #[error("the emitted code of {function} is not sound: {message}")]
    Emitted {
        /// The function.
        function: String,
        /// What the verifier found.
        message: String,
    },
    /// The machine lacks what was asked for.
    #[error("this machine has no {isa}: its level is {host}")]
    Isa {
        /// What was asked for.
        isa: Isa,
        /// What it has.
        host: Isa,
    },
    /// No executable memory.
    #[error("no executable memory: {0}")]
    Memory(String),
}

/// The texts of one generated function.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dump {
    /// Its name.
    pub name: String,
    /// Cranelift's IR.
    pub clif: String,
    /// The machine code, disassembled.
    pub asm: String,
}

/// Times and sizes of a compilation.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Graph passes and fusion.
    pub graph: Duration,
    /// Lowering to kernel specs, and the plan.
    pub lower: Duration,
    /// Cranelift, verifier included.
    pub codegen: Duration,
    /// Making it executable.
    pub finalize: Duration,
    /// Calls per run.
    pub steps: usize,
    /// Different kernels.
    pub kernels: usize,
    /// Different vector programs.
    pub programs: usize,
    /// Bytes of machine code.
    pub code_bytes: usize,
}

impl Stats {
    /// All of it.
    pub fn total(&self) -> Duration {
        self.graph + self.lower + self.codegen + self.finalize
    }
}

/// A network as native code.
#[derive(Clone, Debug)]
pub struct Code {
    /// The graph in kernels.
    pub fused: Fused,
    /// The calls of a run, in order.
    pub schedule: Schedule,
    /// The code of each step.
    pub kernels: Vec<KernelFn>,
    /// Where the buffers of each step's values live.
    pub plan: plan::Plan,
    /// Compile times and sizes.
    pub stats: Stats,
    /// The functions as text, if asked for.
    pub dumps: Vec<Dump>,
    /// What it was compiled for.
    pub target: Target,
}

/// What to compile besides the code.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Keep the functions as text.
    pub dump: bool,
    /// The coarsest format that each weight may take, whatever the target says; any for those that are not
    /// listed.
    pub coarsest: &'a [Format],
}

/// Compiles a graph: every stage, in order.
///
/// # Errors
/// The graph is not well formed, an op has a form no kernel does, or the machine has no
/// memory or instructions for it.
pub fn compile(graph: &Graph, target: Target, options: Options<'_>) -> Result<Code, CompileError> {
    let mut stats = Stats::default();
    let start = Instant::now();
    tancho_ir::verify::verify(graph).map_err(CompileError::Graph)?;
    let graph = passes::run_all(graph, &mut |_, _| ()).map_err(|e| CompileError::Shape(Box::new(e)))?;
    sizes::check(&graph)?;
    let fused = fuse(&graph);
    stats.graph = start.elapsed();

    let start = Instant::now();
    let schedule = lower::lower(&fused, target, options.coarsest)?;
    let plan = plan::plan(&fused, &schedule)?;
    stats.lower = start.elapsed();

    let start = Instant::now();
    let isa = target.back_end()?;
    let x86 = matches!(isa.triple().architecture, target_lexicon::Architecture::X86_64);
    let mut blob = blob::CodeBlob::new(isa)?;
    let lanes_options = lanes::clif::ClifOptions { x86, checked: target.is_checked() };
    let mut functions =
        codegen::Functions::new(&mut blob.module, lanes_options, target.machine(), options.dump);
    let ids =
        schedule.steps.iter().map(|step| functions.kernel(&step.spec)).collect::<Result<Vec<_>, _>>()?;
    stats.steps = ids.len();
    stats.kernels = functions.kernel_count();
    stats.programs = functions.program_count();
    stats.code_bytes = functions.code_bytes;
    let dumps = functions.dumps.take().unwrap_or_default();
    stats.codegen = start.elapsed();

    let start = Instant::now();
    let kernels = blob.finish(&ids)?;
    stats.finalize = start.elapsed();
    Ok(Code { fused, schedule, kernels, plan, stats, dumps, target })
}
