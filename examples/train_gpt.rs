//! Trains a small GPT to write, one character after another.
//!
//! ```text
//! python3 scripts/fetch_data.py
//! cargo run --release --example train_gpt
//! cargo run --release --example train_gpt -- --text my.txt --out runs/mine --steps 5000
//! ```
//!
//! The text is `austen.txt`, the six novels of Jane Austen, unless another is named. Its last twentieth is
//! kept for validation. In the folder are checkpoints, from which the program goes on when it is called
//! again, the log as lines of JSON, the figure of the losses, and the weights, `writer.safetensors`, which
//! the example `write` writes with. Ctrl-C saves and ends.

#[path = "common/journal.rs"]
mod journal;
#[path = "common/models.rs"]
mod models;
#[path = "common/program.rs"]
mod program;
#[path = "common/writer.rs"]
mod writer;

use fastrand::Rng;
use journal::Journal;
use program::Failure;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use tancho::train::{Checkpoints, Schedule, TrainOptions};
use tancho::{AsView, Error, Target};
use writer::{Writer, WriterTraining};

const USAGE: &str = "usage: train_gpt [--text FILE] [--out FOLDER] [--steps N] [--batch N] [--context N] [--rate X] [--every N] [--threads N] [--seed N] [--recompute] [--check]

Trains on FILE (austen.txt of scripts/fetch_data.py) for N steps (4000), of batches of N (32) texts of N (128)
characters, with a learning rate of at most X (2e-3), by N threads (all cores). Every N (250) steps it
validates and saves into FOLDER (runs/gpt), from where the same command goes on. --recompute keeps less of
each block for the backward pass and computes it again. --check says what a step costs, and compares the first
one with the reference interpreter.";

struct Args {
    text: PathBuf,
    out: PathBuf,
    steps: u64,
    batch: usize,
    context: usize,
    rate: f64,
    every: u64,
    threads: Option<usize>,
    seed: u64,
    recompute: bool,
    check: bool,
}

fn parse(given: impl IntoIterator<Item = OsString>) -> Result<Option<Args>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut args = Args {
        text: models::model_dir("austen").join("austen.txt"),
        out: PathBuf::from("runs/gpt"),
        steps: 4000,
        batch: 32,
        context: 128,
        rate: 2e-3,
        every: 250,
        threads: None,
        seed: 0,
        recompute: false,
        check: false,
    };
    let mut parser = lexopt::Parser::from_args(given);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("text") => args.text = parser.value()?.into(),
            Long("out") => args.out = parser.value()?.into(),
            Long("steps") => args.steps = parser.value()?.parse()?,
            Long("batch") => args.batch = parser.value()?.parse()?,
            Long("context") => args.context = parser.value()?.parse()?,
            Long("rate") => args.rate = parser.value()?.parse()?,
            Long("every") => args.every = parser.value()?.parse()?,
            Long("threads") => args.threads = Some(parser.value()?.parse()?),
            Long("seed") => args.seed = parser.value()?.parse()?,
            Long("recompute") => args.recompute = true,
            Long("check") => args.check = true,
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(arg.unexpected()),
        }
    }
    for (name, least, value) in
        [("--batch", 1, args.batch), ("--context", 1, args.context), ("--every", 1, args.every as usize)]
    {
        if value < least {
            return Err(format!("{name} must be at least {least}").into());
        }
    }
    Ok(Some(args))
}

/// The characters to learn from, and those to validate with.
struct Data {
    train: Vec<i32>,
    kept: Vec<i32>,
    batch: usize,
    context: usize,
    seed: u64,
}

impl Data {
    fn read(args: &Args) -> Result<Data, Failure> {
        let text = std::fs::read_to_string(&args.text).map_err(|e| {
            format!("{}: {e}; `python3 scripts/fetch_data.py` fetches the default text", args.text.display())
        })?;
        let mut train = writer::ids(&text);
        let kept = train.split_off(train.len() - train.len() / 20);
        if kept.len() <= args.context {
            let least = 20 * (args.context + 1);
            return Err(format!(
                "{} has {} characters of those that the model knows; at least {least} are needed for a context of {}",
                args.text.display(),
                train.len() + kept.len(),
                args.context
            )
            .into());
        }
        Ok(Data { train, kept, batch: args.batch, context: args.context, seed: args.seed })
    }

    /// The batch of a step, which is the same whenever it is asked for: texts, and what follows each of their
    /// characters.
    fn batch(&self, step: u64) -> (Vec<i32>, Vec<i32>) {
        let mut rng = Rng::with_seed(self.seed ^ step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let starts: Vec<usize> =
            (0..self.batch).map(|_| rng.usize(..self.train.len() - self.context)).collect();
        self.texts(&self.train, &starts)
    }

    fn texts(&self, from: &[i32], starts: &[usize]) -> (Vec<i32>, Vec<i32>) {
        let part = |shift: usize| {
            let text = |at: &usize| &from[at + shift..at + shift + self.context];
            starts.iter().flat_map(text).copied().collect::<Vec<i32>>()
        };
        (part(0), part(1))
    }

    /// The mean loss over texts from everywhere in what is kept.
    fn validate(&self, training: &WriterTraining) -> Result<f64, Failure> {
        let mut session = training.network()?.compile(Target::host())?.session();
        let (mut sum, batches) = (0.0, 10);
        for i in 0..batches {
            let step = (self.kept.len() - self.context - 1) as f64 / (batches * self.batch) as f64;
            let starts: Vec<usize> =
                (0..self.batch).map(|k| (step * (i * self.batch + k) as f64) as usize).collect();
            let (ids, next) = self.texts(&self.kept, &starts);
            let shape = [self.batch, self.context];
            sum += f64::from(session.loss(ids.view(shape), next.view(shape))?.data()[0]);
        }
        Ok(sum / batches as f64)
    }
}

fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let data = Data::read(args)?;
    let mut options = TrainOptions::new();
    if let Some(threads) = args.threads {
        options = options.threads(threads);
    }
    if args.recompute {
        options = options.recompute("blocks.*");
    }
    let mut training = Writer::init(args.seed)?.compile_train_with(Target::host(), &options)?;
    let checkpoints = Checkpoints::new(args.out.join("checkpoints"));
    if let Some(path) = checkpoints.resume(&mut training)? {
        writeln!(out, "goes on from {}", path.display())?;
    }
    let shape = [args.batch, args.context];
    if args.check {
        writeln!(out, "{}", training.price("step", &[("B", args.batch), ("S", args.context)])?)?;
        let (ids, next) = data.batch(0);
        let report = training.check_step(ids.view(shape), next.view(shape), 1e-3)?;
        writeln!(out, "{report}")?;
        report.into_result()?;
    }
    let schedule = Schedule::cosine(args.rate, 0.1 * args.rate, args.steps).warm_up(100.min(args.steps / 10));
    let mut journal = Journal::new(&args.out, training.steps(), args.steps)?;
    journal::catch_ctrl_c();
    let (mut skipped, mut at) = (0, training.steps());
    while training.steps() < args.steps && !journal::is_stopped() {
        let (ids, next) = data.batch(at);
        at += 1;
        let rate = schedule.at(training.steps());
        match training.step(ids.view(shape), next.view(shape), rate) {
            Ok(loss) => {
                journal.step(training.steps(), loss, training.gradient_norm().unwrap_or(0.0), rate)?
            }
            // The weights are as they were: the next batch may do better.
            Err(error @ Error::NotFinite { .. }) if skipped < 10 => {
                journal.say(error);
                skipped += 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        if training.steps() % args.every == 0 || training.steps() == args.steps {
            journal.validation(training.steps(), data.validate(&training)?)?;
            checkpoints.save(&training)?;
        }
    }
    let saved = checkpoints.save(&training)?;
    let weights = args.out.join("writer.safetensors");
    training.weights()?.save_as_bf16(&weights)?;
    let (loss, validation) = journal.last();
    journal.finish("Characters of a text: loss in nats")?;
    writeln!(out, "{} steps, the checkpoint is {}", training.steps(), saved.display())?;
    let shown = |x: Option<f64>| x.map_or("unknown".into(), |x| format!("{x:.4}"));
    writeln!(out, "loss {}, validation {}", shown(loss), shown(validation))?;
    writeln!(out, "the weights are {}; `write --weights` writes with them", weights.display())?;
    Ok(())
}

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => program::run(|out| run(&args, out)),
        Ok(None) => program::run(|out| Ok(writeln!(out, "{USAGE}")?)),
        Err(e) => program::misused(format!("{e}; see --help")),
    }
}
