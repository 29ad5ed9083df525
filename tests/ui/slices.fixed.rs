use tancho::network;

network! {
    pub Cuts<B, S, D = 8>(x: [B, S, D]) -> [B, D] {
        let a = x[D = 0..D];
        let b = x[D = 7];
        let c = x[0];
        let d = x[S = 0];
        d + sum(a, over = S) + sum(c, over = S) * 0 + sum(b) * 0
    }
}

pub fn check() {
    Cuts::init(1).unwrap();
}
