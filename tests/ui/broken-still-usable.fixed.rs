use tancho::network;

network! {
    pub Broken<B, D = 768>(x: [B, D]) -> [B, D] {
        relu(x)
    }
}

pub fn check() {
    Broken::with(BrokenDims { D: 8 }).init(1).unwrap();
    assert!(Broken::load("weights.safetensors").is_err());
}
