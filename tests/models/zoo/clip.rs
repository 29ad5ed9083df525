//! `transformers.models.clip.modeling_clip.CLIPModel`: 481 lines there, 57 here.

use super::{answers, weights};
use tancho::{Error, network};

network! {
    /// Of texts, which are causal and padded, and of images, which are neither.
    pub ClipLayer<B, S, D = _, HEADS = _, H = _>(option text = false)
        (x: [B, S, D], mask: bool[B, S]) -> [B, S, D]
        where D % HEADS == 0
    {
        net layer_norm1: LayerNorm<D>;
        #[weights("self_attn.q_proj")] net q: Linear<D, D>;
        #[weights("self_attn.k_proj")] net k: Linear<D, D>;
        #[weights("self_attn.v_proj")] net v: Linear<D, D>;
        #[weights("self_attn.out_proj")] net out: Linear<D, D>;
        net layer_norm2: LayerNorm<D>;
        #[weights("mlp.fc1")] net up: Linear<D, H>;
        #[weights("mlp.fc2")] net down: Linear<H, D>;

        let n = layer_norm1(x);
        let x = x + out(attention(q(n), k(n), v(n), heads = HEADS, mask = mask, causal = text));
        let h = up(layer_norm2(x));
        x + down(h * sigmoid(1.702 * h))
    }

    /// The similarity of each image with each text. `END` is the id that ends a text.
    pub Clip<D = 512, HEADS = 8, H = 2048, LAYERS = 12, V = 49408, T = 77, END = 49407, E = 512,
        VD = 768, VHEADS = 12, VH = 3072, VLAYERS = 12, SIZE = 224, PATCH = 32>
        where D % HEADS == 0, VD % VHEADS == 0, SIZE % PATCH == 0
    {
        #[weights("text_model.embeddings.token_embedding.weight")] param words: [V, D];
        #[weights("text_model.embeddings.position_embedding.weight")] param places: [T, D];
        #[weights("text_model.encoder.layers.{i}")] net text_layers: [ClipLayer<D, HEADS, H>(text = true); LAYERS];
        #[weights("text_model.final_layer_norm")] net text_norm: LayerNorm<D>;
        net text_projection: Linear<D, E>(bias = false);
        #[weights("vision_model.embeddings.class_embedding")] param class: [VD];
        #[weights("vision_model.embeddings.patch_embedding")]
        net patches: Conv2d<3, VD, K = PATCH, STRIDE = PATCH>(bias = false);
        #[weights("vision_model.embeddings.position_embedding.weight")]
        param positions: [(SIZE / PATCH)^2 + 1, VD];
        #[weights("vision_model.pre_layrnorm")] net pre_norm: LayerNorm<VD>;
        #[weights("vision_model.encoder.layers.{i}")] net image_layers: [ClipLayer<VD, VHEADS, VH>; VLAYERS];
        #[weights("vision_model.post_layernorm")] net post_norm: LayerNorm<VD>;
        net visual_projection: Linear<VD, E>(bias = false);
        param logit_scale: [];

        fn texts<B, S: ..=T>(ids: i32[B, S], mask: bool[B, S]) -> [B, E] {
            let mut x = words[ids] + places[0..S];
            for layer in text_layers { x = layer(x, mask); }
            let end = reshape(argmax(cast(ids == END, f32), over = S), [B, 1, 1]);
            let end = take_along(x, expand(end, [B, 1, D]), axis = S)[0..B, 0];
            l2_normalize(text_projection(text_norm(end)), over = E)
        }

        fn images<N>(pixels: [N, 3, SIZE, SIZE]) -> [N, E] {
            let x = rearrange(patches(pixels), [n, d, h, w] -> [n, (h w), d]);
            let mut x = pre_norm(concat(expand(class, [N, 1, VD]), x, axis = 1) + positions);
            let all = expand(true, [N, (SIZE / PATCH)^2 + 1]);
            for layer in image_layers { x = layer(x, all); }
            l2_normalize(visual_projection(post_norm(x[0..N, 0])), over = E)
        }

        fn forward<B, S: ..=T, N>(ids: i32[B, S], mask: bool[B, S], pixels: [N, 3, SIZE, SIZE])
            -> ([B, E], [N, E], [N, B])
        {
            let (texts, images) = (texts(ids, mask), images(pixels));
            (texts, images, (images @ texts.t) * exp(logit_scale))
        }
    }
}

fn small() -> ClipDims {
    ClipDims {
        D: 16,
        HEADS: 2,
        H: 24,
        LAYERS: 2,
        V: 30,
        T: 12,
        END: 29,
        E: 10,
        VD: 12,
        VHEADS: 2,
        VH: 24,
        VLAYERS: 2,
        SIZE: 12,
        PATCH: 4,
    }
}

#[test]
fn similarities_are_the_reference_s() -> Result<(), Error> {
    let net = Clip::with(small()).load(weights("clip"))?;
    for (entry, outputs) in
        [("forward", &["texts", "images", "similarity"][..]), ("texts", &["texts"]), ("images", &["images"])]
    {
        answers("clip", outputs, |target| {
            Ok(Box::new(net.compile(target)?.entry(entry).expect("an entry point").clone()))
        })?;
    }
    Ok(())
}
