use tancho::network;

network! {
    pub Tower<B, D = 24>(option bias = true)(x: [B, D]) -> [B, D] {
        net a: tancho_zoo::Mlp<D, WIDE = 96>;
        net b: tancho_zoo::Mlp<D, 96, 12>;
        net c: tancho_zoo::Mlp<D, D = 12>;
        net d: tancho_zoo::Mlp<B = 3>;
        net e: tancho_zoo::Scale;
        net f: tancho_zoo::Scale<D>(shift = true);
        net g: tancho_zoo::Scale<D>(eps = bias);
        net h: tancho_zoo::Mlp<D>(bias = false);
        let x: [B, D] = a(x);
        let x: [B, D] = b(x);
        let x: [B, D] = c(x);
        let x: [B, D] = d(x);
        let x: [B, D] = e(x);
        let x: [B, D] = f(x);
        let x: [B, D] = g(x);
        h(x)
    }
}

fn main() {}
