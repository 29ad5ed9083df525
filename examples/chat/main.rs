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
mod sample;
mod text;

use args::Args;
use model::{Failure, SmolLm2Session};
use sample::Sampler;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tancho::weights::Gguf;
use tancho::{AsView, Error, Target};
use text::{Message, conversation, ids};
use tokenizers::Tokenizer;

/// Tokens of a prompt that are read in one run.
const CHUNK: usize = 256;

/// A conversation that goes on.
struct Chat {
    session: SmolLm2Session,
    tokenizer: Tokenizer,
    template: String,
    end: i32,
    sampler: Sampler,
    messages: Vec<Message>,
    /// The ids that the session has read.
    read: Vec<i32>,
    stopped: Arc<AtomicBool>,
}

/// What an answer took.
#[derive(Default)]
struct Took {
    prompt: (usize, Duration),
    answer: (usize, Duration),
}

impl Chat {
    /// Reads ids, of which the session may have some already: the logits behind the last are its result then.
    fn read(&mut self, ids: &[i32]) -> Result<(), Error> {
        let same = self.read.iter().zip(ids).take_while(|(a, b)| a == b).count();
        // The last is read anew: its logits are wanted.
        let same = same.min(ids.len().saturating_sub(1));
        if same < self.read.len() {
            self.session.truncate("P", same)?;
            self.read.truncate(same);
        }
        for part in ids[same..].chunks(CHUNK) {
            self.session.run(part.view([1, part.len()]))?;
            self.read.extend_from_slice(part);
        }
        Ok(())
    }

    /// Answers, and writes the answer as it comes.
    fn answer(&mut self, question: String, most: usize, out: &mut impl Write) -> Result<Took, Failure> {
        self.messages.push(Message { role: "user", content: question });
        let prompt = ids(&self.tokenizer, &conversation(&self.template, &self.messages)?)?;
        let (start, had) = (Instant::now(), self.read.len());
        let tokenizer = self.tokenizer.clone();
        let mut words = tokenizer.decode_stream(true);
        let (mut all, mut said) = (prompt.clone(), String::new());
        let mut took = Took::default();
        let mut begun = start;
        for n in 0..=most {
            match self.read(&all) {
                Ok(()) => {}
                Err(Error::Full { capacity, .. }) if n > 0 => {
                    writeln!(out, "\n[the context of {capacity} tokens is full]")?;
                    break;
                }
                Err(e) => {
                    self.messages.pop();
                    return Err(e.into());
                }
            }
            let next = self.sampler.next(self.session.output::<f32>(0).data(), &all);
            if n == 0 {
                took.prompt = (prompt.len().saturating_sub(had.min(prompt.len())), start.elapsed());
                begun = Instant::now();
            } else {
                took.answer = (n, begun.elapsed());
            }
            if next == self.end || n == most || self.stopped.swap(false, Ordering::Relaxed) {
                break;
            }
            all.push(next);
            if let Some(text) = words.step(next as u32)? {
                write!(out, "{text}")?;
                out.flush()?;
                said.push_str(&text);
            }
        }
        writeln!(out)?;
        out.flush()?;
        self.messages.push(Message { role: "assistant", content: said });
        Ok(took)
    }
}

fn rate((n, time): (usize, Duration)) -> String {
    format!("{n} tokens in {:.2} s, {:.1} a second", time.as_secs_f64(), n as f64 / time.as_secs_f64().max(1e-9))
}

fn run(args: Args) -> Result<(), Failure> {
    let path = args.model.clone().unwrap_or_else(model::model_path);
    if !path.exists() {
        return Err(
            format!("{} is not there; run `python3 scripts/fetch_models.py` first, or name a file with --model", path.display()).into()
        );
    }
    let file = Gguf::open(&path)?;
    let net = model::load(&path, &file, args.context)?;
    let tokenizer = text::tokenizer(&file)?;
    if let Some(path) = &args.compare {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        return compare::formats(&net, &ids(&tokenizer, &text)?, &args, &mut std::io::stdout().lock());
    }
    let compiled = net.compile(Target::host().with_weights(args.weights).with_bf16_states(args.bf16_cache))?;
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
        end: i32::try_from(file.integer("tokenizer.ggml.eos_token_id")?)?,
        sampler: Sampler::new(args.sampling),
        messages: args.system.into_iter().map(|content| Message { role: "system", content }).collect(),
        read: Vec::new(),
        stopped,
    };
    let mut out = std::io::stdout().lock();
    let told = |took: Took| eprintln!("[prompt: {}; answer: {}]", rate(took.prompt), rate(took.answer));
    if let Some(prompt) = args.prompt {
        told(chat.answer(prompt, args.most, &mut out)?);
        return Ok(());
    }
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
                eprintln!("the line is not UTF-8 from byte {} on; it is passed over", e.valid_up_to());
                continue;
            }
        };
        if question.is_empty() {
            continue;
        }
        match chat.answer(question.into(), args.most, &mut out) {
            Ok(took) => told(took),
            // A question that does not fit is no reason to stop.
            Err(e) => eprintln!("{e}"),
        }
    }
}

fn main() -> ExitCode {
    let args = match args::parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::from(2);
        }
    };
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}
