use tancho::network;

network! {
    pub Largest<B, E = 4>(x: [B, E]) -> [B, 9] { let (v, _i) = topk(x, k = 9, over = E); v }
    pub HowMany<B, E = 4>(x: [B, E]) -> [B, E] { let (v, _i) = topk(x, k = B, over = E); v }
    pub Both<B, E = 4>(x: [B, E]) -> [B, 2] { topk(x, k = 2, over = E) }
    pub Filters<N, C = 4, H, W>(x: [N, C, H, W], w: [3, 8, 2, 2]) -> [N, 8, 2 * H, 2 * W] {
        conv_transpose2d(x, w, stride = 2)
    }
    pub Added<N, C = 4, H, W>(x: [N, C, H, W], w: [C, 8, 2, 2]) -> [N, 8, 2 * H + 2, 2 * W + 2] {
        conv_transpose2d(x, w, stride = 2, output_pad = 2)
    }
    pub Net<N, C = 4, H, W>(x: [N, C, H, W]) -> [N, 8, H, W] {
        net up: ConvTranspose2d<C, 8, K = 2, STRIDE = 2>;
        up(x)
    }
    pub Along<B, S, E = 4>(x: [B, S, E], ids: i32[B, 2]) -> [B, 2, E] { take_along(x, ids, axis = S) }
    pub Gather<B, S, E = 4>(x: [B, S, E], ids: i32[B, 2, E]) -> [B, 2, E] { gather(x, ids, dim = 1) }
    pub Sums<B, E = 4>(x: bool[B, E]) -> i32[B, E] { cumsum(x, over = E) }
    pub Flipped<B, E = 4>(x: [B, E]) -> [B, E] { flip(x, dims = (1,)) }
    pub Resized<N, C = 4>(x: [N, C]) -> [N, C] { resize(x, [8, 8]) }
    pub Mode<N, C = 4, H, W>(x: [N, C, H, W]) -> [N, C, 8, 8] { resize(x, [8, 8], mode = bicubic) }
    pub Places<B, S>(x: [B, S]) -> [B, S] { x + cast(arange(0, S), f32) }
    pub Whole<B, E = 4>(x: i32[B, E]) -> [B, E] { softplus(x) }
    pub Slope<B, E = 4>(x: [B, E]) -> [B, E] { leaky_relu(x, negative_slope = 0.1) }
    pub Cap<B, S, E = 4>(x: [B, S, E]) -> [B, S, E] { attention(x, x, x, heads = 1, softcap = -1) }
    pub Scale<B, S, E = 4>(x: [B, S, E]) -> [B, S, E] { attention(x, x, x, heads = 1, scale = 1 / sqrt(S)) }
}

fn main() {}
