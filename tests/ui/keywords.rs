use tancho::network;

network! {
    pub Named<B, D = 8>(x: [B, D]) -> [B, D] {
        param type: [D];
        let yield = x * 2;
        let r#async = x;
        x
    }
}

fn main() {}
