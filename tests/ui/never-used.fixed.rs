use tancho::network;

network! {
    pub Forgot<B, S, D = 8, HEADS = 2>(x: [B, S, D], mask: bool[B, S]) -> [B, S, D] where D % HEADS == 0 {
        attention(x, x, x, heads = HEADS, mask = mask)
    }

    pub Norm<B, D = 8>(option eps = 1e-6)(x: [B, D]) -> [B, D] {
        let y = layer_norm(x, over = D, eps = eps);
        let mut _z = y;
        _z = relu(y);
        y
    }

    pub Promised<B, D = 8, _HEADS = 2>(x: [B, D]) -> [B, D] where D % _HEADS == 0 {
        net layers: [Linear<D, D>; 2];
        let mut y = x;
        for layer in layers { y = relu(layer(y)); }
        y
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let x: Vec<f32> = (0..16).map(|i| i as f32).collect();
    let forgot = Forgot::init(1).unwrap().compile(Target::host()).unwrap();
    let mut session = forgot.session();
    // The second row is masked: both positions see the first alone.
    let y = session.run(x.view([1, 2, 8]), [true, false].view([1, 2])).unwrap();
    assert_eq!((&y.data()[..8], &y.data()[8..]), (&x[..8], &x[..8]));
    Norm::init(1).unwrap();
    let promised = Promised::init(1).unwrap();
    assert_eq!(promised.weights().names().count(), 4);
}
