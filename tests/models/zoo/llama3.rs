//! `transformers.models.llama.modeling_llama.LlamaForCausalLM` with the rope scaling of Llama 3: 330 lines
//! there, 54 here.

use super::{decodes, weights};
use tancho::{Error, network};

network! {
    /// Angles of rope by row and frequency. Frequencies of wavelengths above `original / low` are divided by
    /// `factor`, those below `original / high` stay, and between them lies a ramp.
    pub Llama3Angles<S, HD = _>
        (option base = 5e5, option factor = 8.0, option low = 1.0, option high = 4.0,
        option original = 8192.0)
        (positions: i32[S]) -> [S, HD / 2]
        where HD % 2 == 0
    {
        let frequency = exp(cast(arange(HD / 2), f32) * (-2 / HD * log(base)));
        let waves = original * frequency / 6.283185307179586;
        let keep = clamp((waves - low) / (high - low), 0, 1);
        let frequency = frequency * (keep + (1 - keep) / factor);
        expand(reshape(cast(positions, f32), [S, 1]), [S, HD / 2]) * frequency
    }

    pub Rotate<B, N, S, HD>(x: [B, N, S, HD], angles: [S, HD / 2]) -> [B, N, S, HD] where HD % 2 == 0 {
        let (a, b) = split(x, axis = HD, parts = 2);
        concat(a * cos(angles) - b * sin(angles), b * cos(angles) + a * sin(angles), axis = -1)
    }

    pub LlamaLayer<B, S, P: ..=8192, D = _, HEADS = _, KV = _, HD = _, H = _>
        (x: [B, S, D], angles: [S, HD / 2]) -> [B, S, D]
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
        let q = Rotate(rearrange(q(n), [b, s, (h d)] -> [b, h, s, d], d = HD), angles);
        let k = Rotate(rearrange(k(n), [b, s, (h d)] -> [b, h, s, d], d = HD), angles);
        let v = rearrange(v(n), [b, s, (h d)] -> [b, h, s, d], d = HD);
        let a = attention(q, keys.push(k), values.push(v), heads = HEADS, causal = true);
        let x = x + o(rearrange(a, [b, h, s, d] -> [b, s, (h d)]));
        let n = post_attention_layernorm(x);
        x + down(swiglu(gate(n), up(n)))
    }

    pub Llama3<B, S, P: ..=8192, D = 4096, HEADS = 32, KV = 8, HD = 128, H = 14336, LAYERS = 32, V = 128256>
        (option base = 5e5, option original = 8192.0)(ids: i32[B, S]) -> [B, S, V]
        where HEADS % KV == 0, HD % 2 == 0
    {
        #[weights("model.embed_tokens")] net words: Embedding<V, D>;
        net angles: Llama3Angles<HD>(base = base, original = original);
        #[weights("model.layers.{i}")] net layers: [LlamaLayer<D, HEADS, KV, HD, H, P = P>; LAYERS];
        #[weights("model.norm")] net norm: RmsNorm<D>;
        net lm_head: Linear<D, V>(bias = false);

        let angles = angles(arange(S, from = P));
        let mut x = words(ids);
        for layer in layers { x = layer(x, angles); }
        lm_head(norm(x))
    }
}

fn small() -> Llama3Dims {
    Llama3Dims { D: 16, HEADS: 4, KV: 2, HD: 6, H: 20, LAYERS: 2, V: 31 }
}

#[test]
fn logits_are_the_reference_s() -> Result<(), Error> {
    let net = Llama3::with(small()).option("base", 50.0).option("original", 32.0).load(weights("llama3"))?;
    decodes("llama3", |target| net.compile(target))
}
