use tancho::network;

network! {
    Layer<B, D = 8>(x: [B, D]) -> [B, D] {
        net l: Linear<D, D>;
        x + l(x)
    }

    pub Tower<B, D = 8>(x: [B, D]) -> [B, D] {
        #[weights("encoder.layer.{i}")] net layers: [Layer<D>; 12];
        let mut x = x;
        for layer in layers { x = layer(x); }
        x
    }
}

pub fn check() {
    assert!(Tower::init(1).unwrap().weights().names().any(|n| n == "encoder.layer.11.l.bias"));
}
