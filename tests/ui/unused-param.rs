use tancho::network;

network! {
    pub Norm<B, D = 768>(x: [B, D]) -> [B, D] {
        param gain: [D] = ones;
        param _kept: [D];
        layer_norm(x, over = D)
    }
}

fn main() {}
