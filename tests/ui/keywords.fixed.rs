use tancho::network;

network! {
    pub Named<B, D = 8>(x: [B, D]) -> [B, D] {
        param kind: [D];
        let next = x * kind;
        next
    }
}

pub fn check() {
    Named::init(1).unwrap();
}
