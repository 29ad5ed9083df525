//! The command line.

use super::sample::Sampling;
use lexopt::{Arg, Parser, ValueExt};
use std::ffi::OsString;
use std::path::PathBuf;
use tancho::Format;

/// What is asked for.
#[derive(Debug, PartialEq)]
pub struct Args {
    pub model: Option<PathBuf>,
    /// Adapters that `finetune` has trained.
    pub adapters: Option<PathBuf>,
    pub prompt: Option<String>,
    pub system: Option<String>,
    pub most: usize,
    pub context: usize,
    pub threads: Option<usize>,
    pub weights: Format,
    pub bf16_cache: bool,
    /// A text to compare the formats of weights with.
    pub compare: Option<PathBuf>,
    /// Whether names of special tokens in what the user says are those tokens.
    pub raw: bool,
    pub sampling: Sampling,
}

/// The text of `--help`.
pub const HELP: &str = "Talks with SmolLM2-135M-Instruct, or with another GGUF model of its kind.

usage: cargo run --release --example chat -- [OPTIONS]

  --prompt TEXT      answers this and ends; without it, asks line by line
  --system TEXT      what the model is told before the conversation (default: what its template says)
  --raw              names of special tokens, such as <|im_end|>, in what you say are those tokens
                     (default: letters)
  --model FILE       a GGUF file (default: where scripts/fetch_models.py puts it)
  --adapters FILE    adapters of the example finetune, added to the weights
  --max N            tokens of an answer at most (default 512)
  --context N        tokens of the whole conversation at most (default 2048)
  --threads N        threads (default: all cores)
  --weights FORMAT   f32 (default), bf16, int8 or q4: fewer bytes are more tokens a second
  --cache FORMAT     f32 (default) or bf16: of the keys and values of what was read
  --compare FILE     reads this text with weights in each format, prints what it costs and gains, and ends
  --temperature T    0 takes the likeliest token (default), more takes others too
  --top-k N          only among the N likeliest (default 0: all)
  --top-p P          only among the likeliest whose probabilities add up to P (default 1)
  --repetition R     makes tokens that were there already less likely (default 1: no)
  --seed N           equal seeds give equal answers (default 0)
  -h, --help         this text

A line /reset begins a new conversation. Ctrl-C ends an answer; twice, or at the prompt, it ends the program.
";

/// Reads the arguments; nothing if help is asked for.
///
/// # Errors
/// One line that says what is wrong.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Args>, String> {
    let mut parser = Parser::from_args(args);
    let mut all = Args {
        model: None,
        adapters: None,
        prompt: None,
        system: None,
        most: 512,
        context: 2048,
        threads: None,
        weights: Format::F32,
        bf16_cache: false,
        compare: None,
        raw: false,
        sampling: Sampling::default(),
    };
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        let name = match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("raw") => {
                all.raw = true;
                continue;
            }
            Arg::Long(name) => name.to_string(),
            other => return Err(format!("{}; see --help", other.unexpected())),
        };
        let value = match name.as_str() {
            "prompt" | "system" | "model" | "adapters" | "weights" | "cache" | "compare" | "max"
            | "context" | "threads" | "temperature" | "top-k" | "top-p" | "repetition" | "seed" => {
                parser.value().map_err(|e| e.to_string())?
            }
            _ => return Err(format!("there is no option --{name}; see --help")),
        };
        let text = || value.clone().string().map_err(|_| format!("--{name}: the text is not UTF-8"));
        let number = |what: &str, fits: &dyn Fn(f32) -> bool| {
            let x = text()?.parse::<f32>().ok().filter(|x| fits(*x));
            x.ok_or_else(|| format!("--{name} takes {what}"))
        };
        let count = |from: usize| {
            let n = text()?.parse::<usize>().ok().filter(|n| *n >= from);
            n.ok_or_else(|| format!("--{name} takes a whole number of at least {from}"))
        };
        let s = &mut all.sampling;
        match name.as_str() {
            "prompt" => {
                all.prompt = Some(text()?)
                    .filter(|t| !t.trim().is_empty())
                    .map_or(Err("--prompt is empty".to_string()), |t| Ok(Some(t)))?
            }
            "system" => all.system = Some(text()?),
            "model" => all.model = Some(value.into()),
            "adapters" => all.adapters = Some(value.into()),
            "compare" => all.compare = Some(value.into()),
            "cache" => match text()?.as_str() {
                "f32" => all.bf16_cache = false,
                "bf16" => all.bf16_cache = true,
                other => return Err(format!("--cache {other}: there is f32, bf16")),
            },
            "weights" => {
                let (name, known) = (text()?, Format::ALL.map(|f| f.to_string()).join(", "));
                let found = Format::ALL.into_iter().find(|f| f.to_string() == name);
                all.weights = found.ok_or_else(|| format!("--weights {name}: there is {known}"))?;
            }
            "max" => all.most = count(1)?,
            "context" => all.context = count(1)?,
            "threads" => all.threads = Some(count(1)?),
            "temperature" => {
                s.temperature = number("a number of at least 0", &|x| x >= 0.0 && x.is_finite())?
            }
            "top-k" => s.top_k = count(0)?,
            "top-p" => s.top_p = number("a number above 0 and up to 1", &|x| x > 0.0 && x <= 1.0)?,
            "repetition" => s.repetition = number("a number above 0", &|x| x > 0.0 && x.is_finite())?,
            _ => {
                s.seed =
                    text()?.parse().map_err(|_| "--seed takes a whole number of at least 0".to_string())?
            }
        }
    }
    Ok(Some(all))
}
