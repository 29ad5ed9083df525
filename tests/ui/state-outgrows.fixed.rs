use tancho::network;

network! {
    pub Cache<B, P: ..=T, D = 8, T = 4096>(x: [B, 2048, D]) -> [B, P + 2048, D] {
        state keys: [B, P, D] grow P;
        keys.push(x)
    }
}

pub fn check() {
    assert!(Cache::init(1).unwrap_err().to_string().contains("not run yet"));
}
