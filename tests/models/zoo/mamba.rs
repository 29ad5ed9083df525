//! `transformers.models.mamba.modeling_mamba.MambaForCausalLM`: 428 lines there, 36 here.

use super::{decodes, weights};
use tancho::{Error, network};

network! {
    /// `E` channels with `N` numbers of memory each, a convolution over the last `K` rows, steps of rank `R`.
    pub MambaMixer<B, S, D = _, E = _, N = _, K = _, R = _>(x: [B, S, D]) -> [B, S, D] {
        net in_proj: Linear<D, 2 * E>(bias = false);
        net conv1d: Conv1d<E, E, K, GROUPS = E>;
        net x_proj: Linear<E, R + 2 * N>(bias = false);
        net dt_proj: Linear<R, E>;
        #[weights("A_log")] param a_log: [E, N];
        #[weights("D")] param skip: [E];
        net out_proj: Linear<E, D>(bias = false);
        state past: [B, E, K - 1];
        state memory: [B, E, N];

        let (x, gate) = split(in_proj(x), axis = -1, parts = 2);
        let all = concat(past, x.t, axis = -1);
        past = all[0..B, 0..E, S..S + K - 1];
        let x = silu(conv1d(all)).t;
        let p = x_proj(x);
        let step = softplus(dt_proj(p[.., .., 0..R]));
        let a = -exp(a_log);
        let y = scan (x_t, step_t, b_t, c_t) in (x, step, p[.., .., R..R + N], p[.., .., R + N..]) over S {
            let step = expand(reshape(step_t, [B, E, 1]), [B, E, N]);
            let input = reshape(step_t * x_t, [B, E, 1]) @ reshape(b_t, [B, 1, N]);
            memory = exp(step * a) * memory + input;
            reshape(memory @ reshape(c_t, [B, N, 1]), [B, E])
        };
        out_proj((y + x * skip) * silu(gate))
    }

    /// The output layer is the embedding.
    pub Mamba<B, S, D = 768, E = 1536, N = 16, K = 4, R = 48, LAYERS = 24, V = 50280>
        (ids: i32[B, S]) -> [B, S, V]
    {
        #[weights("backbone.embeddings.weight")] param words: [V, D];
        #[weights("backbone.layers.{i}.norm")] net norms: [RmsNorm<D>(eps = 1e-5); LAYERS];
        #[weights("backbone.layers.{i}.mixer")] net mixers: [MambaMixer<D, E, N, K, R>; LAYERS];
        #[weights("backbone.norm_f")] net last: RmsNorm<D>(eps = 1e-5);

        let mut x = words[ids];
        for (norm, mixer) in (norms, mixers) { x += mixer(norm(x)); }
        last(x) @ words.t
    }
}

fn small() -> MambaDims {
    MambaDims { D: 12, E: 24, N: 4, K: 4, R: 3, LAYERS: 2, V: 30 }
}

#[test]
fn logits_are_the_reference_s() -> Result<(), Error> {
    let net = Mamba::with(small()).load(weights("mamba"))?;
    decodes("mamba", |target| net.compile(target))
}
