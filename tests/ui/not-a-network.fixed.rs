use tancho::network;

network! {
    ItIsOne<B, D = 768>(x: [B, D]) -> [B, D] { x * 2 }

    pub Tower<B, D = 768>(x: [B, D]) -> [B, D] {
        net block: ItIsOne<D>;
        let h: [B, D] = block(x);
        relu(h)
    }
}

pub fn check() {
    Tower::init(1).unwrap();
}
