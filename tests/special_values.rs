//! NaN, infinities, signed zeros, subnormal and huge numbers through every op: native code in checked
//! mode against the interpreter, element by element.
//!
//! One limit is the f32 arithmetic itself: where an intermediate result (a square in a norm, a partial
//! sum, a score) is beyond f32's range, native code gives what that infinity gives. So norms take rows
//! up to 1e18 here, whose squares and their sum are finite.

mod common;

use common::{Rng, compile, compile_for, same_bits, views};
use tancho::interp::Interpreter;
use tancho::{DType, Dim, Graph, Isa, Target, Tensor, bf16};
use tancho_ir::graph::InputDecl;
use tancho_ir::op::*;
use tancho_ir::{Source, Type};

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;

/// The numbers that functions go wrong at.
#[rustfmt::skip]
const SPECIAL: [f32; 44] = [
    NAN,
    INF,
    -INF,
    0.0,
    -0.0,
    1e-45,
    -1e-45,
    1e-40,
    -1e-40,
    f32::MIN_POSITIVE,
    -f32::MIN_POSITIVE,
    f32::MAX,
    f32::MIN,
    1e30,
    -1e30,
    1e20,
    -1e20,
    1e10,
    -1e10,
    1e-10,
    -1e-10,
    1e-20,
    -1e-20,
    88.7,
    88.8,
    -87.3,
    -88.8,
    -103.0,
    -105.0,
    7.9,
    -7.9,
    9.5,
    -9.5,
    4.1,
    -4.1,
    3.0,
    -3.0,
    6.0,
    1.0,
    -1.0,
    2_147_483_648.0,
    -2_147_483_648.0,
    0.999_999_94,
    -2.5,
];

fn f(data: &[f32], shape: &[usize]) -> Tensor {
    Tensor::new(data.to_vec(), shape).expect("fits")
}

fn graph_of(op: &Op, args: &[Tensor]) -> Graph {
    let mut g = Graph { name: "Op".into(), ..Graph::default() };
    let mut values = Vec::new();
    for (n, t) in args.iter().enumerate() {
        let ty = Type::new(t.dtype(), t.shape().iter().map(|&n| Dim::from(n)).collect());
        g.inputs.push(InputDecl { name: format!("x{n}"), ty });
        values.push(g.push(Op::Input(n), &[], Source::default()).expect("an input"));
    }
    let out = g.push(op.clone(), &values, Source::default()).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    g.outputs = vec![out];
    g
}

/// The native result of one op, which is that of the interpreter.
#[track_caller]
fn op(op: &Op, args: &[Tensor]) -> Tensor {
    let g = graph_of(op, args);
    let c = compile(&g).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    let bad = c.first_divergence(&views(args)).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    if let Some(bad) = bad {
        panic!("{op:?} of {args:?}\n{}", bad.report);
    }
    let mut s = c.session();
    s.run_inputs(&views(args)).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    s.tensor(0)
}

/// An elementwise op, each element a row of its own (lane by lane, errors relative to that element) and
/// all in one row (four lanes at a time): the same bits.
#[track_caller]
fn elementwise(o: &Op, args: &[Tensor]) {
    let n = args[0].len();
    let as_shape = |s: &[usize]| -> Vec<Tensor> {
        args.iter().map(|t| Tensor::new(t.data().clone(), s).expect("fits")).collect()
    };
    let narrow = op(o, &as_shape(&[n, 1]));
    let wide = op(o, &as_shape(&[1, n]));
    let wide = Tensor::new(wide.into_data(), [n, 1]).expect("fits");
    assert!(same_bits(&narrow, &wide), "{o:?}: {narrow:?}\nand\n{wide:?}");
}

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
    for u in [Unary::Neg, Unary::Abs, Unary::Relu] {
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
    assert_eq!(run, 12 + 11 + 4);
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

/// Rows of moderate numbers, each with special ones at some places: near the front, in the middle of
/// the vectors, in the tail.
fn rows(len: usize, special: &[f32]) -> Tensor {
    let mut rng = Rng::new(len as u64);
    let mut data = Vec::new();
    for (i, s) in special.iter().enumerate() {
        for at in [0, len / 2, len - 1] {
            let mut row: Vec<f32> = (0..len).map(|_| rng.float()).collect();
            row[at] = *s;
            if i % 2 == 1 {
                row[(at + 3) % len] = special[(i + 5) % special.len()];
            }
            data.extend(row);
        }
    }
    let n = data.len() / len;
    f(&data, &[n, len])
}

fn row_ops() -> Vec<Op> {
    let eps = Number(1e-5);
    let ln = |eps_on| Op::LayerNorm { axes: vec![1], eps, eps_on, gain: false, bias: false };
    let mut ops = vec![
        Op::Softmax { axis: 1, log: false },
        Op::Softmax { axis: 1, log: true },
        ln(EpsOn::Var),
        ln(EpsOn::Std),
        Op::RmsNorm { axes: vec![1], eps, gain: false },
        Op::L2Normalize { axis: 1, eps: Number(1e-12) },
        Op::Argmax { axis: 1, keep: false },
    ];
    ops.extend(Reduction::TABLE.map(|(kind, _)| Op::Reduce {
        kind,
        axes: vec![1],
        keep: false,
        masked: false,
    }));
    ops
}

#[test]
fn rows_with_special_values() {
    let moderate: Vec<f32> = SPECIAL.iter().copied().filter(|x| !x.is_finite() || x.abs() < 1e12).collect();
    for len in [1, 2, 5, 8, 19, 33] {
        let x = rows(len, &moderate);
        for o in row_ops() {
            op(&o, std::slice::from_ref(&x));
        }
        // One huge number: sums and softmax hold it, norms up to 1e18.
        let huge = rows(len, &[f32::MAX, f32::MIN, 1e30, -1e18]);
        let large = rows(len, &[1e18, -1e18, 3e17]);
        for o in row_ops() {
            let norm = matches!(o, Op::LayerNorm { .. } | Op::RmsNorm { .. } | Op::L2Normalize { .. });
            let sum = matches!(o, Op::Reduce { kind: Reduction::Sum | Reduction::Mean, .. });
            if !(sum && len == 2) {
                op(&o, &[if norm { large.clone() } else { huge.clone() }]);
            }
        }
        for constant in [0.0, -0.0, 3.0, 0.1, -1e-40, 1e4, 1e18, -INF, INF, NAN] {
            let x = f(&vec![constant; 2 * len], &[2, len]);
            for o in row_ops() {
                op(&o, std::slice::from_ref(&x));
            }
        }
        let offset: Vec<f32> = (0..3 * len).map(|i| 1e4 + (i * 7 % 13) as f32 * 0.01).collect();
        for o in row_ops() {
            op(&o, &[f(&offset, &[3, len])]);
        }
    }
}

#[test]
fn empty_rows() {
    for o in row_ops() {
        let y = op(&o, &[f(&[], &[3, 0])]);
        let want = match &o {
            Op::Reduce { kind: Reduction::Sum, .. } => f(&[0.0; 3], &[3]),
            Op::Reduce { kind: Reduction::Mean, .. } => f(&[NAN; 3], &[3]),
            Op::Reduce { kind: Reduction::Max, .. } => f(&[-INF; 3], &[3]),
            Op::Reduce { kind: Reduction::Min, .. } => f(&[INF; 3], &[3]),
            Op::Argmax { .. } => Tensor::new(vec![0; 3], [3]).expect("fits"),
            _ => f(&[], &[3, 0]),
        };
        assert!(same_bits(&y, &want), "{o:?}: {y:?}");
    }
    let whole = |kind, x: Tensor| op(&Op::Reduce { kind, axes: vec![0, 1], keep: true, masked: false }, &[x]);
    let none = Tensor::new(Vec::<i32>::new(), [0, 4]).expect("fits");
    for (kind, want) in [(Reduction::Sum, 0), (Reduction::Max, i32::MIN), (Reduction::Min, i32::MAX)] {
        assert_eq!(whole(kind, none.clone()).as_i32(), Some(&[want][..]), "{kind:?}");
    }
}

#[test]
fn what_a_mask_hides_does_not_matter() {
    for len in [3, 8, 21] {
        let x = rows(len, &[NAN, INF, -INF, f32::MAX, 1.0, -0.0]);
        let n = x.shape()[0];
        let hide: Vec<bool> = x.as_f32().expect("f32").iter().map(|x| x.abs() < 1e30).collect();
        let mut none = hide.clone();
        none[..len].fill(false);
        for keep in [hide, none] {
            let keep = Tensor::new(keep, [n, len]).expect("fits");
            for (kind, _) in Reduction::TABLE {
                let y = op(
                    &Op::Reduce { kind, axes: vec![1], keep: false, masked: true },
                    &[x.clone(), keep.clone()],
                );
                let first = keep.as_bool().expect("bool")[..len].contains(&true);
                let finite = y.as_f32().expect("f32").iter().skip(usize::from(!first)).all(|y| y.is_finite());
                assert!(finite, "{kind:?}: {y:?}");
            }
        }
    }
}

#[test]
fn products() {
    let mut rng = Rng::new(5);
    for (m, k, n) in [(1, 3, 5), (5, 16, 33), (6, 9, 16), (35, 7, 20)] {
        for special in [NAN, INF, -INF, 1e-40, -0.0, 1e30, f32::MAX] {
            let mut a: Vec<f32> = (0..m * k).map(|_| rng.float()).collect();
            let mut b: Vec<f32> = (0..k * n).map(|_| rng.float()).collect();
            // One special number on the left; on the right one, and a zero that it does not meet.
            a[m * k / 2] = special;
            let y = op(&Op::Matmul, &[f(&a, &[m, k]), f(&b, &[k, n])]);
            let touched = m * k / 2 / k;
            let clean = y
                .as_f32()
                .expect("f32")
                .chunks(n)
                .enumerate()
                .all(|(i, r)| i == touched || r.iter().all(|x| x.abs() < 1e3));
            assert!(clean, "{special} in row {touched}: {y:?}");
            a[m * k / 2] = 0.5;
            b[k * n / 3] = special;
            op(&Op::Matmul, &[f(&a, &[m, k]), f(&b, &[k, n])]);
            a.fill(0.0);
            let y = op(&Op::Matmul, &[f(&a, &[m, k]), f(&b, &[k, n])]);
            // 0 * NaN and 0 * infinity are NaN, in their column only.
            let nan = y.as_f32().expect("f32").iter().filter(|x| x.is_nan()).count();
            assert_eq!(nan, if special.is_finite() { 0 } else { m });
        }
    }
    // Beyond the range: infinities on both sides.
    let y = op(&Op::Matmul, &[f(&[1e20; 6], &[2, 3]), f(&[1e20; 6], &[3, 2])]);
    assert_eq!(y.as_f32(), Some(&[INF; 4][..]));
}

#[test]
fn attention() {
    let mut rng = Rng::new(9);
    let (b, s, t, h, w) = (2, 3, 21, 2, 5);
    for causal in [false, true] {
        for special in [NAN, INF, -INF, 1e-40, -0.0, 1e18] {
            for where_ in 0..4 {
                let mut q = rng.floats(&[b, s, h * w]).as_f32().expect("f32").to_vec();
                let mut k = rng.floats(&[b, t, h * w]).as_f32().expect("f32").to_vec();
                let v = rng.floats(&[b, t, h * w]);
                let mut keep = vec![true; b * t];
                match where_ {
                    0 => q[7] = special,
                    1 => k[4 * h * w + 6] = special,
                    // A key that is masked out may hold anything.
                    2 => {
                        k[4 * h * w..5 * h * w].fill(special);
                        keep[4] = false;
                    }
                    // No key at all in the first sequence.
                    _ => {
                        k[..t * h * w].fill(special);
                        keep[..t].fill(false);
                    }
                }
                let args = [
                    f(&q, &[b, s, h * w]),
                    f(&k, &[b, t, h * w]),
                    v,
                    Tensor::new(keep, [b, t]).expect("fits"),
                ];
                let o = Op::Attention {
                    heads: Dim::from(h),
                    causal,
                    window: None,
                    mask: true,
                    bias: false,
                    scale: None,
                };
                let y = op(&o, &args);
                let y = y.as_f32().expect("f32");
                if where_ >= 2 {
                    assert!(y.iter().all(|x| x.is_finite()), "{special}: {y:?}");
                }
                if where_ == 3 {
                    assert!(y[..s * h * w].iter().all(|x| *x == 0.0), "{special}: {y:?}");
                }
            }
        }
    }
    // A value that is masked out is multiplied by 0: NaN shows. One that is not seen by its place does not
    // count.
    let (q, k) = (f(&[1.0; 4], &[1, 2, 2]), f(&[1.0; 4], &[1, 2, 2]));
    let v = f(&[1.0, 2.0, 3.0, NAN], &[1, 2, 2]);
    let masked = Op::Attention {
        heads: Dim::constant(1),
        causal: false,
        window: None,
        mask: true,
        bias: false,
        scale: None,
    };
    for keep in [[true, false], [false, false]] {
        let y = op(
            &masked,
            &[q.clone(), k.clone(), v.clone(), Tensor::new(keep.to_vec(), [1, 2]).expect("fits")],
        );
        let first = f32::from(u8::from(keep[0]));
        assert!(same_bits(&y, &f(&[first, NAN, first, NAN], &[1, 2, 2])), "{y:?}");
    }
    let causal = Op::Attention {
        heads: Dim::constant(1),
        causal: true,
        window: None,
        mask: false,
        bias: false,
        scale: None,
    };
    let y = op(&causal, &[q, k, v]);
    assert!(same_bits(&y, &f(&[1.0, 2.0, 2.0, NAN], &[1, 2, 2])), "{y:?}");
}

/// A gelu or exponential in an epilogue, a norm behind it: fused kernels meet special values as single ops
/// do.
#[test]
fn fused_kernels() {
    let text = "network Fused<B>
input x: f32[B, 20]
weight \"w\": f32[20, 20] = xavier
%0: f32[B, 20] = input(index = 0)
%1: f32[20, 20] = weight(index = 0)
%2: f32[B, 20] = linear(%0, %1)
%3: f32[B, 20] = gelu(%2)
%4: f32[B, 20] = add(%0, %3)
%5: f32[B, 20] = softmax(%4, over = (1,))
return %5";
    let x = rows(20, &[NAN, INF, -INF, 1e30, 1e-40, -0.0]);
    let g = Graph::parse(text).expect("a graph");
    let c = compile(&g).expect("compiles");
    let mut s = c.session();
    s.run_inputs(&views(std::slice::from_ref(&x))).expect("runs");
    let weights = |i: usize| c.weights().at(i).expect("a weight").to_tensor();
    let want = Interpreter::for_inputs(&g, std::slice::from_ref(&x))
        .and_then(|t| t.run(std::slice::from_ref(&x), &weights))
        .expect("runs");
    let report = tancho::compare::compare("y", &s.tensor(0), &want[0], None, tancho::compare::BOUND);
    assert!(report.ok(), "{report}");
    assert!(
        want[0].as_f32().expect("f32").chunks(20).any(|r| r.iter().all(|x| x.is_finite())),
        "some rows are numbers"
    );
}

/// Squares that leave the range of f32 make norms zeros, as `docs/language.md` says; `check` names the op.
/// Numbers just inside of the range are normalised.
#[test]
fn norms_beyond_the_range_of_squares_are_reported() {
    let cases = [
        ("layer_norm(%0, over = (1,))", 1e20f32, 1e18),
        ("rms_norm(%0, over = (1,))", 1e20, 1e18),
        ("l2_normalize(%0, over = (1,))", 1e20, 1e18),
        ("l2_normalize(%0, over = (1,), eps = 1e-30)", 1e-25, 1e-17),
    ];
    for (op, outside, inside) in cases {
        let text = format!(
            "network Norm<B>\ninput x: f32[B, 3]\n%0: f32[B, 3] = input(index = 0)\n%1: f32[B, 3] = {op}\nreturn %1"
        );
        let g = Graph::parse(&text).unwrap_or_else(|e| panic!("{e}"));
        for isa in Isa::ALL.into_iter().filter(|isa| *isa <= Isa::host()) {
            let c = compile_for(&g, Target::host().with_isa(isa).expect("a level")).expect("compiles");
            let report = |size: f32| {
                let x = Tensor::new(vec![size, 2.0 * size, 3.0 * size], [1, 3]).expect("fits");
                c.check_inputs(&views(&[x])).expect("runs")
            };
            let (bad, good) = (report(outside), report(inside));
            assert!(!bad.ok() && bad.diverges_at.is_some(), "{op} of {outside} on {isa}\n{bad}");
            assert!(good.ok(), "{op} of {inside} on {isa}\n{good}");
        }
    }
}
