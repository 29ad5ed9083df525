use tancho::network;

network! {
    pub Noise<B, D = 8>(x: [B, D], noise: [B, D]) -> [B, D] {
        x + noise
    }
}

pub fn check() {
    Noise::init(1).unwrap();
}
