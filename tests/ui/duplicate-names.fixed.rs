use tancho::network;

network! {
    pub Twice<B, D = 768, E = 512>(x: [B, D], y: [B, E]) -> [B, D] {
        relu(x) + sum(y)
    }
}

network! {
    pub Clash<B, D = 768>(option eps = 1e-5)(x: [B, D]) -> [B, D] {
        param w: [D] = ones;
        param v: [D] = zeros;
        let y = x * w + v + eps;
        let x = relu(y);
        x
    }
}

pub fn check() {
    Twice::init(1).unwrap();
    Clash::init(1).unwrap();
}
