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
        let h = encoder(x);
        relu(h)
    }
}

fn main() {}
