use tancho::network;

network! {
    pub Tower<B, D = 16>(x: [B, D]) -> [B, D] {
        net a: tancho_zoo::Mlp<D>;
        let h: [B, D] = a(x);
        let h: [B, D] = a(h);
        h
    }
}

pub fn check() {
    Tower::init(1).unwrap();
}
