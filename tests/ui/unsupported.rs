use tancho::network;

network! {
    pub Noise<B, D = 8>(x: [B, D]) -> [B, D] {
        x + random_uniform(x, key = 0)
    }
}

fn main() {}
