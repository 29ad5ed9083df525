use tancho::network;

network! {
    Layer<B, S, D = 768>(x: [B, S, D], mask: bool[B, S]) -> [B, S, D] {
        attention(x, x, x, heads = 1, mask = mask)
    }

    pub Tower<B, S, D = 768>(x: [B, S, D], keep: bool[B, S]) -> [B, S, D] {
        net layer: Layer<D>;
        net up: Linear<D, D>;
        let a = layer(x, keep);
        let b = up(a);
        layer(b, mask = keep)
    }
}

pub fn check() {
    Tower::init(1).unwrap();
}
