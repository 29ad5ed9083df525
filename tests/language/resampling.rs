//! Images and signals that get another size, by values worked out by hand.
#![deny(warnings, missing_docs, missing_debug_implementations)]

use tancho::{AsView, Target, network};

network! {
    /// A decoder's step: twice as many pixels by filters, and the same by interpolation.
    pub Grown<N, H, W, C = 1>(x: [N, C, H, W])
        -> ([N, C, 2 * H, 2 * W], [N, C, 2 * H, 2 * W], [N, C, H + 1, 3], [N, C, 2 * H * W + 1])
    {
        #[weights("w")] param w: [C, C, 2, 2] = ones;
        #[weights("v")] param v: [C, C, 3] = ones;
        (
            conv_transpose2d(x, w, stride = 2),
            upsample_bilinear(x, scale = 2),
            resize(x, [H + 1, 3], mode = bilinear),
            conv_transpose1d(reshape(x, [N, C, H * W]), v, stride = 2),
        )
    }
}

#[test]
fn images_grow() {
    let c = Grown::init(1).and_then(|m| m.compile(Target::host().with_checked(true))).expect("compiles");
    let x = [1.0, 3.0];
    let mut s = c.session();
    let (filtered, smooth, sized, signal) = s.run(x.view([1, 1, 1, 2])).expect("runs");
    assert_eq!(filtered.data(), [1.0, 1.0, 3.0, 3.0, 1.0, 1.0, 3.0, 3.0]);
    assert_eq!(smooth.data(), [1.0, 1.5, 2.5, 3.0, 1.0, 1.5, 2.5, 3.0]);
    for (got, want) in sized.data().iter().zip([1.0, 2.0, 3.0, 1.0, 2.0, 3.0]) {
        assert!((got - want).abs() < 1e-6, "{got}, not {want}");
    }
    assert_eq!(signal.data(), [1.0, 1.0, 4.0, 3.0, 3.0]);
}
