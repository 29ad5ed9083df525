//! Reads a network as IR text and shows any stage of compiling it, runs it, or checks it. A reproduction of a
//! failing check is such a network with all that it was called with.
//!
//! ```text
//! cargo run --release --example inspect -- net.tancho --stage fused --stage asm
//! cargo run --release --example inspect -- net.tancho --stage check --dims B=2,S=5
//! cargo run --release --example inspect -- net.tancho --stage report --out net.html
//! cargo run --release --example inspect -- wrong.safetensors --stage check
//! ```
//!
//! `TANCHO_DUMP=ir` writes the text of the networks that a program compiles, and `TANCHO_REPRO_DIR=folder`
//! the reproductions of its checks that fail.

#[path = "common/program.rs"]
mod program;

use program::{Failure, misused, run};
use std::io::Write;
use std::process::ExitCode;
use tancho::inspect::{AnyTensor, Reproduction, Stage};
use tancho::{AnyView, ElementType, Graph, InputElement, Isa, Model, Session, Target, View, bf16, f16};

const USAGE: &str =
    "usage: inspect FILE [--stage STAGE].. [--dims B=2,S=5] [--isa LEVEL] [--seed N] [--out PAGE]

FILE has a network as IR text, or is a reproduction of a failing check. STAGE is `run`, `check`, `report`,
which writes a page with all stages and what a run measures to PAGE (report.html if none is given), or a
stage of compiling: times, ir, ir:PASS, fused (if none is given), spec, programs, plan, memory, clif or asm.
Run-time dims are 2 unless they are given. Weights and inputs are random numbers of the seed; integer inputs
other than bytes may be ids, and are 0. A reproduction has its dims, weights, inputs and states, and its
LEVEL if none is given.";

/// What the command line asks for.
struct Request {
    file: String,
    stages: Vec<Shown>,
    dims: Vec<(String, i64)>,
    isa: Option<Isa>,
    seed: Option<u64>,
    page: String,
}

/// What is shown of a network.
enum Shown {
    Stage(Stage),
    Run,
    Check,
    Report,
}

fn main() -> ExitCode {
    match request() {
        Ok(request) => run(|out| show(&request, out)),
        Err(e) => misused(format!("{e}\n{USAGE}")),
    }
}

fn request() -> Result<Request, Failure> {
    let mut args = Vec::new();
    for arg in std::env::args_os().skip(1) {
        args.push(arg.into_string().map_err(|arg| format!("{} is no text", arg.display()))?);
    }
    let mut request = Request {
        file: String::new(),
        stages: Vec::new(),
        dims: Vec::new(),
        isa: None,
        seed: None,
        page: "report.html".into(),
    };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("`{arg}` stands without a value"));
        match arg.as_str() {
            "--stage" => request.stages.push(match value()?.as_str() {
                "run" => Shown::Run,
                "check" => Shown::Check,
                "report" => Shown::Report,
                stage => Shown::Stage(stage.parse()?),
            }),
            "--dims" => {
                for dim in value()?.split(',') {
                    let (name, n) = dim.split_once('=').ok_or(format!("expected `B=2`, found `{dim}`"))?;
                    let length = n.trim().parse().ok().filter(|n| *n >= 0);
                    let n = length.ok_or(format!("`{n}` is no length"))?;
                    request.dims.push((name.trim().into(), n));
                }
            }
            "--isa" => {
                let name = value()?;
                let levels = [Isa::Clif128, Isa::Avx2, Isa::Avx512];
                let isa = levels.into_iter().find(|isa| isa.to_string() == name);
                let isa = isa.ok_or(format!(
                    "there is no level `{name}`; there are {}",
                    levels.map(|l| l.to_string()).join(", ")
                ))?;
                request.isa = Some(Target::host().with_isa(isa)?.isa());
            }
            "--out" => request.page = value()?,
            "--seed" => request.seed = Some(value()?.parse()?),
            option if option.starts_with("--") => return Err(format!("there is no option `{option}`").into()),
            _ if request.file.is_empty() => request.file = arg,
            _ => return Err(format!("two files are named, {} and {arg}", request.file).into()),
        }
    }
    if request.file.is_empty() {
        return Err("no file is named".into());
    }
    if request.stages.is_empty() {
        request.stages.push(Shown::Stage(Stage::Fused));
    }
    Ok(request)
}

/// A network, and what it is called with.
struct Subject {
    session: Session,
    inputs: Vec<AnyTensor>,
}

fn show(request: &Request, out: &mut dyn Write) -> Result<(), Failure> {
    let file = &request.file;
    let bytes = std::fs::read(file).map_err(|e| format!("cannot read {file}: {e}"))?;
    // The header of a safetensors file begins behind the eight bytes of its length.
    let subject = match bytes.get(8) {
        Some(b'{') => reproduced(request, out)?,
        _ => read(request, std::str::from_utf8(&bytes).map_err(|e| format!("{file} is no text: {e}"))?)?,
    };
    let compiled = subject.session.compiled().clone();
    let graph = compiled.graph();
    for shown in &request.stages {
        let views: Vec<AnyView<'_>> = subject.inputs.iter().map(AnyTensor::view).collect();
        match shown {
            Shown::Stage(stage) => write!(out, "{}", compiled.stage(stage)?)?,
            Shown::Run => {
                // The states are those before the call for whatever is shown next.
                let mut session = subject.session.fork()?;
                session.run_inputs(&views)?;
                for (i, v) in graph.outputs.iter().enumerate() {
                    writeln!(out, "{}: {}", graph.label(*v), session.tensor(i)?)?;
                }
            }
            Shown::Report => {
                subject.session.report(&request.page, &views)?;
                writeln!(out, "{} is written", request.page)?;
            }
            Shown::Check => {
                let report = subject.session.check_inputs(&views)?;
                writeln!(out, "{report}")?;
                report.into_result()?;
            }
        }
    }
    Ok(())
}

/// A failing check, with all that it was called with.
fn reproduced(request: &Request, out: &mut dyn Write) -> Result<Subject, Failure> {
    if !request.dims.is_empty() || request.seed.is_some() {
        return Err("a reproduction has dims and inputs: `--dims` and `--seed` are for IR text".into());
    }
    let read = Reproduction::read(&request.file)?;
    writeln!(out, "reproduction of {}, written by version {}", read.of(), read.version())?;
    let target = request.isa.map_or_else(|| read.target(), |isa| read.target_on(isa))?;
    let inputs = read.inputs().iter().map(AnyTensor::of).collect::<Result<_, _>>()?;
    Ok(Subject { session: read.session(target)?, inputs })
}

/// A network as text, with random weights and inputs.
fn read(request: &Request, text: &str) -> Result<Subject, Failure> {
    let graph = Graph::parse(text).map_err(|e| pointed(&request.file, text, e.line, &e.message))?;
    if let Some((name, _)) = request.dims.iter().find(|(n, _)| graph.dims.iter().all(|d| d.name != *n)) {
        let known: Vec<&str> = graph.dims.iter().map(|d| d.name.as_str()).collect();
        return Err(
            format!("{} has no run-time dim `{name}`; it has {}", graph.name, known.join(", ")).into()
        );
    }
    let inputs = inputs(&graph, request)?;
    let target = request.isa.map_or_else(|| Ok(Target::host()), |isa| Target::host().with_isa(isa))?;
    let session = Model::from_graph(graph, request.seed.unwrap_or(0))?.compile(target)?.session();
    Ok(Subject { session, inputs })
}

/// A line of a file, with a caret where the message has its words from.
fn pointed(file: &str, text: &str, line: usize, message: &str) -> String {
    let shown = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let quoted = message.rsplit('`').nth(1).filter(|word| !word.is_empty());
    let at =
        quoted.and_then(|word| shown.find(word)).unwrap_or_else(|| shown.len() - shown.trim_start().len());
    let column = shown[..at].chars().count();
    format!("{message}\n  --> {file}:{line}:{}\n   |\n   | {shown}\n   | {}^", column + 1, " ".repeat(column))
}

/// Random inputs of the shapes that the dims give, in the element types that they are declared with.
fn inputs(graph: &Graph, request: &Request) -> Result<Vec<AnyTensor>, Failure> {
    let mut state = request.seed.unwrap_or(0) ^ 0x9e37_79b9_7f4a_7c15;
    let mut random = move || {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let value = |name: &str| {
        let given = request.dims.iter().find(|(n, _)| n == name);
        graph.dims.iter().any(|d| d.name == name).then(|| given.map_or(2, |(_, n)| *n))
    };
    let mut all = Vec::new();
    for input in &graph.inputs {
        let mut shape = Vec::new();
        for d in &input.ty.shape {
            shape.push(usize::try_from(d.eval(&value)?)?);
        }
        let n: usize = shape.iter().product();
        let floats = (0..n).map(|_| random());
        all.push(match input.given {
            ElementType::F32 => tensor(floats.collect::<Vec<f32>>(), &shape)?,
            ElementType::Bf16 => tensor(floats.map(bf16::from_f32).collect(), &shape)?,
            ElementType::F16 => tensor(floats.map(f16::from_f32).collect(), &shape)?,
            ElementType::Bool => tensor(floats.map(|x| x > 0.0).collect(), &shape)?,
            ElementType::U8 => tensor(floats.map(|x| (x * 128.0 + 128.0) as u8).collect(), &shape)?,
            ElementType::I32 => tensor(vec![0i32; n], &shape)?,
            ElementType::U32 => tensor(vec![0u32; n], &shape)?,
            ElementType::I64 => tensor(vec![0i64; n], &shape)?,
        });
    }
    Ok(all)
}

fn tensor<T: InputElement>(data: Vec<T>, shape: &[usize]) -> Result<AnyTensor, Failure> {
    Ok(AnyTensor::of(&View::new(&data, shape)?.into())?)
}
