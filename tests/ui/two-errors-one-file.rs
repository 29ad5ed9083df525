use tancho::network;

network! {
    pub First<B, D = 768>(x: [B, D]) -> [B, D] {
        tanhh(x)
    }

    pub Second<B, D = 768>(x: [B, D]) -> [B, D] {
        param w: [D, 4 * D];
        x + x @ w
    }
}

fn main() {}
