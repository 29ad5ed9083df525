use tancho::network;

network! {
    pub Swapped<B, D = 4, H = 8>(x: [B, D]) -> [B, D] {
        net up: Linear<H, D>;
        net down: Linear<D, H>;
        down(relu(up(x)))
    }

    pub Flat<N, H = 8, W = 8>(x: [N, 3, H, W]) -> [N, 10] {
        net conv: Conv2d<3, 4, K = 3>;
        net fc: Linear<4 * 6 * 6, 10>;
        net other: Linear<4 * 8 * 8, 10>;
        fc(conv(x)) + other(flatten(conv(x)))
    }

    pub ChannelsLast<N, H, W>(x: [N, H, W, 3]) -> [N, 8, H, W] {
        net conv: Conv2d<3, 8, K = 3, PAD = 1>;
        conv(x)
    }

    pub Ids<B, S, V = 10, D = 4>(ids: [B, S]) -> [B, S, D] {
        net embed: Embedding<V, D>;
        embed(ids) + embed(ids * 2)
    }

    pub Columns<B, D = 4, H = 8>(x: [B, D]) -> [B, H] {
        param w: [H, D];
        w @ x
    }

    pub One<B, S, D = 4>(x: [B, S, D], rows: [B]) -> [B, S, D] {
        param scale: [1] = ones;
        let y = x * scale;
        x * rows + y
    }
}

fn main() {}
