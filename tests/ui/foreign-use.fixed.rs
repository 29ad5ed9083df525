use tancho::network;

network! {
    pub Tower<B, D = 24>(option bias = true)(x: [B, D]) -> [B, D] {
        net a: tancho_zoo::Mlp<D, H = 96>;
        net b: tancho_zoo::Mlp<D, 96>;
        net e: tancho_zoo::Scale<D = D>;
        net f: tancho_zoo::Scale<D>(bias = bias, eps = 1e-6);
        let x: [B, D] = a(x);
        let x: [B, D] = b(x);
        let x: [B, D] = e(x);
        f(x)
    }
}

pub fn check() {
    Tower::init(1).unwrap();
}
