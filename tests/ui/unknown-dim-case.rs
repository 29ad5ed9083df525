use tancho::network;

network! {
    pub Mlp<B, D = 768>(x: [B, d]) -> [B, D] {
        relu(x)
    }
}

fn main() {}
