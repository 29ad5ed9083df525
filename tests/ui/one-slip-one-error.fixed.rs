use tancho::network;

network! {
    pub Mlp<B, D = 768, H = 3072>(x: [B, D]) -> [B, D] {
        param up: [D, H];
        param down: [H, D];
        let h = gelu(x @ up);
        let y = h @ down;
        layer_norm(x + y, over = D)
    }
}

pub fn check() {
    Mlp::init(1).unwrap();
}
