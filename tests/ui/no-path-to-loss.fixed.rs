use tancho::{AsView, Target, network};

network! {
    pub Classifier<B, D = 8, C = 4> {
        #[frozen]
        param scale: [D] = ones;
        net head: Linear<D, C>;
        #[frozen]
        net other: Linear<D, C>;

        fn forward(x: [B, D]) -> [B, C] { head(x) }

        fn scaled(x: [B, D]) -> [B, C] { other(x * scale) }

        train fn step(x: [B, D], y: i32[B], lr: []) -> [] {
            let loss = mean(cross_entropy(forward(x), y), over = B);
            minimize loss with adamw(lr = lr);
            loss
        }
    }
}

pub fn check() {
    let start = Classifier::init(1).unwrap();
    let mut training = start.compile_train(Target::host()).unwrap();
    let x: Vec<f32> = (0..16).map(|i| i as f32 / 8.0 - 1.0).collect();
    training.step(x.view([2, 8]), [0, 3].view([2]), 0.5).unwrap();
    let weights = training.weights().unwrap();
    let kept = |name| weights.get(name).unwrap().data() == start.weights().get(name).unwrap().data();
    assert!(kept("other.weight") && kept("scale") && !kept("head.weight"));
}
