use tancho::network;

network! {
    pub Embedded<B, S, V = 10, MAX = 16, D = 4>(ids: i32[B, S]) -> [B, S, D] where S <= MAX {
        net tokens: Embedding<V, D>;
        param positions: [MAX, D];
        tokens(ids) + positions[S]
    }

    pub Rotated<B, S, HEADS = 2, HD = 4>(x: [B, S, HEADS, HD]) -> [B, HEADS, S, HD] {
        let q = transpose(rope(x), axes = (0, 2, 1, 3));
        attention(q, q, q, heads = HEADS)
    }
}

fn main() {}
