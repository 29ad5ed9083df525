use tancho::network;

network! {
    pub Block<B, S, D = 768>(x: [B, S, D]) -> [B, S, D] {
        param b: [D] = zeros;
        let y = residual(x) { b };
        residual(y) { mean(y, over = S, keep = true) }
    }
}

fn main() {}
