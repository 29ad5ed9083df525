//! `check` tells rounding from faults: right kernels give no alarm, whatever cancels, and what is further off
//! than rounding can be is found, also where each op by itself is right.

use std::ops::Deref;
use tancho::{AnyView, AsView, Compiled, Error, Isa, Precision, Target, Tensor, network};

network! {
    pub ReluLinear<B, C = 2>(x: [B, 64]) -> [B, C] { net l: Linear<64, C>; relu(l(x)) }

    pub Regress<B>(x: [B, 64]) -> [B, 1] { net a: Linear<64, 64>; net b: Linear<64, 1>; b(gelu(a(x))) }

    pub ReluConv<N, H, W>(x: [N, 3, H, W]) -> [N, 8, H, W] {
        param w: [8, 3, 3, 3] = xavier;
        relu(conv2d(x, w, pad = 1))
    }

    pub Conv<N, H, W>(x: [N, 3, H, W]) -> [N, 8, H, W] {
        param w: [8, 3, 3, 3] = xavier;
        conv2d(x, w, pad = 1)
    }

    pub Mask<N, H, W>(x: [N, H, W, 8]) -> [N, H, W, 1] {
        param w: [1, 8, 3, 3] = xavier;
        conv2d(x, w, pad = 1, layout = nhwc)
    }

    pub Dots<B>(x: [B, 64]) -> [B, 1] { param w: [64] = normal(1.0); sum(x * w, over = -1, keep = true) }

    pub Differ<B>(x: [B, 64]) -> [B] {
        net a: Linear<64, 8>;
        net b: Linear<64, 8>;
        mean(a(x) - b(x), over = -1)
    }

    pub Margin<B>(x: [B, 10]) -> [B] { max(log_softmax(x * 8, over = -1), over = -1) }

    pub Loss<B>(x: [B, 10]) -> ([B], []) {
        let loss = cross_entropy(x * 8, argmax(x, over = -1));
        (loss, mean(loss))
    }

    pub Tails<B>(x: [B, 1]) -> ([B, 1], [B, 1], [B, 1]) { (gelu(x * 6), silu(x * 100), gelu_tanh(x * 6)) }

    pub Norm<B>(x: [B, 3]) -> [B, 3] {
        param gain: [3] = ones;
        param bias: [3] = zeros;
        param mean: [3] = normal(100.0);
        param var: [3] = ones;
        batch_norm(x + mean, gain, bias, mean, var, eps = 1e-4)
    }

    pub Block<B, S>(x: [B, S, 48]) -> [B, S, 48] {
        net q: Linear<48, 48>;
        net k: Linear<48, 48>;
        net v: Linear<48, 48>;
        net o: Linear<48, 48>;
        net up: Linear<48, 96>;
        net down: Linear<96, 48>;
        net ln1: LayerNorm<48>;
        net ln2: LayerNorm<48>;

        let h = ln1(x + o(attention(q(x), k(x), v(x), heads = 3)));
        ln2(h + down(gelu(up(h))))
    }

    pub Deep<B, S>(x: [B, S, 48]) -> [B, S, 48] {
        net a: Block;
        net b: Block;
        net c: Block;
        net d: Block;
        net e: Block;
        net f: Block;

        f(e(d(c(b(a(x))))))
    }

    /// Numbers on a grid, so that many sums are equal to the limit but for rounding.
    pub Jumps<B>(x: [B, 64]) -> (i32[B], [B, 1]) {
        let q = cast(cast(x * 4, i32), f32) * 0.1;
        let s = sum(q, over = -1, keep = true);
        (argmax(softmax(q, over = -1), over = -1), select(gt(s, 0.5), s, s - 7))
    }
}

fn noise(rng: &mut fastrand::Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| rng.f32() * 2.0 - 1.0).collect()
}

/// Checks so many runs of a network on noise of that shape.
fn no_alarm(name: &str, compiled: impl Deref<Target = Compiled>, shape: &[usize], runs: usize) {
    let mut rng = fastrand::Rng::with_seed(runs as u64);
    for run in 0..runs {
        let x = Tensor::new(noise(&mut rng, shape.iter().product()), shape).expect("so many");
        let report = compiled.check_inputs(&[AnyView::from(&x)]).expect("it runs");
        assert!(report.is_ok(), "{name}, run {run}:\n{report}");
    }
    println!("{name}: {runs} times {shape:?}");
}

/// All networks, `runs` times. Each of so many rows is an input of its own: one wrong number of one row is an
/// alarm.
fn all(runs: usize, rows: usize) -> Result<(), Error> {
    for isa in [Isa::Clif128, Isa::host()] {
        let target = Target::host().with_isa(isa)?;
        no_alarm("one of two", ReluLinear::init(1)?.compile(target)?, &[rows, 64], runs);
        no_alarm(
            "one alone",
            ReluLinear::with(ReluLinearDims { C: 1 }).init(2)?.compile(target)?,
            &[rows, 64],
            runs,
        );
        no_alarm("regression", Regress::init(1)?.compile(target)?, &[rows, 64], runs);
        for precision in [Precision::Direct, Precision::Standard, Precision::Fast] {
            let target = target.with_precision(precision);
            no_alarm("small images", ReluConv::init(1)?.compile(target)?, &[rows, 3, 5, 2], runs);
            no_alarm("small images", Conv::init(1)?.compile(target)?, &[rows, 3, 5, 2], runs);
            no_alarm("images", ReluConv::init(1)?.compile(target)?, &[rows / 100, 3, 32, 32], runs);
            no_alarm("one channel", Mask::init(1)?.compile(target)?, &[rows / 100, 32, 32, 8], runs);
        }
        no_alarm("dots", Dots::init(1)?.compile(target)?, &[rows, 64], runs);
        no_alarm("differences", Differ::init(1)?.compile(target)?, &[rows, 64], runs);
        no_alarm("margins", Margin::init(1)?.compile(target)?, &[rows, 10], runs);
        no_alarm("losses", Loss::init(1)?.compile(target)?, &[rows, 10], runs);
        no_alarm("tails", Tails::init(1)?.compile(target)?, &[rows, 1], runs);
        no_alarm("norms", Norm::init(1)?.compile(target)?, &[rows, 3], runs);
        no_alarm("layers", Deep::init(1)?.compile(target)?, &[rows / 100, 5, 48], runs);
        no_alarm("jumps", Jumps::init(1)?.compile(target)?, &[rows, 64], runs);
    }
    Ok(())
}

/// `TANCHO_ALARM_ROUNDS=5` takes a hundred thousand inputs of each network on each level, millions in all, in
/// some minutes.
#[test]
fn right_kernels_give_no_alarm() -> Result<(), Error> {
    let rounds = std::env::var("TANCHO_ALARM_ROUNDS").ok().and_then(|n| n.parse().ok());
    all(rounds.unwrap_or(1), if rounds.is_some() { 20_000 } else { 500 })
}

/// What a network's result may be off by if each op is off by its bound: the sum of `|w|` times what the ops
/// before may be.
fn check_faults(
    compiled: impl Deref<Target = Compiled>,
    x: &[f32],
    shape: [usize; 2],
    bounds: &[f64],
) -> Result<(), Error> {
    let (session, inputs) = (compiled.session(), [AnyView::from(x.view(shape))]);
    let right = compiled.interpret_inputs(&inputs)?;
    let y = right[0].as_f32().expect("f32").to_vec();
    assert_eq!(y.len(), bounds.len());
    assert!(session.judge_inputs(&inputs, &right)?.is_ok());
    for (i, bound) in bounds.iter().enumerate() {
        for times in [-4.0, 4.0, 1e3, f64::NAN] {
            let mut wrong = y.clone();
            wrong[i] = (f64::from(wrong[i]) + times * 1e-5 * bound) as f32;
            let report = session.judge_inputs(&inputs, &[Tensor::new(wrong, right[0].shape())?])?;
            assert!(!report.is_ok(), "{times} times the bound at {i}: {report}");
            // The kernels are right: only the result says it.
            assert!(report.diverges_at.is_none() && report.tensors[0].bad == 1, "{report}");
            assert!(report.to_string().contains("no op diverges by itself"), "{report}");
        }
    }
    Ok(())
}

/// Through all layers, what no op shows by itself is found where it is four times the bound of a row.
#[test]
fn faults_of_deep_networks_are_found() -> Result<(), Error> {
    let compiled = Deep::init(1)?.compile(Target::host())?;
    let x = noise(&mut fastrand::Rng::with_seed(3), 2 * 5 * 48);
    let inputs = [AnyView::from(x.view([2, 5, 48]))];
    assert!(compiled.check_inputs(&inputs)?.is_ok());
    let right = compiled.interpret_inputs(&inputs)?;
    let y = right[0].as_f32().expect("f32").to_vec();
    for i in [0, 77, 479] {
        let row = y[i / 48 * 48..][..48].iter().fold(0.0f32, |m, y| m.max(y.abs()));
        let mut wrong = y.clone();
        wrong[i] += 4e-5 * row;
        let report = compiled.session().judge_inputs(&inputs, &[Tensor::new(wrong, right[0].shape())?])?;
        assert!(!report.is_ok() && report.diverges_at.is_none() && report.tensors[0].bad == 1, "{report}");
    }
    Ok(())
}

/// `sum |w| * |x| + |b|` for each row of `x` and filter of `w`.
fn magnitudes(x: &[f64], w: &[f32], b: &[f32]) -> Vec<f64> {
    let n = w.len() / b.len();
    let one = |row: &[f64], o: usize| {
        row.iter().zip(&w[o * n..]).map(|(x, w)| x.abs() * f64::from(w.abs())).sum::<f64>()
            + f64::from(b[o].abs())
    };
    x.chunks(n).flat_map(|row| (0..b.len()).map(move |o| one(row, o))).collect()
}

#[test]
fn faults_of_four_times_the_bound_are_found() -> Result<(), Error> {
    let mut rng = fastrand::Rng::with_seed(7);
    let x = noise(&mut rng, 20 * 64);
    let wide: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
    for seed in 0..3 {
        let net = ReluLinear::with(ReluLinearDims { C: 1 + seed as usize }).init(seed)?;
        let w = |name: &str| net.weights().get(name).expect("a weight").data().to_vec();
        let bounds = magnitudes(&wide, &w("l.weight"), &w("l.bias"));
        check_faults(net.compile(Target::host())?, &x, [20, 64], &bounds)?;

        // The second layer has the errors of the first, and of gelu, whose slope is below 1.13.
        let net = Regress::init(seed)?;
        let w = |name: &str| net.weights().get(name).expect("a weight").data().to_vec();
        let first = magnitudes(&wide, &w("a.weight"), &w("a.bias"));
        let hidden: Vec<f64> = first.iter().map(|s| 1.13 * s + s).collect();
        let bounds = magnitudes(&hidden, &w("b.weight"), &w("b.bias"));
        check_faults(net.compile(Target::host())?, &x, [20, 64], &bounds)?;
    }
    Ok(())
}
