use tancho::network;

network! {
    pub Cycle<B, D = 2 * H, H = 2 * D>(x: [B, D]) -> [B, D] {
        relu(x)
    }
}

fn main() {}
