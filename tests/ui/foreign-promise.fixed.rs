use tancho::network;

network! {
    pub Tower<B, S, D = 24>(x: [B, D], y: [B, S, D]) -> [B, D] {
        net mlp: tancho_zoo::Mlp<D>;
        net halves: tancho_zoo::Halves<2 * D>;
        net shorter: tancho_zoo::Shorter<D>;
        let a: [B, D] = mlp(x);
        let (c, d): ([B, D], [B, D]) = halves(concat(x, x, axis = D));
        let f: [B, floor(S / 2), D] = shorter(y);
        let g: [B, floor((S + 2) / 2) - 1, D] = shorter(y);
        mlp(a + c + d + sum(f, over = 1) + sum(g, over = 1))
    }
}

network! {
    pub Tail<B, D = 24>(x: [B, D]) -> [B, D] {
        net mlp: tancho_zoo::Mlp<D>;
        mlp(x)
    }
}

pub fn check() {
    Tower::init(1).unwrap();
    Tail::init(1).unwrap();
}
