use tancho::network;

network! {
    pub Encoder<B, S, D = 768>(x: [B, S, D]) -> [B, S, D] {
        let h = gelu(x);
        mean(h, over = S)
    }
}

fn main() {}
