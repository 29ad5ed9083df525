use tancho::network;

network! {
    pub First<B, D = 8>(x: [B, D]) -> [B, D] { tanh(x) }
}

network! {
    pub Second<B, D = 8>(x: [B, D]) -> [B, D] { relu(x) }
    pub Third<B, D = 8>(x: [B, D]) -> [B, D] { net s: Second<D>; s(x) }
}

pub fn check() {
    First::init(1).unwrap();
    Third::init(1).unwrap();
}
