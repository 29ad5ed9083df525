//! The interpreter against known values and against the decompositions.

use super::*;
use crate::inspect::compare::compare;
use half::bf16;
use tancho_ir::decompose::decompose;
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
        g.inputs.push(tancho_ir::graph::InputDecl { name: format!("x{n}"), ty });
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
    Op::Attention { heads: tancho_ir::Dim::from(heads), causal, window: None, mask, bias: false, scale: None }
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

/// Numbers in (-2, 2) and flags, different for each seed.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn f(&mut self, shape: &[usize]) -> Tensor {
        let n = shape.iter().product();
        f(&(0..n).map(|_| self.next() as f32 / (1u64 << 31) as f32 * 4.0 - 2.0).collect::<Vec<_>>(), shape)
    }

    fn b(&mut self, shape: &[usize]) -> Tensor {
        let n = shape.iter().product();
        b(&(0..n).map(|_| self.next().is_multiple_of(3)).collect::<Vec<_>>(), shape)
    }
}

#[test]
fn every_composite_is_its_decomposition() {
    let mut z = Noise(1);
    let eps = Number(1e-5);
    let norm =
        |axes: &[usize], eps_on, gain, bias| Op::LayerNorm { axes: axes.to_vec(), eps, eps_on, gain, bias };
    let mean = |axes: &[usize], keep, masked| Op::Reduce {
        kind: Reduction::Mean,
        axes: axes.to_vec(),
        keep,
        masked,
    };
    let mut cases: Vec<(Op, Vec<Tensor>)> = Unary::TABLE
        .iter()
        .map(|(u, _)| Op::Unary(*u))
        .filter(Op::is_composite)
        .map(|op| (op, vec![z.f(&[5, 40])]))
        .collect();
    let dim = tancho_ir::Dim::from;
    let rope = |from: usize, pairs| Op::Rope { base: Number(100.0), from: dim(from), pairs };
    let group = |groups: usize, gain, bias| Op::GroupNorm { groups: dim(groups), eps, gain, bias };
    let pad = |axis, before: usize, after: usize| Op::Pad { axis, before: dim(before), after: dim(after) };
    let mut w = Noise(2);
    let around = |pad: [usize; 4]| Padding::Explicit(pad.map(dim));
    let conv1d = |pad, stride: usize, groups: usize, bias| {
        let window = Window::along_columns(&dim(stride), &pad, &dim(2));
        Op::Conv1d { window, groups: dim(groups), bias }
    };
    let mean_of = |kernel: [usize; 2], stride: usize, pad, layout, count_pad| Op::Pool2d {
        kind: Pooling::Avg,
        kernel: kernel.map(dim),
        window: Window { stride: [dim(stride), dim(stride)], pad, dilation: [dim(1), dim(1)] },
        layout,
        count_pad,
    };
    let statistics = |z: &mut Noise, c: usize| {
        let mut all: Vec<Tensor> = (0..4).map(|_| z.f(&[c])).collect();
        all[3] = f(&all[3].as_f32().expect("f32").iter().map(|x| x * x + 0.1).collect::<Vec<_>>(), &[c]);
        all
    };
    cases.extend([
        (conv1d(around([0, 0, 1, 3]), 2, 1, true), vec![w.f(&[2, 3, 7]), w.f(&[4, 3, 3]), w.f(&[4])]),
        (conv1d(Padding::Same, 1, 2, false), vec![w.f(&[1, 4, 5]), w.f(&[6, 2, 3])]),
        (mean_of([2, 3], 2, around([0; 4]), Layout::Nchw, false), vec![w.f(&[2, 3, 5, 7])]),
        (mean_of([3, 3], 1, around([1; 4]), Layout::Nchw, false), vec![w.f(&[1, 2, 4, 3])]),
        (mean_of([3, 3], 2, Padding::Same, Layout::Nhwc, false), vec![w.f(&[1, 4, 3, 2])]),
        (mean_of([3, 2], 1, around([1, 0, 1, 1]), Layout::Nhwc, true), vec![w.f(&[1, 4, 3, 2])]),
        (Op::BatchNorm { eps }, std::iter::once(w.f(&[2, 3, 4, 5])).chain(statistics(&mut w, 3)).collect()),
        (Op::BatchNorm { eps }, std::iter::once(w.f(&[4, 3])).chain(statistics(&mut w, 3)).collect()),
        (Op::GlobalMean, vec![w.f(&[2, 3, 4, 5])]),
        (Op::Flatten { from: 2 }, vec![i(&[1, 2, 3, 4], &[1, 1, 2, 2])]),
        (Op::UpsampleNearest { scale: [dim(2), dim(3)] }, vec![w.f(&[1, 2, 3, 2])]),
        (Op::Unary(Unary::Relu), vec![i(&[-3, 0, 4], &[3])]),
        (Op::Binary(Binary::Swiglu), vec![z.f(&[3, 4]), z.f(&[4])]),
        (group(2, false, true), vec![z.f(&[3, 6, 5]), z.f(&[6])]),
        (group(3, true, true), vec![z.f(&[2, 6, 3, 2]), z.f(&[6]), z.f(&[6])]),
        (group(1, true, false), vec![z.f(&[2, 4]), z.f(&[4])]),
        (rope(0, Pairs::Halves), vec![z.f(&[2, 3, 5, 6])]),
        (rope(1_000_000, Pairs::Adjacent), vec![z.f(&[2, 3, 5, 8])]),
        (rope(3, Pairs::Halves), vec![z.f(&[1, 1, 2, 0])]),
        (pad(1, 2, 1), vec![z.f(&[3, 4, 2])]),
        (pad(0, 0, 3), vec![i(&[1, 2], &[2])]),
        (pad(0, 1, 0), vec![b(&[true], &[1])]),
        (Op::CrossEntropy { ignore: -100 }, vec![z.f(&[3, 2, 5]), i(&[0, 4, -100, 2, 2, 1], &[3, 2])]),
        (Op::CrossEntropy { ignore: 1 }, vec![z.f(&[3, 2]), i(&[0, 1, 1], &[3])]),
        (Op::Mse, vec![z.f(&[3, 2, 5]), z.f(&[3, 2, 5])]),
        (Op::Mse, vec![z.f(&[2, 0]), z.f(&[2, 0])]),
        (Op::Dropout { p: Number(0.5) }, vec![z.f(&[3])]),
        (Op::StopGradient, vec![i(&[3], &[1])]),
        (mean(&[0, 2], false, false), vec![z.f(&[3, 4, 5])]),
        (mean(&[0], true, false), vec![z.f(&[0, 3])]),
        (mean(&[1], false, true), vec![z.f(&[3, 4, 5]), z.b(&[3, 4])]),
        (mean(&[0, 1], true, true), vec![z.f(&[3, 4, 5]), b(&[false; 12], &[3, 4])]),
        (mean(&[2], false, true), vec![z.f(&[3, 4, 5]), z.b(&[3, 4, 5])]),
        (Op::Linear { bias: true }, vec![z.f(&[2, 9, 33]), z.f(&[7, 33]), z.f(&[7])]),
        (Op::Linear { bias: false }, vec![z.f(&[33]), z.f(&[7, 33])]),
        (Op::Softmax { axis: 1, log: false }, vec![z.f(&[3, 9, 4])]),
        (Op::Softmax { axis: 0, log: true }, vec![z.f(&[3, 9])]),
        (Op::Softmax { axis: 0, log: false }, vec![f(&[-INF; 3], &[3])]),
        (norm(&[1], EpsOn::Var, true, true), vec![z.f(&[4, 24]), z.f(&[24]), z.f(&[24])]),
        (norm(&[1], EpsOn::Std, true, true), vec![z.f(&[4, 24]), z.f(&[24]), z.f(&[24])]),
        (norm(&[0, 2], EpsOn::Std, false, true), vec![z.f(&[3, 4, 6]), z.f(&[3, 6])]),
        (norm(&[1], EpsOn::Var, true, false), vec![z.f(&[4, 6, 2]), z.f(&[6])]),
        (Op::RmsNorm { axes: vec![0, 1], eps, gain: true }, vec![z.f(&[4, 6, 2]), z.f(&[4, 6])]),
        (Op::RmsNorm { axes: vec![1], eps, gain: false }, vec![z.f(&[4, 6])]),
        (Op::L2Normalize { axis: 0, eps: Number(1e-12) }, vec![z.f(&[4, 6])]),
        (Op::L2Normalize { axis: 0, eps: Number(10.0) }, vec![z.f(&[4, 6])]),
    ]);
    // (batch, heads, key heads, queries, keys, head width)
    for (n, h, kv, s, t, w) in [
        (2, 4, 4, 5, 5, 3),
        (2, 4, 2, 3, 7, 2),
        (1, 6, 1, 7, 3, 4),
        (2, 2, 2, 1, 4, 3),
        (2, 2, 1, 3, 0, 2),
        (1, 2, 2, 0, 3, 2),
    ] {
        for merged in [true, false] {
            let shape = |len: usize, heads: usize| {
                if merged { vec![n, len, heads * w] } else { vec![n, heads, len, w] }
            };
            for mask in [vec![], vec![n, t], vec![n, s, t], vec![n, h, s, t]] {
                for causal in [false, true] {
                    if causal && s > t {
                        continue;
                    }
                    let mut args = vec![z.f(&shape(s, h)), z.f(&shape(t, kv)), z.f(&shape(t, kv))];
                    if !mask.is_empty() {
                        args.push(z.b(&mask));
                    }
                    let scale = (h == 6).then_some(Number(0.3));
                    let (heads, mask) = (dim(h), !mask.is_empty());
                    let op = Op::Attention {
                        heads: heads.clone(),
                        causal,
                        window: None,
                        mask,
                        bias: false,
                        scale,
                    };
                    cases.push((op, args.clone()));
                    args.push(z.f(&if merged { vec![h, s, t] } else { vec![n, h, s, t] }));
                    cases.push((
                        Op::Attention { heads, causal, window: Some(dim(2)), mask, bias: true, scale },
                        args,
                    ));
                }
            }
        }
    }
    for (op, args) in &cases {
        let types: Vec<Type> = args
            .iter()
            .map(|t| Type::new(t.dtype(), t.shape().iter().map(|&n| tancho_ir::Dim::from(n)).collect()))
            .collect();
        let g = decompose(op, &types).unwrap_or_else(|| panic!("{op:?} on {types:?}"));
        let run = Interpreter::for_inputs(&g, args).and_then(|t| t.run(args, &no_weights));
        let defined = run.unwrap_or_else(|e| panic!("{op:?}: {e}\n{g}")).remove(0);
        let r = compare("y", &defined, &eval(op, args), None, 1e-6);
        assert!(r.ok(), "{op:?} on {types:?}\n{r}");
    }
}

#[test]
fn a_causal_query_may_stand_before_all_keys() {
    let t = "network A<B, S, T>\ninput q: f32[B, S, 2]\ninput k: f32[B, T, 2]\n%0: f32[B, S, 2] = input(index = 0)\n%1: f32[B, T, 2] = input(index = 1)\n%2: f32[B, S, 2] = attention(%0, %1, %1, heads = 1, causal = true)\nreturn %2\n";
    let g = Graph::parse(t).expect("a graph");
    let args = [f(&[1.0; 6], &[1, 3, 2]), f(&[4.0, 5.0, 6.0, 7.0], &[1, 2, 2])];
    let y =
        Interpreter::for_inputs(&g, &args).and_then(|t| t.run(&args, &no_weights)).expect("runs").remove(0);
    assert_eq!(y.as_f32().expect("f32")[..4], [0.0, 0.0, 4.0, 5.0]);
    let types: Vec<Type> = [0, 1, 1].iter().map(|&v| g.ty(Value(v)).clone()).collect();
    let d = decompose(&g.node(Value(2)).op, &types).expect("a definition");
    let args = [args[0].clone(), args[1].clone(), args[1].clone()];
    let defined =
        Interpreter::for_inputs(&d, &args).and_then(|t| t.run(&args, &no_weights)).expect("runs").remove(0);
    assert!(compare("y", &defined, &y, None, 1e-6).ok());
}

const LOOKUP: &str = r#"network Net<B, S <= 4>
where B % 2 == 0
input ids: i32[B, S]
input x: f32[B, 2*S]
weight "w": f32[3, 2] = zeros
%0: i32[B, S] = input(index = 0)
%1: f32[B, 2*S] = input(index = 1)
%2: f32[3, 2] = weight(index = 0)
%3: f32[B, S, 2] = gather(%2, %0) // "table[ids]" "src/a.rs":3:4
%4: f32[B, S - 2] = slice(%1, axis = (1,), start = S, end = 2*S - 2)
%5: f32[] = dim(of = B*S)
return %3, %4, %5
"#;

#[test]
fn a_graph_runs_and_its_errors_say_where() {
    let g = Graph::parse(LOOKUP).expect("a graph");
    let weights = |_| Ok(f(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &[3, 2]));
    let run = |ids: Tensor, x: Tensor| {
        let inputs = [ids, x];
        Interpreter::for_inputs(&g, &inputs)?.run(&inputs, &weights)
    };
    let x = f(&[0.0; 12], &[2, 6]);
    let y = run(i(&[0, 1, 2, 2, 1, 0], &[2, 3]), x.clone()).expect("runs");
    assert_eq!(
        (y[0].shape(), y[1].shape(), y[2].as_f32()),
        (&[2, 3, 2][..], &[2, 1][..], Some(&[6.0f32][..]))
    );
    let fails = |ids: Tensor, x: Tensor| run(ids, x).expect_err("fails").to_string();
    for bad in [3, -1, i32::MIN] {
        assert_eq!(
            fails(i(&[0, 1, 2, 2, bad, 0], &[2, 3]), x.clone()),
            format!(
                "`table[ids]` at src/a.rs:3:4: id {bad} at position [1, 1] is out of range: the table has 3 rows, ids run from 0 to 2"
            )
        );
    }
    let zeros = |shape: [usize; 2]| Tensor::zeros(DType::I32, shape).expect("zeros");
    assert_eq!(
        fails(zeros([2, 3]), f(&[0.0; 10], &[2, 5])),
        "input `x` is declared f32[B, 2*S], but f32[2, 5] was given: axis 1 is 5, but `2*S` is 6 in this call"
    );
    assert_eq!(
        fails(zeros([2, 3]), zeros([2, 6])),
        "input `x` is declared f32[B, 2*S], but i32[2, 6] was given"
    );
    assert!(
        fails(zeros([2, 5]), f(&[0.0; 20], &[2, 10])).contains("dim `S` is 5, but it is declared `S <= 4`")
    );
    assert!(
        fails(zeros([1, 3]), f(&[0.0; 6], &[1, 6]))
            .contains("`where B % 2 == 0` does not hold: the left side is 1")
    );
    assert!(fails(zeros([2, 1]), f(&[0.0; 4], &[2, 2])).contains("an axis cannot have length -1"));
    assert!(matches!(Interpreter::for_inputs(&g, &[]), Err(Error::InputCount { expected: 2, found: 0 })));
    let e = Interpreter::new(&g, [("B", 2)].into_iter().collect()).expect_err("S is missing");
    assert_eq!(e.to_string(), "`S` in network `Net` cannot be computed: unknown dimension `S`");
    assert!(Interpreter::new(&g, [("B", 2), ("S", -1)].into_iter().collect()).is_err());
    assert!(matches!(
        Interpreter::new(&g, [("B", i64::MAX - 1), ("S", 4)].into_iter().collect()),
        Err(Error::Dim { .. } | Error::Memory { .. })
    ));
}

#[test]
fn a_single_op_is_checked_against_the_graph() {
    let g = Graph::parse(LOOKUP).expect("a graph");
    let t = Interpreter::new(&g, [("B", 2), ("S", 3)].into_iter().collect()).expect("binds");
    let (table, ids) = (f(&[0.0; 6], &[3, 2]), Tensor::zeros(DType::I32, [2, 3]).expect("zeros"));
    assert_eq!(t.eval_node(Value(3), &[&table, &ids]).expect("runs").shape(), [2, 3, 2]);
    let e = t.eval_node(Value(3), &[&ids, &table]).expect_err("swapped").to_string();
    assert_eq!(e, "`table[ids]` at src/a.rs:3:4: argument 0 must be f32[3, 2], but is i32[2, 3]");
    assert!(t.eval_node(Value(3), &[&table]).is_err() && t.eval_node(Value(0), &[]).is_err());
    let all = t
        .run_all(&[ids, f(&[0.0; 12], &[2, 6])], &|_| Ok(Tensor::scalar(0.0f32)))
        .expect_err("a wrong weight");
    assert_eq!(all.to_string(), "weight `w` is f32[3, 2], but f32[] was given");
}

#[test]
fn a_slice_beyond_its_axis_is_an_error() {
    let text = "network A<S, T>\ninput x: f32[S]\ninput y: f32[T]\n%0: f32[S] = input(index = 0)\n%1: f32[T] = slice(%0, axis = (0,), start = 0, end = T)\nreturn %1\n";
    let g = Graph::parse(text).expect("a graph");
    let args = [f(&[1.0, 2.0], &[2]), f(&[0.0; 3], &[3])];
    let e = Interpreter::for_inputs(&g, &args).and_then(|t| t.run(&args, &no_weights)).expect_err("too long");
    assert_eq!(e.to_string(), "slice %1: 0..3 is outside of axis 0, which has 2 elements in this call");
}
