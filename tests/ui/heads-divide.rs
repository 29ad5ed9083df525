use tancho::network;

network! {
    pub Attend<B, S, D = 770>(x: [B, S, D]) -> [B, S, D] {
        attention(x, x, x, heads = 12)
    }
}

network! {
    pub Licence<B, S, D = 768, HEADS = 12>(x: [B, S, D]) -> [B, S, D] {
        attention(x, x, x, heads = HEADS)
    }
}

fn main() {}
