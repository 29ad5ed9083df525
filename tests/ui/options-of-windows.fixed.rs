use tancho::network;

network! {
    pub Causal<N, L>(x: [N, 1, L], w: [1, 1, 3]) -> ([N, 1, L], [N, 1, ceil(L / 2)], [N, 1, L - 2]) {
        (conv1d(x, w, pad = (2, 0)), conv1d(x, w, pad = same, stride = 2), conv1d(x, w, pad = (2, 0), dilation = 2))
    }

    pub Images<N, H, W>(x: [N, 1, H, W], w: [1, 1, 3, 3]) -> ([N, 1, H, W - 2], [N, 1, H, W], [N, 1, H, 2 * W]) {
        (
            conv2d(x, w, pad = (1, 0), stride = (1, 1)),
            max_pool2d(x, kernel = 3, stride = 1, pad = (1, 1, 1, 1)),
            upsample_nearest(x, scale = (1, 2)),
        )
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let causal = Causal::init(1).unwrap().compile(Target::host()).unwrap();
    let mut session = causal.session();
    let (y, ..) = session.run([1.0, 10.0, 100.0, 1000.0].view([1, 1, 4]), [1.0; 3].view([1, 1, 3])).unwrap();
    assert_eq!(y.data(), [1.0, 11.0, 111.0, 1110.0]);
    Images::init(1).unwrap();
}
