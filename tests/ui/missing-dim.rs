use tancho::network;

network! {
    pub Mlp<B, D = 768>(x: [B, D]) -> [B, D] {
        net up: Linear<D>;
        net norm: LayerNorm<D, 5>(epsilon = 1e-12);
        net down: Linear<INN = D, OUT = D>;
        norm(up(down(x)))
    }
}

fn main() {}
