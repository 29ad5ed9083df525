//! The head of YOLOv8, `ultralytics.nn.modules.head.Detect`, of three scales.
//! 37 lines as the script has it, 44 here.

use super::{answers, weights};
use tancho::{Error, network};

network! {
    pub Conv<N, H, W, CIN = _, COUT = _>(x: [N, CIN, H, W]) -> [N, COUT, H, W] {
        net conv: Conv2d<CIN, COUT, K = 3, PAD = 1>(bias = false);
        net bn: BatchNorm<COUT>(eps = 1e-3);
        silu(bn(conv(x)))
    }

    pub Branch<N, H, W, CIN = _, M = _, COUT = _>(x: [N, CIN, H, W]) -> [N, COUT, H, W] {
        #[weights("0")] net first: Conv<CIN = CIN, COUT = M>;
        #[weights("1")] net second: Conv<CIN = M, COUT = M>;
        #[weights("2")] net last: Conv2d<M, COUT, K = 1>;
        last(second(first(x)))
    }

    /// Boxes and classes of one scale: centre, size and probabilities of each pixel's box.
    pub Scale<N, H, W, BINS = _, CLASSES = _, STRIDE = _>
        (edges: [N, 4 * BINS, H, W], classes: [N, CLASSES, H, W], bins: [BINS]) -> [N, 4 + CLASSES, H * W]
    {
        let edges = softmax(rearrange(edges, [n, (e b), h, w] -> [n, e, (h w), b], b = BINS), over = -1);
        let (before, after) = split(sum(edges * bins, over = -1), axis = 1, parts = 2);
        let x = reshape(expand(cast(arange(W), f32), [1, H, W]), [1, H * W]);
        let y = reshape(expand(reshape(cast(arange(H), f32), [1, H, 1]), [1, H, W]), [1, H * W]);
        let centres = (after - before) / 2 + concat(x, y, axis = 0) + 0.5;
        let boxes = concat(centres, before + after, axis = 1);
        concat(boxes * STRIDE, sigmoid(reshape(classes, [N, CLASSES, H * W])), axis = 1)
    }

    pub Yolo<N, H, W, C3 = 64, C4 = 128, C5 = 256, M2 = 64, M3 = 80, BINS = 16, CLASSES = 80>
        (p3: [N, C3, 4 * H, 4 * W], p4: [N, C4, 2 * H, 2 * W], p5: [N, C5, H, W])
        -> [N, 4 + CLASSES, 21 * H * W]
    {
        #[weights("cv2.0")] net edges3: Branch<C3, M2, 4 * BINS>;
        #[weights("cv2.1")] net edges4: Branch<C4, M2, 4 * BINS>;
        #[weights("cv2.2")] net edges5: Branch<C5, M2, 4 * BINS>;
        #[weights("cv3.0")] net classes3: Branch<C3, M3, CLASSES>;
        #[weights("cv3.1")] net classes4: Branch<C4, M3, CLASSES>;
        #[weights("cv3.2")] net classes5: Branch<C5, M3, CLASSES>;
        #[weights("dfl.conv.weight")] param dfl: [1, BINS, 1, 1];

        net scale3: Scale<BINS, CLASSES, STRIDE = 8>;
        net scale4: Scale<BINS, CLASSES, STRIDE = 16>;
        net scale5: Scale<BINS, CLASSES, STRIDE = 32>;
        let bins = reshape(dfl, [BINS]);
        concat(
            scale3(edges3(p3), classes3(p3), bins),
            scale4(edges4(p4), classes4(p4), bins),
            scale5(edges5(p5), classes5(p5), bins),
            axis = -1,
        )
    }
}

fn small() -> YoloDims {
    YoloDims { C3: 4, C4: 6, C5: 8, M2: 16, M3: 4, BINS: 4, CLASSES: 3 }
}

#[test]
fn boxes_are_the_reference_s() -> Result<(), Error> {
    let net = Yolo::with(small()).load(weights("yolo"))?;
    answers("yolo", &["y"], |target| net.compile(target))
}
