use tancho::network;

// Each macro call reports its own; what uses a broken network is not judged.
network! {
    pub First<B, D = 8>(x: [B, D]) -> [B, D] { tanhh(x) }
}

network! {
    pub Second<B, D = 8>(x: [B, D]) -> [B, d] { relu(x) }
    pub Third<B, D = 8>(x: [B, D]) -> [B, D] { net s: Second<D>; s(x) @ x }
}

fn main() {}
