use tancho::network;

network! {
    pub Block<B, D = 768>(x: [B, D]) -> [B, D] {
        param w: [D, 4 * D];
        param back: [4 * D, D];
        layer_norm(x + x @ w @ back, over = D)
    }
}

pub fn check() {
    Block::init(1).unwrap();
}
