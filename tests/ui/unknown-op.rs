use tancho::network;

network! {
    pub Mlp<B, D = 768>(x: [B, D]) -> [B, D] {
        param w: [D, D];
        rellu(x @ w)
    }
}

fn main() {}
