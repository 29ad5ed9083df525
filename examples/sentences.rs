//! Sentence embeddings with all-MiniLM-L6-v2: the real weights, the real tokenizer.
//!
//! ```text
//! python3 scripts/fetch_models.py
//! cargo run --release --example sentences -- "A man is playing guitar" "The cat sits outside"
//! ```
//!
//! Prints the cosine similarity of each pair of sentences.

#[path = "common/models.rs"]
#[allow(clippy::duplicate_mod)] // the benchmark has several examples as modules
mod models;
#[path = "common/program.rs"]
#[allow(clippy::duplicate_mod)] // the benchmark has several examples as modules
mod program;

pub use program::Failure;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use tancho::{AsView, Error, Target, network};
use tokenizers::Tokenizer;

network! {
    /// One layer of BERT, post-norm (Devlin et al. 2018), with Hugging Face's weight names.
    pub BertLayer<B, S: ..=512, D = 384, HEADS = 12, H = 4 * D>(x: [B, S, D], mask: bool[B, S]) -> [B, S, D]
        where D % HEADS == 0
    {
        #[weights("attention.self.query")]       net q:    Linear<D, D>;
        #[weights("attention.self.key")]         net k:    Linear<D, D>;
        #[weights("attention.self.value")]       net v:    Linear<D, D>;
        #[weights("attention.output.dense")]     net o:    Linear<D, D>;
        #[weights("attention.output.LayerNorm")] net ln1:  LayerNorm<D>(eps = 1e-12);
        #[weights("intermediate.dense")]         net up:   Linear<D, H>;
        #[weights("output.dense")]               net down: Linear<H, D>;
        #[weights("output.LayerNorm")]           net ln2:  LayerNorm<D>(eps = 1e-12);

        let a = attention(q(x), k(x), v(x), heads = HEADS, mask = mask);
        let x = ln1(x + o(a));
        ln2(x + down(gelu(up(x))))
    }

    /// all-MiniLM-L6-v2: token ids to the hidden states and one unit vector per sentence.
    #[unused_weights("pooler.*", "embeddings.position_ids")]
    pub MiniLm<B, S: ..=512, D = 384, LAYERS = 6, V = 30522>
        (ids: i32[B, S], mask: bool[B, S]) -> ([B, D], [B, S, D])
    {
        #[weights("embeddings.word_embeddings.weight")]       param word:     [V, D];
        #[weights("embeddings.position_embeddings.weight")]   param position: [512, D];
        #[weights("embeddings.token_type_embeddings.weight")] param kind:     [2, D];
        #[weights("embeddings.LayerNorm")] net norm:   LayerNorm<D>(eps = 1e-12);
        #[weights("encoder.layer.{i}")]    net layers: [BertLayer<D = D>; LAYERS];

        let mut x = norm(word[ids] + position[0..S] + kind[0]);
        for layer in layers { x = layer(x, mask); }
        let mean = mean(x, over = S, where = mask);
        (l2_normalize(mean, over = D), x)
    }
}

/// Where `scripts/fetch_models.py` puts the model.
pub fn model_dir() -> PathBuf {
    models::model_dir("minilm")
}

/// Ids and mask of a batch, padded to the longest sentence.
pub fn tokenize(
    tokenizer: &Tokenizer,
    sentences: &[String],
) -> Result<(Vec<i32>, Vec<bool>, usize), Failure> {
    let encoded = tokenizer.encode_batch(sentences.to_vec(), true)?;
    let longest = encoded.iter().map(|e| e.get_ids().len()).max().unwrap_or(0);
    let (mut ids, mut mask) = (Vec::new(), Vec::new());
    for e in &encoded {
        let n = e.get_ids().len();
        ids.extend(e.get_ids().iter().map(|id| *id as i32));
        ids.extend(std::iter::repeat_n(0, longest - n));
        mask.extend((0..longest).map(|i| i < n));
    }
    Ok((ids, mask, longest))
}

/// Unit vectors of the sentences, one after another, and their width.
pub fn embed(sentences: &[String]) -> Result<(Vec<f32>, usize), Failure> {
    let dir = model_dir();
    let mut tokenizer = Tokenizer::from_file(dir.join("tokenizer.json")).map_err(|e| {
        format!("{}: {e}; run `python3 scripts/fetch_models.py` first", dir.join("tokenizer.json").display())
    })?;
    // The file pads and cuts to 128 tokens; the network takes any length up to 512.
    tokenizer.with_padding(None).with_truncation(None)?;
    let (ids, mask, s) = tokenize(&tokenizer, sentences)?;
    let model = MiniLm::load(dir.join("model.safetensors"))
        .map_err(|e| format!("{e}; run `python3 scripts/fetch_models.py` first"))?;
    let mut session = model.compile(Target::host())?.session();
    let b = sentences.len();
    let (embeddings, _) = session.run(ids.view([b, s]), mask.view([b, s]))?;
    Ok((embeddings.to_vec(), MiniLm::D))
}

/// What the command line says.
fn sentences(args: impl Iterator<Item = OsString>) -> Result<Vec<String>, String> {
    let text = |arg: OsString| arg.into_string().map_err(|arg| format!("`{}` is not UTF-8", arg.display()));
    let all: Vec<String> = args.map(text).collect::<Result<_, _>>()?;
    match all.is_empty() {
        true => {
            Err("usage: sentences SENTENCE...\nprints the cosine similarity of each pair of sentences".into())
        }
        false => Ok(all),
    }
}

fn run(sentences: &[String], out: &mut dyn Write) -> Result<(), Failure> {
    let (vectors, width) = embed(sentences).map_err(|e| match e.downcast_ref::<Error>() {
        Some(Error::Bound { value, bound, .. }) => {
            format!("a sentence has {value} tokens; the model takes at most {bound}").into()
        }
        _ => e,
    })?;
    for (sentence, a) in sentences.iter().zip(vectors.chunks(width)) {
        for b in vectors.chunks(width) {
            let cosine: f64 = a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum();
            write!(out, "{cosine:9.6} ")?;
        }
        writeln!(out, " {sentence}")?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match sentences(std::env::args_os().skip(1)) {
        Ok(sentences) => program::run(|out| run(&sentences, out)),
        Err(e) => program::misused(e),
    }
}
