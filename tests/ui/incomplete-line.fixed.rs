use tancho::network;

network! {
    pub Mlp<B, D = 768>(x: [B, D]) -> [B, D] {
        param w: [D, D];
        let h = x @ w;
        let y = relu(h);
        x + y
    }
}

pub fn check() {
    Mlp::init(1).unwrap();
}
