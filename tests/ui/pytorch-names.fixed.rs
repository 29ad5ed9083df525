use tancho::network;

network! {
    pub Reduced<B, S, D = 4>(x: [B, S, D]) -> [B, D * S] {
        let a = softmax(x, over = -1);
        let b = mean(x, over = S, keep = true);
        let c = mean(x, over = 1) - reshape(b, [B, D]);
        let d = reshape(x + 0 * a, [B, D * S]);
        d + sum(c)
    }

    pub Images<N, H, W>(x: [N, 3, H, W], w: [8, 3, 3, 3]) -> [N, 8, H, W] {
        net norm: GroupNorm<GROUPS = 2, C = 8>(eps = 1e-6);
        net conv: Conv2d<3, 8, K = 3, PAD = 1>;
        let y = conv2d(x, w, pad = 1) + conv(x);
        max_pool2d(norm(y), kernel = 3, stride = 1, pad = 1)
    }

    pub Called<B, D = 4>(x: [B, D]) -> [B, D] {
        net fc: Linear<D, D>;
        fc(x)
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let reduced = Reduced::init(1).unwrap().compile(Target::host()).unwrap();
    assert_eq!(reduced.session().run([1.0; 8].view([1, 2, 4])).unwrap().data(), [1.0; 8]);
    Images::init(1).unwrap().compile(Target::host()).unwrap();
    Called::init(1).unwrap();
}
