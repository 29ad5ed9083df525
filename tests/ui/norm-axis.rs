use tancho::network;

network! {
    pub Norm<B, S, D = 768, H = 3072>(x: [B, S, D]) -> [B, S, D] {
        layer_norm(x, over = H)
    }
}

fn main() {}
