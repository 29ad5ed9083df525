use tancho::network;

network! {
    pub Attend<B, S, T, D = 8>(q: [B, S, D], k: [B, T, D], mask: bool[B, T], pairs: bool[B, S, T]) -> [B, S, D]
        where D % 2 == 0
    {
        let a = attention(q, k, k, heads = 2, mask = mask);
        a + attention(q, k, k, heads = 2, mask = pairs) + mean(mean(k, over = T, where = mask))
    }
}

pub fn check() {
    Attend::init(1).unwrap();
}
