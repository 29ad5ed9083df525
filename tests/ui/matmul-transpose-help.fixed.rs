use tancho::network;

network! {
    pub Mlp<B, D = 768>(x: [B, D]) -> [B, D] {
        param up: [4 * D, D];
        param down: [D, 4 * D];
        let h = gelu(x @ up.t);
        x + h @ down.t
    }
}

pub fn check() {
    Mlp::init(1).unwrap();
}
