use tancho::network;

mod models {
    tancho::network! {
        pub Encoder<B, D = 768>(x: [B, E]) -> [B, D] {
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
        net encoder: tancho_zoo::Mlp<D, UP = 3>;
        let h: [B, D] = encoder(x, x);
        let h: [B, D] = encoder(h, h);
        h
    }
}

fn main() {}
