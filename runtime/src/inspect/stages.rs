//! Every stage of compiling as text, from the declared graph to machine code. `TANCHO_DUMP` gives the same
//! texts of every network that a program compiles, without a line of code.

use crate::compile::Compilation;
use crate::compiled::Compiled;
use crate::error::Error;
use crate::inspect::changes::changes;
use crate::inspect::code::write_functions;
use std::collections::{BTreeSet, HashSet};
use std::fmt::{self, Write};
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};
use tancho_ir::passes::PASSES;
use tancho_ir::{Graph, Value};
use tancho_jit::plan::Place;
use tancho_jit::spec::{Buffer, Division, KernelSpec};
use tancho_jit::{Schedule, Step, generate, programs};

/// The variable that names stages to print when a network is compiled: several by comma, as in
/// `fused,ir:simplify,asm`.
pub const DUMP: &str = "TANCHO_DUMP";

/// The variable that names a folder for them. Without it they go to the standard error.
pub const DUMP_DIR: &str = "TANCHO_DUMP_DIR";

/// A stage of compiling.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// How long each stage, each pass and each kernel's code took, measured anew.
    Times,
    /// The graph as declared.
    Ir,
    /// What the pass of that name changed.
    Pass(String),
    /// The graph in kernels: what was fused, and what was not and why.
    Fused,
    /// The kernel specs, step by step.
    Spec,
    /// The vector programs of each kernel.
    Programs,
    /// What each step reads and writes, in order, and where that lies.
    Plan,
    /// The blocks of memory that values share, with the steps that they are alive in.
    Memory,
    /// Cranelift's IR of each function, each instruction with the source of the op that it computes.
    Clif,
    /// The machine code of each function, disassembled, each instruction with the source of the op that it
    /// computes.
    Asm,
}

/// The stages that have no name of their own in them.
const STAGES: [(&str, Stage); 9] = [
    ("times", Stage::Times),
    ("ir", Stage::Ir),
    ("fused", Stage::Fused),
    ("spec", Stage::Spec),
    ("programs", Stage::Programs),
    ("plan", Stage::Plan),
    ("memory", Stage::Memory),
    ("clif", Stage::Clif),
    ("asm", Stage::Asm),
];

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, STAGES.iter().find(|(_, stage)| stage == self)) {
            (Stage::Pass(pass), _) => write!(f, "ir:{pass}"),
            (_, known) => f.write_str(known.map_or("", |(name, _)| name)),
        }
    }
}

impl FromStr for Stage {
    type Err = Error;

    /// ```
    /// use tancho_runtime::inspect::stages::Stage;
    /// assert_eq!("ir:simplify".parse::<Stage>().unwrap(), Stage::Pass("simplify".into()));
    /// let error = "assembly".parse::<Stage>().unwrap_err().to_string();
    /// assert!(error.contains("there is no stage `assembly`") && error.contains("asm"));
    /// ```
    fn from_str(text: &str) -> Result<Stage, Error> {
        if let Some((_, stage)) = STAGES.iter().find(|(name, _)| *name == text) {
            return Ok(stage.clone());
        }
        let is_pass = |pass: &&str| PASSES.iter().any(|p| p.name == *pass);
        if let Some(pass) = text.strip_prefix("ir:").filter(is_pass) {
            return Ok(Stage::Pass(pass.into()));
        }
        let mut known: Vec<String> = STAGES.iter().map(|(name, _)| (*name).into()).collect();
        for pass in PASSES {
            let name = format!("ir:{}", pass.name);
            if !known.contains(&name) {
                known.push(name);
            }
        }
        Err(Error::NoStage { stage: text.into(), known: known.join(", ") })
    }
}

impl Compiled {
    /// A stage of compiling this network, as text. It is the same in every process for the same declaration
    /// and the same target, but for [`Stage::Times`].
    ///
    /// ```
    /// use tancho_runtime::{Model, Target, inspect::stages::Stage};
    /// let graph = tancho_ir::Graph::parse(
    ///     "network N<B>\ninput x: f32[B, 4]\n%0: f32[B, 4] = input(index = 0)\n%1: f32[B, 4] = relu(%0)\nreturn %1",
    /// ).unwrap();
    /// let code = Model::from_graph(graph, 0).unwrap().compile(Target::host()).unwrap();
    /// assert!(code.stage(&Stage::Plan).unwrap().contains("step 0"));
    /// ```
    ///
    /// # Errors
    /// A stage that is run anew for its text fails, which it did not when the network was compiled.
    pub fn stage(&self, stage: &Stage) -> Result<String, Error> {
        let mut text = String::new();
        for (i, inner) in self.inner().all().into_iter().enumerate() {
            let compilation = &inner.compilation;
            // The text of a graph has its bodies.
            if i > 0 && *stage == Stage::Ir {
                break;
            }
            if i > 0 {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "\nbody {} of {}", i - 1, compilation.graph.name);
            }
            match stage {
                Stage::Times => times(compilation, &mut text)?,
                Stage::Ir => text.push_str(&compilation.graph.to_string()),
                Stage::Pass(pass) => pass_changes(&compilation.graph, pass, &mut text)?,
                Stage::Fused => text.push_str(&compilation.fused.to_string()),
                Stage::Spec => specs(&compilation.schedule, &mut text),
                Stage::Programs => vector_programs(compilation, &mut text),
                Stage::Plan => plan(compilation, &mut text),
                Stage::Memory => memory(compilation, &mut text),
                Stage::Clif | Stage::Asm => write_functions(compilation, *stage == Stage::Clif, &mut text)?,
            }
        }
        Ok(text)
    }

    /// Prints the stages that [`DUMP`] names, into files if there is [`DUMP_DIR`].
    ///
    /// # Errors
    /// There is no stage of a name, or a file cannot be written.
    pub(crate) fn dump_by_environment(&self) -> Result<(), Error> {
        let Some(stages) = std::env::var_os(DUMP) else { return Ok(()) };
        let stages = stages.to_string_lossy().into_owned();
        let stages: Vec<Stage> = stages
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let graph = self.graph();
        let dot = if graph.entry.is_empty() { "" } else { "." };
        let network = format!("{}{dot}{}", graph.name, graph.entry);
        for stage in stages {
            let text = self.stage(&stage)?;
            match std::env::var_os(DUMP_DIR) {
                Some(folder) => {
                    let name = stage.to_string().replace(':', ".");
                    let path = Path::new(&folder).join(format!("{network}.{name}.txt"));
                    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, text));
                    written.map_err(|error| Error::Save { path, error })?;
                }
                None => eprintln!("# {stage} of {network}\n{text}"),
            }
        }
        Ok(())
    }
}

/// How long each stage, each pass and each kernel's code takes, measured anew.
pub(crate) fn measured_times(compilation: &Compilation) -> Result<Vec<(String, Duration)>, Error> {
    let Compilation { graph, schedule, target, stats, pack_time, .. } = compilation;
    let mut all: Vec<(String, Duration)> = vec![
        ("passes and fusion".into(), stats.graph),
        ("lowering and plan".into(), stats.lower),
        ("programs and code".into(), stats.codegen),
        ("executable memory".into(), stats.finalize),
        ("packing of weights".into(), *pack_time),
    ];
    let mut g: Graph = (**graph).clone();
    for pass in PASSES {
        let start = Instant::now();
        g = (pass.run)(&g)?;
        all.push((format!("pass {}", pass.name), start.elapsed()));
    }
    let mut seen = HashSet::new();
    for (i, step) in schedule.steps.iter().enumerate() {
        if !step.spec.kernel().is_some_and(|spec| seen.insert(spec)) {
            continue;
        }
        let one = Schedule { steps: vec![step.clone()], ..Schedule::default() };
        let start = Instant::now();
        generate(&one, programs(&one, *target), *target, false)?;
        all.push((format!("code of step {i} {} alone", step.name), start.elapsed()));
    }
    Ok(all)
}

fn times(compilation: &Compilation, text: &mut String) -> Result<(), Error> {
    for (what, time) in measured_times(compilation)? {
        let _ = writeln!(text, "{:>10.1} us  {what}", time.as_secs_f64() * 1e6);
    }
    Ok(())
}

fn pass_changes(graph: &Graph, pass: &str, text: &mut String) -> Result<(), Error> {
    let mut before = graph.clone();
    let (mut run, runs) = (0, PASSES.iter().filter(|p| p.name == pass).count());
    for p in PASSES {
        let after = (p.run)(&before)?;
        if p.name == pass {
            run += 1;
            let changed = changes(&before, &after);
            let which = if runs > 1 { format!(", run {run} of {runs}") } else { String::new() };
            let end = if changed.is_empty() { " changed nothing" } else { ":" };
            let _ = writeln!(text, "{pass}{which}{end}");
            text.push_str(&changed);
        }
        before = after;
    }
    Ok(())
}

fn specs(schedule: &Schedule, text: &mut String) {
    let mut seen = Vec::new();
    for (i, step) in schedule.steps.iter().enumerate() {
        let _ = write!(text, "step {i} {}", step.text());
        if let Some(spec) = step.spec.kernel() {
            match seen.iter().position(|(known, _)| *known == spec) {
                Some(at) => {
                    let _ = writeln!(text, "  the code is that of step {}", seen[at].1);
                }
                None => seen.push((spec, i)),
            }
        }
    }
}

fn vector_programs(compilation: &Compilation, text: &mut String) {
    let Compilation { schedule, target, .. } = compilation;
    for kernel in programs(schedule, *target).kernels {
        let first = schedule.steps.iter().position(|step| step.spec.kernel() == Some(kernel.spec));
        let name = first.map_or("", |i| schedule.steps[i].name.as_str());
        let _ = writeln!(text, "kernel of step {} {name}", first.unwrap_or_default());
        for program in kernel.programs() {
            let _ = write!(text, "{program}");
        }
    }
}

/// A place, in words.
fn place(p: Place) -> String {
    match p {
        Place::Input(n) => format!("input {n}"),
        Place::Weight(n) => format!("weight {n}"),
        Place::Packed(n) => format!("packed weight {n}"),
        Place::Output(n) => format!("result {n}"),
        Place::State(n) => format!("state {n}"),
        Place::Next(n) => format!("new state {n}"),
        Place::Block(n) => format!("block {n}"),
    }
}

/// What a step does with a buffer: the verb, the buffer, and where it lies.
pub(crate) type Use = (&'static str, String, String);

/// What a step reads and writes.
pub(crate) fn uses(compilation: &Compilation, step: usize) -> impl Iterator<Item = Use> {
    let Compilation { schedule, plan, fused, .. } = compilation;
    let outputs = &fused.groups[schedule.steps[step].kernel].outputs;
    schedule.steps[step].binding.buffers.iter().zip(&plan.places[step]).map(move |(buffer, p)| {
        let verb = match buffer {
            Buffer::Value(v) if outputs.contains(v) => "writes",
            Buffer::Scratch => "works in",
            _ => "reads",
        };
        (verb, buffer.to_string(), place(*p))
    })
}

/// How a step is divided among threads.
pub(crate) fn division(step: &Step) -> String {
    match step.spec.kernel().map(KernelSpec::division) {
        None => "its bodies are divided".into(),
        Some(Division::Single) => "one unit after another".into(),
        Some(Division::Ranges) => "a range of its units for each thread".into(),
        Some(Division::Matmul(m)) if m.row_work => {
            format!("blocks of {} units, or columns and then work on whole rows", m.block)
        }
        Some(Division::Matmul(m)) => format!("blocks of {} units, or columns", m.block),
    }
}

fn plan(compilation: &Compilation, text: &mut String) {
    let Compilation { schedule, fused, .. } = compilation;
    for (i, step) in schedule.steps.iter().enumerate() {
        let _ = writeln!(text, "step {i} {}", step.name);
        let sources = fused.groups[step.kernel].outputs.iter().map(|v| &fused.graph.node(*v).source);
        for source in sources.filter(|source| source.line > 0) {
            let _ = writeln!(text, "  from {source}");
        }
        for (verb, buffer, place) in uses(compilation, i) {
            let _ = writeln!(text, "  {verb} {buffer}, {place}");
        }
        let _ = writeln!(text, "  threads: {}; then a barrier", division(step));
    }
}

/// The values that each block of memory holds, one after the other; none in working memory.
pub(crate) fn held(compilation: &Compilation) -> Vec<BTreeSet<Value>> {
    let Compilation { schedule, plan, .. } = compilation;
    let mut held = vec![BTreeSet::new(); plan.blocks.len()];
    for (step, places) in schedule.steps.iter().zip(&plan.places) {
        for (buffer, place) in step.binding.buffers.iter().zip(places) {
            if let (Buffer::Value(v) | Buffer::Packed(v) | Buffer::Source(v), Place::Block(n)) =
                (buffer, place)
            {
                held[*n].insert(*v);
            }
        }
    }
    held
}

fn memory(compilation: &Compilation, text: &mut String) {
    let Compilation { plan, packed, graph, .. } = compilation;
    let _ = writeln!(text, "packed weights: {} bytes", packed.len());
    for (i, s) in graph.states.iter().enumerate() {
        let rows = graph.capacity(i).map(|rows| format!(", room for {rows} rows")).unwrap_or_default();
        let _ = writeln!(text, "state {i} {:?}: {}{rows}", s.name, s.ty);
    }
    let graph = &compilation.fused.graph;
    for (i, (block, held)) in plan.blocks.iter().zip(held(compilation)).enumerate() {
        let each = if block.per_thread { " for each thread" } else { "" };
        let names: Vec<String> = held.iter().map(|v| format!("{v} {}", graph.label(*v))).collect();
        let names = if names.is_empty() { "working memory".into() } else { names.join(", ") };
        let (size, first, last) = (&block.size, block.first, block.last);
        let _ = writeln!(text, "block {i}: {size} bytes{each}, steps {first}..={last}: {names}");
    }
}
