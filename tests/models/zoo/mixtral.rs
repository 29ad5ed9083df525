//! `transformers.models.mixtral.modeling_mixtral.MixtralForCausalLM`: 388 lines there, 53 here.

use super::{decodes, weights};
use tancho::{Error, network};

network! {
    pub MixtralExpert<D = _, H = _>(x: [.., D]) -> [.., D] {
        net w1: Linear<D, H>(bias = false);
        net w2: Linear<H, D>(bias = false);
        net w3: Linear<D, H>(bias = false);
        w2(swiglu(w1(x), w3(x)))
    }

    /// Each row goes through the experts that it chose, and through no others.
    pub MixtralExperts<B, S, D = _, H = _, EXPERTS = _, TOP = _>(x: [B, S, D]) -> [B, S, D] {
        net gate: Linear<D, EXPERTS>(bias = false);
        net experts: [MixtralExpert<D, H>; EXPERTS];

        let (share, ids) = topk(softmax(gate(x), over = EXPERTS), k = TOP, over = EXPERTS);
        let share = share / expand(sum(share, over = -1, keep = true), [B, S, TOP]);
        let y = expand(reshape(share, [B, S, TOP, 1]), [B, S, TOP, D]) * experts[ids](x);
        sum(y, over = TOP)
    }

    pub MixtralLayer<B, S, P: ..=4096, D = _, HEADS = _, KV = _, HD = _, H = _, EXPERTS = _, TOP = _>
        (x: [B, S, D]) -> [B, S, D]
        where HEADS % KV == 0, HD % 2 == 0
    {
        net input_layernorm: RmsNorm<D>(eps = 1e-5);
        #[weights("self_attn.q_proj")] net q: Linear<D, HEADS * HD>(bias = false);
        #[weights("self_attn.k_proj")] net k: Linear<D, KV * HD>(bias = false);
        #[weights("self_attn.v_proj")] net v: Linear<D, KV * HD>(bias = false);
        #[weights("self_attn.o_proj")] net o: Linear<HEADS * HD, D>(bias = false);
        net post_attention_layernorm: RmsNorm<D>(eps = 1e-5);
        net block_sparse_moe: MixtralExperts<D, H, EXPERTS, TOP>;
        state keys: [B, KV, P, HD] grow P;
        state values: [B, KV, P, HD] grow P;

        let n = input_layernorm(x);
        let q = rope(rearrange(q(n), [b, s, (h d)] -> [b, h, s, d], d = HD), base = 1e6, from = P);
        let k = rope(rearrange(k(n), [b, s, (h d)] -> [b, h, s, d], d = HD), base = 1e6, from = P);
        let v = rearrange(v(n), [b, s, (h d)] -> [b, h, s, d], d = HD);
        let a = attention(q, keys.push(k), values.push(v), heads = HEADS, causal = true);
        let x = x + o(rearrange(a, [b, h, s, d] -> [b, s, (h d)]));
        x + block_sparse_moe(post_attention_layernorm(x))
    }

    pub Mixtral<B, S, P: ..=4096, D = 4096, HEADS = 32, KV = 8, HD = 128, H = 14336, EXPERTS = 8, TOP = 2,
        LAYERS = 32, V = 32000>
        (ids: i32[B, S]) -> [B, S, V]
        where HEADS % KV == 0, HD % 2 == 0
    {
        #[weights("model.embed_tokens")] net words: Embedding<V, D>;
        #[weights("model.layers.{i}")]
        net layers: [MixtralLayer<D, HEADS, KV, HD, H, EXPERTS, TOP, P = P>; LAYERS];
        #[weights("model.norm")] net norm: RmsNorm<D>(eps = 1e-5);
        net lm_head: Linear<D, V>(bias = false);

        let mut x = words(ids);
        for layer in layers { x = layer(x); }
        lm_head(norm(x))
    }
}

fn small() -> MixtralDims {
    MixtralDims { D: 16, HEADS: 4, KV: 2, HD: 6, H: 10, EXPERTS: 4, TOP: 2, LAYERS: 2, V: 31 }
}

#[test]
fn logits_are_the_reference_s() -> Result<(), Error> {
    let net = Mixtral::with(small()).load(weights("mixtral"))?;
    decodes("mixtral", |target| net.compile(target))
}
