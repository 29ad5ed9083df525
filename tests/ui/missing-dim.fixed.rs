use tancho::network;

network! {
    pub Mlp<B, D = 768>(x: [B, D]) -> [B, D] {
        net up: Linear<IN = D, OUT = D>;
        net norm: LayerNorm<D>(eps = 1e-12);
        net down: Linear<IN = D, OUT = D>;
        norm(up(down(x)))
    }
}

pub fn check() {
    Mlp::init(1).unwrap();
}
