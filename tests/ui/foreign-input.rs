use tancho::network;

network! {
    pub Tower<N, C = 768, H = 4 * C>(x: [N, C], h: [N, 4 * C], mask: bool[N, C], s: [N, C, C]) -> [N, 4 * C] {
        net gate: tancho_zoo::Gate<D = 2 * C>;
        net same: tancho_zoo::Gate<C>;
        net plain: tancho_zoo::Mlp;
        net by_default: tancho_zoo::Mlp<H>;
        param wide: [C, 2 * C];

        let _a: [N, 8 * C] = gate(x @ wide, h);
        let _b: [N, 4 * C] = same(gate = mask, x = x);
        let _c: [N, C] = plain(x);
        let _d: [N, 4 * C] = by_default(h);
        let _e: [N, C, C] = plain(s);
        let _f: [N, 4 * C] = same(x, h[N = 0..1]);
        h
    }
}

network! {
    pub Open<D = 16>(x: [.., D]) -> [.., D] {
        net mlp: tancho_zoo::Mlp<D>;
        mlp(x)
    }
}

fn main() {}
