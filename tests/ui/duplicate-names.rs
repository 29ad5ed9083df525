use tancho::network;

network! {
    pub Twice<B, D = 768, D = 512>(x: [B, D]) -> [B, D] {
        relu(x)
    }
}

network! {
    pub Clash<B, D = 768>(option eps = 1e-5)(x: [B, D]) -> [B, D] {
        param w: [D] = ones;
        param w: [D] = zeros;
        let eps = x * w;
        let x = relu(x);
        x
    }
}

fn main() {}
