use tancho::network;

// Each of these mistakes is met at several places, and is one error.
network! {
    pub Lower<B, d = 4>(x: [B, D]) -> [B, D] { relu(x) }

    pub Width<B, D = 4>(option width = 8)(x: [B, D]) -> [B, width] {
        net fc: Linear<D, width>;
        fc(x)
    }

    pub Halves<B, D = 8>(x: [B, D]) -> [B, 2, D / 2] {
        let y = reshape(x, [B, 2, D / 2]);
        attention(y, y, y, heads = 2) + attention(y, y, y, heads = 2)
    }

    Layer<B, S, D = 8>(x: [B, S, D]) -> [B, S, D] {
        net fc: Linear<D, D>;
        fc(x)
    }

    pub Positional<B, S, D = 8>(x: [B, S, D]) -> [B, S, D] {
        net layer: Layer<B, S, D>;
        layer(x)
    }

    pub RunTime<B, D>(x: [B, D]) -> [B, D] {
        net fc: Linear<D, D>;
        fc(x)
    }

    pub Undeclared<B, D = 4>(x: [B, D], n: i32[]) -> [B, D] {
        y = relu(x);
        let b = B;
        let z = reshape(y, [b, D]) + reshape(y, [b, D]);
        z + y[0..n] + x[0..n]
    }
}

fn main() {}
