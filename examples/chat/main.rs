//! Talks with SmolLM2-135M-Instruct: the real weights, tokenizer and chat template, all from one GGUF file.
//!
//! ```text
//! python3 scripts/fetch_models.py
//! cargo run --release --example chat -- --prompt "What is a residual connection?"
//! cargo run --release --example chat
//! ```
//!
//! Without a prompt it asks for one, line by line, until the input ends. Ctrl-C ends an answer.

mod args;
mod compare;
mod model;
#[path = "../common/program.rs"]
mod program;
mod sample;
mod talk;
mod text;

use args::Args;
use model::NotNumbers;
use program::{Failure, tell};
use sample::Sampler;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use talk::{Chat, Took};
use tancho::Target;
use tancho::weights::Gguf;
use text::Message;

fn rate((n, time): (usize, Duration)) -> String {
    format!(
        "{n} tokens in {:.2} s, {:.1} a second",
        time.as_secs_f64(),
        n as f64 / time.as_secs_f64().max(1e-9)
    )
}

/// Says on stderr how fast a prompt was read and answered.
fn show_rates(took: Took) {
    tell(format!("[prompt: {}; answer: {}]", rate(took.prompt), rate(took.answer)));
}

fn run(args: Args, out: &mut dyn Write) -> Result<(), Failure> {
    let path = args.model.clone().unwrap_or_else(model::model_path);
    if !path.exists() {
        return Err(format!(
            "{} is not there; run `python3 scripts/fetch_models.py` first, or name a file with --model",
            path.display()
        )
        .into());
    }
    let file = Gguf::open(&path)?;
    let mut net = model::load(&path, &file, args.context)?;
    if let Some(adapters) = &args.adapters {
        model::adapt(&mut net, adapters)?;
    }
    let tokenizer = text::tokenizer(&file)?;
    if let Some(path) = &args.compare {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let ids = if args.raw { text::ids(&tokenizer, &text)? } else { text::plain_ids(&tokenizer, &text)? };
        return compare::formats(&net, &ids, &args, out);
    }
    let compiled =
        net.compile(Target::host().with_weight_format(args.weights).with_bf16_states(args.bf16_cache))?;
    let session = match args.threads {
        Some(n) => compiled.session_with_threads(n)?,
        None => compiled.session(),
    };
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = stopped.clone();
    // The second Ctrl-C, and the first while nothing is being said, leave at once.
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })?;
    let mut chat = Chat {
        session,
        tokenizer,
        template: file.text("tokenizer.chat_template")?.into(),
        context: args.context,
        ends: text::ends(&file)?,
        sampler: Sampler::new(args.sampling),
        messages: args.system.into_iter().map(|content| Message { role: "system", content }).collect(),
        raw: args.raw,
        read: Vec::new(),
        stopped,
    };
    // Its words are the tokenizer's now, its weights the network's.
    drop((file, net));
    if let Some(prompt) = args.prompt {
        show_rates(chat.answer(prompt, args.most, out)?);
        return Ok(());
    }
    converse(&mut chat, args.most, out)
}

/// Answers line by line, each with `most` tokens at most, until the input ends.
fn converse(chat: &mut Chat, most: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let mut line = Vec::new();
    loop {
        write!(out, "> ")?;
        out.flush()?;
        line.clear();
        // Ctrl-C here leaves: nothing is being said.
        chat.stopped.store(true, Ordering::Relaxed);
        if std::io::stdin().lock().read_until(b'\n', &mut line)? == 0 {
            writeln!(out)?;
            return Ok(());
        }
        chat.stopped.store(false, Ordering::Relaxed);
        let question = match std::str::from_utf8(&line) {
            Ok(text) => text.trim(),
            Err(e) => {
                tell(format!("the line is not UTF-8 from byte {} on; it is passed over", e.valid_up_to()));
                continue;
            }
        };
        if question.is_empty() {
            continue;
        }
        if question == "/reset" {
            chat.begin_anew();
            continue;
        }
        match chat.answer(question.into(), most, out) {
            Ok(took) => show_rates(took),
            Err(e) if e.is::<NotNumbers>() || e.is::<std::io::Error>() => return Err(e),
            // A question that does not fit is no reason to stop.
            Err(e) => tell(e),
        }
    }
}

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => program::run(|out| run(args, out)),
        Ok(None) => program::run(|out| Ok(write!(out, "{}", args::HELP)?)),
        Err(e) => program::misused(e),
    }
}
