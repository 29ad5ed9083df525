use tancho::network;

network! {
    pub Tower<B, D = 8>(x: [B, D]) -> [B, D] {
        let mut x = x;
        repeat i in 0..3 {
            param w: [D, 2 * D];
            let wide = x @ w + i;
            x = wide[0..B, 0..D];
        }
        x
    }
}

pub fn check() {
    assert_eq!(Tower::init(1).unwrap().weights().len(), 3);
}
