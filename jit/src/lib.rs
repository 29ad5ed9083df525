//! From a fused graph to native code. Part of the crate `tancho`.
//!
//! The stages of this crate, in order: [`sizes::check`], [`lower`], [`plan::plan`], [`programs`],
//! [`generate`]. `runtime/src/compile.rs` calls them; it lists every stage from the declared graph to code
//! with packed weights. Nothing runs here: the runtime binds dims, lays out buffers and calls the kernels.

mod blob;
mod code;
mod codegen;
mod executable;
mod format;
mod in_place;
pub mod lanes;
pub mod limits;
mod loops;
mod lower;
mod machine;
pub mod plan;
mod programs;
pub mod sizes;
pub mod spec;
pub mod system;
mod taken;
mod target;
#[doc(hidden)]
pub mod testing;
mod texts;
pub mod winograd;

pub use blob::{Arguments, KernelFn, STATUS_SLOTS, UnitKind};
pub use format::Format;
pub use lower::{Constant, Scale, Schedule, Step, WeightPack, WeightPart, lower};
pub use machine::{Blocking, Machine};
pub use programs::{KernelPrograms, Programs, programs};
pub use target::{Isa, Precision, Target};

use std::collections::HashMap;
use std::time::{Duration, Instant};
use tancho_ir::Value;
use tancho_ir::infer::ShapeError;

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

/// One generated function as text.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FunctionText {
    /// Its name.
    pub name: String,
    /// The steps whose kernels it is a part of, in ascending order.
    pub steps: Vec<usize>,
    /// Cranelift's IR. Programs that the x86 emitter makes have none.
    pub clif: Vec<TextLine>,
    /// The machine code, disassembled.
    pub asm: Vec<TextLine>,
}

/// A line of a function's text.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TextLine {
    /// The line.
    pub text: String,
    /// The node of the graph that an instruction computes; lines that are no instruction have none. It is
    /// that of the first step of the function.
    pub value: Option<Value>,
}

/// A generated function in executable memory: a kernel, or a vector program.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name, as in [`FunctionText`].
    pub name: String,
    /// The first step that runs it.
    pub step: usize,
    /// Where it begins.
    pub address: usize,
    /// Bytes of its machine code.
    pub bytes: usize,
}

/// The machine code of a network.
#[derive(Clone, Debug)]
pub struct Code {
    /// The code of each step; loops have none.
    pub kernels: Vec<Option<KernelFn>>,
    /// The functions as text, if they were asked for.
    pub texts: Vec<FunctionText>,
    /// The functions in memory.
    pub functions: Vec<Function>,
    /// Different kernels.
    pub different_kernels: usize,
    /// Different vector programs.
    pub programs: usize,
    /// Bytes of machine code.
    pub bytes: usize,
    /// Making the code executable.
    pub finalize: Duration,
}

/// Generates the machine code of a schedule: every vector program once, every loop nest once, executable
/// memory. `with_texts` keeps the functions as text.
///
/// # Errors
/// The machine has no memory or instructions for it.
pub fn generate(
    schedule: &Schedule,
    programs: Programs<'_>,
    target: Target,
    with_texts: bool,
) -> Result<Code, CompileError> {
    let isa = target.back_end()?;
    let x86 = matches!(isa.triple().architecture, target_lexicon::Architecture::X86_64);
    let mut blob = blob::CodeBlob::new(isa)?;
    let options = lanes::clif::ClifOptions { x86, checked: target.is_checked(), marked: with_texts };
    let mut functions = codegen::Functions::new(&mut blob.module, options, programs.emitter);
    let mut defined = HashMap::new();
    for (number, kernel) in programs.kernels.into_iter().enumerate() {
        defined.insert(kernel.spec, (number, functions.kernel(kernel)?));
    }
    let kernels = || schedule.steps.iter().map(|step| step.spec.kernel());
    let (mut ids, mut steps) = (Vec::new(), vec![Vec::new(); defined.len()]);
    for (step, spec) in kernels().enumerate() {
        let Some(spec) = spec else { continue };
        let (number, id) = defined[spec];
        ids.push(id);
        steps[number].push(step);
    }
    let (different_kernels, count) = (functions.kernel_count(), functions.program_count());
    let (all, texts) = (std::mem::take(&mut functions.functions), functions.texts.take());
    let bytes = all.iter().map(|f| f.bytes).sum();
    let texts = texts.map(|texts| texts.of_steps(&schedule.steps, &steps)).unwrap_or_default();
    let start = Instant::now();
    let (finished, addresses) = blob.finish_with(&ids, &all.iter().map(|f| f.id).collect::<Vec<_>>())?;
    let finalize = start.elapsed();
    let mut finished = finished.into_iter();
    let kernels = kernels().map(|kernel| kernel.and_then(|_| finished.next())).collect();
    // Each kernel is that of a step.
    let place = |(f, address): (codegen::DefinedFunction, usize)| Function {
        name: f.name,
        step: steps[f.kernel][0],
        address,
        bytes: f.bytes,
    };
    let functions = all.into_iter().zip(addresses).map(place).collect();
    Ok(Code { kernels, texts, functions, different_kernels, programs: count, bytes, finalize })
}
