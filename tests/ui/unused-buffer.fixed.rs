use tancho::network;

network! {
    pub Stats<B, D = 8>(x: [B, D]) -> [B, D] {
        buffer mean: [D];
        net _later: Linear<D, D>;
        x - mean
    }
}

pub fn check() {
    assert_eq!(Stats::init(1).unwrap().ir().weights.iter().filter(|w| w.marks.buffer).count(), 1);
}
