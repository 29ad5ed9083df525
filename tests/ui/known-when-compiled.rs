use tancho::network;

network! {
    pub Pool<N, C, H, W>(x: [N, C, H, W]) -> [N, C, floor(H / 2), floor(W / 2)] {
        max_pool2d(x, kernel = 2)
    }

    pub Last<N, H, W, C>(x: [N, H, W, C]) -> [N, H, W, C] {
        avg_pool2d(x, kernel = 3, stride = 1, pad = 1, layout = nhwc)
    }

    pub Window<N, H, W, K>(x: [N, 3, H, W], k: [K]) -> [N, 3, H, W] {
        max_pool2d(x, kernel = K, pad = same)
    }

    pub Nothing<N, H, W>(x: [N, 3, H, W]) -> [N, 3, H, W] {
        max_pool2d(x, kernel = 0)
    }

    pub Channels<N, C, H, W>(x: [N, C, H, W], w: [8, C, 3, 3]) -> [N, 8, H, W] {
        conv2d(x, w, pad = 1)
    }

    pub Filters<N, O, H, W>(x: [N, 3, H, W], w: [O, 3, 3, 3]) -> [N, O, H, W] {
        conv2d(x, w, pad = 1)
    }

    pub Size<N, H, W, K>(x: [N, 3, H, W], w: [8, 3, K, K]) -> [N, 8, H, W] {
        conv2d(x, w, pad = same)
    }

    pub Signal<N, L, K>(x: [N, 3, L], w: [8, 3, K]) -> [N, 8, L] {
        conv1d(x, w, pad = same)
    }

    pub Groups<N, G, H, W>(x: [N, 8, H, W], w: [8, 1, 3, 3], g: [G]) -> [N, 8, H, W] {
        conv2d(x, w, pad = 1, groups = G)
    }

    pub Width<B, S, D>(x: [B, S, D]) -> [B, S, D] where D % 2 == 0 {
        attention(x, x, x, heads = 2)
    }

    pub Heads<B, H, S>(x: [B, H, S, 8]) -> [B, H, S, 8] {
        attention(x, x, x)
    }

    pub Narrow<B, S, D = 0>(x: [B, S, D]) -> [B, S, D] {
        attention(x, x, x, heads = 1)
    }

}

fn main() {}
