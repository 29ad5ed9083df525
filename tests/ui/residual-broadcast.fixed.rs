use tancho::network;

network! {
    pub Block<B, S, D = 768>(x: [B, S, D]) -> [B, S, D] {
        param b: [D] = zeros;
        let y = x + b;
        residual(y) { expand(mean(y, over = S, keep = true), [B, S, D]) }
    }
}

pub fn check() {
    Block::init(1).unwrap();
}
