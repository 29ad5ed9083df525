//! Teaches SmolLM2 a text of yours, by adapters of low rank (LoRA; Hu et al. 2021) beside its frozen weights.
//!
//! ```text
//! python3 scripts/fetch_models.py
//! cargo run --release --example finetune -- my.txt
//! cargo run --release --example chat -- --adapters runs/finetune/adapters.safetensors
//! ```
//!
//! The weights of the model stay in its GGUF file, and only the adapters learn: two thin matrices beside
//! each query and value matrix. In the folder are checkpoints, from which the program goes on when it is
//! called again, the log as lines of JSON, the figure of the losses, and the adapters. Ctrl-C saves and ends.

#[path = "common/journal.rs"]
mod journal;
#[allow(dead_code)] // it says where the model is, and what the file has
#[path = "chat/model.rs"]
mod model;
#[path = "common/program.rs"]
mod program;
#[allow(dead_code)] // its words are read, no conversation
#[path = "chat/text.rs"]
mod text;

use fastrand::Rng;
use journal::Journal;
use program::Failure;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use tancho::train::{Checkpoints, Schedule, TrainOptions};
use tancho::weights::Gguf;
use tancho::{AsView, Error, Format, LoadOptions, Target, network};

network! {
    /// A frozen matrix, and an adapter of rank `R` beside it that begins as nothing.
    pub Adapted<IN = _, OUT = _, R = 8>(option scale = 2.0)(x: [.., IN]) -> [.., OUT] {
        #[frozen]
        param weight: [OUT, IN] = xavier;
        param lora_a: [R, IN] = normal(0.02);
        param lora_b: [OUT, R] = zeros;

        linear(x, weight) + scale * linear(linear(x, lora_a), lora_b)
    }

    /// A block of the chat's model that reads whole texts.
    pub AdaptedBlock<B, S, D = 576, HEADS = 9, KV = 3, H = 1536>(x: [B, S, D]) -> [B, S, D]
        where D % HEADS == 0, HEADS % KV == 0
    {
        #[frozen] net attn_norm:   RmsNorm<D>(eps = 1e-5);
        net attn_q:                Adapted<D, D>;
        #[frozen] net attn_k:      Linear<D, KV * (D / HEADS)>(bias = false);
        net attn_v:                Adapted<D, KV * (D / HEADS)>;
        #[frozen] net attn_output: Linear<D, D>(bias = false);
        #[frozen] net ffn_norm:    RmsNorm<D>(eps = 1e-5);
        #[frozen] net ffn_gate:    Linear<D, H>(bias = false);
        #[frozen] net ffn_up:      Linear<D, H>(bias = false);
        #[frozen] net ffn_down:    Linear<H, D>(bias = false);

        let n = attn_norm(x);
        let q = rearrange(attn_q(n), [b, s, (h d)] -> [b, h, s, d], h = HEADS);
        let k = rearrange(attn_k(n), [b, s, (h d)] -> [b, h, s, d], h = KV);
        let q = rope(q, base = 1e5, pairs = adjacent);
        let k = rope(k, base = 1e5, pairs = adjacent);
        let v = rearrange(attn_v(n), [b, s, (h d)] -> [b, h, s, d], h = KV);
        let a = attention(q, k, v, heads = HEADS, causal = true);
        let x = x + attn_output(rearrange(a, [b, h, s, d] -> [b, s, (h d)]));
        let n = ffn_norm(x);
        x + ffn_down(swiglu(ffn_gate(n), ffn_up(n)))
    }

    /// SmolLM2 with adapters, by the names that llama.cpp's GGUF files have.
    pub AdaptedLm<B, S, D = 576, HEADS = 9, KV = 3, H = 1536, LAYERS = 30, V = 49152>
        where D % HEADS == 0, HEADS % KV == 0
    {
        #[frozen] #[weights("token_embd.weight")] param embed: [V, D];
        #[weights("blk.{i}")] net blocks: [AdaptedBlock<D = D, HEADS = HEADS, KV = KV, H = H>; LAYERS];
        #[frozen] #[weights("output_norm")] net norm: RmsNorm<D>(eps = 1e-5);

        /// The mean loss of the tokens that follow, in nats.
        fn loss(ids: i32[B, S], next: i32[B, S]) -> [] {
            let mut x = embed[ids];
            for block in blocks { x = block(x); }
            mean(cross_entropy(norm(x) @ embed.t, next), over = (0, 1))
        }

        /// A step of training.
        train fn step(ids: i32[B, S], next: i32[B, S], lr: []) -> [] {
            let loss = loss(ids, next);
            minimize loss with adamw(lr = lr, weight_decay = 0, clip_norm = 1);
            loss
        }
    }
}

const USAGE: &str = "usage: finetune TEXT [--model FILE] [--out FOLDER] [--steps N] [--batch N] [--context N] [--rate X] [--weights FORMAT] [--threads N] [--seed N]

Teaches the text for N (100) steps, of batches of N (1) pieces of N (128) tokens, with a learning rate of at
most X (1e-3), by N threads (all cores). The frozen weights are kept as f32 (default), bf16, int8 or q4.
Every 25 steps it saves into FOLDER (runs/finetune), from where the same command goes on.";

struct Args {
    text: PathBuf,
    model: PathBuf,
    out: PathBuf,
    steps: u64,
    batch: usize,
    context: usize,
    rate: f64,
    weights: Format,
    threads: Option<usize>,
    seed: u64,
}

fn parse(given: impl IntoIterator<Item = OsString>) -> Result<Option<Args>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut args = Args {
        text: PathBuf::new(),
        model: model::model_path(),
        out: PathBuf::from("runs/finetune"),
        steps: 100,
        batch: 1,
        context: 128,
        rate: 1e-3,
        weights: Format::F32,
        threads: None,
        seed: 0,
    };
    let mut parser = lexopt::Parser::from_args(given);
    while let Some(arg) = parser.next()? {
        match arg {
            Value(text) => args.text = text.into(),
            Long("model") => args.model = parser.value()?.into(),
            Long("out") => args.out = parser.value()?.into(),
            Long("steps") => args.steps = parser.value()?.parse()?,
            Long("batch") => args.batch = parser.value()?.parse()?,
            Long("context") => args.context = parser.value()?.parse()?,
            Long("rate") => args.rate = parser.value()?.parse()?,
            Long("weights") => {
                let name = parser.value()?.string()?;
                let known = Format::ALL.map(|f| f.to_string()).join(", ");
                let found = Format::ALL.into_iter().find(|f| f.to_string() == name);
                args.weights = found.ok_or_else(|| format!("--weights {name}: there is {known}"))?;
            }
            Long("threads") => args.threads = Some(parser.value()?.parse()?),
            Long("seed") => args.seed = parser.value()?.parse()?,
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(arg.unexpected()),
        }
    }
    if args.text.as_os_str().is_empty() {
        return Err("name a text".into());
    }
    if args.batch == 0 || args.context == 0 {
        return Err("--batch and --context must be at least 1".into());
    }
    Ok(Some(args))
}

/// The network with the weights of a file, and adapters that begin as nothing.
fn load(args: &Args, file: &Gguf) -> Result<AdaptedLm, Failure> {
    // It is the chat's model: what that says of a file which is no such model holds here too.
    drop(model::load(&args.model, file, 1)?);
    let number = |key: &str| file.integer(&format!("llama.{key}"));
    let dims = AdaptedLmDims {
        D: number("embedding_length")?,
        HEADS: number("attention.head_count")?,
        KV: number("attention.head_count_kv")?,
        H: number("feed_forward_length")?,
        LAYERS: number("block_count")?,
        V: number("vocab_size")?,
    };
    let options = LoadOptions::new().init_missing("*.lora_*", args.seed);
    Ok(AdaptedLm::with(dims).load_with(&args.model, &options)?)
}

fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    if !args.model.exists() {
        return Err(format!(
            "{} is not there; run `python3 scripts/fetch_models.py` first, or name a file with --model",
            args.model.display()
        )
        .into());
    }
    let text = std::fs::read_to_string(&args.text).map_err(|e| format!("{}: {e}", args.text.display()))?;
    let file = Gguf::open(&args.model)?;
    let ids = text::plain_ids(&text::tokenizer(&file)?, &text)?;
    if ids.len() <= args.context {
        return Err(format!(
            "{} has {} tokens; more than {} are needed for a context of {}",
            args.text.display(),
            ids.len(),
            args.context,
            args.context
        )
        .into());
    }
    let mut options = TrainOptions::new();
    if let Some(threads) = args.threads {
        options = options.threads(threads);
    }
    let target = Target::host().with_weight_format(args.weights);
    let mut training = load(args, &file)?.compile_train_with(target, &options)?;
    let checkpoints = Checkpoints::new(args.out.join("checkpoints"));
    if let Some(path) = checkpoints.resume(&mut training)? {
        writeln!(out, "goes on from {}", path.display())?;
    }
    let schedule = Schedule::cosine(args.rate, 0.0, args.steps).warm_up(10.min(args.steps / 10));
    let mut journal = Journal::new(&args.out, training.steps(), args.steps)?;
    journal::catch_ctrl_c();
    let shape = [args.batch, args.context];
    while training.steps() < args.steps && !journal::is_stopped() {
        let step = training.steps();
        let mut rng = Rng::with_seed(args.seed ^ step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (mut given, mut next) = (Vec::new(), Vec::new());
        for _ in 0..args.batch {
            let at = rng.usize(..ids.len() - args.context);
            given.extend(&ids[at..at + args.context]);
            next.extend(&ids[at + 1..at + 1 + args.context]);
        }
        let rate = schedule.at(step);
        match training.step(given.view(shape), next.view(shape), rate) {
            Ok(loss) => journal.step(step + 1, loss, training.gradient_norm().unwrap_or(0.0), rate)?,
            Err(error @ Error::NotFinite { .. }) => {
                checkpoints.save(&training)?;
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        }
        if training.steps() % 25 == 0 {
            checkpoints.save(&training)?;
        }
    }
    let saved = checkpoints.save(&training)?;
    let adapters = args.out.join("adapters.safetensors");
    training.weights()?.save_only("*.lora_*", &adapters)?;
    let (loss, _) = journal.last();
    journal.finish("SmolLM2 with adapters: loss in nats")?;
    writeln!(out, "{} steps, the checkpoint is {}", training.steps(), saved.display())?;
    writeln!(out, "loss {}", loss.map_or("unknown".into(), |x| format!("{x:.4}")))?;
    writeln!(out, "the adapters are {}; `chat --adapters` talks with them", adapters.display())?;
    Ok(())
}

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => program::run(|out| run(&args, out)),
        Ok(None) => program::run(|out| Ok(writeln!(out, "{USAGE}")?)),
        Err(e) => program::misused(format!("{e}; see --help")),
    }
}
