use tancho::network;

network! {
    pub Heads<B, S, D = 768, HEADS = 12>(x: [B, S, D]) -> [B, HEADS, S, D / HEADS]
        where D % HEADS == 0
    {
        rearrange(x, [b, s, (h d)] -> [b, h, s, d], h = HEADS)
    }
}

network! {
    pub Lengths<B, S, D = 768>(x: [B, S, D]) -> [B, 12, S, D / 12] where D % 12 == 0 {
        rearrange(x, [b, s, (h d)] -> [b, h, s, d], h = 12)
    }
}

pub fn check() {
    Heads::init(1).unwrap();
}
