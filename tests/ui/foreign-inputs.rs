use tancho::network;

network! {
    pub Tower<B, S, D = 24>(x: [B, S, D], mask: bool[B, S]) -> [B, S, D] {
        net enc: tancho_zoo::Encoder<D>;
        let a: [B, S, D] = enc(x);
        let b: [B, S, D] = enc(x, mask, x);
        let c: [B, S, D] = enc(x, keep = mask);
        let d: [B, S, D] = enc(x, x = x);
        a + b + c + d
    }
}

fn main() {}
