use tancho::network;

network! {
    pub Tower<B, D = 8, N = 3>(x: [B, D]) -> [B, D] {
        let mut x = x;
        repeat i in 0..N {
            #[weights("gain")] param gain: [D];
            x = x * gain;
        }
        repeat i in 0..B { x = x * 2; }
        x
    }
}

fn main() {}
