//! `transformers.models.convnext.modeling_convnext.ConvNextForImageClassification`: 210 lines there, 41 here.

use super::{answers, weights};
use tancho::{Error, network};

network! {
    /// A layer norm over the channels of each pixel.
    pub ChannelNorm<N, C = _, H, W>(x: [N, C, H, W]) -> [N, C, H, W] {
        param weight: [C] = ones;
        param bias: [C];
        layer_norm(x, weight, bias, over = C, eps = 1e-6)
    }

    pub ConvNextLayer<N, C = _, H, W>(x: [N, C, H, W]) -> [N, C, H, W] {
        net dwconv: Conv2d<C, C, K = 7, PAD = 3, GROUPS = C>;
        net layernorm: LayerNorm<C>(eps = 1e-6);
        net pwconv1: Linear<C, 4 * C>;
        net pwconv2: Linear<4 * C, C>;
        #[weights("layer_scale_parameter")] param scale: [C];

        let y = rearrange(dwconv(x), [n, c, h, w] -> [n, h, w, c]);
        let y = scale * pwconv2(gelu(pwconv1(layernorm(y))));
        x + rearrange(y, [n, h, w, c] -> [n, c, h, w])
    }

    pub ConvNextStage<N, CIN = _, COUT = _, DEPTH = _, H, W>(x: [N, CIN, H, W])
        -> [N, COUT, floor(H / 2), floor(W / 2)]
    {
        #[weights("downsampling_layer.0")] net norm: ChannelNorm<CIN>;
        #[weights("downsampling_layer.1")] net conv: Conv2d<CIN, COUT, K = 2, STRIDE = 2>;
        net layers: [ConvNextLayer<COUT>; DEPTH];

        let mut x = conv(norm(x));
        for layer in layers { x = layer(x); }
        x
    }

    pub ConvNext<N, H, W, C0 = 96, C1 = 192, C2 = 384, C3 = 768, L0 = 3, L1 = 3, L2 = 9, L3 = 3,
        LABELS = 1000>
        (pixels: [N, 3, H, W]) -> [N, LABELS]
    {
        #[weights("convnext.embeddings.patch_embeddings")] net patches: Conv2d<3, C0, K = 4, STRIDE = 4>;
        #[weights("convnext.embeddings.layernorm")] net norm: ChannelNorm<C0>;
        #[weights("convnext.encoder.stages.0.layers.{i}")] net layers: [ConvNextLayer<C0>; L0];
        #[weights("convnext.encoder.stages.1")] net stage1: ConvNextStage<C0, C1, L1>;
        #[weights("convnext.encoder.stages.2")] net stage2: ConvNextStage<C1, C2, L2>;
        #[weights("convnext.encoder.stages.3")] net stage3: ConvNextStage<C2, C3, L3>;
        #[weights("convnext.layernorm")] net last: LayerNorm<C3>(eps = 1e-12);
        net classifier: Linear<C3, LABELS>;

        let mut x = norm(patches(pixels));
        for layer in layers { x = layer(x); }
        classifier(last(global_mean(stage3(stage2(stage1(x))))))
    }
}

fn small() -> ConvNextDims {
    ConvNextDims { C0: 4, C1: 6, C2: 8, C3: 10, L0: 1, L1: 1, L2: 2, L3: 1, LABELS: 5 }
}

#[test]
fn logits_are_the_reference_s() -> Result<(), Error> {
    let net = ConvNext::with(small()).load(weights("convnext"))?;
    answers("convnext", &["logits"], |target| net.compile(target))
}
