//! `transformers.models.gemma2.modeling_gemma2.Gemma2ForCausalLM`: 383 lines there, 50 here.

use super::gemma::GemmaNorm;
use super::{decodes, weights};
use tancho::{Error, network};

network! {
    /// `SCALAR` is the config's `query_pre_attn_scalar`; `local` attention sees `WINDOW` positions.
    pub Gemma2Layer<B, S, P: ..=8192, D = _, HEADS = _, KV = _, HD = _, H = _, WINDOW = _, SCALAR = _>
        (option local = true, option cap = 50.0)(x: [B, S, D]) -> [B, S, D]
        where HEADS % KV == 0, HD % 2 == 0
    {
        net input_layernorm: GemmaNorm<D>;
        #[weights("self_attn.q_proj")] net q: Linear<D, HEADS * HD>(bias = false);
        #[weights("self_attn.k_proj")] net k: Linear<D, KV * HD>(bias = false);
        #[weights("self_attn.v_proj")] net v: Linear<D, KV * HD>(bias = false);
        #[weights("self_attn.o_proj")] net o: Linear<HEADS * HD, D>(bias = false);
        net post_attention_layernorm: GemmaNorm<D>;
        net pre_feedforward_layernorm: GemmaNorm<D>;
        #[weights("mlp.gate_proj")] net gate: Linear<D, H>(bias = false);
        #[weights("mlp.up_proj")] net up: Linear<D, H>(bias = false);
        #[weights("mlp.down_proj")] net down: Linear<H, D>(bias = false);
        net post_feedforward_layernorm: GemmaNorm<D>;
        state keys: [B, KV, P, HD] grow P;
        state values: [B, KV, P, HD] grow P;

        let n: [B, S, D] = input_layernorm(x);
        let q = rope(rearrange(q(n), [b, s, (h d)] -> [b, h, s, d], d = HD), from = P);
        let k = keys.push(rope(rearrange(k(n), [b, s, (h d)] -> [b, h, s, d], d = HD), from = P));
        let v = values.push(rearrange(v(n), [b, s, (h d)] -> [b, h, s, d], d = HD));
        let q = q / sqrt(SCALAR);
        let a = if local {
            attention(q, k, v, heads = HEADS, causal = true, window = WINDOW, scale = 1, softcap = cap)
        } else {
            attention(q, k, v, heads = HEADS, causal = true, scale = 1, softcap = cap)
        };
        let a: [B, S, D] = post_attention_layernorm(o(rearrange(a, [b, h, s, d] -> [b, s, (h d)])));
        let x = x + a;
        let n: [B, S, D] = pre_feedforward_layernorm(x);
        let y: [B, S, D] = post_feedforward_layernorm(down(gelu_tanh(gate(n)) * up(n)));
        x + y
    }

    pub Gemma2<B, S, P: ..=8192, D = 2304, HEADS = 8, KV = 4, HD = 256, H = 9216, LAYERS = 26, V = 256000,
        WINDOW = 4096, SCALAR = 256>
        (option cap = 50.0, option final_cap = 30.0)(ids: i32[B, S]) -> [B, S, V]
        where HEADS % KV == 0, HD % 2 == 0, LAYERS % 2 == 0
    {
        #[weights("model.embed_tokens.weight")] param words: [V, D];
        #[weights("model.layers.{2 * i}")]
        net near: [Gemma2Layer<D, HEADS, KV, HD, H, WINDOW, SCALAR, P = P>(cap = cap); LAYERS / 2];
        #[weights("model.layers.{2 * i + 1}")]
        net far: [Gemma2Layer<D, HEADS, KV, HD, H, WINDOW, SCALAR, P = P>(cap = cap, local = false);
            LAYERS / 2];
        #[weights("model.norm")] net norm: GemmaNorm<D>;

        let mut x = words[ids] * sqrt(D);
        for (near_layer, far_layer) in (near, far) { x = far_layer(near_layer(x)); }
        let x: [B, S, D] = norm(x);
        softcap(x @ words.t, cap = final_cap)
    }
}

fn small() -> Gemma2Dims {
    Gemma2Dims { D: 16, HEADS: 4, KV: 2, HD: 6, H: 20, LAYERS: 2, V: 31, WINDOW: 4, SCALAR: 10 }
}

#[test]
fn logits_are_the_reference_s() -> Result<(), Error> {
    let net = Gemma2::with(small()).option("cap", 2.0).option("final_cap", 3.0).load(weights("gemma2"))?;
    decodes("gemma2", |target| net.compile(target))
}
