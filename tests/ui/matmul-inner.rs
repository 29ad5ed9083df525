use tancho::network;

network! {
    pub Mlp<B, D = 768, H = 512>(x: [B, D]) -> [B, H] {
        param w: [H, H];
        x @ w
    }
}

fn main() {}
