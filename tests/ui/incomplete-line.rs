use tancho::network;

network! {
    pub Mlp<B, D = 768>(x: [B, D]) -> [B, D] {
        param w: [D, D];
        let h = x @ ;
        let y = relu(h);
        x + y
    }
}

fn main() {}
