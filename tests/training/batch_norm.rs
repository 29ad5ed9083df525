//! Batch norm in training: the statistics of the batch, and the running ones that follow them.

use crate::steps::step_of;
use crate::{Case, inputs};
use std::collections::HashMap;
use tancho::{AsView, Graph, Session, Target, Tensor, network};
use tancho_ir::training::batch_norm::with_batch_statistics;
use tancho_ir::training::{Optimizer, Step};
use tancho_support::{Rng, compile_for, targets, views};

network! {
    /// A norm of what is learned.
    pub Normed<N>(x: [N, 2, 2, 2], r: [N, 2, 2, 2]) -> [] {
        param p: [2, 2, 2];
        net norm: BatchNorm<2>;
        sum(norm(x + p) * r, over = (0, 1, 2, 3))
    }

    /// The same norm of two batches, of any size.
    pub Twice<N, H, W>(x: [N, 2, H, W], y: [N, 2, H, W]) -> [] {
        net norm: BatchNorm<2>;
        sum(norm(x) * norm(y), over = (0, 1, 2, 3))
    }

    /// One whose running statistics stay.
    pub Frozen<N>(x: [N, 2, 2, 2], r: [N, 2, 2, 2]) -> [] {
        param p: [2, 2, 2];
        #[frozen] net norm: BatchNorm<2>;
        sum(norm(x + p) * r, over = (0, 1, 2, 3))
    }

    /// Rows without pixels, between two layers.
    pub Rows<N>(x: [N, 5]) -> [N, 3] {
        param up: [4, 5];
        param gain: [4] = ones;
        param bias: [4];
        param down: [3, 4];
        buffer mean: [4];
        buffer var: [4] = ones;
        linear(tanh(batch_norm(linear(x, up), gain, bias, mean, var, eps = 0.1)), down)
    }

    /// A classifier of images.
    pub Images<N, C = 4> {
        net conv: Conv2d<1, C, 3, PAD = 1>(bias = false);
        net norm: BatchNorm<C>;
        net head: Linear<C, 2>;

        fn forward(x: [N, 1, 6, 6]) -> [N, 2] { head(global_mean(relu(norm(conv(x))))) }

        train fn step(x: [N, 1, 6, 6], y: i32[N], lr: []) -> [] {
            let loss = mean(cross_entropy(forward(x), y), over = N);
            minimize loss with adamw(lr = lr);
            loss
        }
    }
}

const SGD: Optimizer = Optimizer::Sgd { momentum: 0.0, weight_decay: 0.0 };

/// Sets states of a step by name.
fn set(session: &mut Session, states: &[(&str, &[f32], &[usize])]) {
    for (name, values, shape) in states {
        session.set_state(name, &Tensor::new(values.to_vec(), *shape).unwrap()).unwrap();
    }
}

fn state(session: &Session, name: &str) -> Vec<f32> {
    session.state(name).unwrap().unwrap().as_f32().unwrap().to_vec()
}

/// Numbers of images `[3, 2, 2, 2]` by their place.
fn images(of: impl Fn(usize, usize, usize, usize) -> f32) -> Tensor {
    let data = (0..24).map(|i| of(i / 8, i / 4 % 2, i / 2 % 2, i % 2)).collect::<Vec<f32>>();
    Tensor::new(data, [3, 2, 2, 2]).unwrap()
}

fn is_near(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() <= 2e-6 * w.abs().max(1.0), "{what}: {got:?}, not {want:?}");
    }
}

/// What `torch.nn.BatchNorm2d` in training has after a step: its loss, the gradients of what is normalised,
/// of the gain and of the bias, and its running mean and variance.
struct Torch {
    loss: f32,
    gradients: [&'static [f32]; 3],
    running: [[f32; 2]; 2],
}

/// Two steps on different images at rate 0, PyTorch 2.
const TORCH: [Torch; 2] = [
    Torch {
        loss: 2.8538752,
        gradients: [
            &[-0.0360469, 0.457493, -0.4574929, 0.036047, -0.1744475, -0.8622817, -0.2051055, 1.2418354],
            &[1.44734, 2.6901026],
            &[2.5, 3.875],
        ],
        running: [[0.025, 0.03125], [0.9659091, 0.9705966]],
    },
    Torch {
        loss: -1.4612799,
        gradients: [
            &[-0.2007715, 0.5481977, -0.4489835, 0.1015574, 0.1429484, -1.0627189, -0.5838825, 1.503654],
            &[-1.0545439, 1.1579958],
            &[2.5, 3.875],
        ],
        running: [[0.0329167, 0.0677083], [0.935748, 0.9399668]],
    },
];

#[test]
fn statistics_and_gradients_are_those_of_pytorch_on_every_level() {
    let mut step = step_of(Normed::init(1).unwrap().ir(), SGD, None).unwrap();
    let names: Vec<String> = step.learned.iter().map(|l| step.graph.states[l.state].name.clone()).collect();
    let results = step.graph.outputs.len();
    step.graph.outputs.extend(step.learned.iter().map(|l| l.gradient));
    let r = images(|n, c, h, w| ((n * 5 + c * 2 + h * 3 + w * 7) % 13) as f32 / 8.0 - 0.5);
    for target in targets() {
        let mut session = compile_for(&step.graph, target).unwrap().session();
        let start: [(&str, &[f32], &[usize]); 5] = [
            ("p", &[0.0; 8], &[2, 2, 2]),
            ("norm.weight", &[0.5, 2.0], &[2]),
            ("norm.bias", &[0.25, -1.0], &[2]),
            ("norm.running_mean", &[0.0; 2], &[2]),
            ("norm.running_var", &[1.0; 2], &[2]),
        ];
        set(&mut session, &start);
        for (i, want) in TORCH.iter().enumerate() {
            let x = images(|n, c, h, w| ((n * 7 + c * 3 + h * 5 + w * 2 + i * 4) % 11) as f32 / 4.0 - 1.0);
            let all = [x, r.clone(), Tensor::new(vec![0.0f32], []).unwrap()];
            let report = session.check_inputs(&views(&all)).unwrap();
            assert!(report.is_ok(), "{target:?}\n{report}");
            session.run_inputs(&views(&all)).unwrap();
            let result = |i: usize| session.tensor(i).unwrap().as_f32().unwrap().to_vec();
            is_near(&result(results - 2), &[want.loss], "the loss");
            for (k, of) in ["p", "norm.weight", "norm.bias"].into_iter().zip(want.gradients) {
                let place = names.iter().position(|name| name == k).unwrap();
                is_near(&result(results + place), of, k);
            }
            is_near(&state(&session, "norm.running_mean"), &want.running[0], "the running mean");
            is_near(&state(&session, "norm.running_var"), &want.running[1], "the running variance");
        }
    }
}

/// Checks the gradients of a network in training at a few sizes.
fn check(graph: &Graph) {
    let (graph, running) = with_batch_statistics(graph, &|_| false).unwrap();
    assert_eq!(running.len(), 2);
    let (case, mut rng) = (Case::new(&graph), Rng::new(3));
    for (n, h, w) in [(2, 3, 2), (5, 1, 1), (1, 2, 4)] {
        let dims = HashMap::from([("N", n), ("H", h), ("W", w)]);
        case.check(&inputs(&graph, &dims, &mut rng), &mut rng);
    }
}

#[test]
fn gradients_go_through_the_statistics() {
    check(Rows::init(1).unwrap().ir());
    check(Twice::init(1).unwrap().ir());
}

/// The session of a step with these running statistics at first.
fn begun(step: &Step, mean: [f32; 2], var: [f32; 2]) -> Session {
    let mut session = compile_for(&step.graph, Target::host()).unwrap().session();
    for state in step.graph.states.iter().filter(|s| s.name.starts_with("norm.")) {
        let start = match state.name.as_str() {
            "norm.running_mean" => mean,
            "norm.running_var" => var,
            "norm.weight" => [1.0; 2],
            _ => [0.0; 2],
        };
        session.set_state(&state.name, &Tensor::new(start.to_vec(), [2]).unwrap()).unwrap();
    }
    session
}

#[test]
fn a_norm_that_is_used_twice_follows_both_batches() {
    let step = step_of(Twice::init(1).unwrap().ir(), SGD, None).unwrap();
    let mut session = begun(&step, [0.0, 1.0], [1.0, 2.0]);
    let (x, y) = ([1.0, 3.0, -2.0, 2.0], [0.0, 1.0, 4.0, 8.0]);
    let shape = [1, 2, 1, 2];
    let inputs = [x.view(shape).into(), y.view(shape).into(), [0.0].view([]).into()];
    session.run_inputs(&inputs).unwrap();
    // The means are 2 and 0, then 0.5 and 6; the unbiased variances 2 and 8, then 0.5 and 8.
    let follow = |old: f32, batch: f32| 0.9 * old + 0.1 * batch;
    let twice = |old, [a, b]: [f32; 2]| follow(follow(old, a), b);
    is_near(&state(&session, "norm.running_mean"), &[twice(0.0, [2.0, 0.5]), twice(1.0, [0.0, 6.0])], "mean");
    is_near(&state(&session, "norm.running_var"), &[twice(1.0, [2.0, 0.5]), twice(2.0, [8.0, 8.0])], "var");
}

#[test]
fn one_element_has_no_variance_and_no_element_changes_nothing() {
    let step = step_of(Twice::init(1).unwrap().ir(), SGD, None).unwrap();
    let mut session = begun(&step, [1.0, 2.0], [3.0, 4.0]);
    let run = |session: &mut Session, x: &[f32], n: usize| {
        let shape = [n, 2, 1, 1];
        session.run_inputs(&[x.view(shape).into(), x.view(shape).into(), [0.0].view([]).into()]).unwrap();
    };
    run(&mut session, &[5.0, -3.0], 1);
    is_near(&state(&session, "norm.running_mean"), &[0.81 + 0.19 * 5.0, 1.62 - 0.19 * 3.0], "mean");
    assert_eq!(state(&session, "norm.running_var"), [3.0, 4.0]);
    let before = state(&session, "norm.running_mean");
    run(&mut session, &[], 0);
    assert_eq!(state(&session, "norm.running_mean"), before);
    assert_eq!(state(&session, "norm.running_var"), [3.0, 4.0]);
}

#[test]
fn a_frozen_norm_keeps_its_running_statistics() {
    let frozen = Frozen::init(1).unwrap();
    let step = step_of(frozen.ir(), SGD, None).unwrap();
    assert!(step.buffers.is_empty());
    assert_eq!(step.learned.len(), 1);
    let (mut rng, mut session) = (Rng::new(4), compile_for(&step.graph, Target::host()).unwrap().session());
    let p = rng.floats(&[2, 2, 2]);
    session.set_state("p", &p).unwrap();
    let (x, r) = (rng.floats(&[3, 2, 2, 2]), rng.floats(&[3, 2, 2, 2]));
    let all = [x.clone(), r.clone(), Tensor::new(vec![0.0f32], []).unwrap()];
    session.run_inputs(&views(&all)).unwrap();
    // Its statistics are 0 and 1, and eps is 1e-5.
    let numbers = x.as_f32().unwrap().iter().zip(p.as_f32().unwrap().iter().cycle());
    let sum: f64 = numbers.zip(r.as_f32().unwrap()).map(|((x, p), r)| f64::from((x + p) * r)).sum();
    let loss = session.tensor(step.graph.outputs.len() - 2).unwrap().as_f32().unwrap()[0];
    assert!((f64::from(loss) - sum / (1.0f64 + 1e-5).sqrt()).abs() < 1e-5, "{loss} {sum}");
}

#[test]
fn what_is_trained_is_normalised_by_what_it_has_seen() {
    let start = Images::init(2).unwrap();
    let mut training = start.compile_train(Target::host()).unwrap();
    let mut rng = Rng::new(6);
    // Even images are a chess board under noise, odd ones its mean.
    let mut batch = |n: usize| {
        let mut x = rng.floats(&[n, 1, 6, 6]).as_f32().unwrap().to_vec();
        for (i, x) in x.iter_mut().enumerate() {
            let (image, place) = (i / 36, i % 36);
            let board = if (place / 6 + place % 6).is_multiple_of(2) { 1.0 } else { 0.0 };
            *x = 0.3 * *x + if image % 2 == 0 { board } else { 0.5 };
        }
        let y: Vec<i32> = (0..n as i32).map(|i| i % 2).collect();
        (x, y)
    };
    let mut losses = Vec::new();
    for _ in 0..100 {
        let (x, y) = batch(16);
        losses.push(training.step(x.view([16, 1, 6, 6]), y.view([16]), 0.03).unwrap());
    }
    assert!(losses[99] < 0.3 * losses[0], "{losses:?}");
    let (x, y) = batch(64);
    let report = training.check_step(x.view([64, 1, 6, 6]), y.view([64]), 0.03).unwrap();
    assert!(report.is_ok(), "{report}");
    let trained = training.network().unwrap();
    let mut session = trained.compile(Target::host()).unwrap().session();
    let scores = session.forward(x.view([64, 1, 6, 6])).unwrap().to_vec();
    let right = scores.chunks(2).zip(&y).filter(|(s, y)| i32::from(s[1] > s[0]) == **y).count();
    assert!(right >= 60, "{right} of 64");
    let mean = trained.weights().get("norm.running_mean").unwrap().to_vec();
    assert!(mean.iter().any(|m| m.abs() > 1e-3), "{mean:?}");
    assert_eq!(start.weights().get("norm.running_mean").unwrap().to_vec(), [0.0; 4]);
}
