use tancho::network;

network! {
    pub Tower<B, D = 24, HEADS = 5, T = 20>(x: [B, 16, D], long: [B, T, D], mask: bool[B, 16], all: bool[B, T]) -> [B, 16, D] {
        net uneven: tancho_zoo::Encoder<D, HEADS>;
        net halves: tancho_zoo::Halves<9>;
        net good: tancho_zoo::Encoder<D = D>;
        let x: [B, 16, D] = uneven(x, mask);
        let y: [B, T, D] = good(long, all);
        let (_a, _b): ([B, 4], [B, 4]) = halves(y[0..B, 0, 0..9]);
        // Not taken with the defaults: whether the heads divide is not known.
        if HEADS == 6 { net other: tancho_zoo::Encoder<D, HEADS>; other(x, mask) } else { good(x, mask) }
    }
}

fn main() {}
