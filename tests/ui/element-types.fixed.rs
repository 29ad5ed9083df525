use tancho::network;

network! {
    pub Mixed<B, V = 10, D = 8>(ids: i32[B], keep: bool[B], x: [B]) -> [B, D] {
        param table: [V, D];
        let rows = table[ids] + table[cast(x + 1, i32)];
        let n = cast(ids, f32) + x;
        let y = n + cast(keep, f32);
        rows + expand(reshape(y, [B, 1]), [B, D])
    }
}

pub fn check() {
    Mixed::init(1).unwrap();
}
