use tancho::network;

network! {
    pub Square<B, D = 8>(x: [B, D, D]) -> [B, D] {
        let a = softmax(x, over = -1);
        sum(a, over = 1)
    }
}

pub fn check() {
    Square::init(1).unwrap();
}
