use tancho::network;

network! {
    pub Number<B, D = 4, N = 3>(x: [B, D]) -> [B, D] {
        net layers: [Linear<D, D>; N];
        let mut x = x;
        repeat i in 0..N { x = layers[i](x) / (i + 1); }
        x
    }

    pub Pairs<B, D = 4, N = 3>(x: [B, D]) -> [B, D] {
        net layers: [Linear<D, D>; N];
        net others: [Linear<D, D>; N];
        let mut x = x;
        repeat i in 0..N { x = layers[i](x) / (i + 1); }
        for layer in layers { x = layer(x); }
        repeat i in 0..N { x = layers[N - 1 - i](x); }
        for (a, b) in (layers, others) { x = b(a(x)); }
        x
    }
}

pub fn check() {
    Number::init(1).unwrap();
    let pairs = Pairs::init(1).unwrap();
    assert_eq!(pairs.weights().len(), 12);
}
