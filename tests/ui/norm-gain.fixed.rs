use tancho::network;

network! {
    pub Norm<B, S, D = 768, H = 3072>(x: [B, S, D]) -> [B, S, D] {
        param gain: [D] = ones;
        layer_norm(x, gain, over = D) * H
    }
}

pub fn check() {
    Norm::init(1).unwrap();
}
