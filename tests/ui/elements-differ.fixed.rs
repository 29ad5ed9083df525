use tancho::network;

network! {
    pub Views<B, S, D = 8>(x: [B, S, D], y: [B, 1, D]) -> [B, S, D] {
        let a = reshape(x, [B, S * D]);
        let b = x + expand(y, [B, S, D]);
        let c = concat(x, b, axis = S);
        b + sum(a) * sum(c)
    }
}

pub fn check() {
    Views::init(1).unwrap();
}
