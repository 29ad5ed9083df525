//! GPT-2 (Radford et al. 2019) with a cache of keys and values, and Hugging Face's weight names.
//!
//! ```text
//! cargo run --release --example gpt2 -- path/to/gpt2 "The residual connection"
//! ```
//!
//! The folder holds `model.safetensors` and `tokenizer.json`, as the repository `openai-community/gpt2` has
//! them on the Hugging Face hub. With `--features hub` a prompt alone is enough: the files are fetched from
//! there. Prints the likeliest continuation.

#[path = "common/program.rs"]
#[allow(clippy::duplicate_mod)] // the benchmark has several examples as modules
mod program;

use program::Failure;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use tancho::{AsView, Error, Target, network};
use tokenizers::Tokenizer;

network! {
    /// One block. Hugging Face's `Conv1D` stores its weights as `[IN, OUT]`, hence `transposed`.
    pub Gpt2Block<B, S, P: ..=T, D = 768, HEADS = 12, T = 1024>(x: [B, S, D]) -> [B, S, D]
        where D % HEADS == 0
    {
        net ln_1: LayerNorm<D>;
        net ln_2: LayerNorm<D>;
        #[weights("attn.c_attn", transposed)] net qkv:  Linear<D, 3 * D>;
        #[weights("attn.c_proj", transposed)] net proj: Linear<D, D>;
        #[weights("mlp.c_fc",    transposed)] net up:   Linear<D, 4 * D>;
        #[weights("mlp.c_proj",  transposed)] net down: Linear<4 * D, D>;
        state keys:   [B, HEADS, P, D / HEADS] grow P;
        state values: [B, HEADS, P, D / HEADS] grow P;

        let heads = rearrange(qkv(ln_1(x)), [b, s, (three h d)] -> [three, b, h, s, d], three = 3, h = HEADS);
        let a = attention(heads[0], keys.push(heads[1]), values.push(heads[2]), heads = HEADS, causal = true);
        let x = x + proj(rearrange(a, [b, h, s, d] -> [b, s, (h d)]));
        x + down(gelu_tanh(up(ln_2(x))))
    }

    /// GPT-2 small: token ids to the logits of the token that follows the last.
    #[unused_weights("*.attn.bias", "*.attn.masked_bias")]
    pub Gpt2<B, S, P: ..=T, D = 768, HEADS = 12, LAYERS = 12, V = 50257, T = 1024>(ids: i32[B, S]) -> [B, V]
        where D % HEADS == 0, P + S <= T
    {
        #[weights("wte.weight")] param wte: [V, D] = normal(0.02);
        #[weights("wpe.weight")] param wpe: [T, D] = normal(0.02);
        #[weights("h.{i}")]      net blocks: [Gpt2Block<D = D, HEADS = HEADS, T = T, P = P>; LAYERS];
        net ln_f: LayerNorm<D>;

        let mut x = wte[ids] + wpe[P..P + S];
        for block in blocks { x = block(x); }
        ln_f(x)[S = -1] @ wte.t
    }
}

const USAGE: &str =
    "usage: gpt2 [FOLDER] PROMPT\nthe folder holds model.safetensors and tokenizer.json of GPT-2";
/// Tokens that follow a prompt at most.
const LENGTH: usize = 64;
/// The token that ends a text.
const END: usize = 50256;

/// Weights and tokenizer of the real model.
#[cfg(feature = "hub")]
fn fetched() -> Result<[PathBuf; 2], Failure> {
    let file = |name: &str| {
        let mut told = None;
        tancho::hub::fetch_with_progress("openai-community/gpt2", name, |had, size| {
            let tenths = 10 * had / size.max(1);
            if told.replace(tenths) != Some(tenths) {
                program::tell(format!("{name}: {} % of {:.1} MB", 10 * tenths, size as f64 / 1e6));
            }
        })
    };
    Ok([file("model.safetensors")?, file("tokenizer.json")?])
}

#[cfg(not(feature = "hub"))]
fn fetched() -> Result<[PathBuf; 2], Failure> {
    Err("name a folder with model.safetensors and tokenizer.json, or run with `--features hub`, which fetches them".into())
}

fn run(folder: Option<PathBuf>, prompt: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let [weights, tokenizer] = match folder {
        Some(folder) => ["model.safetensors", "tokenizer.json"].map(|name| folder.join(name)),
        None => fetched()?,
    };
    let tokenizer = Tokenizer::from_file(&tokenizer).map_err(|e| format!("{}: {e}", tokenizer.display()))?;
    let mut session = Gpt2::load(weights)?.compile(Target::host())?.session();
    let mut ids: Vec<i32> = tokenizer.encode(prompt, false)?.get_ids().iter().map(|id| *id as i32).collect();
    let mut words = tokenizer.decode_stream(false);
    write!(out, "{prompt}")?;
    for _ in 0..LENGTH {
        // The prompt first, then one token at a time: the same machine code.
        let logits = match session.run(ids.view([1, ids.len()])) {
            Err(Error::Full { held, capacity, .. }) if held > 0 => {
                write!(out, "\n[the context of {capacity} tokens is full]")?;
                break;
            }
            other => other?,
        };
        let all = logits.data();
        let next = (0..all.len()).reduce(|a, b| if all[b] > all[a] { b } else { a }).unwrap_or(END);
        if next == END {
            break;
        }
        write!(out, "{}", words.step(next as u32)?.unwrap_or_default())?;
        out.flush()?;
        ids = vec![next as i32];
    }
    writeln!(out)?;
    Ok(())
}

/// The folder, if one is named, and the prompt.
fn arguments(mut given: Vec<OsString>) -> Result<(Option<PathBuf>, String), &'static str> {
    let prompt = given.pop().ok_or(USAGE)?.into_string().map_err(|_| "the prompt is not UTF-8")?;
    let folder = given.pop().map(PathBuf::from);
    match given.is_empty() {
        false => Err(USAGE),
        true if prompt.trim().is_empty() => Err("the prompt is empty"),
        true => Ok((folder, prompt)),
    }
}

fn main() -> ExitCode {
    match arguments(std::env::args_os().skip(1).collect()) {
        Ok((folder, prompt)) => program::run(|out| run(folder, &prompt, out)),
        Err(e) => program::misused(e),
    }
}
