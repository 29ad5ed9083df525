use tancho::network;

network! {
    pub Mlp<B, D = 768>(x: [B, D]) -> [B, D] {
        param w: [D, D];
        relu(x @ w)
    }
}

pub fn check() {
    Mlp::init(1).unwrap();
}
