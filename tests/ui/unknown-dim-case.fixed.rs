use tancho::network;

network! {
    pub Mlp<B, D = 768>(x: [B, D]) -> [B, D] {
        relu(x)
    }
}

pub fn check() {
    Mlp::init(1).unwrap();
}
