use tancho::network;

network! {
    pub Pool<N, C = 3, H, W>(x: [N, C, H, W]) -> [N, C, floor(H / 2), floor(W / 2)] {
        max_pool2d(x, kernel = 2)
    }

    pub Last<N, H, W, C = _>(x: [N, H, W, C]) -> [N, H, W, C] {
        avg_pool2d(x, kernel = 3, stride = 1, pad = 1, layout = nhwc)
    }

    /// It is given where the network is used.
    pub Lasts<N, H, W>(x: [N, H, W, 5]) -> [N, H, W, 5] {
        net pool: Last<C = 5>;
        pool(x)
    }

    pub Window<N, H, W, K = 3>(x: [N, 3, H, W]) -> [N, 3, ceil(H / K), ceil(W / K)] {
        max_pool2d(x, kernel = K, pad = same)
    }

    pub Channels<N, C = 4, H, W>(x: [N, C, H, W], w: [8, C, 3, 3]) -> [N, 8, H, W] {
        conv2d(x, w, pad = 1)
    }

    /// A filter of one pixel is a product, which takes any number of channels.
    pub Products<N, C, O, H, W>(x: [N, C, H, W], w: [O, C, 1, 1]) -> [N, O, H, W] {
        conv2d(x, w)
    }

    pub Width<B, S, D = 8>(x: [B, S, D]) -> [B, S, D] where D % 2 == 0 {
        attention(x, x, x, heads = 2)
    }

    pub Heads<B, H = 2, S>(x: [B, H, S, 8]) -> [B, H, S, 8] {
        attention(x, x, x)
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let data = |n: usize| (0..n).map(|i| (i % 7) as f32 - 3.0).collect::<Vec<f32>>();
    macro_rules! run {
        ($($name:ident($($x:expr),*) = $y:expr;)*) => {$(
            let compiled = $name::init(1).unwrap().compile(Target::host()).unwrap();
            let report = compiled.check($(data($x.iter().product()).view($x)),*).unwrap();
            assert!(report.is_ok(), "{report}");
            let mut session = compiled.session();
            assert_eq!(session.run($(data($x.iter().product()).view($x)),*).unwrap().shape(), $y);
        )*};
    }
    run! {
        Pool([2, 3, 4, 5]) = [2, 3, 2, 2];
        Lasts([2, 4, 3, 5]) = [2, 4, 3, 5];
        Window([1, 3, 7, 6]) = [1, 3, 3, 2];
        Channels([1, 4, 5, 6], [8, 4, 3, 3]) = [1, 8, 5, 6];
        Products([1, 4, 5, 6], [7, 4, 1, 1]) = [1, 7, 5, 6];
        Width([1, 3, 8]) = [1, 3, 8];
        Heads([1, 2, 3, 8]) = [1, 2, 3, 8];
    }
    let none = Width::with(WidthDims { D: 0 }).init(1).unwrap_err().to_string();
    assert!(none.contains("the width of the queries of `attention` is at least 1, not 0"), "{none}");
}
