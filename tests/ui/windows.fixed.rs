use tancho::network;

network! {
    /// The kernel is as large as the image with its padding.
    pub Large<N>(x: [N, 3, 8, 8]) -> [N, 8, 2, 2] {
        param w: [8, 3, 11, 11];
        conv2d(x, w, pad = 2)
    }

    pub LargeNet<N>(x: [N, 3, 8, 8]) -> [N, 8, 1, 1] {
        net conv: Conv2d<3, 8, K = 8>;
        conv(x)
    }

    pub LargePool<N>(x: [N, 3, 4, 4]) -> [N, 3, 2, 2] {
        max_pool2d(x, kernel = 5, stride = 1, pad = 1)
    }

    pub Groups<N, H, W, C = 6>(x: [N, C, H, W]) -> [N, 8, H, W] where C % 2 == 0 {
        param w: [8, C / 2, 3, 3];
        conv2d(x, w, pad = 1, groups = 2)
    }

    pub GroupsNet<N, H, W>(x: [N, 6, H, W]) -> [N, 8, H, W] {
        net conv: Conv2d<6, 8, K = 3, PAD = 1, GROUPS = 2>;
        conv(x)
    }

    pub Still<N, H, W, C = 4>(x: [N, C, H, W]) -> [N, C, H, W] {
        param w: [C, C, 3, 3];
        conv2d(x, w, stride = 1, pad = 1)
    }

    pub StillNet<N, H, W>(x: [N, 4, H, W]) -> [N, 4, H, W] {
        net conv: Conv2d<4, 4, K = 3, STRIDE = 1, PAD = 1>;
        conv(x)
    }

    pub Channels<N, H, W, C = 16, D = 32>(x: [N, C, H, W]) -> [N, D, H, W] {
        param w: [D, C, 3, 3];
        conv2d(x, w, pad = 1)
    }

    pub Depthwise<N, H, W, C = 16>(x: [N, C, H, W]) -> [N, C, H, W] {
        param w: [C, 1, 3, 3];
        conv2d(x, w, pad = same, groups = C)
    }

    pub Shape<N, H, W, C = 16>(x: [N, C, H, W]) -> [N, C, H, W] {
        net conv: Conv2d<C, C, K = 3, PAD = 1>;
        residual(x) { conv(x) }
    }

    pub Norm<N, H, W, C = 16>(x: [N, C, H, W]) -> [N, C, H - 2, W - 2] {
        net norm: BatchNorm<C>;
        norm(max_pool2d(x, kernel = (3, 3), stride = 1))
    }

    pub Size<N, H, W, K = 3>(x: [N, 3, H, W]) -> [N, 3, H, W] {
        avg_pool2d(x, kernel = K, stride = 1, pad = same)
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let image = |n: usize| (0..n).map(|i| (i % 7) as f32 - 3.0).collect::<Vec<f32>>();
    macro_rules! run {
        ($($name:ident($($x:literal),*) = $($y:literal),*;)*) => {$(
            let compiled = $name::init(1).unwrap().compile(Target::host()).unwrap();
            let shape = [$($x),*];
            let x = image(shape.iter().product());
            assert_eq!(compiled.session().run(x.view(shape)).unwrap().shape(), [$($y),*]);
            assert!(compiled.check(x.view(shape)).unwrap().is_ok());
        )*};
    }
    run! {
        Large(2, 3, 8, 8) = 2, 8, 2, 2;
        LargeNet(2, 3, 8, 8) = 2, 8, 1, 1;
        LargePool(1, 3, 4, 4) = 1, 3, 2, 2;
        Groups(1, 6, 5, 4) = 1, 8, 5, 4;
        GroupsNet(1, 6, 5, 4) = 1, 8, 5, 4;
        Still(1, 4, 5, 4) = 1, 4, 5, 4;
        StillNet(1, 4, 1, 1) = 1, 4, 1, 1;
        Channels(1, 16, 5, 4) = 1, 32, 5, 4;
        Depthwise(1, 16, 5, 4) = 1, 16, 5, 4;
        Shape(1, 16, 5, 4) = 1, 16, 5, 4;
        Norm(1, 16, 5, 4) = 1, 16, 3, 2;
        Size(1, 3, 5, 4) = 1, 3, 5, 4;
    }
}
