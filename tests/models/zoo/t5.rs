//! `transformers.models.t5.modeling_t5.T5ForConditionalGeneration` of version 1.1: 880 lines there, 94 here.

use super::{golden, owned, parts, rows, same_rows, weights};
use tancho::{Error, network};
use tancho_support::targets;

network! {
    /// The learned bias of each distance from a query to a key. Half of the buckets are distances, the others
    /// grow with their logarithm up to `FAR`. An encoder has `N` buckets on both sides, a decoder on one.
    pub T5Bias<S, T, SIDES = _, N = _, HEADS = _, FAR = _>(queries: i32[S], keys: i32[T]) -> [HEADS, S, T]
        where N % 2 == 0
    {
        param weight: [SIDES * N, HEADS];

        let ahead = keys - expand(reshape(queries, [S, 1]), [S, T]);
        let distance = if SIDES == 2 { abs(ahead) } else { max(-ahead, 0) };
        let octaves = log(cast(distance, f32) / (N / 2)) / log(2.0 * FAR / N);
        let far = N / 2 + octaves * (N / 2);
        let bucket = select(distance < N / 2, distance, min(cast(far, i32), N - 1));
        let bucket = if SIDES == 2 { bucket + cast(ahead > 0, i32) * N } else { bucket };
        transpose(weight[bucket], axes = (2, 0, 1))
    }

    pub T5FeedForward<B, S, D = _, H = _>(x: [B, S, D]) -> [B, S, D] {
        net layer_norm: RmsNorm<D>;
        #[weights("DenseReluDense.wi_0")] net gate: Linear<D, H>(bias = false);
        #[weights("DenseReluDense.wi_1")] net up: Linear<D, H>(bias = false);
        #[weights("DenseReluDense.wo")] net down: Linear<H, D>(bias = false);

        let n = layer_norm(x);
        x + down(gelu_tanh(gate(n)) * up(n))
    }

    pub T5EncoderBlock<B, N, D = _, HEADS = _, HD = _, H = _>
        (x: [B, N, D], bias: [HEADS, N, N], mask: bool[B, N]) -> [B, N, D]
    {
        #[weights("layer.0.layer_norm")] net norm: RmsNorm<D>;
        #[weights("layer.0.SelfAttention.q")] net q: Linear<D, HEADS * HD>(bias = false);
        #[weights("layer.0.SelfAttention.k")] net k: Linear<D, HEADS * HD>(bias = false);
        #[weights("layer.0.SelfAttention.v")] net v: Linear<D, HEADS * HD>(bias = false);
        #[weights("layer.0.SelfAttention.o")] net o: Linear<HEADS * HD, D>(bias = false);
        #[weights("layer.1")] net feed_forward: T5FeedForward<D, H>;

        let n = norm(x);
        let a = attention(q(n), k(n), v(n), heads = HEADS, mask = mask, bias = bias, scale = 1);
        feed_forward(x + o(a))
    }

    pub T5DecoderBlock<B, D = _, HEADS = _, HD = _, H = _> {
        #[weights("layer.0.layer_norm")] net norm: RmsNorm<D>;
        #[weights("layer.0.SelfAttention.q")] net q: Linear<D, HEADS * HD>(bias = false);
        #[weights("layer.0.SelfAttention.k")] net k: Linear<D, HEADS * HD>(bias = false);
        #[weights("layer.0.SelfAttention.v")] net v: Linear<D, HEADS * HD>(bias = false);
        #[weights("layer.0.SelfAttention.o")] net o: Linear<HEADS * HD, D>(bias = false);
        #[weights("layer.1.layer_norm")] net cross_norm: RmsNorm<D>;
        #[weights("layer.1.EncDecAttention.q")] net cross_q: Linear<D, HEADS * HD>(bias = false);
        #[weights("layer.1.EncDecAttention.k")] net cross_k: Linear<D, HEADS * HD>(bias = false);
        #[weights("layer.1.EncDecAttention.v")] net cross_v: Linear<D, HEADS * HD>(bias = false);
        #[weights("layer.1.EncDecAttention.o")] net cross_o: Linear<HEADS * HD, D>(bias = false);
        #[weights("layer.2")] net feed_forward: T5FeedForward<D, H>;
        state keys: [B, P, HEADS * HD] grow P;
        state values: [B, P, HEADS * HD] grow P;
        state cross_keys: [B, N, HEADS * HD];
        state cross_values: [B, N, HEADS * HD];

        fn forward<S, N, P: ..=512>(x: [B, S, D], bias: [HEADS, S, P + S], mask: bool[B, N]) -> [B, S, D] {
            let n = norm(x);
            let (k, v) = (keys.push(k(n)), values.push(v(n)));
            let x = x + o(attention(q(n), k, v, heads = HEADS, bias = bias, causal = true, scale = 1));
            let q = cross_q(cross_norm(x));
            let a = attention(q, cross_keys, cross_values, heads = HEADS, mask = mask, scale = 1);
            feed_forward(x + cross_o(a))
        }

        /// Keeps the keys and values of what the encoder made.
        fn read<N>(encoded: [B, N, D]) -> [B, N, D] {
            cross_keys = cross_k(encoded);
            cross_values = cross_v(encoded);
            encoded
        }
    }

    pub T5<B, P: ..=512, D = 512, HEADS = 6, HD = 64, H = 1024, LAYERS = 8, V = 32128, BUCKETS = 32,
        FAR = 128>
        where BUCKETS % 4 == 0
    {
        #[weights("shared.weight")] param words: [V, D];
        #[weights("encoder.block.0.layer.0.SelfAttention.relative_attention_bias")]
        net encoder_bias: T5Bias<SIDES = 2, N = BUCKETS / 2, HEADS = HEADS, FAR = FAR>;
        #[weights("encoder.block.{i}")] net encoder: [T5EncoderBlock<D, HEADS, HD, H>; LAYERS];
        #[weights("encoder.final_layer_norm")] net encoder_norm: RmsNorm<D>;
        #[weights("decoder.block.0.layer.0.SelfAttention.relative_attention_bias")]
        net decoder_bias: T5Bias<SIDES = 1, N = BUCKETS, HEADS = HEADS, FAR = FAR>;
        #[weights("decoder.block.{i}")] net decoder: [T5DecoderBlock<D, HEADS, HD, H, N = N, P = P>; LAYERS];
        #[weights("decoder.final_layer_norm")] net decoder_norm: RmsNorm<D>;
        net lm_head: Linear<D, V>(bias = false);
        state keep: bool[B, N];

        fn encode<N>(ids: i32[B, N], mask: bool[B, N]) -> [B, N, D] {
            keep = mask;
            let bias = encoder_bias(arange(N), arange(N));
            let mut x = words[ids];
            for block in encoder { x = block(x, bias, mask); }
            x = encoder_norm(x);
            for block in decoder { x = block.read(x); }
            x
        }

        fn decode<S, N>(ids: i32[B, S]) -> [B, S, V] {
            let bias = decoder_bias(arange(S, from = P), arange(P + S));
            let mut x = words[ids];
            for block in decoder { x = block(x, bias, keep); }
            lm_head(decoder_norm(x))
        }
    }
}

fn small() -> T5Dims {
    T5Dims { D: 16, HEADS: 2, HD: 6, H: 20, LAYERS: 2, V: 30, BUCKETS: 8, FAR: 20 }
}

#[test]
fn encoder_and_decoder_are_the_reference_s() -> Result<(), Error> {
    let net = T5::with(small()).load(weights("t5"))?;
    let golden = golden("t5");
    let (ids, mask) = (golden.tensor("in.ids"), golden.tensor("in.mask"));
    let (ids, mask) = (ids.as_view().expect("ids"), mask.as_view().expect("a mask"));
    let (given, logits) = (golden.tensor("in.decoder_ids"), golden.tensor("out.logits"));
    for target in targets() {
        let compiled = net.compile(target)?;
        for threads in [1, 2] {
            for parts in parts(given.shape()[1]) {
                let mut session = compiled.session_with_threads(threads)?;
                session.check_encode(ids, mask)?.into_result()?;
                let encoded = session.encode(ids, mask)?;
                golden.matches("out.encoded", &owned(encoded));
                let mut from = 0;
                for n in parts {
                    let part = rows(&given, from, from + n);
                    let ids = part.as_view().expect("ids");
                    session.check_decode(ids)?.into_result()?;
                    same_rows(&owned(session.decode(ids)?), &logits, from, from + n);
                    from += n;
                }
            }
        }
    }
    Ok(())
}
