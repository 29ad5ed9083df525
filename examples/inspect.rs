//! Reads a network as IR text and shows any stage of compiling it, runs it, or checks it.
//!
//! ```text
//! cargo run --release --example inspect -- net.tancho --stage fused --stage asm
//! cargo run --release --example inspect -- net.tancho --stage check --dims B=2,S=5
//! ```
//!
//! `TANCHO_DUMP=ir` writes the text of the networks that a program compiles.

#[path = "common/program.rs"]
mod program;

use program::{Failure, misused, run};
use std::io::Write;
use std::process::ExitCode;
use tancho::inspect::Stage;
use tancho::{AnyView, DType, Graph, Isa, Model, Target, Tensor};

const USAGE: &str = "usage: inspect FILE [--stage STAGE].. [--dims B=2,S=5] [--isa LEVEL] [--seed N]

FILE has a network as IR text. STAGE is `run`, `check`, or a stage of compiling: times, ir, ir:PASS, fused
(if none is given), spec, programs, plan, memory, clif or asm. Run-time dims are 2 unless they are given.
Weights and inputs are random numbers of the seed; inputs that are ids are 0.";

/// What the command line asks for.
struct Request {
    file: String,
    stages: Vec<Shown>,
    dims: Vec<(String, i64)>,
    target: Target,
    seed: u64,
}

/// What is shown of a network.
enum Shown {
    Stage(Stage),
    Run,
    Check,
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
        target: Target::host(),
        seed: 0,
    };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("`{arg}` stands without a value"));
        match arg.as_str() {
            "--stage" => request.stages.push(match value()?.as_str() {
                "run" => Shown::Run,
                "check" => Shown::Check,
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
                request.target = request.target.with_isa(isa)?;
            }
            "--seed" => request.seed = value()?.parse()?,
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

fn show(request: &Request, out: &mut dyn Write) -> Result<(), Failure> {
    let file = &request.file;
    let text = std::fs::read_to_string(file).map_err(|e| format!("cannot read {file}: {e}"))?;
    let mut graph = Graph::parse(&text).map_err(|e| pointed(file, &text, e.line, &e.message))?;
    // Random numbers are made of the types that values have.
    graph.inputs.iter_mut().for_each(|input| input.given = input.ty.dtype.into());
    if let Some((name, _)) = request.dims.iter().find(|(n, _)| graph.dims.iter().all(|d| d.name != *n)) {
        let known: Vec<&str> = graph.dims.iter().map(|d| d.name.as_str()).collect();
        return Err(
            format!("{} has no run-time dim `{name}`; it has {}", graph.name, known.join(", ")).into()
        );
    }
    let compiled = Model::from_graph(graph.clone(), request.seed)?.compile(request.target)?;
    for shown in &request.stages {
        let inputs = || inputs(&graph, request);
        match shown {
            Shown::Stage(stage) => write!(out, "{}", compiled.stage(stage)?)?,
            Shown::Run => {
                let (tensors, mut session) = (inputs()?, compiled.session());
                session.run_inputs(&views(&tensors))?;
                for i in 0..graph.outputs.len() {
                    writeln!(out, "{}: {}", graph.label(graph.outputs[i]), session.tensor(i)?)?;
                }
            }
            Shown::Check => {
                let tensors = inputs()?;
                let report = compiled.check_inputs(&views(&tensors))?;
                writeln!(out, "{report}")?;
                report.into_result()?;
            }
        }
    }
    Ok(())
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

fn views(inputs: &[Tensor]) -> Vec<AnyView<'_>> {
    inputs.iter().map(AnyView::from).collect()
}

/// Random inputs of the shapes that the dims give.
fn inputs(graph: &Graph, request: &Request) -> Result<Vec<Tensor>, Failure> {
    let mut state = request.seed ^ 0x9e37_79b9_7f4a_7c15;
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
        all.push(match input.ty.dtype {
            DType::F32 => Tensor::new((0..n).map(|_| random()).collect::<Vec<f32>>(), shape)?,
            DType::Bf16 => {
                Tensor::new((0..n).map(|_| tancho::bf16::from_f32(random())).collect::<Vec<_>>(), shape)?
            }
            DType::I32 => Tensor::new(vec![0i32; n], shape)?,
            DType::Bool => Tensor::new((0..n).map(|_| random() > 0.0).collect::<Vec<bool>>(), shape)?,
        });
    }
    Ok(all)
}
