use tancho::network;

network! {
    pub Forgot<B, S, D = 8, HEADS = 2>(x: [B, S, D], mask: bool[B, S]) -> [B, S, D] where D % 2 == 0 {
        attention(x, x, x, heads = 2)
    }

    pub Norm<B, D = 8>(option eps = 1e-6)(x: [B, D]) -> [B, D] {
        let y = layer_norm(x, over = D);
        let mut z = y;
        z = relu(y);
        y
    }

    pub Promised<B, D = 8, HEADS = 2>(x: [B, D]) -> [B, D] where D % HEADS == 0 {
        net layers: [Linear<D, D>; 2];
        let mut y = x;
        for layer in layers { y = relu(y); }
        y
    }
}

fn main() {}
