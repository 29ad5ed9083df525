use tancho::network;

network! {
    pub Values<B, D = 8>(x: [B, D]) -> [B, D] {
        net up: Linear<D, D>;
        net layers: [Linear<D, D>; 2];
        let mut y = relu(up(x));
        for layer in layers { y = layer(y); }
        y
    }
}

pub fn check() {
    Values::init(1).unwrap();
}
