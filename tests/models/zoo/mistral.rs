//! `transformers.models.mistral.modeling_mistral.MistralForCausalLM`: 324 lines there, 38 here.

use super::{decodes, weights};
use tancho::{Error, network};

network! {
    pub MistralLayer<B, S, P: ..=4096, D = _, HEADS = _, KV = _, HD = _, H = _, WINDOW = _>
        (x: [B, S, D]) -> [B, S, D]
        where HEADS % KV == 0, HD % 2 == 0
    {
        net input_layernorm: RmsNorm<D>;
        #[weights("self_attn.q_proj")] net q: Linear<D, HEADS * HD>(bias = false);
        #[weights("self_attn.k_proj")] net k: Linear<D, KV * HD>(bias = false);
        #[weights("self_attn.v_proj")] net v: Linear<D, KV * HD>(bias = false);
        #[weights("self_attn.o_proj")] net o: Linear<HEADS * HD, D>(bias = false);
        net post_attention_layernorm: RmsNorm<D>;
        #[weights("mlp.gate_proj")] net gate: Linear<D, H>(bias = false);
        #[weights("mlp.up_proj")] net up: Linear<D, H>(bias = false);
        #[weights("mlp.down_proj")] net down: Linear<H, D>(bias = false);
        state keys: [B, KV, P, HD] grow P;
        state values: [B, KV, P, HD] grow P;

        let n = input_layernorm(x);
        let q = rope(rearrange(q(n), [b, s, (h d)] -> [b, h, s, d], d = HD), from = P);
        let k = rope(rearrange(k(n), [b, s, (h d)] -> [b, h, s, d], d = HD), from = P);
        let v = rearrange(v(n), [b, s, (h d)] -> [b, h, s, d], d = HD);
        let a = attention(q, keys.push(k), values.push(v), heads = HEADS, causal = true, window = WINDOW);
        let x = x + o(rearrange(a, [b, h, s, d] -> [b, s, (h d)]));
        let n = post_attention_layernorm(x);
        x + down(swiglu(gate(n), up(n)))
    }

    pub Mistral<B, S, P: ..=4096, D = 4096, HEADS = 32, KV = 8, HD = 128, H = 14336, LAYERS = 32, V = 32000,
        WINDOW = 4096>
        (ids: i32[B, S]) -> [B, S, V]
        where HEADS % KV == 0, HD % 2 == 0
    {
        #[weights("model.embed_tokens")] net words: Embedding<V, D>;
        #[weights("model.layers.{i}")]
        net layers: [MistralLayer<D, HEADS, KV, HD, H, WINDOW, P = P>; LAYERS];
        #[weights("model.norm")] net norm: RmsNorm<D>;
        net lm_head: Linear<D, V>(bias = false);

        let mut x = words(ids);
        for layer in layers { x = layer(x); }
        lm_head(norm(x))
    }
}

fn small() -> MistralDims {
    MistralDims { D: 16, HEADS: 4, KV: 2, HD: 6, H: 20, LAYERS: 2, V: 31, WINDOW: 4 }
}

#[test]
fn logits_are_the_reference_s() -> Result<(), Error> {
    let net = Mistral::with(small()).load(weights("mistral"))?;
    decodes("mistral", |target| net.compile(target))
}
