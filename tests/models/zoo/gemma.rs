//! `transformers.models.gemma.modeling_gemma.GemmaForCausalLM`: 330 lines there, 39 here.

use super::{decodes, weights};
use tancho::{Error, network};

network! {
    /// An RMS norm whose gain is stored without the one that it is added to.
    pub GemmaNorm<D = _>(x: [.., D]) -> [.., D] {
        param weight: [D];
        rms_norm(x, weight + 1, over = D)
    }

    pub GemmaLayer<B, S, P: ..=8192, D = _, HEADS = _, KV = _, HD = _, H = _>(x: [B, S, D]) -> [B, S, D]
        where HEADS % KV == 0, HD % 2 == 0
    {
        net input_layernorm: GemmaNorm<D>;
        #[weights("self_attn.q_proj")] net q: Linear<D, HEADS * HD>(bias = false);
        #[weights("self_attn.k_proj")] net k: Linear<D, KV * HD>(bias = false);
        #[weights("self_attn.v_proj")] net v: Linear<D, KV * HD>(bias = false);
        #[weights("self_attn.o_proj")] net o: Linear<HEADS * HD, D>(bias = false);
        net post_attention_layernorm: GemmaNorm<D>;
        #[weights("mlp.gate_proj")] net gate: Linear<D, H>(bias = false);
        #[weights("mlp.up_proj")] net up: Linear<D, H>(bias = false);
        #[weights("mlp.down_proj")] net down: Linear<H, D>(bias = false);
        state keys: [B, KV, P, HD] grow P;
        state values: [B, KV, P, HD] grow P;

        let n = input_layernorm(x);
        let q = rope(rearrange(q(n), [b, s, (h d)] -> [b, h, s, d], d = HD), from = P);
        let k = rope(rearrange(k(n), [b, s, (h d)] -> [b, h, s, d], d = HD), from = P);
        let v = rearrange(v(n), [b, s, (h d)] -> [b, h, s, d], d = HD);
        let a = attention(q, keys.push(k), values.push(v), heads = HEADS, causal = true);
        let x = x + o(rearrange(a, [b, h, s, d] -> [b, s, (h d)]));
        let n = post_attention_layernorm(x);
        x + down(gelu_tanh(gate(n)) * up(n))
    }

    /// The output layer is the embedding.
    pub Gemma<B, S, P: ..=8192, D = 2048, HEADS = 8, KV = 1, HD = 256, H = 16384, LAYERS = 18, V = 256000>
        (ids: i32[B, S]) -> [B, S, V]
        where HEADS % KV == 0, HD % 2 == 0
    {
        #[weights("model.embed_tokens.weight")] param words: [V, D];
        #[weights("model.layers.{i}")]
        net layers: [GemmaLayer<D, HEADS, KV, HD, H, P = P>; LAYERS];
        #[weights("model.norm")] net norm: GemmaNorm<D>;

        let mut x = words[ids] * sqrt(D);
        for layer in layers { x = layer(x); }
        norm(x) @ words.t
    }
}

fn small() -> GemmaDims {
    GemmaDims { D: 16, HEADS: 4, KV: 1, HD: 6, H: 20, LAYERS: 2, V: 31 }
}

#[test]
fn logits_are_the_reference_s() -> Result<(), Error> {
    let net = Gemma::with(small()).load(weights("gemma"))?;
    decodes("gemma", |target| net.compile(target))
}
