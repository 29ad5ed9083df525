//! The interpreter against known values: single ops here, composites and whole graphs in files of their own.

mod composites;
mod ropes;
mod runs;

use super::*;
use crate::tensor::bf16;
use tancho_ir::op::*;
use tancho_ir::{DType, Source, Type};

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;

fn f(data: &[f32], shape: &[usize]) -> Tensor {
    Tensor::new(data.to_vec(), shape).expect("fits")
}

fn i(data: &[i32], shape: &[usize]) -> Tensor {
    Tensor::new(data.to_vec(), shape).expect("fits")
}

fn b(data: &[bool], shape: &[usize]) -> Tensor {
    Tensor::new(data.to_vec(), shape).expect("fits")
}

/// A graph of one op on inputs of these types.
fn graph_of(op: &Op, args: &[Tensor]) -> Graph {
    let mut g = Graph { name: "test".into(), ..Graph::default() };
    let mut values = Vec::new();
    for (n, t) in args.iter().enumerate() {
        let ty = Type::new(t.dtype(), t.shape().iter().map(|&n| tancho_ir::Dim::from(n)).collect());
        g.inputs.push(tancho_ir::graph::InputDecl::new(format!("x{n}"), ty));
        values.push(g.push(Op::Input(n), &[], Source::default()).expect("an input"));
    }
    let out = g.push(op.clone(), &values, Source::default()).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    g.outputs = vec![out];
    g
}

fn no_weights(i: usize) -> Result<Tensor, Error> {
    Err(Error::Graph(format!("no weight {i}")))
}

fn eval(op: &Op, args: &[Tensor]) -> Tensor {
    let g = graph_of(op, args);
    let run = Interpreter::for_inputs(&g, args).and_then(|t| t.run(args, &no_weights));
    run.unwrap_or_else(|e| panic!("{op:?}: {e}")).remove(0)
}

/// A `rope` with these parameters besides the first, and these options: `base 1e4, pairs halves`.
fn rope(given: &[&'static str], options: &str) -> Op {
    use tancho_ir::table::{Call, lookup, make};
    let row = lookup("rope").expect("a row");
    let read = |text: &str| {
        let (name, value) = text.trim().split_once(' ').expect("a name and a value");
        let option = row.options.iter().find(|o| o.name == name).expect("an option");
        (option.name, option.kind.parse(value).expect("a value"))
    };
    let options = options.split(',').filter(|o| !o.is_empty()).map(read).collect();
    make("rope", &Call { given: [&["x"], given].concat(), options }).expect("an op")
}

fn unary(u: Unary, x: &[f32]) -> Vec<f32> {
    eval(&Op::Unary(u), &[f(x, &[x.len()])]).as_f32().expect("f32").to_vec()
}

/// Equal bit for bit, but any NaN is any NaN.
#[track_caller]
fn same(got: &Tensor, want: &Tensor) {
    assert_eq!((got.dtype(), got.shape()), (want.dtype(), want.shape()));
    match (got.as_f32(), want.as_f32()) {
        (Some(g), Some(w)) => {
            assert!(
                g.iter().zip(w).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())),
                "{got} is not {want}"
            );
        }
        _ => assert_eq!(got, want),
    }
}

fn reduce_op(kind: Reduction, axes: &[usize], masked: bool) -> Op {
    Op::Reduce { kind, axes: axes.to_vec(), keep: false, masked }
}

#[test]
fn special_values_of_functions() {
    let nan = |x: &[f32]| x.iter().all(|x| x.is_nan());
    for (u, _) in Unary::TABLE.into_iter().filter(|(u, _)| *u != Unary::Not) {
        assert!(nan(&unary(u, &[NAN])), "{u:?}");
    }
    assert_eq!(unary(Unary::Relu, &[-INF, -1.0, 2.0, INF]), [0.0, 0.0, 2.0, INF]);
    assert_eq!(unary(Unary::Relu6, &[-1.0, 5.0, 7.0, INF]), [0.0, 5.0, 6.0, 6.0]);
    assert_eq!(unary(Unary::Sigmoid, &[-INF, 0.0, INF, -200.0]), [0.0, 0.5, 1.0, 0.0]);
    assert_eq!(unary(Unary::Rsqrt, &[0.0, 4.0, INF]), [INF, 0.5, 0.0]);
    assert_eq!(unary(Unary::Log, &[0.0, 1.0]), [-INF, 0.0]);
    assert_eq!(unary(Unary::Gelu, &[INF, 0.0, 1.0, -1.0]), [INF, 0.0, 0.841_344_8, -0.158_655_26]);
    assert_eq!(unary(Unary::GeluTanh, &[1.0]), [0.841_192]);
    assert_eq!(unary(Unary::HardSwish, &[-4.0, 1.0, 4.0]), [0.0, 4.0 / 6.0, 4.0]);
    assert_eq!(unary(Unary::Softsign, &[-3.0, 0.0, 1.0, f32::MAX]), [-0.75, 0.0, 0.5, 1.0]);
    assert!(nan(&unary(Unary::Softsign, &[-INF, INF])));
    // As `torch.nn.functional` has them, and `torch.floor`, `torch.round`, `torch.sign` but for a NaN.
    assert_eq!(
        unary(Unary::Softplus, &[-INF, 0.0, 1.0, 1e4]),
        [0.0, std::f32::consts::LN_2, 1.313_261_6, 1e4]
    );
    assert_eq!(unary(Unary::Mish, &[-1.0, 0.0, 1.0, INF]), [-0.303_401_46, 0.0, 0.865_098_4, INF]);
    assert!(nan(&unary(Unary::Mish, &[-INF])));
    assert_eq!(unary(Unary::HardSigmoid, &[-INF, -3.0, 1.5, 3.0, INF]), [0.0, 0.0, 0.75, 1.0, 1.0]);
    assert_eq!(unary(Unary::Floor, &[-0.5, 0.5, -2.0, 1e30, -INF]), [-1.0, 0.0, -2.0, 1e30, -INF]);
    assert_eq!(unary(Unary::Round, &[0.5, 1.5, -2.5, 2.6, INF]), [0.0, 2.0, -2.0, 3.0, INF]);
    assert_eq!(unary(Unary::Sign, &[-INF, -1e-45, -0.0, 0.0, 3.0]), [-1.0, -1.0, 0.0, 0.0, 1.0]);
    assert!(nan(&unary(Unary::Sqrt, &[-1.0])) && nan(&unary(Unary::Silu, &[-INF])));
    let max =
        |a, b| eval(&Op::Binary(Binary::Max), &[f(&[a], &[1]), f(&[b], &[1])]).as_f32().expect("f32")[0];
    assert!(max(NAN, 1.0).is_nan() && max(1.0, NAN).is_nan() && max(1.0, 2.0) == 2.0);
    let pow = |x: &[f32], n: f64| eval(&Op::Pow(Number(n)), &[f(x, &[x.len()])]);
    same(&pow(&[-2.0, -0.0, INF], 3.0), &f(&[-8.0, -0.0, INF], &[3]));
    same(&pow(&[-2.0, NAN, 4.0], 0.5), &f(&[NAN, NAN, 2.0], &[3]));
    same(&pow(&[NAN], 0.0), &f(&[1.0], &[1]));
}

#[test]
fn remainders_have_the_sign_of_the_divisor() {
    // The examples in the documentation of `torch.remainder`.
    let rem = |a: &[f32], b: f32| eval(&Op::Binary(Binary::Rem), &[f(a, &[a.len()]), f(&[b], &[])]);
    same(&rem(&[-3.0, -2.0, -1.0, 1.0, 2.0, 3.0], 2.0), &f(&[1.0, -0.0, 1.0, 1.0, 0.0, 1.0], &[6]));
    same(&rem(&[1.0, 2.0, 3.0, 4.0, 5.0], -1.5), &f(&[-0.5, -1.0, 0.0, -0.5, -1.0], &[5]));
    same(&rem(&[-1.0, 1.0, NAN, INF], INF), &f(&[INF, 1.0, NAN, NAN], &[4]));
    same(&rem(&[1.0, 0.0], 0.0), &f(&[NAN, NAN], &[2]));
    // An odd power of 2 is 2 modulo 3, however far beyond the digits of a float the quotient is.
    same(&rem(&[2f32.powi(127), -(2f32.powi(127))], 3.0), &f(&[2.0, 1.0], &[2]));
    let rem = |a: &[i32], b: i32| eval(&Op::Binary(Binary::Rem), &[i(a, &[a.len()]), i(&[b], &[])]);
    same(&rem(&[-3, -2, 2, 3, i32::MIN], 2), &i(&[1, 0, 0, 1, 0], &[5]));
    same(&rem(&[-3, 3, i32::MIN, i32::MAX], -2), &i(&[-1, -1, 0, -1], &[4]));
    same(&rem(&[i32::MIN, 5], -1), &i(&[0, 0], &[2]));
    same(&rem(&[-7, 7], 0), &i(&[-7, 7], &[2]));
}

#[test]
fn activations_with_a_number() {
    let x = [f(&[-INF, -2.0, -1e-6, 0.0, 3.0, NAN], &[6])];
    same(&eval(&Op::LeakyRelu { slope: Number(0.1) }, &x), &f(&[-INF, -0.2, -1e-7, 0.0, 3.0, NAN], &[6]));
    let elu = [-2.0, -1.729_329_5, -1.999_999e-6, 0.0, 3.0, NAN];
    same(&eval(&Op::Elu { alpha: Number(2.0) }, &x), &f(&elu, &[6]));
}

#[test]
fn integers_wrap_and_bools_are_logic() {
    let (low, high) = (i32::MIN, i32::MAX);
    same(&eval(&Op::Binary(Binary::Add), &[i(&[high, 1], &[2]), i(&[1, 2], &[2])]), &i(&[low, 3], &[2]));
    same(&eval(&Op::Binary(Binary::Mul), &[i(&[high], &[1]), i(&[2], &[])]), &i(&[-2], &[1]));
    same(&eval(&Op::Unary(Unary::Neg), &[i(&[low], &[1])]), &i(&[low], &[1]));
    same(&eval(&Op::Unary(Unary::Abs), &[i(&[low, -3], &[2])]), &i(&[low, 3], &[2]));
    same(&eval(&reduce_op(Reduction::Sum, &[0], false), &[i(&[high, 1], &[2])]), &i(&[low], &[]));
    let (t, n) = (b(&[true, true, false, false], &[4]), b(&[true, false, true, false], &[4]));
    same(&eval(&Op::Binary(Binary::And), &[t.clone(), n.clone()]), &b(&[true, false, false, false], &[4]));
    same(&eval(&Op::Binary(Binary::Eq), &[t.clone(), n]), &b(&[true, false, false, true], &[4]));
    same(&eval(&Op::Unary(Unary::Not), &[t]), &b(&[false, false, true, true], &[4]));
    same(
        &eval(&Op::Binary(Binary::Ne), &[f(&[NAN, 1.0], &[2]), f(&[NAN, 1.0], &[2])]),
        &b(&[true, false], &[2]),
    );
    same(&eval(&Op::Binary(Binary::Ge), &[f(&[NAN, 1.0], &[2]), f(&[0.0], &[])]), &b(&[false, true], &[2]));
}

#[test]
fn casts() {
    let x = f(&[1.9, -1.9, 3e9, -INF, NAN, 0.0, -0.0], &[7]);
    same(
        &eval(&Op::Cast(DType::I32), std::slice::from_ref(&x)),
        &i(&[1, -1, i32::MAX, i32::MIN, 0, 0, 0], &[7]),
    );
    same(&eval(&Op::Cast(DType::Bool), &[x]), &b(&[true, true, true, true, true, false, false], &[7]));
    // Halfway between 1 and the next bf16: to the even one; a little more: up.
    let h = eval(
        &Op::Cast(DType::Bf16),
        &[f(&[1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, 1.0 + 1.001 / 256.0, NAN], &[4])],
    );
    let bits: Vec<u16> = h.as_bf16().expect("bf16").iter().map(|x| x.to_bits()).collect();
    assert_eq!(bits[..3], [0x3f80, 0x3f82, 0x3f81]);
    assert!(h.as_bf16().expect("bf16")[3].is_nan());
    same(
        &eval(&Op::Cast(DType::F32), &[Tensor::new(vec![bf16::from_f32(-2.5)], [1]).expect("fits")]),
        &f(&[-2.5], &[1]),
    );
    same(&eval(&Op::Cast(DType::F32), &[i(&[16_777_217], &[1])]), &f(&[16_777_216.0], &[1]));
    same(&eval(&Op::Cast(DType::I32), &[b(&[true, false], &[2])]), &i(&[1, 0], &[2]));
}

#[test]
fn trailing_parts_and_scalars_are_repeated() {
    let x = f(&[1.0, 2.0, 3.0, 4.0], &[2, 2]);
    same(
        &eval(&Op::Binary(Binary::Sub), &[x.clone(), f(&[1.0, 2.0], &[2])]),
        &f(&[0.0, 0.0, 2.0, 2.0], &[2, 2]),
    );
    same(&eval(&Op::Binary(Binary::Sub), &[f(&[10.0], &[]), x.clone()]), &f(&[9.0, 8.0, 7.0, 6.0], &[2, 2]));
    let s = eval(&Op::Select, &[b(&[true, false], &[2]), x, f(&[-INF], &[])]);
    same(&s, &f(&[1.0, -INF, 3.0, -INF], &[2, 2]));
    same(&eval(&Op::Binary(Binary::Add), &[f(&[], &[0, 2]), f(&[1.0, 2.0], &[2])]), &f(&[], &[0, 2]));
}

#[test]
fn reductions() {
    let x = f(&[1.0, 5.0, 3.0, 4.0, NAN, 6.0], &[2, 3]);
    for (kind, axes, want) in [
        (Reduction::Sum, vec![0], vec![5.0, NAN, 9.0]),
        (Reduction::Max, vec![1], vec![5.0, NAN]),
        (Reduction::Min, vec![0, 1], vec![NAN]),
        (Reduction::Mean, vec![1], vec![3.0, NAN]),
    ] {
        let got = eval(&reduce_op(kind, &axes, false), std::slice::from_ref(&x));
        let n = want.len();
        same(&got, &f(&want, if axes.len() == 2 { &[] } else { std::slice::from_ref(&n) }));
    }
    let keep = Op::Reduce { kind: Reduction::Max, axes: vec![0], keep: true, masked: false };
    same(&eval(&keep, &[i(&[1, 9, 3, 4], &[2, 2])]), &i(&[3, 9], &[1, 2]));
    let none = f(&[], &[2, 0]);
    for (kind, want) in
        [(Reduction::Sum, 0.0), (Reduction::Mean, NAN), (Reduction::Max, -INF), (Reduction::Min, INF)]
    {
        same(&eval(&reduce_op(kind, &[1], false), std::slice::from_ref(&none)), &f(&[want; 2], &[2]));
    }
    same(&eval(&reduce_op(Reduction::Max, &[0], false), &[i(&[], &[0])]), &i(&[i32::MIN], &[]));
    same(&eval(&reduce_op(Reduction::Min, &[0], false), &[i(&[], &[0])]), &i(&[i32::MAX], &[]));
    // The mask hides the NaN, and its second row leaves nothing.
    let mask = b(&[true, false, false, false], &[2, 2]);
    let x = f(&[1.0, 2.0, NAN, 3.0, 4.0, 5.0, 6.0, 7.0], &[2, 2, 2]);
    for (kind, nothing) in
        [(Reduction::Sum, 0.0), (Reduction::Mean, 0.0), (Reduction::Max, -INF), (Reduction::Min, INF)]
    {
        let got = eval(&reduce_op(kind, &[1], true), &[x.clone(), mask.clone()]);
        same(&got, &f(&[1.0, 2.0, nothing, nothing], &[2, 2]));
    }
}

#[test]
fn argmax_takes_the_first_and_lets_nan_win() {
    let op = Op::Argmax { axis: 1, keep: false };
    let x = f(&[1.0, 3.0, 3.0, 5.0, NAN, NAN, -INF, -INF, -INF], &[3, 3]);
    same(&eval(&op, &[x]), &i(&[1, 1, 0], &[3]));
    same(&eval(&op, &[f(&[], &[2, 0])]), &i(&[0, 0], &[2]));
    same(&eval(&Op::Argmax { axis: 0, keep: true }, &[i(&[1, 9, 7, 9], &[2, 2])]), &i(&[1, 0], &[1, 2]));
}

#[test]
fn moves() {
    let x = i(&(0..12).collect::<Vec<_>>(), &[2, 3, 2]);
    same(
        &eval(&Op::Transpose(vec![2, 0, 1]), std::slice::from_ref(&x)),
        &i(&[0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11], &[2, 2, 3]),
    );
    let n = |n: usize| tancho_ir::Dim::from(n);
    let cut = Op::Slice { axis: 1, start: n(1), end: n(3), step: n(1) };
    same(&eval(&cut, std::slice::from_ref(&x)), &i(&[2, 3, 4, 5, 8, 9, 10, 11], &[2, 2, 2]));
    let wide = Op::Expand(vec![n(2), n(2), n(3)]);
    same(&eval(&wide, &[i(&[7, 8], &[2, 1])]), &i(&[7, 7, 7, 8, 8, 8, 7, 7, 7, 8, 8, 8], &[2, 2, 3]));
    let joined =
        eval(&Op::Concat { axis: 1 }, &[i(&[1, 2], &[2, 1]), i(&[3, 4, 5, 6], &[2, 2]), i(&[], &[2, 0])]);
    same(&joined, &i(&[1, 3, 4, 2, 5, 6], &[2, 3]));
    let table = Tensor::new(vec![bf16::ONE, bf16::ZERO, bf16::NAN, bf16::ONE], [2, 2]).expect("fits");
    assert_eq!(eval(&Op::Gather, &[table, i(&[1, 0, 0], &[3, 1])]).shape(), [3, 1, 2]);
    same(&eval(&Op::Gather, &[f(&[], &[0, 2]), i(&[], &[0])]), &f(&[], &[0, 2]));
    let x = f(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[3, 2]);
    let sums = eval(&Op::ScatterAdd { rows: n(4) }, &[x, i(&[2, 0, 2], &[3])]);
    same(&sums, &f(&[3.0, 4.0, 0.0, 0.0, 6.0, 8.0, 0.0, 0.0], &[4, 2]));
    let row = eval(&Op::ScatterAdd { rows: n(2) }, &[f(&[7.0], &[1]), i(&[1], &[])]);
    same(&row, &f(&[0.0, 7.0], &[2, 1]));
}

/// Worked out by hand: each pixel adds its multiple of the filter, two columns from the last.
#[test]
fn transposed_convolutions() {
    let n = tancho_ir::Dim::constant;
    let op = |pad: usize, output_pad: usize, dilation: usize| Op::ConvTranspose1d {
        stride: n(2),
        pad: pad.into(),
        output_pad: output_pad.into(),
        dilation: dilation.into(),
        groups: n(1),
        bias: true,
    };
    let args = [f(&[1.0, 10.0], &[1, 1, 2]), f(&[1.0, 2.0, 3.0], &[1, 1, 3]), f(&[0.5], &[1])];
    same(&eval(&op(0, 0, 1), &args), &f(&[1.5, 2.5, 13.5, 20.5, 30.5], &[1, 1, 5]));
    same(&eval(&op(1, 1, 1), &args), &f(&[2.5, 13.5, 20.5, 30.5], &[1, 1, 4]));
    same(&eval(&op(0, 1, 2), &args), &f(&[1.5, 0.5, 12.5, 0.5, 23.5, 0.5, 30.5, 0.5], &[1, 1, 8]));
}

/// The examples in the documentation of `torch.nn.Upsample`, and a size that is no multiple.
#[test]
fn images_of_other_sizes() {
    let n = tancho_ir::Dim::constant;
    let x = f(&[1.0, 2.0, 3.0, 4.0], &[1, 1, 2, 2]);
    let y = [1.0, 1.25, 1.75, 2.0, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3.0, 3.25, 3.75, 4.0];
    same(
        &eval(&Op::UpsampleBilinear { scale: [n(2), n(2)] }, std::slice::from_ref(&x)),
        &f(&y, &[1, 1, 4, 4]),
    );
    let resize = |size: [usize; 2], mode| Op::Resize { size: size.map(tancho_ir::Dim::from).to_vec(), mode };
    let y = eval(&resize([1, 3], Resampling::Nearest), std::slice::from_ref(&x));
    same(&y, &f(&[1.0, 1.0, 2.0], &[1, 1, 1, 3]));
    let y = eval(&resize([1, 1], Resampling::Bilinear), &[x]);
    same(&y, &f(&[2.5], &[1, 1, 1, 1]));
}

#[test]
fn sums_that_go_on() {
    let x = f(&[1.0, 2.0, 3.0, INF, 5.0, -INF], &[2, 3]);
    let down = f(&[1.0, 2.0, 3.0, INF, 7.0, -INF], &[2, 3]);
    same(&eval(&Op::Cumsum { axis: 0 }, std::slice::from_ref(&x)), &down);
    same(&eval(&Op::Cumsum { axis: 1 }, &[x]), &f(&[1.0, 3.0, 6.0, INF, INF, NAN], &[2, 3]));
    let ints = i(&[i32::MAX, 1, 5, -5], &[4]);
    same(&eval(&Op::Cumsum { axis: 0 }, &[ints]), &i(&[i32::MAX, i32::MIN, i32::MIN + 5, i32::MIN], &[4]));
    same(&eval(&Op::Cumsum { axis: 1 }, &[f(&[], &[2, 0, 3])]), &f(&[], &[2, 0, 3]));
}

#[test]
fn largest_elements() {
    let op = |k: usize, axis, indices| Op::TopK { k: k.into(), axis, indices };
    let x = f(&[1.0, 7.0, 7.0, NAN, -INF, -INF, -INF, INF], &[2, 4]);
    same(&eval(&op(3, 1, true), std::slice::from_ref(&x)), &i(&[3, 1, 2, 3, 0, 1], &[2, 3]));
    same(&eval(&op(2, 1, false), std::slice::from_ref(&x)), &f(&[NAN, 7.0, INF, -INF], &[2, 2]));
    same(&eval(&op(1, 0, true), &[x]), &i(&[0, 0, 0, 0], &[1, 4]));
    same(&eval(&op(2, 0, true), &[f(&[], &[2, 0])]), &i(&[], &[2, 0]));
}

#[test]
fn elements_by_ids_along_an_axis() {
    // The example in the documentation of `torch.gather`.
    let x = f(&[1.0, 2.0, 3.0, 4.0], &[2, 2]);
    let ids = i(&[0, 0, 1, 0], &[2, 2]);
    same(&eval(&Op::TakeAlong { axis: 1 }, &[x.clone(), ids]), &f(&[1.0, 1.0, 4.0, 3.0], &[2, 2]));
    same(&eval(&Op::TakeAlong { axis: 0 }, &[x.clone(), i(&[1, 0], &[1, 2])]), &f(&[3.0, 2.0], &[1, 2]));
    let args = [x, i(&[0, 2], &[1, 2])];
    let g = graph_of(&Op::TakeAlong { axis: 0 }, &args);
    let error =
        Interpreter::for_inputs(&g, &args).and_then(|t| t.run(&args, &no_weights)).expect_err("an id");
    assert!(matches!(error, Error::IdOutOfRange { id: 2, rows: 2, position, .. } if position == [0, 1]));
}

#[test]
fn products_of_every_form() {
    let x = f(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[3, 2]);
    let w = f(&[1.0, 10.0, 100.0, 1.0, 0.0, -1.0], &[2, 3]);
    same(
        &eval(&Op::Matmul, &[x.clone(), w.clone()]),
        &f(&[3.0, 10.0, 98.0, 7.0, 30.0, 296.0, 11.0, 50.0, 494.0], &[3, 3]),
    );
    same(&eval(&Op::Matmul, &[f(&[1.0, 2.0], &[2]), w]), &f(&[3.0, 10.0, 98.0], &[3]));
    let batched =
        eval(&Op::Matmul, &[f(&[1.0, 2.0, 3.0, 4.0], &[2, 1, 2]), f(&[1.0, 1.0, 10.0, 1.0], &[2, 2, 1])]);
    same(&batched, &f(&[3.0, 34.0], &[2, 1, 1]));
    same(&eval(&Op::Matmul, &[f(&[], &[2, 0]), f(&[], &[0, 3])]), &f(&[0.0; 6], &[2, 3]));
    same(&eval(&Op::Matmul, &[f(&[], &[0, 2]), f(&[0.0; 4], &[2, 2])]), &f(&[], &[0, 2]));
    let y = eval(
        &Op::Linear { bias: true },
        &[x.clone(), f(&[1.0, 0.0, 0.0, INF], &[2, 2]), f(&[0.5, 0.0], &[2])],
    );
    same(&y, &f(&[1.5, INF, 3.5, INF, 5.5, INF], &[3, 2]));
    same(
        &eval(&Op::Linear { bias: true }, &[f(&[], &[2, 0]), f(&[], &[3, 0]), f(&[1.0, 2.0, 3.0], &[3])]),
        &f(&[1.0, 2.0, 3.0, 1.0, 2.0, 3.0], &[2, 3]),
    );
    let args = [f(&[1.0, -1.0], &[1, 2]), f(&[3.0, 4.0], &[1, 2])];
    let g = graph_of(&Op::Linear { bias: false }, &args);
    let t = Interpreter::for_inputs(&g, &args).expect("binds");
    assert_eq!(
        t.error_scale(Value(2), &[&args[0], &args[1]], &f(&[-1.0], &[1, 1])).expect("evaluates"),
        Some(vec![7.0])
    );
}

#[test]
fn rows_that_have_no_softmax() {
    let op = Op::Softmax { axis: 1, log: false };
    let x = f(&[-INF, -INF, 0.0, -INF, INF, 0.0], &[3, 2]);
    same(&eval(&op, &[x]), &f(&[NAN, NAN, 1.0, 0.0, NAN, NAN], &[3, 2]));
    same(&eval(&op, &[f(&[1e30, 1e30, -1e30, 1e30], &[2, 2])]), &f(&[0.5, 0.5, 0.0, 1.0], &[2, 2]));
    same(&eval(&Op::Softmax { axis: 1, log: true }, &[f(&[0.0, -INF], &[1, 2])]), &f(&[0.0, -INF], &[1, 2]));
    same(&eval(&op, &[f(&[], &[2, 0])]), &f(&[], &[2, 0]));
    same(
        &eval(&Op::L2Normalize { axis: 0, eps: Number(1e-12) }, &[f(&[3.0, 4.0], &[2])]),
        &f(&[0.6, 0.8], &[2]),
    );
    same(
        &eval(&Op::L2Normalize { axis: 0, eps: Number(1e-12) }, &[f(&[0.0, NAN], &[2])]),
        &f(&[NAN, NAN], &[2]),
    );
}

fn attention(heads: usize, causal: bool, mask: bool) -> Op {
    let heads = tancho_ir::Dim::from(heads);
    Op::Attention { heads, causal, window: None, mask, bias: false, scale: None, softcap: None }
}

#[test]
fn attention_without_keys_gives_zeros() {
    let (q, kv) = (f(&[1.0, 1.0], &[1, 2, 1]), f(&[1.0, NAN], &[1, 2, 1]));
    let v = f(&[5.0, 7.0], &[1, 2, 1]);
    // The masked key is NaN and does not matter.
    let y = eval(&attention(1, false, true), &[q.clone(), kv.clone(), v.clone(), b(&[true, false], &[1, 2])]);
    same(&y, &f(&[5.0, 5.0], &[1, 2, 1]));
    let y = eval(
        &attention(1, false, true),
        &[q.clone(), kv.clone(), v.clone(), b(&[false, false, true, false], &[1, 2, 2])],
    );
    same(&y, &f(&[0.0, 5.0], &[1, 2, 1]));
    same(&eval(&attention(1, true, false), &[q.clone(), kv.clone(), v]), &f(&[5.0, NAN], &[1, 2, 1]));
    // A masked value is multiplied by 0: a NaN there shows, even where no key is attended.
    let v = f(&[5.0, INF], &[1, 2, 1]);
    for mask in [[true, false], [false, false]] {
        let y = eval(&attention(1, false, true), &[q.clone(), kv.clone(), v.clone(), b(&mask, &[1, 2])]);
        same(&y, &f(&[NAN, NAN], &[1, 2, 1]));
    }
    let none = f(&[], &[1, 0, 1]);
    same(&eval(&attention(1, false, false), &[q, none.clone(), none.clone()]), &f(&[0.0, 0.0], &[1, 2, 1]));
    same(&eval(&attention(1, true, false), &[none.clone(), none.clone(), none.clone()]), &none);
}
