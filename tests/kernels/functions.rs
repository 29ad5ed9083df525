//! How exact the elementwise functions are: measured over a dense sample of all floats, and
//! over their interesting ranges, against f64. The module doc of `tancho_jit::lanes::math`
//! quotes these bounds.

use tancho::Model;
use tancho::{Graph, Target, Tensor};
use tancho_ir::op::Number;
use tancho_ir::op::{Op, Unary};
use tancho_runtime::interpreter::erf;

use tancho_support::views;

/// The native results of an op on these numbers.
fn native(op: &Op, x: &[f32]) -> Vec<f32> {
    let text =
        "network F<N>\ninput x: f32[N]\n%0: f32[N] = input(index = 0)\n%1: f32[N] = neg(%0)\nreturn %1";
    let mut g = Graph::parse(text).expect("a graph");
    g.nodes[1].op = op.clone();
    let c = Model::from_graph(g, 0).expect("a model").compile(Target::host()).expect("compiles");
    let mut s = c.session();
    let x = [Tensor::new(x.to_vec(), [x.len()]).expect("fits")];
    s.run_inputs(&views(&x)).expect("runs");
    s.output::<f32>(0).expect("a result").to_vec()
}

/// Every 1021st float of both signs, and 200,000 numbers evenly from `low` to `high`.
fn samples(low: f64, high: f64) -> Vec<f32> {
    let all = (0..=u32::MAX).step_by(1021).map(f32::from_bits).filter(|x| x.is_finite());
    let even = (0..=200_000).map(|i| (low + (high - low) * f64::from(i) / 200_000.0) as f32);
    all.chain(even).collect()
}

struct Worst {
    ulps: f64,
    absolute: f64,
    relative: f64,
    at: f32,
}

/// The largest errors where the exact result is finite in f32.
fn measure(op: &Op, low: f64, high: f64, exact: impl Fn(f64) -> f64) -> Worst {
    let x = samples(low, high);
    let y = native(op, &x);
    let mut w = Worst { ulps: 0.0, absolute: 0.0, relative: 0.0, at: 0.0 };
    for (x, y) in x.iter().zip(&y) {
        let want = exact(f64::from(*x));
        if want.is_nan() {
            assert!(y.is_nan(), "{op:?} of {x:e} is {y:e}");
            continue;
        }
        // Just below the overflow either is right.
        if want.abs() > f64::from(f32::MAX) * 0.99999 {
            assert!(
                y.abs() > f32::MAX * 0.9999 && f64::from(y.signum()) == want.signum(),
                "{op:?} of {x:e} is {y:e}"
            );
            continue;
        }
        assert!(y.is_finite(), "{op:?} of {x:e} is {y:e}, not {want:e}");
        let d = (f64::from(*y) - want).abs();
        w.absolute = w.absolute.max(d);
        // Subnormal results, and what is lost on the way by them, are no errors.
        if d > f64::from(f32::MIN_POSITIVE) {
            let unit = want.abs().log2().floor().exp2() * f64::from(f32::EPSILON);
            if d / unit > w.ulps {
                (w.ulps, w.at) = (d / unit, *x);
            }
            w.relative = w.relative.max(d / want.abs());
        }
    }
    println!(
        "{op:?}: {:.2} ulp at {:e}, {:.2e} absolute, {:.2e} relative",
        w.ulps, w.at, w.absolute, w.relative
    );
    w
}

fn unary(u: Unary, low: f64, high: f64, exact: impl Fn(f64) -> f64) -> Worst {
    measure(&Op::Unary(u), low, high, exact)
}

#[test]
fn exp_and_log_are_within_2_ulp() {
    assert!(unary(Unary::Exp, -90.0, 88.8, f64::exp).ulps < 2.0);
    assert!(unary(Unary::Log, 0.5, 2.0, f64::ln).ulps < 2.0);
    assert!(unary(Unary::Log, 1e-3, 1e3, f64::ln).ulps < 2.0);
}

#[test]
fn tanh_and_erf_are_within_5e_7() {
    for w in [unary(Unary::Tanh, -9.0, 9.0, f64::tanh), unary(Unary::Erf, -4.5, 4.5, erf)] {
        assert!(w.absolute < 5e-7 && w.relative < 1e-6, "{:e} {:e}", w.absolute, w.relative);
    }
}

/// Up to 2^22, next to the multiples of a quarter turn too; beyond is NaN.
#[test]
fn sin_and_cos_are_within_2_ulp() {
    let limit = f64::from(1 << 22);
    let within = |f: fn(f64) -> f64| move |x: f64| if x.abs() <= limit { f(x) } else { f64::NAN };
    for (u, f) in [(Unary::Sin, f64::sin as fn(f64) -> f64), (Unary::Cos, f64::cos)] {
        for end in [4.0, 300.0, 1e6, limit] {
            let w = unary(u, -end, end, within(f));
            assert!(
                w.ulps < 2.0 && w.absolute < 1e-7,
                "{u:?} of {:e}: {} ulp, {:e}",
                w.at,
                w.ulps,
                w.absolute
            );
        }
        let quarters = (0..2_670_000).step_by(3).chain(0..20_000);
        let near = quarters.map(|n| (f64::from(n) * std::f64::consts::FRAC_PI_2) as f32);
        let x: Vec<f32> =
            near.flat_map(|x| [x.next_down(), x, x.next_up()]).filter(|x| f64::from(*x) <= limit).collect();
        let y = native(&Op::Unary(u), &x);
        for (x, y) in x.iter().zip(&y) {
            let want = f(f64::from(*x));
            let relative = (f64::from(*y) - want).abs() / want.abs().max(f64::from(f32::MIN_POSITIVE));
            assert!(relative < 2.5e-7, "{u:?} of {x:e} is {y:e}, not {want:e}");
        }
    }
}

#[test]
fn square_roots_are_rounded_correctly() {
    assert!(unary(Unary::Sqrt, 0.0, 10.0, f64::sqrt).ulps <= 0.5);
    assert!(unary(Unary::Rsqrt, 0.0, 10.0, |x| 1.0 / x.sqrt()).ulps < 1.5);
}

#[test]
fn sigmoid_and_silu_are_within_a_few_ulp() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    assert!(unary(Unary::Sigmoid, -20.0, 20.0, sigmoid).ulps < 4.0);
    // Where exp(-x) is infinite, both are 0.
    let silu =
        unary(Unary::Silu, -20.0, 20.0, |x| if x < -f64::from(f32::MAX).ln() { 0.0 } else { x * sigmoid(x) });
    assert!(silu.ulps < 4.0);
    assert_eq!(native(&Op::Unary(Unary::Silu), &[-88.8]), [0.0]);
}

#[test]
fn softplus_mish_and_elu_are_within_a_few_ulp() {
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    assert!(unary(Unary::Softplus, -20.0, 20.0, softplus).ulps < 4.0);
    // Where `e^x` is below the smallest normal number, its digits are lost before `x` is multiplied.
    let x: Vec<f32> = samples(-20.0, 20.0).into_iter().filter(|x| *x > -87.0).collect();
    for (x, y) in x.iter().zip(native(&Op::Unary(Unary::Mish), &x)) {
        let want = f64::from(*x) * softplus(f64::from(*x)).tanh();
        let off = (f64::from(y) - want).abs();
        assert!(
            off <= 1e-6 * want.abs() + f64::from(f32::MIN_POSITIVE),
            "mish of {x:e} is {y:e}, not {want:e}"
        );
    }
    let elu = |x: f64| if x > 0.0 { x } else { x.exp_m1() };
    assert!(measure(&Op::Elu { alpha: Number(1.0) }, -20.0, 20.0, elu).relative < 2e-6);
}

/// `x/2 * (1 + erf)`: what is left where the parenthesis cancels is measured on |x|.
#[test]
fn gelu_is_within_5e_7_of_x() {
    let gelu = |x: f64| x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)) * 0.5;
    let root = (2.0 / std::f64::consts::PI).sqrt();
    let gelu_tanh = |x: f64| x * (1.0 + (root * (x + 0.044715 * x * x * x)).tanh()) * 0.5;
    let x = samples(-8.0, 8.0);
    for (u, exact) in [(Unary::Gelu, &gelu as &dyn Fn(f64) -> f64), (Unary::GeluTanh, &gelu_tanh)] {
        let y = native(&Op::Unary(u), &x);
        let mut worst = 0.0f64;
        for (x, y) in x.iter().zip(&y) {
            let x = f64::from(*x);
            let d = (f64::from(*y) - exact(x)).abs();
            worst = worst.max(d / x.abs().max(f64::from(f32::MIN_POSITIVE)));
        }
        println!("{u:?}: {worst:.2e} of |x|");
        assert!(worst < 5e-7, "{u:?}: {worst:e}");
    }
}

#[test]
fn powers_are_within_1e_5() {
    for c in [2.0, 3.0, -1.0, -2.0, 5.0, 16.0, 0.5, -0.5, 1.5, 2.5, 0.1, 17.0, -17.0, 20.0, 33.0] {
        let w = measure(&Op::Pow(Number(c)), 0.1, 10.0, |x| x.powf(c));
        assert!(w.relative < 1e-5, "{c}: {:e} at {:e}", w.relative, w.at);
    }
}

/// The frequencies of `rope`: at far positions the last bit of one is a large angle.
#[test]
fn powers_of_a_ratio_are_rounded_correctly() {
    for (base, n) in [(1e4f64, 32), (5e5, 64), (1e6, 128), (1e4, 4096), (10.0, 1), (1.0, 40), (1.5, 300)] {
        let ratio = base.powf(-1.0 / f64::from(n));
        for (declared, length) in [("N".to_string(), n), (n.to_string(), n)] {
            let text = format!(
                "network F<N>\ninput x: f32[N]\n%0: f32[N] = input(index = 0)\n%1: f32[{declared}] = powers(ratio = {ratio:?}, len = {declared})\nreturn %1"
            );
            let g = Graph::parse(&text).expect("a graph");
            let c = Model::from_graph(g, 0).expect("a model").compile(Target::host()).expect("compiles");
            let mut s = c.session();
            let x = [Tensor::new(vec![0.0f32; length as usize], [length as usize]).expect("fits")];
            s.run_inputs(&views(&x)).expect("runs");
            let want: Vec<f32> = (0..n).map(|i| ratio.powf(f64::from(i)) as f32).collect();
            assert_eq!(s.output::<f32>(0).expect("a result").to_vec(), want, "{base} {n} {declared}");
        }
    }
}
