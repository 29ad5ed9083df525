use tancho::network;

network! {
    /// The first half of the help: the value that fits.
    pub Encoder<B, S, D = 768>(x: [B, S, D]) -> [B, S, D] {
        let h = gelu(x);
        h
    }

    /// The second: the promise that fits.
    pub Pooled<B, S, D = 768>(x: [B, S, D]) -> [B, D] {
        let h = gelu(x);
        mean(h, over = S)
    }
}

pub fn check() {
    Encoder::init(1).unwrap();
    Pooled::init(1).unwrap();
}
