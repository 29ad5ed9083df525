use tancho::network;

network! {
    pub Fixed<B, S, D = 8, N = 4>(x: [B, S, D]) -> [B, S, D] {
        param w: [N, D];
        x + sum(w)
    }
}

pub fn check() {
    Fixed::init(1).unwrap();
}
