use tancho::network;

network! {
    pub Heads<B, S, D = 768, HEADS = 12>(x: [B, S, D]) -> [B, HEADS, S, D / HEADS]
        where D % HEADS == 0
    {
        rearrange(x, [b, s, h] -> [b, h, s, d])
    }
}

network! {
    pub Lengths<B, S, D = 768>(x: [B, S, D]) -> [B, S, D] {
        let y = rearrange(x, [b, s, (h d)] -> [b, h, s, d]);
        x
    }
}

fn main() {}
