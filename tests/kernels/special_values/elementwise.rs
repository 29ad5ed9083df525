//! Elementwise ops.

use super::*;

#[test]
fn functions_of_one_argument() {
    let x = f(&SPECIAL, &[SPECIAL.len()]);
    for (u, _) in Unary::TABLE.into_iter().filter(|(u, _)| *u != Unary::Not) {
        if u == Unary::Silu {
            // At -88.8 the result is 0 instead of -2e-37, as in PyTorch.
            let x: Vec<f32> = SPECIAL.iter().copied().filter(|x| *x != -88.8).collect();
            elementwise(&Op::Unary(u), &[f(&x, &[x.len()])]);
        } else {
            elementwise(&Op::Unary(u), std::slice::from_ref(&x));
        }
    }
    let i = Tensor::new(vec![i32::MIN, i32::MAX, 0, -1, 1, 77], [6]).expect("fits");
    for u in [Unary::Neg, Unary::Abs, Unary::Relu, Unary::Sign] {
        elementwise(&Op::Unary(u), std::slice::from_ref(&i));
    }
    let b = Tensor::new(vec![true, false, false, true, true], [5]).expect("fits");
    elementwise(&Op::Unary(Unary::Not), &[b]);
}

#[test]
fn limits_are_exact() {
    for (u, x, want) in [
        (Unary::Exp, -INF, 0.0),
        (Unary::Exp, 0.0, 1.0),
        (Unary::Exp, 200.0, INF),
        (Unary::Log, 1.0, 0.0),
        (Unary::Log, -0.0, -INF),
        (Unary::Sin, 0.0, 0.0),
        (Unary::Cos, 0.0, 1.0),
        (Unary::Tanh, 20.0, 1.0),
        (Unary::Tanh, -INF, -1.0),
        (Unary::Erf, INF, 1.0),
        (Unary::Erf, -5.0, -1.0),
        (Unary::Sigmoid, INF, 1.0),
        (Unary::Sigmoid, -INF, 0.0),
        (Unary::Silu, 1e30, 1e30),
        (Unary::Gelu, 100.0, 100.0),
        (Unary::Gelu, -100.0, 0.0),
        (Unary::Gelu, f32::MIN, 0.0),
        (Unary::GeluTanh, 1e30, 1e30),
        (Unary::GeluTanh, -1e30, 0.0),
        (Unary::HardSwish, -3.0, 0.0),
        (Unary::HardSwish, f32::MAX, f32::MAX),
        (Unary::Softsign, f32::MAX, 1.0),
        (Unary::Softsign, -3.0, -0.75),
        (Unary::Softplus, -INF, 0.0),
        (Unary::Softplus, f32::MAX, f32::MAX),
        (Unary::Mish, 1e30, 1e30),
        (Unary::Mish, -1e30, 0.0),
        (Unary::HardSigmoid, INF, 1.0),
        (Unary::HardSigmoid, -3.0, 0.0),
        (Unary::Floor, -0.5, -1.0),
        (Unary::Floor, 8_388_607.5, 8_388_607.0),
        (Unary::Floor, f32::MIN, f32::MIN),
        (Unary::Round, 2.5, 2.0),
        (Unary::Round, -3.5, -4.0),
        (Unary::Sign, -1e-45, -1.0),
        (Unary::Sign, -0.0, 0.0),
        (Unary::Rsqrt, 0.0, INF),
        (Unary::Sqrt, -0.0, 0.0),
    ] {
        let y = op(&Op::Unary(u), &[f(&[x], &[1, 1])]);
        assert_eq!(y.as_f32(), Some(&[want][..]), "{u:?} of {x}");
    }
}

/// All pairs of a list, as two columns.
fn pairs<T: Copy>(of: &[T]) -> (Vec<T>, Vec<T>) {
    of.iter().flat_map(|a| of.iter().map(move |b| (*a, *b))).unzip()
}

#[test]
fn functions_of_two_arguments() {
    let columns = |of: &[f32]| {
        let (a, b) = pairs(of);
        [f(&a, &[a.len()]), f(&b, &[b.len()])]
    };
    let floats = columns(&SPECIAL);
    // From -88.7 down the gate of `swiglu` is 0, as `silu` is, where the exact one is tiny: times infinity it
    // is seen.
    let gates =
        columns(&SPECIAL.iter().copied().filter(|x| !(-110.0..-88.7).contains(x)).collect::<Vec<_>>());
    elementwise(&Op::Binary(Binary::Swiglu), &gates);
    let (a, b) = pairs(&[i32::MIN, i32::MAX, 0, -1, 1, 65_536]);
    let n = a.len();
    let ints = [Tensor::new(a, [n]).expect("fits"), Tensor::new(b, [n]).expect("fits")];
    let (a, b) = pairs(&[true, false]);
    let bools = [Tensor::new(a, [4]).expect("fits"), Tensor::new(b, [4]).expect("fits")];
    let mut run = 0;
    for (o, _) in Binary::TABLE.into_iter().filter(|(o, _)| *o != Binary::Swiglu) {
        for args in [&floats, &ints, &bools] {
            let logic = matches!(o, Binary::And | Binary::Or);
            let both = matches!(o, Binary::Eq | Binary::Ne);
            let allowed = match args[0].dtype() {
                DType::Bool => logic || both,
                DType::I32 => !logic && o != Binary::Div,
                _ => !logic,
            };
            if allowed {
                run += 1;
                elementwise(&Op::Binary(o), args);
            }
        }
    }
    assert_eq!(run, 13 + 12 + 4);
}

/// Exact, whatever the quotient: of divisors that are numbers in the code, and of any.
#[test]
fn remainders_are_exact() {
    let mut rng = Rng::new(5);
    let mut any = || f32::from_bits((rng.below(1 << 16) << 16 | rng.below(1 << 16)) as u32);
    let (a, b): (Vec<f32>, Vec<f32>) = (0..4096).map(|_| (any(), any())).unzip();
    let exact = |a: &[f32], b: &[f32], got: &Tensor| {
        for ((a, b), got) in a.iter().zip(b).zip(got.as_f32().expect("f32")) {
            let r = f64::from(*a) % f64::from(*b);
            let want = if r != 0.0 && (r < 0.0) != (*b < 0.0) { r + f64::from(*b) } else { r };
            let want = want as f32;
            assert!(*got == want || (got.is_nan() && want.is_nan()), "{a:e} {b:e}: {got:e}, not {want:e}");
        }
    };
    let n = a.len();
    exact(&a, &b, &op(&Op::Binary(Binary::Rem), &[f(&a, &[1, n]), f(&b, &[1, n])]));
    for c in [1.0f32, -1.0, 2.0, 3.0, 0.1, -7.5, 1e-40, 1e38, std::f32::consts::TAU] {
        let text = format!(
            "network F<>\ninput x: f32[{n}]\n%0: f32[{n}] = input(index = 0)\n%1: f32[] = const(f32 = {c:?})\n%2: f32[{n}] = rem(%0, %1)\nreturn %2"
        );
        let g = Graph::parse(&text).expect("a graph");
        for level in levels() {
            let x = [f(&a, &[n])];
            let target = Target::host().with_isa(level).expect("a level");
            let compiled = compile_for(&g, target).expect("compiles");
            let mut s = compiled.session();
            s.run_inputs(&views(&x)).expect("runs");
            exact(&a, &vec![c; n], &s.tensor(0).expect("a result"));
        }
    }
}

#[test]
fn remainders_of_integers_are_exact() {
    let mut rng = Rng::new(6);
    let mut any = || (rng.below(1 << 16) << 16 | rng.below(1 << 16)) as i32 >> rng.below(31);
    let (a, b): (Vec<i32>, Vec<i32>) = (0..4096).map(|_| (any(), any())).unzip();
    let n = a.len();
    let args = [Tensor::new(a, [1, n]).expect("fits"), Tensor::new(b, [1, n]).expect("fits")];
    // The interpreter divides integers: `op` compares with it.
    assert_eq!(op(&Op::Binary(Binary::Rem), &args).dtype(), DType::I32);
}

#[test]
fn activations_with_a_number() {
    let x = f(&SPECIAL, &[SPECIAL.len()]);
    for n in [0.01, 1.0, -0.5, 3.0] {
        elementwise(&Op::LeakyRelu { slope: Number(n) }, std::slice::from_ref(&x));
        elementwise(&Op::Elu { alpha: Number(n) }, std::slice::from_ref(&x));
    }
    let y = op(&Op::Elu { alpha: Number(1.0) }, &[f(&[-INF, -100.0, -0.0, 1e30], &[1, 4])]);
    assert_eq!(y.as_f32(), Some(&[-1.0, -1.0, 0.0, 1e30][..]));
}

#[test]
fn powers() {
    // Not at the edge of the range, where the result overflows on one side only.
    let x: Vec<f32> = SPECIAL.iter().copied().filter(|x| !(88.6..88.9).contains(&x.abs())).collect();
    let x = f(&x, &[x.len()]);
    for c in
        [0.0, 1.0, 2.0, 3.0, -1.0, -2.0, -3.0, 0.5, -0.5, 1.5, 2.5, -2.5, 17.0, 16.0, -17.0, 18.0, 40.0, 0.1]
    {
        elementwise(&Op::Pow(Number(c)), std::slice::from_ref(&x));
    }
    // From 2^53 on every number is whole and even, from 2^24 on every f32.
    let x = f(&[-1.0, 1.0, -2.0, 2.0, -0.5, -0.0, 0.0, -INF, INF, NAN], &[10]);
    for c in [2f64.powi(52) + 1.0, 2f64.powi(53), 1e16, 1e30, -1e16, 2f64.powi(24) + 1.0] {
        elementwise(&Op::Pow(Number(c)), std::slice::from_ref(&x));
        let y = op(&Op::Pow(Number(c)), std::slice::from_ref(&x));
        assert_eq!(y.as_f32().expect("f32")[0], if c % 2.0 == 0.0 { 1.0 } else { -1.0 }, "(-1)^{c}");
    }
}

#[test]
fn selections_and_casts() {
    let x = f(&SPECIAL, &[SPECIAL.len()]);
    let turned: Vec<f32> = SPECIAL.iter().rev().copied().collect();
    let which: Vec<bool> = (0..SPECIAL.len()).map(|i| i % 3 == 0).collect();
    let which = Tensor::new(which, [SPECIAL.len()]).expect("fits");
    elementwise(&Op::Select, &[which.clone(), x.clone(), f(&turned, &[SPECIAL.len()])]);
    let halves: Vec<bf16> = SPECIAL.iter().map(|x| bf16::from_f32(*x)).collect();
    let halves = Tensor::new(halves, [SPECIAL.len()]).expect("fits");
    let ints = Tensor::new(vec![i32::MIN, i32::MAX, 0, -1, 16_777_217, 33_554_431, 257], [7]).expect("fits");
    for from in [x, halves, ints, which] {
        for to in DType::ALL {
            elementwise(&Op::Cast(to), std::slice::from_ref(&from));
        }
    }
    // Halfway between two bf16 numbers, and just beside.
    let near: Vec<f32> =
        (0..64u32).map(|i| f32::from_bits(0x3f80_7ff0 + (i % 32) + ((i / 32) << 16))).collect();
    elementwise(&Op::Cast(DType::Bf16), &[f(&near, &[64])]);
}
