use tancho::network;

network! {
    /// The kernel is larger than the image with its padding.
    pub Large<N>(x: [N, 3, 8, 8]) -> [N, 8, 1, 1] {
        param w: [8, 3, 11, 11];
        conv2d(x, w, pad = 1)
    }

    /// The same, of a net.
    pub LargeNet<N>(x: [N, 3, 8, 8]) -> [N, 8, 1, 1] {
        net conv: Conv2d<3, 8, K = 11>;
        conv(x)
    }

    pub LargePool<N>(x: [N, 3, 4, 4]) -> [N, 3, 1, 1] {
        max_pool2d(x, kernel = 5)
    }

    pub Groups<N, H, W, C = 6>(x: [N, C, H, W]) -> [N, 8, H, W] {
        param w: [8, 2, 3, 3];
        conv2d(x, w, pad = 1, groups = 4)
    }

    pub GroupsNet<N, H, W>(x: [N, 6, H, W]) -> [N, 8, H, W] {
        net conv: Conv2d<6, 8, K = 3, PAD = 1, GROUPS = 4>;
        conv(x)
    }

    pub Still<N, H, W, C = 4>(x: [N, C, H, W]) -> [N, C, H, W] {
        param w: [C, C, 3, 3];
        conv2d(x, w, stride = 0, pad = 1)
    }

    pub StillNet<N, H, W>(x: [N, 4, H, W]) -> [N, 4, H, W] {
        net conv: Conv2d<4, 4, K = 3, STRIDE = 0, PAD = 1>;
        conv(x)
    }

    pub Channels<N, H, W, C = 16, D = 32>(x: [N, C, H, W]) -> [N, D, H, W] {
        param w: [D, D, 3, 3];
        conv2d(x, w, pad = 1)
    }

    pub Depthwise<N, H, W, C = 16>(x: [N, C, H, W]) -> [N, C, H, W] {
        param w: [C, 1, 3, 3];
        conv2d(x, w, pad = same)
    }

    pub Shape<N, H, W, C = 16>(x: [N, C, H, W]) -> [N, C, H, W] {
        net conv: Conv2d<C, C, K = 3>;
        residual(x) { conv(x) }
    }

    pub Norm<N, H, W, C = 16>(x: [N, C, H, W]) -> [N, C, H, W] {
        net norm: BatchNorm<C>;
        norm(max_pool2d(x, kernel = (3, 3, 3), stride = 1))
    }

    pub Size<N, H, W>(x: [N, 3, H, W], s: [N, H]) -> [N, 3, H, W] {
        avg_pool2d(x, kernel = H, stride = 1)
    }
}

fn main() {}
