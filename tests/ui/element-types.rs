use tancho::network;

network! {
    pub Mixed<B, V = 10, D = 8>(ids: i32[B], keep: bool[B], x: [B], z: f64[B]) -> [B, D] {
        param table: [V, D];
        table[ids]
    }
}

network! {
    pub More<B, V = 10, D = 8>(ids: i32[B], keep: bool[B], x: [B]) -> [B, D] {
        param table: [V, D];
        let rows = table[x + 1];
        let others = table[x];
        let n = ids + x;
        let y = x + keep;
        rows + others
    }
}

fn main() {}
