use tancho::network;

network! {
    pub Cache<B, P: ..=T, D = 8, T = 1024>(x: [B, 2048, D]) -> [B, P + 2048, D] {
        state keys: [B, P, D] grow P;
        keys.push(x)
    }
}

fn main() {}
