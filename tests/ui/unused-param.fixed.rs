use tancho::network;

network! {
    pub Norm<B, D = 768>(x: [B, D]) -> [B, D] {
        param _gain: [D] = ones;
        param _kept: [D];
        layer_norm(x, over = D)
    }
}

pub fn check() {
    assert_eq!(Norm::init(1).unwrap().weights().len(), 2);
}
