//! Writes text with a model that is part of this project: four residual blocks of 0.8 million weights, which
//! `train_gpt` trained on the six novels of Jane Austen.
//!
//! ```text
//! cargo run --release --example write
//! cargo run --release --example write -- "My dear Mr. Bennet," --length 1000 --temperature 0.6
//! ```
//!
//! Needs no download. It shows the network in the kernels that it was fused into, and compares a run with the
//! reference interpreter.

#[path = "common/program.rs"]
mod program;
#[path = "common/writer.rs"]
mod writer;

use fastrand::Rng;
use program::Failure;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use tancho::{AsView, Target};
use writer::Writer;

const USAGE: &str = "usage: write [PROMPT] [--length N] [--temperature X] [--seed N] [--weights FILE] [--ir]

Goes on from PROMPT for N (400) characters. At the temperature 0 it takes the likeliest of each; 0.7 is the
default. --weights takes a file that `train_gpt` wrote. --ir prints all of the fused graph.";

struct Args {
    prompt: String,
    length: usize,
    temperature: f32,
    seed: u64,
    weights: PathBuf,
    ir: bool,
}

fn parse(given: impl IntoIterator<Item = OsString>) -> Result<Option<Args>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut args = Args {
        prompt: "It is a truth universally acknowledged, that".into(),
        length: 400,
        temperature: 0.7,
        seed: 1,
        weights: concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/writer.safetensors").into(),
        ir: false,
    };
    let mut parser = lexopt::Parser::from_args(given);
    while let Some(arg) = parser.next()? {
        match arg {
            Value(prompt) => args.prompt = prompt.string()?,
            Long("length") => args.length = parser.value()?.parse()?,
            Long("temperature") => args.temperature = parser.value()?.parse()?,
            Long("seed") => args.seed = parser.value()?.parse()?,
            Long("weights") => args.weights = parser.value()?.into(),
            Long("ir") => args.ir = true,
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(Some(args))
}

/// Chooses a character by its score.
fn choose(scores: &[f32], temperature: f32, rng: &mut Rng) -> i32 {
    let best = (0..scores.len()).reduce(|a, b| if scores[b] > scores[a] { b } else { a }).unwrap_or(0);
    if temperature <= 0.0 {
        return best as i32;
    }
    let parts: Vec<f32> = scores.iter().map(|s| ((s - scores[best]) / temperature).exp()).collect();
    let mut left = rng.f32() * parts.iter().sum::<f32>();
    for (id, part) in parts.iter().enumerate() {
        left -= part;
        if left < 0.0 {
            return id as i32;
        }
    }
    best as i32
}

fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let mut ids = writer::ids(&args.prompt);
    if ids.is_empty() {
        return Err("the prompt has no character that the model knows: it knows those of ASCII".into());
    }
    let began = Instant::now();
    let compiled = Writer::load(&args.weights)?.compile(Target::host())?;
    let ready = began.elapsed();
    let mut session = compiled.session();
    let mut rng = Rng::with_seed(args.seed);

    write!(out, "{}", args.prompt)?;
    let began = Instant::now();
    for _ in 0..args.length {
        // The prompt first, then one character at a time: the same machine code.
        let scores = session.write(ids.view([1, ids.len()]))?;
        let next = choose(scores.data(), args.temperature, &mut rng);
        write!(out, "{}", writer::character(next))?;
        out.flush()?;
        ids = vec![next];
    }
    let rate = args.length as f64 / began.elapsed().as_secs_f64();

    let part = compiled.write();
    let ir = part.fused_ir();
    let shown = if args.ir { usize::MAX } else { 24 };
    writeln!(
        out,
        "\n\nThe network as it runs{}:\n",
        if args.ir { "" } else { ", its beginning (--ir prints all)" }
    )?;
    ir.lines().take(shown).try_for_each(|line| writeln!(out, "    {line}"))?;
    let kernels = part.stats().kernels;
    writeln!(
        out,
        "\n{rate:.0} characters a second; loaded and compiled in {:.0} ms, {kernels} different kernels",
        1e3 * ready.as_secs_f64()
    )?;
    let prompt = writer::ids(&args.prompt);
    let report = compiled.check_write(prompt.view([1, prompt.len()]))?;
    writeln!(out, "compared with the reference interpreter:\n{report}")?;
    report.into_result()?;
    Ok(())
}

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => program::run(|out| run(&args, out)),
        Ok(None) => program::run(|out| Ok(writeln!(out, "{USAGE}")?)),
        Err(e) => program::misused(format!("{e}; see --help")),
    }
}
