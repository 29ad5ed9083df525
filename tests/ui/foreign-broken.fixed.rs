use tancho::network;

mod models {
    tancho::network! {
        pub Encoder<B, D = 768>(x: [B, D]) -> [B, D] {
            x
        }
    }
}

network! {
    pub Tower<B, D = 16>(x: [B, D]) -> [B, D] {
        net encoder: models::Encoder<D = D>;
        let h: [B, D] = encoder(x);
        h
    }
}

network! {
    pub Other<B, D = 16>(x: [B, D]) -> [B, D] {
        net encoder: tancho_zoo::Mlp<D, H = 3 * D>;
        let h: [B, D] = encoder(x);
        let h: [B, D] = encoder(h);
        h
    }
}

pub fn check() {
    Tower::init(1).unwrap();
    Other::init(1).unwrap();
}
