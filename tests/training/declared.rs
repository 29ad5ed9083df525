//! `train fn`s: what the macro makes of them, from a declaration to trained weights.

use tancho::train::TrainOptions;
use tancho::{AsView, Error, Target, network};
use tancho_support::Rng;

network! {
    /// A classifier with a residual branch, in training.
    pub Classifier<B, D = 16, H = 24, C = 4> {
        net up:   Linear<D, H>;
        net norm: LayerNorm<H>;
        net mix:  Linear<H, H>;
        net head: Linear<H, C>;

        fn forward(x: [B, D]) -> [B, C] {
            let h = gelu(up(x));
            head(norm(h + mix(h)))
        }

        /// One step of AdamW.
        train fn step(x: [B, D], y: i32[B], lr: []) -> [] {
            let loss = mean(cross_entropy(forward(x), y), over = B);
            minimize loss with adamw(lr = lr, weight_decay = 0.01, clip_norm = 1);
            loss
        }
    }
}

network! {
    /// Two `train fn`s over the same weights, the second with a decay that is an option of the network.
    pub Pair<B, D = 6>(option decay = 0.1) {
        param w: [D, D] = xavier;
        #[frozen]
        param scale: [D] = ones;

        fn forward(x: [B, D]) -> [B, D] { (x + x @ w.t) * scale }

        train fn fit(x: [B, D], y: [B, D], lr: []) -> ([], [B, D]) {
            let found = forward(x);
            let loss = mean(mse(found, y), over = B);
            minimize loss with momentum(lr = lr);
            (loss, found)
        }

        train fn shrink() -> [] {
            let size = sum(w * w, over = (0, 1));
            minimize size with sgd(lr = 0.1, weight_decay = decay);
            size
        }
    }
}

pub fn batch(rng: &mut Rng, n: usize) -> (Vec<f32>, Vec<i32>) {
    let x = rng.floats(&[n, 16]).as_f32().unwrap().to_vec();
    // The class is the largest of the first four numbers.
    let class = |row: &[f32]| (0..4).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap() as i32;
    let y = x.chunks(16).map(class).collect();
    (x, y)
}

#[test]
fn a_declared_step_learns_and_its_network_has_what_was_learned() {
    let start = Classifier::init(3).unwrap();
    let mut training = start.compile_train(Target::host()).unwrap();
    let mut rng = Rng::new(1);
    assert_eq!((training.steps(), training.loss()), (0, None));
    let mut losses = Vec::new();
    for _ in 0..200 {
        let (x, y) = batch(&mut rng, 32);
        let loss: f32 = training.step(x.view([32, 16]), y.view([32]), 1e-2).unwrap();
        assert_eq!(training.loss(), Some(loss));
        losses.push(loss);
    }
    assert!(losses[199] < 0.5 * losses[0], "{losses:?}");
    assert_eq!(training.steps(), 200);

    let (x, y) = batch(&mut rng, 256);
    let right = |network: &Classifier| {
        let mut session = network.compile(Target::host()).unwrap().session();
        let scores = session.forward(x.view([256, 16])).unwrap().to_vec();
        let best = |row: &[f32]| (0..4).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap() as i32;
        scores.chunks(4).zip(&y).filter(|(row, y)| best(row) == **y).count()
    };
    let (before, after) = (right(&start), right(&training.network().unwrap()));
    assert!(after > 220 && before < 150, "{before} before, {after} after");

    let report = training.check_step(x.view([256, 16]), y.view([256]), 1e-2).unwrap();
    assert!(report.is_ok(), "{report}");
    let names: Vec<&str> = report.tensors.iter().map(|t| t.name.as_str()).collect();
    assert!(names.contains(&"gradient of up.weight") && names.contains(&"norm.weight"), "{names:?}");
    let norms = training.gradient_norms("step");
    let all = norms.iter().map(|(_, norm)| norm * norm).sum::<f32>().sqrt();
    assert!((all - training.gradient_norm().unwrap()).abs() <= 1e-5 * all, "{norms:?}");
    assert_eq!(norms.len(), 8);
}

#[test]
fn results_are_the_same_bits_for_any_number_of_threads() {
    let trained = |threads: usize| {
        let options = TrainOptions::new().threads(threads);
        let mut training = Classifier::init(5).unwrap().compile_train_with(Target::host(), &options).unwrap();
        let mut rng = Rng::new(2);
        for _ in 0..5 {
            let (x, y) = batch(&mut rng, 33);
            training.step(x.view([33, 16]), y.view([33]), 3e-3).unwrap();
        }
        training.weights().unwrap()
    };
    let (one, three) = (trained(1), trained(3));
    for (name, weight) in one.iter() {
        assert!(weight.bytes().unwrap() == three.data(name).unwrap().bytes().unwrap(), "{name}");
    }
}

#[test]
fn a_step_that_is_not_finite_says_where_and_training_goes_on() {
    let mut training = Classifier::init(7).unwrap().compile_train(Target::host()).unwrap();
    let mut rng = Rng::new(3);
    let (x, y) = batch(&mut rng, 8);
    training.step(x.view([8, 16]), y.view([8]), 1e-3).unwrap();
    let before = training.weights().unwrap();
    let mut bad = x.clone();
    bad[5] = 3e38;
    bad[6] = 3e38;
    let error = training.step(bad.view([8, 16]), y.view([8]), 1e-3).unwrap_err();
    let Error::NotFinite { step: 1, first: Some(first), .. } = &error else { panic!("{error}") };
    assert!(first.source.line > 0, "{error}");
    assert!(error.to_string().starts_with("step 2 has the loss NaN"), "{error}");
    for (name, weight) in before.iter() {
        let now = training.weights().unwrap();
        assert!(weight.bytes().unwrap() == now.data(name).unwrap().bytes().unwrap(), "{name}");
    }
    assert_eq!(training.steps(), 1);
    training.step(x.view([8, 16]), y.view([8]), 1e-3).unwrap();
    assert_eq!(training.steps(), 2);

    let error = training.step(x.view([8, 16]), [0, 1, 2, 3, 4, 3, 2, 1].view([8]), 1e-3).unwrap_err();
    assert!(error.to_string().contains('4'), "{error}");
    let error = training.step(x.view([8, 16]), y[..7].view([7]), 1e-3).unwrap_err();
    assert!(error.to_string().contains("`B`"), "{error}");
}

#[test]
fn several_train_fns_share_weights_and_return_what_they_say() {
    let mut training = Pair::init(1).unwrap().compile_train(Target::host()).unwrap();
    let x: Vec<f32> = (0..12).map(|i| i as f32 * 0.1 - 0.5).collect();
    let y: Vec<f32> = x.iter().map(|x| 2.0 * x).collect();
    let (first, found) = training.fit(x.view([2, 6]), y.view([2, 6]), 0.05).unwrap();
    let mean = found.data().iter().zip(&y).map(|(a, b)| (a - b) * (a - b)).sum::<f32>() / 12.0;
    assert!((first - mean).abs() <= 1e-5 * first, "{first} and {mean}");
    for _ in 0..100 {
        training.fit(x.view([2, 6]), y.view([2, 6]), 0.05).unwrap();
    }
    let (last, _) = training.fit(x.view([2, 6]), y.view([2, 6]), 0.05).unwrap();
    assert!(last < 0.1 * first, "{first} {last}");
    let w = training.weights().unwrap().get("w").unwrap().to_vec();
    let size = training.shrink().unwrap();
    let sum: f32 = w.iter().map(|w| w * w).sum();
    assert!((size - sum).abs() <= 1e-5 * sum, "{size} and {sum}");
    let after = training.weights().unwrap();
    // The gradient is 2 w, and 0.1 w is the decay.
    for (before, after) in w.iter().zip(after.get("w").unwrap().data()) {
        assert!((after - before * (1.0 - 0.1 * 2.1)).abs() <= 1e-6, "{before} {after}");
    }
    assert_eq!(after.get("scale").unwrap().data(), [1.0; 6]);
}
