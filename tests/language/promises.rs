//! `where A % B == 0` makes quotients exact: what a convolution or a pooling rounds down, too.

use tancho::{AsView, Target, network};

network! {
    /// The patches of a vision transformer.
    pub Patches<B, SIZE = 32, PATCH = 8, D = 4>(x: [B, 3, SIZE, SIZE])
        -> [B, (SIZE / PATCH) * (SIZE / PATCH) + 1, D]
        where SIZE % PATCH == 0
    {
        net conv: Conv2d<3, D, K = PATCH, STRIDE = PATCH>;
        param class: [1, 1, D];
        let rows = rearrange(conv(x), [b, d, h, w] -> [b, (h w), d]);
        concat(expand(class, [B, 1, D]), rows, axis = 1)
    }

    /// Down twice and up again, for images of any size that 4 divides.
    pub Unet<N, H, W, C = 2>(x: [N, C, H, W]) -> [N, 3 * C, H, W] where H % 4 == 0, W % 4 == 0 {
        let half = max_pool2d(x, kernel = 2);
        let quarter = max_pool2d(half, kernel = 2);
        let up = concat(half, upsample_nearest(quarter, scale = 2), axis = 1);
        concat(x, upsample_nearest(up, scale = 2), axis = 1)
    }

    /// Half of what four divide.
    pub Half<B, S>(x: [B, S]) -> [B, S / 2] where S % 4 == 0 { x[.., 0..S / 2] + x[.., floor(S / 2)..S] }
}

#[test]
fn patches_of_any_size() {
    for (size, patch) in [(32, 8), (12, 4)] {
        let dims = PatchesDims { SIZE: size, PATCH: patch, ..Default::default() };
        let patches = Patches::with(dims).init(1).expect("sizes that divide");
        let x = vec![0.5; 3 * size * size];
        let y = patches.compile(Target::host()).expect("a network");
        let mut session = y.session();
        let y = session.run(x.view([1, 3, size, size])).expect("an image");
        assert_eq!(y.shape(), [1, (size / patch).pow(2) + 1, 4]);
    }
    assert!(Patches::with(PatchesDims { SIZE: 30, ..Default::default() }).init(1).is_err());
}

#[test]
fn a_unet_of_run_time_images() {
    let unet = Unet::init(1).expect("a network").compile(Target::host()).expect("a network");
    for (h, w) in [(4, 8), (12, 4)] {
        let x: Vec<f32> = (0..2 * h * w).map(|i| (i as f32 * 0.3).sin()).collect();
        assert!(unet.check(x.view([1, 2, h, w])).expect("an image").is_ok());
        let mut session = unet.session();
        let y = session.run(x.view([1, 2, h, w])).expect("an image");
        assert_eq!(y.shape(), [1, 6, h, w]);
        assert_eq!(y.data()[..2 * h * w], x[..]);
        let half = |c: usize, i: usize, j: usize| {
            let at = |i: usize, j: usize| x[(c * h + i) * w + j];
            at(i, j).max(at(i + 1, j)).max(at(i, j + 1)).max(at(i + 1, j + 1))
        };
        for (i, j) in [(0, 0), (1, 3), (h - 1, w - 1)] {
            assert_eq!(y.data()[((2 + 1) * h + i) * w + j], half(1, i / 2 * 2, j / 2 * 2));
        }
    }
    assert!(unet.session().run([0.0; 2 * 6 * 4].view([1, 2, 6, 4])).is_err());
}

#[test]
fn halves_of_a_run_time_length() {
    let half = Half::init(1).expect("a network").compile(Target::host()).expect("a network");
    let y = half.session().run([1.0, 2.0, 3.0, 4.0].view([1, 4])).expect("a row").data().to_vec();
    assert_eq!(y, [4.0, 6.0]);
}
