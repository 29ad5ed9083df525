use tancho::network;

network! {
    pub Attend<B, S, T, D = 8>(q: [B, S, D], k: [B, T, D], mask: bool[B, S], x: [B, T]) -> [B, S, D]
        where D % 2 == 0
    {
        let a = attention(q, k, k, heads = 2, mask = mask);
        let b = attention(q, k, q, heads = 2);
        let c = attention(q, k, k, heads = 2, mask = x);
        let d = mean(k, over = T, where = mask);
        q
    }
}

fn main() {}
