//! Text to ids and back, and conversations as the model was trained to read them: all of it from the GGUF
//! file.

#[path = "special.rs"]
mod special;

use super::model::Failure;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value, context};
use special::{Special, StandIns};
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
        let (model, before) = (model.escape_debug(), before.escape_debug());
        return Err(format!(
            "the file's tokenizer is `{model}` with `{before}`; this program has `gpt2` with `smollm`"
        )
        .into());
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
    let merges = merges
        .iter()
        .map(|m| merge(m).ok_or_else(|| format!("`{}` is no merge of two tokens", m.escape_debug())))
        .collect::<Result<_, _>>()?;
    let mut tokenizer = Tokenizer::new(BPE::builder().vocab_and_merges(vocab, merges).build()?);
    let byte_level = ByteLevel::new(false, false, true);
    let parts =
        vec![PreTokenizerWrapper::Digits(Digits::new(true)), PreTokenizerWrapper::ByteLevel(byte_level)];
    tokenizer.with_pre_tokenizer(Some(Sequence::new(parts)));
    tokenizer.with_decoder(Some(byte_level));
    let control = tokens
        .iter()
        .zip(&kinds)
        .filter(|(_, k)| **k == CONTROL)
        .map(|(t, _)| AddedToken::from(t.to_string(), true));
    tokenizer.add_special_tokens(control.collect::<Vec<_>>())?;
    // Which names are tokens and which are letters is for `ids` and `prompt` to tell.
    tokenizer.set_encode_special_tokens(true);
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

/// Ids of a text, in which names of special tokens are letters like others.
pub fn plain_ids(tokenizer: &Tokenizer, text: &str) -> Result<Vec<i32>, Failure> {
    Ok(tokenizer.encode_fast(text, false)?.get_ids().iter().map(|id| *id as i32).collect())
}

/// Ids of a text, in which names of special tokens are those tokens.
pub fn ids(tokenizer: &Tokenizer, text: &str) -> Result<Vec<i32>, Failure> {
    Special::of(tokenizer).ids(text, |part| plain_ids(tokenizer, part))
}

/// Ids of a conversation, up to where the model answers. The template's special tokens are tokens. What
/// somebody said has none: with `raw`, what the user said has.
///
/// # Errors
/// The template is not one, or refuses the conversation.
pub fn prompt(
    tokenizer: &Tokenizer,
    template: &str,
    messages: &[Message],
    raw: bool,
) -> Result<Vec<i32>, Failure> {
    let special = Special::of(tokenizer);
    let stand_ins = StandIns::new(&special, messages.iter().map(|m| m.content.as_str()).chain([template]))?;
    let hidden: Vec<Message> = messages
        .iter()
        .map(|m| match raw && m.role != "assistant" {
            true => m.clone(),
            false => Message { role: m.role, content: stand_ins.hide(&m.content) },
        })
        .collect();
    special.ids(&conversation(template, &hidden)?, |part| plain_ids(tokenizer, &stand_ins.show(part)))
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
