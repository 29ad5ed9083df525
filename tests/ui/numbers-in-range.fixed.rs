use tancho::network;

network! {
    pub Added<B>(option big = 1e38)(x: [B]) -> ([B], [B], [B]) {
        (x + 3e38, x * -1e38, x - big)
    }

    pub Norms<N, C = 4>(x: [N, C], gain: [C]) -> ([N, C], [N, C], [N, C], [N, C], [N, C]) where C % 2 == 0 {
        (
            layer_norm(x, over = C, eps = 0),
            rms_norm(x, over = C, eps = 1e-20),
            l2_normalize(x, over = C, eps = 1e-12),
            group_norm(x, groups = 2, eps = 0.5),
            batch_norm(x, gain, gain, gain, gain, eps = 1e-5),
        )
    }

    pub Others<B, S>(x: [B, 2, S, 4]) -> ([B, 2, S, 4], [B, 2, S, 4], [B, 2, S, 4], [B, 2, S, 4]) {
        (pow(x, 1e9), attention(x, x, x, scale = -1), rope(x, base = 5e5), dropout(x, p = 0.5))
    }

    pub Weights<B>(x: [B, 4]) -> [B, 4] {
        param a: [4] = normal(1e30);
        param b: [4] = uniform(-1e38, 1);
        x + a + b
    }
}

pub fn check() {
    use tancho::{AsView, OptionValue, Target};
    let x: Vec<f32> = (0..16).map(|i| i as f32 / 16.0).collect();
    let added = Added::init(1).unwrap().compile(Target::host()).unwrap();
    assert_eq!(added.session().run([1.0].view([1])).unwrap().0.data(), [3e38]);
    assert!(Norms::init(1).unwrap().compile(Target::host()).unwrap().check(x.view([4, 4]), [1.0; 4].view([4])).unwrap().is_ok());
    assert!(Others::init(1).unwrap().compile(Target::host()).unwrap().check(x.view([1, 2, 2, 4])).unwrap().is_ok());
    let w = Weights::init(1).unwrap();
    for name in ["a", "b"] {
        assert!(w.weights().get(name).unwrap().data().iter().all(|x| x.is_finite()));
    }
    // What is given where the network is used is held to the same.
    let e = Added::with(AddedDims {}).option("big", OptionValue::Float(1e39)).init(1).unwrap_err().to_string();
    assert!(e.contains("the number is 1e39, which no f32 can be"), "{e}");
}
