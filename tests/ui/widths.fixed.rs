use tancho::network;

network! {
    pub Swapped<B, D = 4, H = 8>(x: [B, D]) -> [B, D] {
        net up: Linear<D, H>;
        net down: Linear<H, D>;
        down(relu(up(x)))
    }

    pub Flat<N, H = 8, W = 8>(x: [N, 3, H, W]) -> [N, 10] {
        net conv: Conv2d<3, 4, K = 3>;
        net fc: Linear<IN = 4 * H * W + 16 - 8 * H - 8 * W, OUT = 10>;
        fc(flatten(conv(x)))
    }

    pub ChannelsLast<N, H, W>(x: [N, H, W, 3]) -> [N, 8, H, W] {
        net conv: Conv2d<3, 8, K = 3, PAD = 1>;
        conv(transpose(x, axes = (0, 3, 1, 2)))
    }

    pub Ids<B, S, V = 10, D = 4>(ids: i32[B, S]) -> [B, S, D] {
        net embed: Embedding<V, D>;
        embed(ids) + embed(cast(cast(ids, f32) * 2, i32))
    }

    pub Columns<B, D = 4, H = 8>(x: [B, D]) -> [B, H] {
        param w: [H, D];
        x @ w.t
    }

    pub One<B, S, D = 4>(x: [B, S, D], rows: [B]) -> [B, S, D] {
        param scale: [1] = ones;
        let y = x * expand(scale, [D]);
        x * expand(reshape(rows, [B, 1, 1]), [B, S, D]) + y
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    Swapped::init(1).unwrap();
    Flat::init(1).unwrap();
    ChannelsLast::init(1).unwrap();
    Ids::init(1).unwrap();
    Columns::init(1).unwrap();
    let one = One::init(1).unwrap().compile(Target::host()).unwrap();
    let y = one.session().run([1.0; 8].view([2, 1, 4]), [2.0, 4.0].view([2])).unwrap().data().to_vec();
    assert_eq!(y, [3.0, 3.0, 3.0, 3.0, 5.0, 5.0, 5.0, 5.0]);
}
