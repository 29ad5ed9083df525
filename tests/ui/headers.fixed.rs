use tancho::network;

network! {
    pub Good<B, D = 8>(x: [B, D]) -> [B, D] { x }
}

network! {
    pub Better<D: ..=8>(x: [.., D]) -> [.., D] { x }
}

pub fn check() {
    Good::init(1).unwrap();
}
