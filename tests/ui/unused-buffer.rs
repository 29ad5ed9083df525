use tancho::network;

network! {
    pub Stats<B, D = 8>(x: [B, D]) -> [B, D] {
        buffer mean: [D];
        net later: Linear<D, D>;
        x
    }
}

fn main() {}
