use tancho::network;

network! {
    Double<B, D = 8>(x: [B, D]) -> [B, 2 * D] {
        concat(x, x, axis = D)
    }

    pub Tower<B, D = 8, LAYERS = 3>(x: [B, D]) -> [B, D] {
        net layers: [Double<D>; LAYERS];
        let mut x = x;
        for layer in layers {
            let wide = layer(x);
            x = wide[0..B, 0..D];
        }
        x
    }
}

pub fn check() {
    Tower::init(1).unwrap();
}
