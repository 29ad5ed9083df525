//! `timm.models.mlp_mixer.MlpMixer`: 160 lines there, 25 here.

use super::{answers, weights};
use tancho::{Error, network};

network! {
    pub Mlp<D = _, H = _>(x: [.., D]) -> [.., D] {
        net fc1: Linear<D, H>;
        net fc2: Linear<H, D>;
        fc2(gelu(fc1(x)))
    }

    pub MixerBlock<B, S = _, D = _>(x: [B, S, D]) -> [B, S, D] where D % 2 == 0 {
        net norm1: LayerNorm<D>(eps = 1e-6);
        net mlp_tokens: Mlp<S, D / 2>;
        net norm2: LayerNorm<D>(eps = 1e-6);
        net mlp_channels: Mlp<D, 4 * D>;

        let x = x + mlp_tokens(norm1(x).t).t;
        x + mlp_channels(norm2(x))
    }

    pub MlpMixer<B, SIZE = 224, PATCH = 16, D = 768, BLOCKS = 12, LABELS = 1000>
        (image: [B, 3, SIZE, SIZE]) -> [B, LABELS]
        where SIZE % PATCH == 0, D % 2 == 0
    {
        #[weights("stem.proj")] net stem: Conv2d<3, D, K = PATCH, STRIDE = PATCH>;
        net blocks: [MixerBlock<(SIZE / PATCH)^2, D>; BLOCKS];
        net norm: LayerNorm<D>(eps = 1e-6);
        net head: Linear<D, LABELS>;

        let mut x = rearrange(stem(image), [b, d, h, w] -> [b, (h w), d]);
        for block in blocks { x = block(x); }
        head(mean(norm(x), over = 1))
    }
}

fn small() -> MlpMixerDims {
    MlpMixerDims { SIZE: 12, PATCH: 4, D: 16, BLOCKS: 2, LABELS: 5 }
}

#[test]
fn logits_are_the_reference_s() -> Result<(), Error> {
    let net = MlpMixer::with(small()).load(weights("mlp_mixer"))?;
    answers("mlp_mixer", &["logits"], |target| net.compile(target))
}
