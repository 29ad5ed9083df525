use tancho::network;

network! {
    pub Mixed<B, D = 768>(x: [B, D]) -> [B, D] {
        param w: [D, D];
        x * x @ w
    }
}

fn main() {}
