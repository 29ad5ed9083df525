use tancho::{AsView, network};

network! {
    pub Article<N, C = 64, H, W>(x: [N, C, H, W]) -> [N, C, H, W] {
        param gain: [C] = ones;
        layer_norm(x, gain, over = C, eps = 1e-5, eps_on = std)
    }

    /// What the help line writes out: the gain as it stands, stretched along the other axes.
    pub Written<N, C = 64, H, W>(x: [N, C, H, W]) -> [N, C, H, W] {
        param gain: [C] = ones;
        layer_norm(x, over = C, eps = 1e-5, eps_on = std) * expand(reshape(gain, [C, 1, 1]), [N, C, H, W])
    }
}

pub fn check() {

    let (a, b) = (Article::init(1).unwrap(), Written::init(1).unwrap());
    let x: Vec<f32> = (0..64 * 6).map(|i| (i as f32).sin()).collect();
    let run = |y: Vec<tancho::Tensor>| y[0].as_f32().unwrap().to_vec();
    let (a, b) = (a.compile(tancho::Target::host()).unwrap(), b.compile(tancho::Target::host()).unwrap());
    let (a, b) = (a.interpret(x.view([1, 64, 2, 3])).unwrap(), b.interpret(x.view([1, 64, 2, 3])).unwrap());
    assert!(run(a).iter().zip(run(b)).all(|(a, b)| (a - b).abs() < 1e-6));
}
