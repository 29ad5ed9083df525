//! Every composite against its decomposition.

use super::*;
use crate::inspect::compare::compare;
use tancho_ir::Dim;
use tancho_ir::decompose::decompose;

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

/// An op and its arguments.
type Case = (Op, Vec<Tensor>);

const EPS: Number = Number(1e-5);

fn dim(n: usize) -> Dim {
    n.into()
}

/// Each op gives what the graph that defines it gives.
fn assert_decomposed(cases: &[Case]) {
    for (op, args) in cases {
        let types: Vec<Type> =
            args.iter().map(|t| Type::new(t.dtype(), t.shape().iter().copied().map(dim).collect())).collect();
        let g = decompose(op, &types).unwrap_or_else(|| panic!("{op:?} on {types:?}"));
        let run = Interpreter::for_inputs(&g, args).and_then(|t| t.run(args, &no_weights));
        let defined = run.unwrap_or_else(|e| panic!("{op:?}: {e}\n{g}")).remove(0);
        let r = compare("y", &defined, &eval(op, args), None, 1e-6);
        assert!(r.is_ok(), "{op:?} on {types:?}\n{r}");
    }
}

#[test]
fn elementwise_ops() {
    let mut z = Noise(1);
    let mut cases: Vec<Case> = Unary::TABLE
        .iter()
        .map(|(u, _)| Op::Unary(*u))
        .filter(Op::is_composite)
        .map(|op| (op, vec![z.f(&[5, 40])]))
        .collect();
    cases.extend([
        (Op::Unary(Unary::Relu), vec![i(&[-3, 0, 4], &[3])]),
        (Op::Binary(Binary::Swiglu), vec![z.f(&[3, 4]), z.f(&[4])]),
        (Op::Softcap { cap: Number(5.0) }, vec![z.f(&[4, 24])]),
        (Op::LeakyRelu { slope: Number(0.25) }, vec![z.f(&[4, 24])]),
        (Op::Elu { alpha: Number(1.0) }, vec![z.f(&[4, 24])]),
        (Op::Dropout { p: Number(0.5) }, vec![z.f(&[3])]),
        (Op::StopGradient, vec![i(&[3], &[1])]),
    ]);
    assert_decomposed(&cases);
}

#[test]
fn random_numbers_and_dropout() {
    let mut z = Noise(7);
    let keys = || [i(&[-5], &[]), i(&[i32::MAX], &[])];
    let shapes: [&[usize]; 6] = [&[], &[9], &[3, 5], &[2, 3, 4], &[2, 0], &[0, 3]];
    let mut cases: Vec<Case> = Vec::new();
    for shape in shapes {
        let dims = shape.iter().map(|n| dim(*n)).collect();
        cases.push((Op::Uniform(dims), keys().to_vec()));
        for p in [0.0, 0.3, 1.0] {
            let args = [z.f(shape)].into_iter().chain(keys()).collect();
            cases.push((Op::KeyedDropout { p: Number(p) }, args));
        }
    }
    assert_decomposed(&cases);
    // What is dropped is 0, whatever it was.
    let dropped =
        eval(&Op::KeyedDropout { p: Number(1.0) }, &[f(&[INF, NAN, 1.0], &[3]), i(&[0], &[]), i(&[0], &[])]);
    same(&dropped, &f(&[0.0; 3], &[3]));
}

#[test]
fn matmuls_and_moved_elements() {
    let mut z = Noise(2);
    let pad = |axis, before: usize, after: usize| Op::Pad { axis, before: dim(before), after: dim(after) };
    assert_decomposed(&[
        (Op::Linear { bias: true }, vec![z.f(&[2, 9, 33]), z.f(&[7, 33]), z.f(&[7])]),
        (Op::Linear { bias: false }, vec![z.f(&[33]), z.f(&[7, 33])]),
        (Op::Flatten { from: 2 }, vec![i(&[1, 2, 3, 4], &[1, 1, 2, 2])]),
        (pad(1, 2, 1), vec![z.f(&[3, 4, 2])]),
        (pad(0, 0, 3), vec![i(&[1, 2], &[2])]),
        (pad(0, 1, 0), vec![b(&[true], &[1])]),
        (Op::TopK { k: dim(3), axis: 1, indices: true }, vec![z.f(&[4, 9])]),
        (Op::TopK { k: dim(2), axis: 0, indices: false }, vec![z.f(&[5, 2, 3])]),
        (Op::TopK { k: dim(4), axis: 0, indices: true }, vec![f(&[NAN, -INF, INF, NAN], &[4])]),
        (Op::TopK { k: dim(3), axis: 1, indices: false }, vec![i(&[1, 5, 5, i32::MIN], &[1, 4])]),
        (Op::Flip { axis: 1 }, vec![z.f(&[3, 4, 2])]),
        (Op::Flip { axis: 0 }, vec![b(&[true, false, false], &[3])]),
        (Op::Flip { axis: 1 }, vec![z.f(&[3, 0, 2])]),
        (Op::TakeAlong { axis: 1 }, vec![z.f(&[2, 3, 2]), i(&[2, 0, 1, 1, 0, 2, 2, 2], &[2, 2, 2])]),
        (Op::TakeAlong { axis: 0 }, vec![i(&[7, 8, 9], &[3]), i(&[2, 2, 0, 1], &[4])]),
        (Op::TakeAlong { axis: 1 }, vec![z.f(&[2, 3, 0]), i(&[], &[2, 4, 0])]),
    ]);
}

#[test]
fn ropes() {
    let mut z = Noise(6);
    let llama3 = "factor 8.0, low_freq_factor 1.0, high_freq_factor 4.0, original_max_position 256.0";
    let far = i(&[1_000_000, 0, 7, 131_071, -3, 5, 5, 4, 1, 0], &[2, 5]);
    let scaled = |scaling: &str, more: &str| rope(&[], &format!("scaling {scaling}, {more}"));
    assert_decomposed(&[
        (rope(&[], "base 100.0"), vec![z.f(&[2, 3, 5, 6])]),
        (rope(&[], "base 100.0, from 1000000, pairs adjacent"), vec![z.f(&[2, 3, 5, 8])]),
        (rope(&[], "base 100.0, from 3"), vec![z.f(&[1, 1, 2, 0])]),
        (rope(&["positions"], ""), vec![z.f(&[2, 3, 5, 6]), far.clone()]),
        (rope(&["positions"], "pairs adjacent"), vec![z.f(&[2, 3, 4, 6]), i(&[9, 0, 1, 200_000], &[4])]),
        (rope(&["freqs"], "from 70000"), vec![z.f(&[2, 3, 5, 6]), z.f(&[3])]),
        (rope(&["freqs"], "pairs adjacent"), vec![z.f(&[2, 3, 5, 6]), z.f(&[2])]),
        (rope(&["freqs", "positions"], ""), vec![z.f(&[2, 3, 5, 6]), z.f(&[1]), far.clone()]),
        (rope(&["freqs"], ""), vec![z.f(&[2, 1, 5, 6]), z.f(&[0])]),
        (scaled("linear", "factor 3.0, from 100000"), vec![z.f(&[2, 3, 5, 16])]),
        (scaled("llama3", &format!("{llama3}, from 100000")), vec![z.f(&[2, 3, 5, 32])]),
        (scaled("yarn", "factor 3.0, original_max_position 256.0, from 99999"), vec![z.f(&[2, 3, 5, 32])]),
        (
            scaled(
                "yarn",
                "factor 40.0, original_max_position 9.0, base 3.0, attention_factor 0.5, beta_slow 1.5",
            ),
            vec![z.f(&[1, 3, 5, 8])],
        ),
    ]);
}

#[test]
fn reductions_and_losses() {
    let mut z = Noise(3);
    let mean = |axes: &[usize], keep, masked| Op::Reduce {
        kind: Reduction::Mean,
        axes: axes.to_vec(),
        keep,
        masked,
    };
    assert_decomposed(&[
        (mean(&[0, 2], false, false), vec![z.f(&[3, 4, 5])]),
        (mean(&[0], true, false), vec![z.f(&[0, 3])]),
        (mean(&[1], false, true), vec![z.f(&[3, 4, 5]), z.b(&[3, 4])]),
        (mean(&[0, 1], true, true), vec![z.f(&[3, 4, 5]), b(&[false; 12], &[3, 4])]),
        (mean(&[2], false, true), vec![z.f(&[3, 4, 5]), z.b(&[3, 4, 5])]),
        (Op::Softmax { axis: 1, log: false }, vec![z.f(&[3, 9, 4])]),
        (Op::Softmax { axis: 0, log: true }, vec![z.f(&[3, 9])]),
        (Op::Softmax { axis: 0, log: false }, vec![f(&[-INF; 3], &[3])]),
        (Op::CrossEntropy { ignore: -100 }, vec![z.f(&[3, 2, 5]), i(&[0, 4, -100, 2, 2, 1], &[3, 2])]),
        (Op::CrossEntropy { ignore: 1 }, vec![z.f(&[3, 2]), i(&[0, 1, 1], &[3])]),
        (Op::Mse, vec![z.f(&[3, 2, 5]), z.f(&[3, 2, 5])]),
        (Op::Mse, vec![z.f(&[2, 0]), z.f(&[2, 0])]),
    ]);
}

#[test]
fn norms() {
    let mut z = Noise(4);
    let layer = |axes: &[usize], eps_on, gain, bias| Op::LayerNorm {
        axes: axes.to_vec(),
        eps: EPS,
        eps_on,
        gain,
        bias,
    };
    let group = |groups: usize, gain, bias| Op::GroupNorm { groups: dim(groups), eps: EPS, gain, bias };
    assert_decomposed(&[
        (layer(&[1], EpsOn::Var, true, true), vec![z.f(&[4, 24]), z.f(&[24]), z.f(&[24])]),
        (layer(&[1], EpsOn::Std, true, true), vec![z.f(&[4, 24]), z.f(&[24]), z.f(&[24])]),
        (layer(&[0, 2], EpsOn::Std, false, true), vec![z.f(&[3, 4, 6]), z.f(&[3, 6])]),
        (layer(&[1], EpsOn::Var, true, false), vec![z.f(&[4, 6, 2]), z.f(&[6])]),
        (Op::RmsNorm { axes: vec![0, 1], eps: EPS, gain: true }, vec![z.f(&[4, 6, 2]), z.f(&[4, 6])]),
        (Op::RmsNorm { axes: vec![1], eps: EPS, gain: false }, vec![z.f(&[4, 6])]),
        (Op::L2Normalize { axis: 0, eps: Number(1e-12) }, vec![z.f(&[4, 6])]),
        (Op::L2Normalize { axis: 0, eps: Number(10.0) }, vec![z.f(&[4, 6])]),
        // Rows of zeros: NaN without `eps`, and zeros with any.
        (Op::L2Normalize { axis: 0, eps: Number(0.0) }, vec![Tensor::new(vec![0.0f32; 24], [4, 6]).unwrap()]),
        (
            Op::L2Normalize { axis: 0, eps: Number(1e-30) },
            vec![Tensor::new(vec![0.0f32; 24], [4, 6]).unwrap()],
        ),
        (
            Op::L2Normalize { axis: 0, eps: Number(1e-12) },
            vec![Tensor::new(vec![0.0f32; 24], [4, 6]).unwrap()],
        ),
        (group(2, false, true), vec![z.f(&[3, 6, 5]), z.f(&[6])]),
        (group(3, true, true), vec![z.f(&[2, 6, 3, 2]), z.f(&[6]), z.f(&[6])]),
        (group(1, true, false), vec![z.f(&[2, 4]), z.f(&[4])]),
        batch_norm(&mut z, &[2, 3, 4, 5]),
        batch_norm(&mut z, &[4, 3]),
    ]);
}

/// A transposed convolution of images of 5 x 6 pixels and 4 channels.
fn transposed(
    z: &mut Noise,
    stride: [usize; 2],
    pad: [usize; 2],
    output_pad: [usize; 2],
    dilation: [usize; 2],
    kernel: [usize; 2],
    groups: usize,
) -> Case {
    let op = Op::ConvTranspose2d {
        stride: stride.map(dim),
        pad: pad.map(dim),
        output_pad: output_pad.map(dim),
        dilation: dilation.map(dim),
        groups: dim(groups),
        bias: true,
    };
    (op, vec![z.f(&[2, 4, 5, 6]), z.f(&[4, 3, kernel[0], kernel[1]]), z.f(&[3 * groups])])
}

/// `batch_norm` of an input of that shape; variances are above zero.
fn batch_norm(z: &mut Noise, shape: &[usize]) -> Case {
    let channels = shape[1];
    let mut args = vec![z.f(shape)];
    args.extend((0..4).map(|_| z.f(&[channels])));
    let var: Vec<f32> = args[4].as_f32().expect("f32").iter().map(|x| x * x + 0.1).collect();
    args[4] = f(&var, &[channels]);
    (Op::BatchNorm { eps: EPS }, args)
}

#[test]
fn images_and_signals() {
    let mut z = Noise(5);
    let around = |pad: [usize; 4]| Padding::Explicit(pad.map(dim));
    let conv1d = |pad, stride: usize, groups: usize, bias| {
        let window = Window::along_columns(&dim(stride), &pad, &dim(2));
        Op::Conv1d { window, groups: dim(groups), bias }
    };
    let avg_pool2d = |kernel: [usize; 2], stride: usize, pad, layout, count_pad| Op::Pool2d {
        kind: Pooling::Avg,
        kernel: kernel.map(dim),
        window: Window { stride: [dim(stride), dim(stride)], pad, dilation: [dim(1), dim(1)] },
        layout,
        count_pad,
    };
    assert_decomposed(&[
        transposed(&mut z, [2, 2], [0, 0], [0, 0], [1, 1], [2, 2], 1),
        transposed(&mut z, [2, 3], [1, 2], [1, 0], [1, 1], [3, 4], 2),
        transposed(&mut z, [1, 1], [2, 0], [0, 0], [1, 2], [3, 3], 4),
        transposed(&mut z, [3, 2], [0, 3], [2, 1], [2, 3], [2, 3], 1),
        transposed(&mut z, [4, 1], [5, 1], [3, 0], [1, 1], [2, 1], 1),
        (Op::UpsampleBilinear { scale: [dim(2), dim(3)] }, vec![z.f(&[2, 3, 4, 5])]),
        (Op::Resize { size: vec![dim(7), dim(3)], mode: Resampling::Nearest }, vec![z.f(&[2, 3, 4, 5])]),
        (Op::Resize { size: vec![dim(3), dim(11)], mode: Resampling::Bilinear }, vec![z.f(&[2, 3, 4, 5])]),
        (conv1d(around([0, 0, 1, 3]), 2, 1, true), vec![z.f(&[2, 3, 7]), z.f(&[4, 3, 3]), z.f(&[4])]),
        (conv1d(Padding::Same, 1, 2, false), vec![z.f(&[1, 4, 5]), z.f(&[6, 2, 3])]),
        (avg_pool2d([2, 3], 2, around([0; 4]), Layout::Nchw, false), vec![z.f(&[2, 3, 5, 7])]),
        (avg_pool2d([3, 3], 1, around([1; 4]), Layout::Nchw, false), vec![z.f(&[1, 2, 4, 3])]),
        (avg_pool2d([3, 3], 2, Padding::Same, Layout::Nhwc, false), vec![z.f(&[1, 4, 3, 2])]),
        (avg_pool2d([3, 2], 1, around([1, 0, 1, 1]), Layout::Nhwc, true), vec![z.f(&[1, 4, 3, 2])]),
        (Op::GlobalMean, vec![z.f(&[2, 3, 4, 5])]),
        (Op::UpsampleNearest { scale: [dim(2), dim(3)] }, vec![z.f(&[1, 2, 3, 2])]),
    ]);
}

/// Sizes of an attention: `n` sequences of `s` queries and `t` keys, `h` heads of width `w`, which share
/// `kv` heads of keys and values.
#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    h: usize,
    kv: usize,
    s: usize,
    t: usize,
    w: usize,
}

impl Sizes {
    const ALL: [Sizes; 6] = [
        Sizes { n: 2, h: 4, kv: 4, s: 5, t: 5, w: 3 },
        Sizes { n: 2, h: 4, kv: 2, s: 3, t: 7, w: 2 },
        Sizes { n: 1, h: 6, kv: 1, s: 7, t: 3, w: 4 },
        Sizes { n: 2, h: 2, kv: 2, s: 1, t: 4, w: 3 },
        Sizes { n: 2, h: 2, kv: 1, s: 3, t: 0, w: 2 },
        Sizes { n: 1, h: 2, kv: 2, s: 0, t: 3, w: 2 },
    ];

    /// Attention without a window and a bias, and with both; heads in an axis of their own or merged.
    fn cases(self, z: &mut Noise, merged: bool, mask: &[usize], causal: bool) -> [Case; 2] {
        let Sizes { n, h, kv, s, t, w } = self;
        let shape =
            |len: usize, heads: usize| if merged { vec![n, len, heads * w] } else { vec![n, heads, len, w] };
        let mut args = vec![z.f(&shape(s, h)), z.f(&shape(t, kv)), z.f(&shape(t, kv))];
        if !mask.is_empty() {
            args.push(z.b(mask));
        }
        let attention = |window, bias| Op::Attention {
            heads: dim(h),
            causal,
            window,
            mask: !mask.is_empty(),
            bias,
            scale: (h == 6).then_some(Number(0.3)),
            softcap: (h == 6 || bias).then_some(Number(1.5)),
        };
        let mut biased = args.clone();
        biased.push(z.f(&if merged { vec![h, s, t] } else { vec![n, h, s, t] }));
        [(attention(None, false), args), (attention(Some(dim(2)), true), biased)]
    }
}

#[test]
fn attention() {
    let mut z = Noise(6);
    for sizes in Sizes::ALL {
        let Sizes { n, h, s, t, .. } = sizes;
        for merged in [true, false] {
            for mask in [vec![], vec![n, t], vec![n, s, t], vec![n, h, s, t]] {
                for causal in [false, true] {
                    if !(causal && s > t) {
                        assert_decomposed(&sizes.cases(&mut z, merged, &mask, causal));
                    }
                }
            }
        }
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
    assert!(compare("y", &defined, &y, None, 1e-6).is_ok());
}
