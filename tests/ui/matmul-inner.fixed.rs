use tancho::network;

network! {
    pub Mlp<B, D = 768, H = 512>(x: [B, D]) -> [B, H] {
        param w: [D, H];
        x @ w
    }
}

pub fn check() {
    Mlp::init(1).unwrap();
}
