use tancho::network;

network! {
    pub First<B, D = 768>(x: [B, D]) -> [B, D] {
        tanh(x)
    }

    pub Second<B, D = 768>(x: [B, D]) -> [B, D] {
        param w: [D, 4 * D];
        x + x @ w @ w.t
    }
}

pub fn check() {
    First::init(1).unwrap();
    Second::init(1).unwrap();
}
