//! `transformers.models.vit.modeling_vit.ViTForImageClassification`: 390 lines there, 29 here.

use super::{answers, weights};
use tancho::{Error, network};

network! {
    pub VitLayer<B, S, D = 768, HEADS = 12, H = 3072>(x: [B, S, D]) -> [B, S, D] where D % HEADS == 0 {
        net layernorm_before: LayerNorm<D>(eps = 1e-12);
        net layernorm_after: LayerNorm<D>(eps = 1e-12);
        #[weights("attention.attention.query")] net q: Linear<D, D>;
        #[weights("attention.attention.key")] net k: Linear<D, D>;
        #[weights("attention.attention.value")] net v: Linear<D, D>;
        #[weights("attention.output.dense")] net out: Linear<D, D>;
        #[weights("intermediate.dense")] net up: Linear<D, H>;
        #[weights("output.dense")] net down: Linear<H, D>;

        let n = layernorm_before(x);
        let x = x + out(attention(q(n), k(n), v(n), heads = HEADS));
        x + down(gelu(up(layernorm_after(x))))
    }

    pub Vit<B, SIZE = 224, PATCH = 16, D = 768, HEADS = 12, H = 3072, LAYERS = 12, LABELS = 1000>
        (pixels: [B, 3, SIZE, SIZE]) -> [B, LABELS]
        where SIZE % PATCH == 0, D % HEADS == 0
    {
        #[weights("vit.embeddings.cls_token")] param class: [1, 1, D];
        #[weights("vit.embeddings.position_embeddings")] param positions: [1, (SIZE / PATCH)^2 + 1, D];
        #[weights("vit.embeddings.patch_embeddings.projection")]
        net patches: Conv2d<3, D, K = PATCH, STRIDE = PATCH>;
        #[weights("vit.encoder.layer.{i}")] net layers: [VitLayer<D, HEADS, H>; LAYERS];
        #[weights("vit.layernorm")] net norm: LayerNorm<D>(eps = 1e-12);
        net classifier: Linear<D, LABELS>;

        let patches = rearrange(patches(pixels), [b, d, h, w] -> [b, (h w), d]);
        let mut x = concat(expand(class, [B, 1, D]), patches, axis = 1) + positions[0];
        for layer in layers { x = layer(x); }
        classifier(norm(x)[0..B, 0])
    }
}

fn small() -> VitDims {
    VitDims { SIZE: 12, PATCH: 4, D: 16, HEADS: 2, H: 24, LAYERS: 2, LABELS: 5 }
}

#[test]
fn logits_are_the_reference_s() -> Result<(), Error> {
    let net = Vit::with(small()).load(weights("vit"))?;
    answers("vit", &["logits"], |target| net.compile(target))
}
