use tancho::network;

network! {
    pub Block<B, D = 4>(x: [B, D]) -> [B, D] { x + relu(x) }

    pub Tower<B, D = 4>(x: [B, D]) -> [B, D] {
        net fc: Linear<D, D>;
        net block: Block<D = D>;
        block(fc(x))
    }

    pub Direct<B>(x: [B, 4]) -> [B, 4] { Block(x) }
}

pub fn check() {
    assert_eq!(Tower::init(1).unwrap().weights().names().collect::<Vec<_>>(), ["fc.weight", "fc.bias"]);
    Direct::init(1).unwrap();
}
