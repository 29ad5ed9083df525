//! `transformers.models.whisper.modeling_whisper.WhisperForConditionalGeneration`: 678 lines there, 74 here.

use super::{golden, owned, parts, rows, same_rows, weights};
use tancho::{Error, network};
use tancho_support::targets;

network! {
    pub WhisperEncoderLayer<B, N, D = _, HEADS = _, H = _>(x: [B, N, D]) -> [B, N, D] where D % HEADS == 0 {
        net self_attn_layer_norm: LayerNorm<D>;
        #[weights("self_attn.q_proj")] net q: Linear<D, D>;
        #[weights("self_attn.k_proj")] net k: Linear<D, D>(bias = false);
        #[weights("self_attn.v_proj")] net v: Linear<D, D>;
        #[weights("self_attn.out_proj")] net out: Linear<D, D>;
        net final_layer_norm: LayerNorm<D>;
        net fc1: Linear<D, H>;
        net fc2: Linear<H, D>;

        let n = self_attn_layer_norm(x);
        let x = x + out(attention(q(n), k(n), v(n), heads = HEADS));
        x + fc2(gelu(fc1(final_layer_norm(x))))
    }

    pub WhisperDecoderLayer<B, D = _, HEADS = _, H = _> where D % HEADS == 0 {
        net self_attn_layer_norm: LayerNorm<D>;
        #[weights("self_attn.q_proj")] net q: Linear<D, D>;
        #[weights("self_attn.k_proj")] net k: Linear<D, D>(bias = false);
        #[weights("self_attn.v_proj")] net v: Linear<D, D>;
        #[weights("self_attn.out_proj")] net out: Linear<D, D>;
        net encoder_attn_layer_norm: LayerNorm<D>;
        #[weights("encoder_attn.q_proj")] net cross_q: Linear<D, D>;
        #[weights("encoder_attn.k_proj")] net cross_k: Linear<D, D>(bias = false);
        #[weights("encoder_attn.v_proj")] net cross_v: Linear<D, D>;
        #[weights("encoder_attn.out_proj")] net cross_out: Linear<D, D>;
        net final_layer_norm: LayerNorm<D>;
        net fc1: Linear<D, H>;
        net fc2: Linear<H, D>;
        state keys: [B, P, D] grow P;
        state values: [B, P, D] grow P;
        state cross_keys: [B, N, D];
        state cross_values: [B, N, D];

        fn forward<S, N, P: ..=448>(x: [B, S, D]) -> [B, S, D] {
            let n = self_attn_layer_norm(x);
            let (k, v) = (keys.push(k(n)), values.push(v(n)));
            let x = x + out(attention(q(n), k, v, heads = HEADS, causal = true));
            let q = cross_q(encoder_attn_layer_norm(x));
            let x = x + cross_out(attention(q, cross_keys, cross_values, heads = HEADS));
            x + fc2(gelu(fc1(final_layer_norm(x))))
        }

        /// Keeps the keys and values of what the encoder made.
        fn read<N>(encoded: [B, N, D]) -> [B, N, D] {
            cross_keys = cross_k(encoded);
            cross_values = cross_v(encoded);
            encoded
        }
    }

    pub Whisper<B, S, P: ..=T, D = 384, HEADS = 6, H = 1536, LAYERS = 4, V = 51865, MELS = 80, N = 1500,
        T = 448>
        where D % HEADS == 0, P + S <= T
    {
        #[weights("model.encoder.conv1")] net conv1: Conv1d<MELS, D, K = 3, PAD = 1>;
        #[weights("model.encoder.conv2")] net conv2: Conv1d<D, D, K = 3, STRIDE = 2, PAD = 1>;
        #[weights("model.encoder.embed_positions.weight")] param places: [N, D];
        #[weights("model.encoder.layers.{i}")]
        net encoder: [WhisperEncoderLayer<D, HEADS, H>; LAYERS];
        #[weights("model.encoder.layer_norm")] net encoder_norm: LayerNorm<D>;
        #[weights("model.decoder.embed_tokens.weight")] param words: [V, D];
        #[weights("model.decoder.embed_positions.weight")] param positions: [T, D];
        #[weights("model.decoder.layers.{i}")]
        net decoder: [WhisperDecoderLayer<D, HEADS, H, N = N, P = P>; LAYERS];
        #[weights("model.decoder.layer_norm")] net decoder_norm: LayerNorm<D>;

        fn encode(mel: [B, MELS, 2 * N]) -> [B, N, D] {
            let x = gelu(conv2(gelu(conv1(mel))));
            let mut x = x.t + places;
            for layer in encoder { x = layer(x); }
            x = encoder_norm(x);
            for layer in decoder { x = layer.read(x); }
            x
        }

        fn decode(ids: i32[B, S]) -> [B, S, V] {
            let mut x = words[ids] + positions[P..P + S];
            for layer in decoder { x = layer(x); }
            decoder_norm(x) @ words.t
        }
    }
}

fn small() -> WhisperDims {
    WhisperDims { D: 16, HEADS: 2, H: 20, LAYERS: 2, V: 30, MELS: 6, N: 9, T: 14 }
}

#[test]
fn encoder_and_decoder_are_the_reference_s() -> Result<(), Error> {
    let net = Whisper::with(small()).load(weights("whisper"))?;
    let golden = golden("whisper");
    let mel = golden.tensor("in.mel");
    let mel = mel.as_view().expect("floats");
    let (given, logits) = (golden.tensor("in.decoder_ids"), golden.tensor("out.logits"));
    for target in targets() {
        let compiled = net.compile(target)?;
        for threads in [1, 2] {
            for parts in parts(given.shape()[1]) {
                let mut session = compiled.session_with_threads(threads)?;
                session.check_encode(mel)?.into_result()?;
                let encoded = session.encode(mel)?;
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
