use tancho::network;

// `up` has the wrong shape; everything made from `h` is not judged.
network! {
    pub Mlp<B, D = 768, H = 3072>(x: [B, D]) -> [B, D] {
        param up: [H, H];
        param down: [H, D];
        let h = gelu(x @ up);
        let y = h @ down;
        layer_norm(x + y, over = D)
    }
}

fn main() {}
