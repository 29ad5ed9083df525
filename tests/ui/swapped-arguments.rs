use tancho::network;

network! {
    pub Embedded<B, V = 10, D = 4>(ids: i32[B]) -> [B, D] {
        param table: [V, D];
        embedding(ids, table)
    }

    pub Attended<B, S, HEADS = 2, HD = 4>(x: [B, S, HEADS, HD]) -> [B, S, HEADS, HD] {
        let y = attention(x, x, x);
        attention(x, x, x, heads = HEADS)
    }
}

fn main() {}
