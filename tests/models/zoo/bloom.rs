//! `transformers.models.bloom.modeling_bloom.BloomForCausalLM`: 530 lines there, 31 here.

use super::{decodes, weights};
use tancho::{Error, network};

network! {
    pub BloomBlock<B, S, P: ..=2048, D = _, HEADS = _>(x: [B, S, D], bias: [HEADS, S, P + S]) -> [B, S, D]
        where D % HEADS == 0
    {
        net input_layernorm: LayerNorm<D>;
        #[weights("self_attention.query_key_value")] net qkv: Linear<D, 3 * D>;
        #[weights("self_attention.dense")] net out: Linear<D, D>;
        net post_attention_layernorm: LayerNorm<D>;
        #[weights("mlp.dense_h_to_4h")] net up: Linear<D, 4 * D>;
        #[weights("mlp.dense_4h_to_h")] net down: Linear<4 * D, D>;
        state keys: [B, HEADS, P, D / HEADS] grow P;
        state values: [B, HEADS, P, D / HEADS] grow P;

        let qkv = rearrange(qkv(input_layernorm(x)), [b, s, (h n d)] -> [n, b, h, s, d], n = 3, h = HEADS);
        let (k, v) = (keys.push(qkv[1]), values.push(qkv[2]));
        let a = attention(qkv[0], k, v, heads = HEADS, bias = bias, causal = true);
        let x = x + out(rearrange(a, [b, h, s, d] -> [b, s, (h d)]));
        x + down(gelu_tanh(up(post_attention_layernorm(x))))
    }

    /// The output layer is the embedding. `HEADS` is a power of two: others have further slopes.
    pub Bloom<B, S, P: ..=2048, D = 1024, HEADS = 16, LAYERS = 24, V = 250880>(ids: i32[B, S]) -> [B, S, V]
        where D % HEADS == 0
    {
        #[weights("transformer.word_embeddings.weight")] param words: [V, D];
        #[weights("transformer.word_embeddings_layernorm")] net first: LayerNorm<D>;
        #[weights("transformer.h.{i}")] net blocks: [BloomBlock<D, HEADS, P = P>; LAYERS];
        #[weights("transformer.ln_f")] net last: LayerNorm<D>;

        let slopes = exp(cast(arange(HEADS, from = 1), f32) * (-8 / HEADS * 0.6931471805599453));
        let slopes = expand(reshape(slopes, [HEADS, 1, 1]), [HEADS, S, P + S]);
        let bias = slopes * cast(arange(P + S), f32);
        let mut x = first(words[ids]);
        for block in blocks { x = block(x, bias); }
        last(x) @ words.t
    }
}

fn small() -> BloomDims {
    BloomDims { D: 16, HEADS: 4, LAYERS: 2, V: 30 }
}

#[test]
fn logits_are_the_reference_s() -> Result<(), Error> {
    let net = Bloom::with(small()).load(weights("bloom"))?;
    decodes("bloom", |target| net.compile(target))
}
