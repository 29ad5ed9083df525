use tancho::network;

network! {
    pub Even<B, D = 8>(x: [B, D]) -> [B, D] {
        x * 2
    }

    pub Odd<B, D = 8, LAYERS = 3>(x: [B, D]) -> [B, D] {
        net layers: [Even<D>; LAYERS];
        let mut x = x;
        for layer in layers { x = layer(x); }
        x
    }
}

pub fn check() {
    Odd::init(1).unwrap();
}
