use tancho::network;

network! {
    pub Tower<N, C = 8, H = 4 * C>(x: [N, C], h: [N, 8 * C], wide: [N, H]) -> [N, 8 * C] {
        net gate: tancho_zoo::Gate<D = 2 * C>;
        net plain: tancho_zoo::Mlp<C>;
        net by_default: tancho_zoo::Mlp<H>;
        param w: [C, 2 * C];

        let a: [N, 8 * C] = gate(x @ w, h);
        let c: [N, C] = plain(x);
        let d: [N, H] = by_default(wide);
        a + sum(c) + sum(d)
    }
}

network! {
    pub Open<D = 16>(x: [.., D]) -> [.., D] {
        net scale: tancho_zoo::Scale<D>;
        scale(x)
    }
}

pub fn check() {
    Tower::init(1).unwrap();
    Open::init(1).unwrap();
}
