use tancho::network;

network! {
    pub Parts<B, D = 9>(x: [B, D]) -> [B, D / 3] where D % 3 == 0 {
        let (a, b, c) = split(x, axis = D, parts = 3);
        let d: [B, D / 3] = a + b;
        c + d
    }
}

pub fn check() {
    Parts::init(1).unwrap();
}
