use tancho::network;

network! {
    Layer<B, S, D = 768>(x: [B, S, D], mask: bool[B, S]) -> [B, S, D] {
        attention(x, x, x, heads = 1, mask = mask)
    }

    pub Tower<B, S, D = 768>(x: [B, S, D], keep: bool[B, S]) -> [B, S, D] {
        net layer: Layer<4 * D>;
        net up: Linear<4 * D, D>;
        let a = layer(x, keep);
        let b = up(x);
        let c = layer(x);
        x
    }
}

fn main() {}
