use tancho::network;

network! {
    #[unused_weights("pooler.*")]
    pub Head<B, D = 8>(x: [B, D]) -> [B, D] {
        #[weights("head.gain")] param gain: [D];
        #[frozen] param scale: [D];
        x * gain * scale
    }
}

pub fn check() {
    assert_eq!(Head::init(1).unwrap().weights().names().next(), Some("head.gain"));
}
