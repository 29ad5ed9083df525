use tancho::network;

mod models {
    tancho::network! {
        pub Encoder<B, S, D = 768>(x: [B, S, D]) -> [B, S, D] {
            gelu(x)
        }
    }
}

network! {
    pub Tower<B, S, D = 768>(x: [B, S, D]) -> [B, S, D] {
        net encoder: models::Encoder<D = D>;
        let h: [B, S, D] = encoder(x);
        relu(h)
    }
}

pub fn check() {
    Tower::init(1).unwrap();
}
