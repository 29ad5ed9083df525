use tancho::network;

network! {
    pub Tower<B, S, D = 24>(x: [B, D], y: [B, S, D]) -> [B, D] {
        net mlp: tancho_zoo::Mlp<D>;
        net halves: tancho_zoo::Halves<2 * D>;
        net shorter: tancho_zoo::Shorter<D>;
        let a: [B, 2 * D] = mlp(x);
        let _b: i32[B, D] = mlp(x);
        let (_c, _d): ([B, D], [B, 2 * D]) = halves(concat(x, x, axis = D));
        let _e: [B, D] = halves(concat(x, x, axis = D));
        let _f: [B, ceil(S / 2), D] = shorter(y);
        let _g: [B, floor((S + 2) / 2) - 1, D] = shorter(y);
        mlp(a[0..B, 0..D])
    }
}

network! {
    pub Tail<B, D = 24>(x: [B, D]) -> [B, 2 * D] {
        net mlp: tancho_zoo::Mlp<D>;
        mlp(x)
    }
}

fn main() {}
