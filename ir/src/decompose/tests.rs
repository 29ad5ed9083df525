use super::*;
use crate::infer::{Arg, infer};
use crate::types::Facts;
use crate::types::split_type;
use crate::verify::verify;

fn ty(text: &str) -> Type {
    let (dtype, axes) = split_type(text).expect("a type");
    Type::new(dtype, axes.iter().map(|a| Dim::parse(a).expect("a dim")).collect())
}

fn attention(heads: &str, causal: bool, mask: bool) -> Op {
    Op::Attention {
        heads: Dim::parse(heads).expect("a dim"),
        causal,
        window: None,
        mask,
        bias: false,
        scale: None,
        softcap: None,
    }
}

/// With a bias as last argument, a window and a softcap.
fn biased(op: Op, window: &str) -> Op {
    match op {
        Op::Attention { heads, causal, mask, scale, .. } => {
            let (window, softcap) = (Dim::parse(window).ok(), Some(Number(50.0)));
            Op::Attention { heads, causal, window, mask, bias: true, scale, softcap }
        }
        other => other,
    }
}

type Case = (Op, Vec<&'static str>);

const EPS: Number = Number(1e-5);

fn dim(text: &str) -> Dim {
    Dim::parse(text).expect("a dim")
}

fn composites() -> Vec<Case> {
    let elementwise = Unary::TABLE.iter().map(|(u, _)| (Op::Unary(*u), vec!["f32[B, 4]"]));
    let mut all: Vec<Case> = elementwise.filter(|(op, _)| op.is_composite()).collect();
    all.extend(of_images());
    all.extend(of_rows());
    all.extend(attentions());
    all.extend(ropes());
    all
}

fn ropes() -> Vec<Case> {
    let rope = |text: &str, args: usize| crate::text::parse_op(text, args).expect("an op").0;
    let heads = "f32[B, H, S, 8]";
    vec![
        (rope("rope(%0)", 1), vec![heads]),
        (rope("rope(%0, from = P, pairs = adjacent)", 1), vec!["f32[B, H, S, 6]"]),
        (rope("rope(%0, positions = %1)", 2), vec![heads, "i32[S]"]),
        (rope("rope(%0, positions = %1, pairs = adjacent)", 2), vec![heads, "i32[B, S]"]),
        (rope("rope(%0, freqs = %1)", 2), vec![heads, "f32[4]"]),
        (rope("rope(%0, freqs = %1, positions = %2)", 3), vec![heads, "f32[3]", "i32[B, S]"]),
        (rope("rope(%0, freqs = %1, from = P, pairs = adjacent)", 2), vec![heads, "f32[1]"]),
        (rope("rope(%0, scaling = linear, factor = 4.0)", 1), vec![heads]),
        (
            rope(
                "rope(%0, scaling = llama3, factor = 8.0, low_freq_factor = 1.0, high_freq_factor = 4.0, original_max_position = 256.0)",
                1,
            ),
            vec![heads],
        ),
        (
            rope("rope(%0, positions = %1, scaling = yarn, factor = 4.0, original_max_position = 256.0)", 2),
            vec![heads, "i32[B, S]"],
        ),
    ]
}

fn of_images() -> Vec<Case> {
    let eps = EPS;
    let pad = |p: [&str; 4]| Padding::Explicit(p.map(dim));
    let window = |s: &str, p| Window { stride: [dim(s), dim(s)], pad: p, dilation: [dim("1"), dim("1")] };
    let avg = |kernel: [&str; 2], w, layout, count_pad| Op::Pool2d {
        kind: Pooling::Avg,
        kernel: kernel.map(dim),
        window: w,
        layout,
        count_pad,
    };
    let conv1d = |pad, bias| Op::Conv1d {
        window: Window::along_columns(&dim("2"), &pad, &dim("1")),
        groups: dim("2"),
        bias,
    };
    let transposed = |stride: [&str; 2], pad: [&str; 2], groups| Op::ConvTranspose2d {
        stride: stride.map(dim),
        pad: pad.map(dim),
        output_pad: [dim("0"), dim("0")],
        dilation: [dim("1"), dim("1")],
        groups: dim(groups),
        bias: true,
    };
    vec![
        (conv1d(Padding::Same, false), vec!["f32[N, 4, L]", "f32[6, 2, 3]"]),
        (conv1d(pad(["0", "0", "1", "2"]), true), vec!["f32[N, 4, 9]", "f32[6, 2, 3]", "f32[6]"]),
        (transposed(["2", "1"], ["1", "0"], "2"), vec!["f32[N, 4, H, W]", "f32[4, 3, 3, 2]", "f32[6]"]),
        (transposed(["1", "3"], ["0", "2"], "1"), vec!["f32[N, 4, 5, W]", "f32[4, 3, 1, 5]", "f32[3]"]),
        (
            Op::ConvTranspose1d {
                stride: dim("2"),
                pad: dim("1"),
                output_pad: dim("1"),
                dilation: dim("2"),
                groups: dim("1"),
                bias: false,
            },
            vec!["f32[N, 4, L]", "f32[4, 3, 3]"],
        ),
        (avg(["2", "2"], window("2", pad(["0"; 4])), Layout::Nchw, false), vec!["f32[N, C, H, W]"]),
        (avg(["3", "2"], window("2", pad(["1"; 4])), Layout::Nchw, false), vec!["f32[N, C, H, 8]"]),
        (avg(["3", "3"], window("1", Padding::Same), Layout::Nhwc, false), vec!["f32[N, H, W, C]"]),
        (avg(["3", "3"], window("1", pad(["1"; 4])), Layout::Nhwc, true), vec!["f32[N, H, W, C]"]),
        (Op::BatchNorm { eps }, vec!["f32[N, 4, H, W]", "f32[4]", "f32[4]", "f32[4]", "f32[4]"]),
        (Op::BatchNorm { eps }, vec!["f32[N, 4]", "f32[4]", "f32[4]", "f32[4]", "f32[4]"]),
        (Op::GlobalMean, vec!["f32[N, C, H, W]"]),
        (Op::Flatten { from: 1 }, vec!["i32[N, C, H]"]),
        (Op::Flatten { from: 0 }, vec!["f32[N, C]"]),
        (Op::UpsampleBilinear { scale: [dim("2"), dim("3")] }, vec!["f32[N, C, H, W]"]),
        (Op::Resize { size: vec![dim("P"), dim("4")], mode: Resampling::Nearest }, vec!["f32[N, C, H, W]"]),
        (
            Op::Resize { size: vec![dim("2*H"), dim("Q")], mode: Resampling::Bilinear },
            vec!["f32[N, C, H, 5]"],
        ),
        (Op::UpsampleNearest { scale: [dim("2"), dim("3")] }, vec!["f32[N, C, H, W]"]),
    ]
}

fn of_rows() -> Vec<Case> {
    let eps = EPS;
    let mean = |axes: &[usize], keep, masked| Op::Reduce {
        kind: Reduction::Mean,
        axes: axes.to_vec(),
        keep,
        masked,
    };
    let norm =
        |axes: &[usize], eps_on, gain, bias| Op::LayerNorm { axes: axes.to_vec(), eps, eps_on, gain, bias };
    let zeros = |axis, before, after| Op::Pad { axis, before: dim(before), after: dim(after) };
    vec![
        (Op::Unary(Unary::Relu), vec!["i32[B]"]),
        (mean(&[0, 2], false, false), vec!["f32[B, S, 4]"]),
        (mean(&[1], false, true), vec!["f32[B, S, 4]", "bool[B, S]"]),
        (mean(&[1], true, true), vec!["f32[B, S, 4]", "bool[B, S]"]),
        (Op::Linear { bias: false }, vec!["f32[4]", "f32[3, 4]"]),
        (Op::Linear { bias: true }, vec!["f32[B, S, 4]", "f32[3, 4]", "f32[3]"]),
        (Op::Softmax { axis: 0, log: false }, vec!["f32[B, S]"]),
        (Op::Softmax { axis: 1, log: true }, vec!["f32[B, S]"]),
        (norm(&[2], EpsOn::Var, true, true), vec!["f32[B, S, 4]", "f32[4]", "f32[4]"]),
        (norm(&[0, 2], EpsOn::Std, false, true), vec!["f32[3, S, 4]", "f32[3, 4]"]),
        (Op::RmsNorm { axes: vec![1], eps, gain: true }, vec!["f32[B, 4, 3]", "f32[4]"]),
        (Op::L2Normalize { axis: 1, eps }, vec!["f32[B, 4]"]),
        (Op::Binary(Binary::Swiglu), vec!["f32[B, S]", "f32[S]"]),
        (
            Op::GroupNorm { groups: dim("G"), eps, gain: false, bias: true },
            vec!["f32[B, G*E, S]", "f32[G*E]"],
        ),
        (
            Op::GroupNorm { groups: dim("2"), eps, gain: true, bias: true },
            vec!["f32[B, 6, S, 3]", "f32[6]", "f32[6]"],
        ),
        (Op::GroupNorm { groups: dim("2"), eps, gain: false, bias: false }, vec!["f32[B, 6]"]),
        (zeros(1, "2", "0"), vec!["f32[B, S]"]),
        (zeros(0, "P", "1"), vec!["bf16[B, S]"]),
        (zeros(0, "0", "0"), vec!["bool[B]"]),
        (Op::TopK { k: dim("2"), axis: 1, indices: true }, vec!["f32[B, S]"]),
        (Op::TopK { k: dim("3"), axis: 0, indices: false }, vec!["f32[5, S]"]),
        (Op::TopK { k: dim("1"), axis: 1, indices: false }, vec!["i32[B, 4, S]"]),
        (Op::Flip { axis: 1 }, vec!["f32[B, S, 4]"]),
        (Op::Flip { axis: 0 }, vec!["bool[7]"]),
        (Op::TakeAlong { axis: 1 }, vec!["f32[B, S, 4]", "i32[B, K, 4]"]),
        (Op::TakeAlong { axis: 2 }, vec!["bf16[B, S, 4]", "i32[B, S, 2]"]),
        (Op::TakeAlong { axis: 0 }, vec!["i32[S]", "i32[5]"]),
        (Op::CrossEntropy { ignore: -100 }, vec!["f32[B, S, C]", "i32[B, S]"]),
        (Op::CrossEntropy { ignore: 0 }, vec!["f32[7]", "i32[]"]),
        (Op::Mse, vec!["f32[B, S]", "f32[B, S]"]),
        (Op::Dropout { p: Number(0.1) }, vec!["f32[B]"]),
        (Op::StopGradient, vec!["i32[B]"]),
        (Op::KeyedDropout { p: Number(0.1) }, vec!["f32[B, S, 4]", "i32[]", "i32[]"]),
        (Op::Uniform(Vec::new()), vec!["i32[]", "i32[]"]),
        (Op::Uniform(vec![dim("B")]), vec!["i32[]", "i32[]"]),
        (Op::Uniform(vec![dim("2*B"), dim("3")]), vec!["i32[]", "i32[]"]),
        (Op::Softcap { cap: Number(30.0) }, vec!["f32[B, S]"]),
        (Op::LeakyRelu { slope: Number(0.2) }, vec!["f32[B, S]"]),
        (Op::Elu { alpha: Number(1.5) }, vec!["f32[B, S]"]),
    ]
}

fn attentions() -> Vec<Case> {
    vec![
        (
            biased(attention("H", true, false), "W"),
            vec!["f32[B, S, H*E]", "f32[B, T, H*E]", "f32[B, T, H*E]", "f32[H, S, T]"],
        ),
        (
            biased(attention("4", false, true), "5"),
            vec!["f32[B, 4, S, 8]", "f32[B, 2, T, 8]", "f32[B, 2, T, 8]", "bool[B, T]", "f32[B, 4, S, T]"],
        ),
        (attention("H", true, false), vec!["f32[B, S, H*E]"; 3]),
        (attention("4", false, true), vec!["f32[B, S, 32]", "f32[B, T, 16]", "f32[B, T, 16]", "bool[B, T]"]),
        (
            attention("4", true, true),
            vec!["f32[B, 4, S, 8]", "f32[B, 2, T, 8]", "f32[B, 2, T, 8]", "bool[B, 4, S, T]"],
        ),
        (attention("4", true, true), vec!["f32[B, 7, 8]", "f32[B, 9, 8]", "f32[B, 9, 8]", "bool[B, 7, 9]"]),
    ]
}

#[test]
fn definitions_are_valid_graphs_of_core_ops_with_the_type_of_the_op() {
    for (op, texts) in composites() {
        let types: Vec<Type> = texts.iter().map(|t| ty(t)).collect();
        let g = decompose(&op, &types).unwrap_or_else(|| panic!("{op:?} on {texts:?}"));
        verify(&g).unwrap_or_else(|e| panic!("{op:?}: {e}\n{g}"));
        assert_eq!(Graph::parse(&g.to_string()).as_ref(), Ok(&g));
        assert!(g.nodes.iter().all(|n| !n.op.is_composite()), "{g}");
        let args: Vec<Arg<'_>> = types.iter().map(|ty| Arg { ty, name: "x" }).collect();
        let want = infer(&op, &args, &Facts::default()).unwrap_or_else(|e| panic!("{op:?}: {e}"));
        assert_eq!(*g.ty(g.outputs[0]), want);
    }
}

#[test]
fn heads_that_are_promised_to_divide_are_exact_quotients() {
    let q = ty("f32[B, S, D]");
    let g = decompose(&attention("H", false, false), &vec![q.clone(); 3]).expect("a definition");
    assert_eq!((verify(&g), g.ty(g.outputs[0])), (Ok(()), &q));
}

#[test]
fn core_ops_and_unfit_types_have_no_definition() {
    assert!(decompose(&Op::Matmul, &[ty("f32[2, 3]"), ty("f32[3, 2]")]).is_none());
    assert!(decompose(&Op::Unary(Unary::Exp), &[ty("f32[2]")]).is_none());
    assert!(decompose(&Op::Linear { bias: false }, &[ty("f32[2]"), ty("f32[3]")]).is_none());
    assert!(decompose(&Op::Linear { bias: false }, &[ty("f32[2]")]).is_none());
    assert!(decompose(&Op::Softmax { axis: 3, log: false }, &[ty("f32[2]")]).is_none());
}
