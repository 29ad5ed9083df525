use tancho::network;

network! {
    pub Block<B, D = 768>(x: [B, D]) -> [B, D] {
        param w: [D, 4 * D];
        layer_norm(x + x @ w, over = D)
    }
}

fn main() {}
