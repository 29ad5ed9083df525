//! Text to ids and back, and conversations as the model was trained to read them: all of it from the GGUF file.

use super::model::Failure;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value, context};
use tancho::weights::{Gguf, Metadata};
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{AddedToken, Tokenizer};

/// Tokens that end an answer, whatever the file calls the end of its texts.
const ENDS: [&str; 2] = ["<|im_end|>", "<|endoftext|>"];

/// What llama.cpp calls a token that text does not spell.
const CONTROL: i64 = 3;

/// The tokenizer of a file: byte-level BPE, with single digits.
pub fn tokenizer(file: &Gguf) -> Result<Tokenizer, Failure> {
    let (model, before) = (file.text("tokenizer.ggml.model")?, file.text("tokenizer.ggml.pre")?);
    if (model, before) != ("gpt2", "smollm") {
        return Err(format!("the file's tokenizer is `{model}` with `{before}`; this program has `gpt2` with `smollm`").into());
    }
    let tokens = file.texts("tokenizer.ggml.tokens")?;
    let kinds = file.integers("tokenizer.ggml.token_type")?;
    if kinds.len() != tokens.len() {
        return Err(format!("the file has {} tokens and types of {}", tokens.len(), kinds.len()).into());
    }
    if matches!(file.get("tokenizer.ggml.add_bos_token"), Some(Metadata::Bool(true))) {
        return Err("the file's texts begin with a token of their own; this program's do not".into());
    }
    let vocab: Vocab = tokens.iter().enumerate().map(|(id, t)| (t.to_string(), id as u32)).collect();
    let merge = |m: &&str| m.split_once(' ').map(|(a, b)| (a.to_string(), b.to_string()));
    let merges = file.texts("tokenizer.ggml.merges")?;
    let merges = merges.iter().map(|m| merge(m).ok_or_else(|| format!("`{m}` is no merge of two tokens"))).collect::<Result<_, _>>()?;
    let mut tokenizer = Tokenizer::new(BPE::builder().vocab_and_merges(vocab, merges).build()?);
    let byte_level = ByteLevel::new(false, false, true);
    let parts = vec![PreTokenizerWrapper::Digits(Digits::new(true)), PreTokenizerWrapper::ByteLevel(byte_level)];
    tokenizer.with_pre_tokenizer(Some(Sequence::new(parts)));
    tokenizer.with_decoder(Some(byte_level));
    let control = tokens.iter().zip(&kinds).filter(|(_, k)| **k == CONTROL).map(|(t, _)| AddedToken::from(t.to_string(), true));
    tokenizer.add_special_tokens(control.collect::<Vec<_>>())?;
    Ok(tokenizer)
}

/// The ids of the tokens that end an answer.
pub fn ends(file: &Gguf) -> Result<Vec<i32>, Failure> {
    let tokens = file.texts("tokenizer.ggml.tokens")?;
    let mut ends = vec![file.integer("tokenizer.ggml.eos_token_id")?];
    if file.get("tokenizer.ggml.eot_token_id").is_some() {
        ends.push(file.integer("tokenizer.ggml.eot_token_id")?);
    }
    ends.extend(tokens.iter().enumerate().filter(|(_, t)| ENDS.contains(t)).map(|(id, _)| id));
    match ends.iter().find(|id| **id >= tokens.len()) {
        Some(id) => Err(format!("the file's end token is {id}, but it has {} tokens", tokens.len()).into()),
        None => Ok(ends.into_iter().map(|id| id as i32).collect()),
    }
}

/// Ids of a text, in which names of special tokens are those tokens.
pub fn ids(tokenizer: &Tokenizer, text: &str) -> Result<Vec<i32>, Failure> {
    Ok(tokenizer.encode_fast(text, false)?.get_ids().iter().map(|id| *id as i32).collect())
}

/// What somebody said.
#[derive(Clone, Debug)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: &'static str,
    /// The text.
    pub content: String,
}

/// A conversation as text, up to where the model answers.
pub fn conversation(template: &str, messages: &[Message]) -> Result<String, Failure> {
    let one = |m: &Message| Value::from_pairs([("role", m.role), ("content", m.content.as_str())]);
    let messages: Vec<Value> = messages.iter().map(one).collect();
    let mut env = Environment::new();
    // As templates of the Hugging Face hub are written.
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    Ok(env.render_str(template, context! { messages, add_generation_prompt => true })?)
}
