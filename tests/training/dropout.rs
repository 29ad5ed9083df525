//! Masks of training steps.

use crate::steps::step_of;
use tancho::train::TrainOptions;
use tancho::{AsView, Error, Graph, Session, Target, Tensor, network};
use tancho_ir::op::Op;
use tancho_ir::training::{NoStep, Optimizer, SEED, STEP, Step};
use tancho_support::{compile_for, same_bits, targets};

network! {
    /// A net with a dropout in it, in training.
    pub Dropped<B, D = 8>(option p = 0.5) {
        net up:   Linear<D, 32>;
        net down: Linear<32, 1>;

        fn forward(x: [B, D]) -> [B, 1] { down(dropout(relu(up(x)), p = p)) }

        train fn step(x: [B, D], y: [B, 1], lr: []) -> [] {
            let loss = mean(mse(forward(x), y), over = B);
            minimize loss with adamw(lr = lr);
            loss
        }
    }
}

const SGD: Optimizer = Optimizer::Sgd { momentum: 0.0, weight_decay: 0.0 };
const ROWS: usize = 64;
const WIDTH: usize = 100;

/// Two weights, each with a dropout of its rows behind it. The results are the loss and what is left of the
/// rows, and a loss is the sum of these.
fn network(p: f64) -> Graph {
    let text = format!(
        "network N<B>\ninput x: f32[B, {WIDTH}]\nweight \"v\": f32[{WIDTH}] = ones\n\
         weight \"w\": f32[{WIDTH}] = ones\n%0: f32[B, {WIDTH}] = input(index = 0)\n\
         %1: f32[{WIDTH}] = weight(index = 0)\n%2: f32[{WIDTH}] = weight(index = 1)\n\
         %3: f32[B, {WIDTH}] = mul(%0, %1)\n%4: f32[B, {WIDTH}] = dropout(%3, p = {p:?})\n\
         %5: f32[B, {WIDTH}] = mul(%0, %2)\n%6: f32[B, {WIDTH}] = dropout(%5, p = {p:?})\n\
         %7: f32[] = sum(%4, over = (0, 1))\n%8: f32[] = sum(%6, over = (0, 1))\n%9: f32[] = add(%7, %8)\n\
         return %9, %4, %6"
    );
    Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// A session of a step whose weights are all 1.
fn session(step: &Step, target: Target, threads: usize) -> Session {
    let compiled = compile_for(&step.graph, target).unwrap_or_else(|e| panic!("{e}\n{}", step.graph));
    let mut session = compiled.session_with_threads(threads).unwrap();
    session.divide_all();
    for name in ["v", "w"] {
        session.set_state(name, &Tensor::new(vec![1.0f32; WIDTH], [WIDTH]).unwrap()).unwrap();
    }
    session
}

/// Runs a step on rows of this number. Gives what each dropout left, and the results.
fn run(session: &mut Session, x: f32, rate: f32) -> [Vec<f32>; 2] {
    let x = Tensor::new(vec![x; ROWS * WIDTH], [ROWS, WIDTH]).unwrap();
    let rate = Tensor::new(vec![rate], []).unwrap();
    session.run_inputs(&tancho_support::views(&[x, rate])).unwrap();
    [1, 2].map(|i| session.tensor(i).unwrap().as_f32().unwrap().to_vec())
}

fn state(session: &Session, name: &str) -> Tensor {
    session.state(name).unwrap().unwrap()
}

/// The share of elements that are equal.
fn alike(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / a.len() as f64
}

#[test]
fn a_share_is_kept_and_the_mean_stays() {
    for p in [0.1, 0.5, 0.9] {
        let step = step_of(&network(p), SGD, None).unwrap();
        for target in targets() {
            let mut session = session(&step, target, 2);
            let (n, mut kept, mut sum) = (10 * 2 * ROWS * WIDTH, 0, 0.0);
            for _ in 0..10 {
                for left in run(&mut session, 1.0, 0.0) {
                    let scale = (1.0 / (1.0 - p)) as f32;
                    assert!(left.iter().all(|x| *x == 0.0 || *x == scale), "{p} on {target:?}");
                    kept += left.iter().filter(|x| **x != 0.0).count();
                    sum += left.iter().map(|x| f64::from(*x)).sum::<f64>();
                }
            }
            // Five standard deviations.
            let off = 5.0 * (p * (1.0 - p) / n as f64).sqrt();
            let (share, mean) = (kept as f64 / n as f64, sum / n as f64);
            assert!((share - (1.0 - p)).abs() < off, "{share} are kept with {p}");
            assert!((mean - 1.0).abs() < off / (1.0 - p), "the mean is {mean} with {p}");
        }
    }
}

/// With a rate of 1 a weight loses its gradient, which is the sum of what is left of its column: the numbers
/// are powers of two, so that nothing is rounded.
#[test]
fn the_backward_pass_has_the_mask_of_the_forward_pass() {
    let step = step_of(&network(0.5), SGD, None).unwrap();
    for target in targets() {
        let mut session = session(&step, target, 1);
        for _ in 0..3 {
            let before = ["v", "w"].map(|name| state(&session, name));
            let left = run(&mut session, 0.25, 1.0);
            for ((name, before), left) in ["v", "w"].iter().zip(before).zip(left) {
                let after = state(&session, name);
                let (before, after) = (before.as_f32().unwrap(), after.as_f32().unwrap());
                for column in 0..WIDTH {
                    let kept = (0..ROWS).filter(|row| left[row * WIDTH + column] != 0.0).count();
                    assert_eq!(before[column] - after[column], 0.5 * kept as f32, "{name}[{column}]");
                }
            }
        }
    }
}

#[test]
fn masks_differ_by_step_by_dropout_and_by_seed() {
    let step = step_of(&network(0.5), SGD, None).unwrap();
    let mut first = session(&step, Target::host(), 1);
    let [a, b] = run(&mut first, 1.0, 0.0);
    let [c, d] = run(&mut first, 1.0, 0.0);
    let mut seeded = session(&step, Target::host(), 1);
    seeded.set_state(SEED, &Tensor::new(vec![7], []).unwrap()).unwrap();
    let [e, f] = run(&mut seeded, 1.0, 0.0);
    let all = [a, b, c, d, e, f];
    for (i, one) in all.iter().enumerate() {
        for other in &all[..i] {
            let share = alike(one, other);
            assert!((share - 0.5).abs() < 0.05, "{share} of two masks are alike");
        }
    }
    assert_eq!(state(&first, STEP).as_i32(), Some(&[2][..]));
    assert_eq!(state(&seeded, SEED).as_i32(), Some(&[7][..]));
}

#[test]
fn a_session_goes_on_where_another_ended() {
    let step = step_of(&network(0.3), SGD, None).unwrap();
    for target in targets() {
        let mut whole = session(&step, target, 1);
        run(&mut whole, 0.3, 0.01);
        let mut resumed = session(&step, target, 2);
        for decl in &step.graph.states {
            resumed.set_state(&decl.name, &state(&whole, &decl.name)).unwrap();
        }
        for _ in 0..2 {
            assert_eq!(run(&mut whole, 0.3, 0.01), run(&mut resumed, 0.3, 0.01), "{target:?}");
        }
        for decl in &step.graph.states {
            let [a, b] = [&whole, &resumed].map(|session| state(session, &decl.name));
            assert!(same_bits(&a, &b), "{} on {target:?}", decl.name);
        }
    }
}

#[test]
fn a_step_that_does_not_count_is_not_repeated() {
    let step = step_of(&network(0.5), SGD, None).unwrap();
    let mut session = session(&step, Target::host(), 1);
    let [first, _] = run(&mut session, 1.0, 0.0);
    let before = ["v", "w"].map(|name| state(&session, name));
    let bad = run(&mut session, f32::INFINITY, 1.0);
    assert!(bad[0].iter().all(|x| *x == 0.0 || *x == f32::INFINITY), "what is dropped is 0");
    for (name, before) in ["v", "w"].iter().zip(&before) {
        assert!(same_bits(&state(&session, name), before), "{name} stays");
    }
    assert_eq!(state(&session, STEP).as_i32(), Some(&[2][..]));
    let [next, _] = run(&mut session, 1.0, 0.0);
    assert!((alike(&first, &next) - 0.5).abs() < 0.05);
}

#[test]
fn the_ends_of_the_range_of_p() {
    let none = step_of(&network(0.0), SGD, None).unwrap();
    assert!(none.graph.states.iter().all(|s| s.name != SEED && s.name != STEP), "there is no mask");
    assert_eq!(run(&mut session(&none, Target::host(), 1), 1.0, 0.0)[0], vec![1.0; ROWS * WIDTH]);
    let all = step_of(&network(1.0), SGD, None).unwrap();
    for target in targets() {
        let mut session = session(&all, target, 1);
        assert_eq!(run(&mut session, 3.0, 1.0), [vec![0.0; ROWS * WIDTH], vec![0.0; ROWS * WIDTH]]);
        assert_eq!(state(&session, "w").as_f32(), Some(&[1.0; WIDTH][..]), "a gradient of 0");
    }
}

#[test]
fn a_dropout_in_a_loop_is_refused() {
    let text = |p: &str| {
        format!(
            "network N<S>\ninput x: f32[S, 3]\ninput h: f32[3]\nweight \"w\": f32[3] = ones\nbody 0 {{\n\
             input x: f32[3]\ninput h: f32[3]\n%0: f32[3] = input(index = 0)\n%1: f32[3] = input(index = 1)\n\
             %2: f32[3] = dropout(%0, p = {p})\n%3: f32[3] = add(%1, %2)\nreturn %3\n}}\n\
             %0: f32[S, 3] = input(index = 0)\n%1: f32[3] = input(index = 1)\n\
             %2: f32[3] = weight(index = 0)\n\
             %3: f32[3] = scan(%0, %1, body = 0, result = 0, sequences = 1, carried = 1)\n\
             %4: f32[3] = mul(%3, %2)\n%5: f32[] = sum(%4, over = (0,))\nreturn %5"
        )
    };
    let error = step_of(&Graph::parse(&text("0.1")).unwrap(), SGD, None).unwrap_err();
    assert!(matches!(error, NoStep::Dropout { .. }), "{error}");
    assert!(error.to_string().starts_with("`dropout` in a loop or an expert"), "{error}");
    let step = step_of(&Graph::parse(&text("0.0")).unwrap(), SGD, None).unwrap();
    assert!(step.graph.bodies[0].nodes.iter().any(|node| matches!(node.op, Op::Dropout { .. })));
}

/// What the row sums to, from rows of numbers below 1.
fn batch(seed: u64) -> (Vec<f32>, Vec<f32>) {
    let x = tancho_support::Rng::new(seed).floats(&[32, 8]).as_f32().unwrap().to_vec();
    let y = x.chunks(8).map(|row| row.iter().sum()).collect();
    (x, y)
}

#[test]
fn a_declared_network_learns_with_dropout_and_runs_without() {
    let losses = |seed: i32, threads: usize| {
        let options = TrainOptions::new().seed(seed).threads(threads);
        let mut training = Dropped::init(1).unwrap().compile_train_with(Target::host(), &options).unwrap();
        let losses: Vec<f32> = (0..300)
            .map(|i| {
                let (x, y) = batch(i);
                training.step(x.view([32, 8]), y.view([32, 1]), 0.01).unwrap()
            })
            .collect();
        let (x, y) = batch(0);
        let report = training.check_step(x.view([32, 8]), y.view([32, 1]), 0.01).unwrap();
        assert!(report.is_ok(), "{report}");
        let mut session = training.network().unwrap().compile(Target::host()).unwrap().session();
        let found = session.forward(x.view([32, 8])).unwrap().to_vec();
        assert_eq!(session.forward(x.view([32, 8])).unwrap().to_vec(), found, "nothing is dropped");
        (losses, found)
    };
    let (first, found) = losses(3, 1);
    let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
    assert!(mean(&first[280..]) < 0.5 * mean(&first[..20]), "{first:?}");
    assert_eq!(losses(3, 2), (first.clone(), found), "the same seed on two threads");
    assert_ne!(losses(4, 1).0, first, "another seed");
}

#[test]
fn what_is_not_finite_is_found_under_the_mask_that_made_it() {
    let mut training = Dropped::init(1).unwrap().compile_train(Target::host()).unwrap();
    let (mut x, y) = batch(0);
    x[3] = f32::INFINITY;
    for step in 1..4 {
        let error = training.step(x.view([32, 8]), y.view([32, 1]), 0.01).unwrap_err();
        assert!(matches!(&error, Error::NotFinite { step: 0, first: Some(_), .. }), "{error}");
        assert_eq!(training.state(STEP).unwrap().unwrap().as_i32(), Some(&[step][..]));
    }
}
