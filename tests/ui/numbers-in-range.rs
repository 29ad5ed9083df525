use tancho::network;

network! {
    pub Added<B>(option big = 1e39)(x: [B]) -> ([B], [B], [B]) {
        (x + 1e39, x * -1e39, x - big)
    }

    pub Norms<N, C = 4>(x: [N, C], gain: [C]) -> ([N, C], [N, C], [N, C], [N, C], [N, C]) where C % 2 == 0 {
        (
            layer_norm(x, over = C, eps = -1),
            rms_norm(x, over = C, eps = 1e-50),
            l2_normalize(x, over = C, eps = 1e39),
            group_norm(x, groups = 2, eps = -0.5),
            batch_norm(x, gain, gain, gain, gain, eps = -1e-5),
        )
    }

    pub Others<B, S>(x: [B, 2, S, 4]) -> ([B, 2, S, 4], [B, 2, S, 4], [B, 2, S, 4], [B, 2, S, 4]) {
        (pow(x, 1e39), attention(x, x, x, scale = 1e39), rope(x, base = 0.5), dropout(x, p = 1.5))
    }

    pub Weights<B>(x: [B, 4]) -> [B, 4] {
        param a: [4] = normal(1e39);
        param b: [4] = uniform(-1e39, 1);
        x + a + b
    }

}

fn main() {}
