use tancho::network;

network! {
    pub Cycle<B, D = 2 * H, H = 16>(x: [B, D]) -> [B, D] {
        relu(x)
    }
}

pub fn check() {
    assert_eq!(Cycle::D, 32);
    Cycle::init(1).unwrap();
}
