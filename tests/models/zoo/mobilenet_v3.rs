//! `torchvision.models.mobilenetv3.MobileNetV3` with one block of each kind: 128 lines there, 51 here.

use super::{answers, weights};
use tancho::{Error, network};

network! {
    pub ConvNorm<N, H, W, CIN = _, COUT = _, K = _, STRIDE = 1, GROUPS = 1>(x: [N, CIN, H, W])
        -> [N, COUT, ceil(H / STRIDE), ceil(W / STRIDE)]
        where (K - 1) % 2 == 0, CIN % GROUPS == 0, COUT % GROUPS == 0
    {
        #[weights("0")] net conv: Conv2d<CIN, COUT, K, STRIDE, PAD = (K - 1) / 2, GROUPS = GROUPS>(bias = false);
        #[weights("1")] net norm: BatchNorm<COUT>(eps = 1e-3);
        norm(conv(x))
    }

    pub SqueezeExcitation<N, H, W, C = _, Q = _>(x: [N, C, H, W]) -> [N, C, H, W] {
        net fc1: Conv2d<C, Q, K = 1>;
        net fc2: Conv2d<Q, C, K = 1>;
        let pooled = mean(x, over = (H, W), keep = true);
        x * expand(hard_sigmoid(fc2(relu(fc1(pooled)))), [N, C, H, W])
    }

    /// `E` is 1 if channels are expanded, `Q` 0 if there is no squeeze and excitation.
    pub InvertedResidual<N, H, W, CIN = _, M = _, COUT = _, K = _, STRIDE = _, E = 1, Q = 8>
        (option hard = true)(x: [N, CIN, H, W]) -> [N, COUT, ceil(H / STRIDE), ceil(W / STRIDE)]
        where (K - 1) % 2 == 0
    {
        #[weights("block.{E}")] net depthwise: ConvNorm<M, M, K, STRIDE, GROUPS = M>;
        let y = if CIN == M { x } else {
            #[weights("block.0")] net expand: ConvNorm<CIN, M, K = 1>;
            let y = expand(x);
            if hard { hard_swish(y) } else { relu(y) }
        };
        let y = depthwise(y);
        let y = if hard { hard_swish(y) } else { relu(y) };
        let y = if Q == 0 {
            #[weights("block.{E + 1}")] net project: ConvNorm<M, COUT, K = 1>;
            project(y)
        } else {
            #[weights("block.{E + 1}")] net squeeze: SqueezeExcitation<M, Q>;
            #[weights("block.{E + 2}")] net project: ConvNorm<M, COUT, K = 1>;
            project(squeeze(y))
        };
        if STRIDE == 1 && CIN == COUT { x + y } else { y }
    }

    pub MobileNetV3<N, H, W, LABELS = 5>(image: [N, 3, H, W]) -> [N, LABELS] {
        #[weights("features.0")] net first: ConvNorm<3, 8, K = 3, STRIDE = 2>;
        #[weights("features.1")]
        net block1: InvertedResidual<8, 8, 8, K = 3, STRIDE = 2, E = 0>(hard = false);
        #[weights("features.2")]
        net block2: InvertedResidual<8, 16, 8, K = 3, STRIDE = 1, Q = 0>(hard = false);
        #[weights("features.3")] net block3: InvertedResidual<8, 16, 16, K = 5, STRIDE = 2>;
        #[weights("features.4")] net block4: InvertedResidual<16, 24, 16, K = 5, STRIDE = 1>;
        #[weights("features.5")] net last: ConvNorm<16, 96, K = 1>;
        #[weights("classifier.0")] net hidden: Linear<96, 20>;
        #[weights("classifier.3")] net labels: Linear<20, LABELS>;

        let x = hard_swish(first(image));
        let x = hard_swish(last(block4(block3(block2(block1(x))))));
        labels(hard_swish(hidden(global_mean(x))))
    }
}

#[test]
fn logits_are_the_reference_s() -> Result<(), Error> {
    let net = MobileNetV3::load(weights("mobilenet_v3"))?;
    answers("mobilenet_v3", &["logits"], |target| net.compile(target))
}
