use tancho::network;

network! {
    pub Blocks<B, D = 8>(option flag = true)(x: [B, D]) -> [B, D] {
        let a = if flag { x } else { -x };
        let b = residual(a) { relu(a) };
        b
    }
}

pub fn check() {
    Blocks::init(1).unwrap();
}
