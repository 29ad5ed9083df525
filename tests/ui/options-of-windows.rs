use tancho::network;

network! {
    pub Four<N, L>(x: [N, 1, L], w: [1, 1, 3]) -> [N, 1, L] {
        conv1d(x, w, pad = (50, 60, 1, 1))
    }

    pub Pairs<N, L>(x: [N, 1, L], w: [1, 1, 3]) -> ([N, 1, L], [N, 1, L]) {
        (conv1d(x, w, pad = 1, stride = (7, 2)), conv1d(x, w, pad = 1, dilation = (7, 2)))
    }

    pub Three<N, H, W>(x: [N, 1, H, W], w: [1, 1, 3, 3]) -> ([N, 1, H, W], [N, 1, H, W], [N, 1, H, W], [N, 1, H, W]) {
        (
            conv2d(x, w, pad = (1, 1, 1)),
            conv2d(x, w, stride = (1, 1, 1)),
            max_pool2d(x, kernel = 3, stride = 1, pad = (1, 1, 1)),
            upsample_nearest(x, scale = (1, 1, 1)),
        )
    }

}

fn main() {}
