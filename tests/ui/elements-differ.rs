use tancho::network;

network! {
    pub Views<B, S, D = 8>(x: [B, S, D], y: [B, 1, D], z: [B, S, 4]) -> [B, S, D] {
        let a = reshape(x, [B, S * D + 1]);
        let b = x + y;
        let c = concat(x, z, axis = S);
        let d = expand(z, [B, S, D]);
        b
    }
}

fn main() {}
