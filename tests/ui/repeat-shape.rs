use tancho::network;

network! {
    pub Tower<B, D = 8>(x: [B, D]) -> [B, D] {
        let mut x = x;
        repeat i in 0..3 {
            param w: [D, 2 * D];
            x = x @ w + i;
        }
        x
    }
}

fn main() {}
