use tancho::network;

network! {
    pub Tower<B, D = 8, N = 3>(x: [B, D]) -> [B, D] {
        let mut x = x;
        repeat i in 0..N {
            #[weights("layer.{i}.gain")] param gain: [D];
            x = x * gain;
        }
        x
    }
}

pub fn check() {
    assert_eq!(Tower::init(1).unwrap().weights().names().last(), Some("layer.2.gain"));
}
