use tancho::{AsView, Target, network};

network! {
    pub Classifier<B, D = 8, C = 4> {
        net head: Linear<D, C>;
        fn forward(x: [B, D]) -> [B, C] { head(x) }
        train fn step(x: [B, D], y: i32[B], lr: []) -> [] {
            let right = eq(stop_gradient(argmax(forward(x), over = C)), y);
            let loss = mean(select(right, 0, cross_entropy(forward(x), y)), over = B);
            minimize loss with sgd(lr = lr);
            loss
        }
    }
}

pub fn check() {
    let mut training = Classifier::init(1).unwrap().compile_train(Target::host()).unwrap();
    let x: Vec<f32> = (0..16).map(|i| i as f32 / 8.0 - 1.0).collect();
    let losses: Vec<f32> =
        (0..20).map(|_| training.step(x.view([2, 8]), [0, 3].view([2]), 0.5).unwrap()).collect();
    assert!(losses[19] < losses[0], "{losses:?}");
}
