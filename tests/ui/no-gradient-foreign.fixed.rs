use tancho::{AsView, Target, network};

mod models {
    tancho::network! {
        /// Scores, and the best of them as a number.
        pub Scorer<B, D = _, C = 4>(x: [B, D]) -> ([B], [B, C]) {
            net head: Linear<D, C>;
            let scores = head(x);
            (cast(argmax(scores, over = C), f32), scores)
        }
    }
}

network! {
    pub Trained<B, D = 8> {
        net scorer: models::Scorer<D>;
        fn scores(x: [B, D]) -> [B, 4] {
            let (_best, scores): ([B], [B, 4]) = scorer(x);
            scores
        }
        train fn step(x: [B, D], y: [B], lr: []) -> [] {
            let d = sum(scores(x), over = -1) - y;
            let loss = mean(d * d, over = B);
            minimize loss with sgd(lr = lr);
            loss
        }
    }
}

pub fn check() {
    let mut training = Trained::init(1).unwrap().compile_train(Target::host()).unwrap();
    let x: Vec<f32> = (0..16).map(|i| i as f32 / 8.0 - 1.0).collect();
    let losses: Vec<f32> =
        (0..20).map(|_| training.step(x.view([2, 8]), [0.5, -1.0].view([2]), 0.02).unwrap()).collect();
    assert!(losses[19] < losses[0], "{losses:?}");
}
