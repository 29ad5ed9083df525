use tancho::network;

network! {
    pub Mixed<B, D = 768>(x: [B, D]) -> [B, D] {
        param w: [D, D];
        (x * x) @ w + x * (x @ w)
    }
}

pub fn check() {
    Mixed::init(1).unwrap();
}
