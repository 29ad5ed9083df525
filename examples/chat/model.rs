//! SmolLM2 (Allal et al. 2025), a decoder of the Llama family, by the names that llama.cpp's GGUF files have.

#[path = "../common/models.rs"]
#[allow(clippy::duplicate_mod)] // the benchmark has several examples as modules
mod models;

use safetensors::SafeTensors;
use std::path::{Path, PathBuf};
use tancho::weights::{Gguf, Metadata};
use tancho::{Error, Tensor, network};

network! {
    /// One block: grouped-query attention and a gated feed-forward layer, each behind an RMS norm. GGUF files
    /// of Llama models have the rows of `q` and `k` in the order that turns neighbours together.
    pub LlamaBlock<B, S, P: ..=T, D = 576, HEADS = 9, KV = 3, H = 1536, T = 2048>(x: [B, S, D]) -> [B, S, D]
        where D % HEADS == 0, HEADS % KV == 0
    {
        net attn_norm:   RmsNorm<D>(eps = 1e-5);
        net attn_q:      Linear<D, D>(bias = false);
        net attn_k:      Linear<D, KV * (D / HEADS)>(bias = false);
        net attn_v:      Linear<D, KV * (D / HEADS)>(bias = false);
        net attn_output: Linear<D, D>(bias = false);
        net ffn_norm:    RmsNorm<D>(eps = 1e-5);
        net ffn_gate:    Linear<D, H>(bias = false);
        net ffn_up:      Linear<D, H>(bias = false);
        net ffn_down:    Linear<H, D>(bias = false);
        state keys:   [B, KV, P, D / HEADS] grow P;
        state values: [B, KV, P, D / HEADS] grow P;

        let n = attn_norm(x);
        let q = rope(
            rearrange(attn_q(n), [b, s, (h d)] -> [b, h, s, d], h = HEADS),
            base = 1e5,
            from = P,
            pairs = adjacent,
        );
        let k = rope(
            rearrange(attn_k(n), [b, s, (h d)] -> [b, h, s, d], h = KV),
            base = 1e5,
            from = P,
            pairs = adjacent,
        );
        let v = rearrange(attn_v(n), [b, s, (h d)] -> [b, h, s, d], h = KV);
        let a = attention(q, keys.push(k), values.push(v), heads = HEADS, causal = true);
        let x = x + attn_output(rearrange(a, [b, h, s, d] -> [b, s, (h d)]));
        let n = ffn_norm(x);
        x + ffn_down(swiglu(ffn_gate(n), ffn_up(n)))
    }

    /// Token ids to the logits of the token that follows the last. The output layer is the embedding.
    pub SmolLm2<B, S, P: ..=T, D = 576, HEADS = 9, KV = 3, H = 1536, LAYERS = 30, V = 49152, T = 2048>
        (ids: i32[B, S]) -> [B, V]
        where D % HEADS == 0, HEADS % KV == 0, P + S <= T
    {
        #[weights("token_embd.weight")] param embed: [V, D];
        #[weights("blk.{i}")]           net blocks: [LlamaBlock<D = D, HEADS = HEADS, KV = KV, H = H, T = T, P = P>; LAYERS];
        #[weights("output_norm")]       net norm: RmsNorm<D>(eps = 1e-5);

        let mut x = embed[ids];
        for block in blocks { x = block(x); }
        norm(x)[S = -1] @ embed.t
    }
}

/// Why a file does not have the model that is declared here.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Where `scripts/fetch_models.py` puts the model.
pub fn model_path() -> PathBuf {
    models::model_dir("smollm2").join("SmolLM2-135M-Instruct.Q4_1.gguf")
}

/// The model of a file, with room for `context` tokens.
///
/// # Errors
/// The file is of another architecture, or not what it says.
pub fn load(path: &Path, file: &Gguf, context: usize) -> Result<SmolLm2, Failure> {
    let architecture = file.text("general.architecture")?;
    if architecture != "llama" {
        let architecture = architecture.escape_debug();
        return Err(format!(
            "{} has a model of the architecture `{architecture}`; this program runs `llama`",
            path.display()
        )
        .into());
    }
    let number = |key: &str| file.integer(&format!("llama.{key}"));
    for (key, want) in [("rope.freq_base", 1e5), ("attention.layer_norm_rms_epsilon", 1e-5)] {
        let found = file.number(&format!("llama.{key}"))?;
        // Files have these as f32. A NaN is near nothing.
        let near = (found - want).abs() <= 1e-6 * want;
        if !near {
            return Err(format!(
                "{} has `llama.{key}` {found}; this program's declaration has {want}",
                path.display()
            )
            .into());
        }
    }
    if file.get("llama.rope.scaling.type").is_some_and(|m| *m != Metadata::Text("none".into())) {
        return Err(format!(
            "{} scales its rope (`llama.rope.scaling.type`); this program's declaration does not",
            path.display()
        )
        .into());
    }
    let (width, heads, layers) =
        (number("embedding_length")?, number("attention.head_count")?, number("block_count")?);
    for key in ["rope.dimension_count", "attention.key_length", "attention.value_length"] {
        let found = if file.get(&format!("llama.{key}")).is_some() { Some(number(key)?) } else { None };
        if let Some(n) = found.filter(|n| n.checked_mul(heads) != Some(width)) {
            return Err(format!(
                "{} has `llama.{key}` {n}; this program's declaration has {width} / {heads}",
                path.display()
            )
            .into());
        }
    }
    // Before so many blocks are declared.
    let last = format!("blk.{}.attn_norm.weight", layers.saturating_sub(1));
    if layers > 0 && !file.tensors().any(|(name, _)| name == last) {
        return Err(
            format!("{} says that it has {layers} blocks, but has no `{last}`", path.display()).into()
        );
    }
    let longest = number("context_length")?;
    if context == 0 || context > longest {
        return Err(format!("a context of {context} tokens; the model was trained for 1 to {longest}").into());
    }
    let dims = SmolLm2Dims {
        D: width,
        HEADS: heads,
        KV: number("attention.head_count_kv")?,
        H: number("feed_forward_length")?,
        LAYERS: layers,
        V: number("vocab_size")?,
        T: context,
    };
    SmolLm2::with(dims).load(path).map_err(|e: Error| e.into())
}

/// Logits of which some are NaN or infinite.
#[derive(Debug)]
pub struct NotNumbers {
    bad: usize,
    all: usize,
}

impl std::fmt::Display for NotNumbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let NotNumbers { bad, all } = self;
        write!(
            f,
            "{bad} of the model's {all} logits are NaN or infinite; its file is damaged, or its weights do not fit --weights"
        )
    }
}

impl std::error::Error for NotNumbers {}

/// Logits that can be compared with one another.
pub fn checked(logits: &[f32]) -> Result<&[f32], NotNumbers> {
    match logits.iter().filter(|x| !x.is_finite()).count() {
        0 => Ok(logits),
        bad => Err(NotNumbers { bad, all: logits.len() }),
    }
}

/// What adapters are multiplied with, here and where `finetune` trains them.
const SCALE: f32 = 2.0;

/// Adds adapters that the example `finetune` has trained to the weights: `W + 2 B A`.
///
/// # Errors
/// The file cannot be read, or has something that is no adapter of this network.
#[allow(dead_code)] // not every program that includes this one has a use for it
pub fn adapt(net: &mut SmolLm2, path: &Path) -> Result<(), Failure> {
    let wrong = |why: String| Failure::from(format!("{}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| wrong(e.to_string()))?;
    let floats = |name: &str| {
        let t = file.tensor(name).map_err(|e| wrong(e.to_string()))?;
        let [rows, columns] = *t.shape() else { return Err(wrong(format!("`{name}` is no matrix"))) };
        if t.dtype() != safetensors::Dtype::F32 {
            return Err(wrong(format!("`{name}` is not f32")));
        }
        let all: Vec<f32> = t.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        Ok((rows, columns, all))
    };
    let mut found = false;
    for name in file.names() {
        let Some(layer) = name.strip_suffix(".lora_a") else {
            if name.ends_with(".lora_b") {
                continue;
            }
            return Err(wrong(format!("`{name}` is no adapter")));
        };
        let (rank, inputs, a) = floats(name)?;
        let (outputs, inner, b) = floats(&format!("{layer}.lora_b"))?;
        let weight = format!("{layer}.weight");
        let Some(view) = net.weights().get(&weight) else {
            return Err(wrong(format!("`{name}` is for a layer that the model has not")));
        };
        if view.shape() != [outputs, inputs] || inner != rank {
            return Err(wrong(format!("the adapter of `{layer}` does not fit: the weight is {view}")));
        }
        let mut all = view.to_vec();
        for (row, b) in all.chunks_mut(inputs).zip(b.chunks(rank)) {
            for (b, a) in b.iter().zip(a.chunks(inputs)) {
                row.iter_mut().zip(a).for_each(|(w, a)| *w += SCALE * b * a);
            }
        }
        net.weights_mut().set(&weight, Tensor::new(all, [outputs, inputs])?)?;
        found = true;
    }
    if found { Ok(()) } else { Err(wrong("it has no adapters".into())) }
}
