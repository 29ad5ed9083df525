use tancho::network;

network! {
    pub Tower<B, D = 24, HEADS = 6, T = 16>(x: [B, 16, D], long: [B, T, D], mask: bool[B, 16], all: bool[B, T]) -> [B, 16, D]
        where D % HEADS == 0
    {
        net even: tancho_zoo::Encoder<D, HEADS>;
        net good: tancho_zoo::Encoder<D = D>;
        let x: [B, 16, D] = even(x, mask);
        let y: [B, T, D] = good(long, all);
        x + expand(mean(y, over = T, keep = true), [B, 16, D])
    }
}

pub fn check() {
    Tower::init(1).unwrap();
}
