use tancho::network;

network! {
    pub Tower<B, S, D = 24>(x: [B, S, D], mask: bool[B, S]) -> [B, S, D] {
        net enc: tancho_zoo::Encoder<D>;
        let a: [B, S, D] = enc(x, mask);
        let b: [B, S, D] = enc(mask = mask, x = a);
        a + b
    }
}

pub fn check() {
    Tower::init(1).unwrap();
}
