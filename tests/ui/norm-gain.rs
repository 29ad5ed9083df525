use tancho::network;

network! {
    pub Norm<B, S, D = 768, H = 3072>(x: [B, S, D]) -> [B, S, D] {
        param gain: [H] = ones;
        layer_norm(x, gain, over = D)
    }
}

fn main() {}
