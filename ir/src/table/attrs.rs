//! From an [`Op`] to the options and parameters of its row.

use super::{Attr, row_of};
use crate::dim::Dim;
use crate::op::*;

/// The options of an op in the order of its row; those at "absent" are left out.
pub fn attrs_of(op: &Op) -> Vec<(&'static str, Attr)> {
    let float = |n: &Number| Attr::Float(n.0);
    let dim = |d: &Dim| Attr::Dim(d.clone());
    let pair = |p: &[Dim; 2]| Attr::Dims(p.to_vec());
    let padding = |p: &Padding| match p {
        Padding::Same => Attr::Word("same".into()),
        Padding::Explicit(p) => Attr::Dims(p.to_vec()),
    };
    // A signal's padding is that of an image of one row.
    let ends = |p: &Padding| match p {
        Padding::Same => Attr::Word("same".into()),
        Padding::Explicit([.., before, behind]) => Attr::Dims(vec![before.clone(), behind.clone()]),
    };
    let layout = |l: &Layout| Attr::Word(l.name().into());
    match op {
        Op::Input(i) | Op::Weight(i) | Op::State(i) => vec![("index", Attr::Dim(Dim::from(*i)))],
        Op::Const(Scalar::F32(n)) => vec![("f32", float(n))],
        Op::Const(Scalar::I32(i)) => vec![("i32", Attr::Int(*i))],
        Op::Const(Scalar::Bool(b)) => vec![("bool", Attr::Bool(*b))],
        Op::DimValue(d) => vec![("of", Attr::Dim(d.clone()))],
        Op::Arange { start, end } => vec![("start", dim(start)), ("end", dim(end))],
        Op::Powers { ratio, len } => vec![("ratio", float(ratio)), ("len", dim(len))],
        Op::Unary(_)
        | Op::Binary(_)
        | Op::Select
        | Op::Matmul
        | Op::Gather
        | Op::Linear { .. }
        | Op::Mse
        | Op::StopGradient
        | Op::GlobalMean => Vec::new(),
        Op::Pow(n) => vec![("exponent", float(n))],
        Op::Cast(d) => vec![("to", Attr::Word(d.name().into()))],
        Op::Reduce { axes, keep, .. } => {
            vec![("over", Attr::Axes(axes.clone())), ("keep", Attr::Bool(*keep))]
        }
        Op::Argmax { axis, keep } => vec![("over", Attr::Axes(vec![*axis])), ("keep", Attr::Bool(*keep))],
        Op::Reshape(s) | Op::Expand(s) => vec![("shape", Attr::Dims(s.clone()))],
        Op::Transpose(p) => vec![("axes", Attr::Axes(p.clone()))],
        Op::Slice { axis, start, end, step } => {
            let mut a = vec![("axis", Attr::Axes(vec![*axis])), ("start", dim(start)), ("end", dim(end))];
            if !step.is(1) {
                a.push(("step", dim(step)));
            }
            a
        }
        Op::Concat { axis } | Op::Push { axis } => vec![("axis", Attr::Axes(vec![*axis]))],
        Op::Softmax { axis, .. } => vec![("over", Attr::Axes(vec![*axis]))],
        Op::LayerNorm { axes, eps, eps_on, .. } => vec![
            ("over", Attr::Axes(axes.clone())),
            ("eps", float(eps)),
            ("eps_on", Attr::Word(if *eps_on == EpsOn::Std { "std" } else { "var" }.into())),
        ],
        Op::RmsNorm { axes, eps, .. } => vec![("over", Attr::Axes(axes.clone())), ("eps", float(eps))],
        Op::L2Normalize { axis, eps } => vec![("over", Attr::Axes(vec![*axis])), ("eps", float(eps))],
        Op::GroupNorm { groups, eps, .. } => vec![("groups", dim(groups)), ("eps", float(eps))],
        Op::Conv2d { window, groups, layout: l, .. } => vec![
            ("stride", pair(&window.stride)),
            ("pad", padding(&window.pad)),
            ("dilation", pair(&window.dilation)),
            ("groups", dim(groups)),
            ("layout", layout(l)),
        ],
        Op::Conv1d { window, groups, .. } => vec![
            ("stride", dim(&window.stride[1])),
            ("pad", ends(&window.pad)),
            ("dilation", dim(&window.dilation[1])),
            ("groups", dim(groups)),
        ],
        Op::Pool2d { kind, kernel, window, layout: l, count_pad } => {
            let mut a = vec![
                ("kernel", pair(kernel)),
                ("stride", pair(&window.stride)),
                ("pad", padding(&window.pad)),
                ("layout", layout(l)),
            ];
            if *kind == Pooling::Avg {
                a.push(("count_include_pad", Attr::Bool(*count_pad)));
            }
            a
        }
        Op::BatchNorm { eps } => vec![("eps", float(eps))],
        Op::Flatten { from } => vec![("from", Attr::Axes(vec![*from]))],
        Op::UpsampleNearest { scale } => vec![("scale", pair(scale))],
        Op::Rope { base, from, pairs } => {
            let pairs = if *pairs == Pairs::Halves { "halves" } else { "adjacent" };
            vec![("base", float(base)), ("from", dim(from)), ("pairs", Attr::Word(pairs.into()))]
        }
        Op::Pad { axis, before, after } => {
            vec![("axis", Attr::Axes(vec![*axis])), ("before", dim(before)), ("after", dim(after))]
        }
        Op::CrossEntropy { ignore } => vec![("ignore", Attr::Int(*ignore))],
        Op::Dropout { p } => vec![("p", float(p))],
        Op::Attention { heads, causal, window, scale, .. } => {
            let mut a = vec![("heads", dim(heads)), ("causal", Attr::Bool(*causal))];
            a.extend(window.iter().map(|w| ("window", dim(w))));
            a.extend(scale.iter().map(|s| ("scale", float(s))));
            a
        }
    }
}

/// Which of the row's parameters the op's arguments are, in order.
pub fn present_params(op: &Op, args: usize) -> Vec<&'static str> {
    let row = row_of(op);
    let present: &[(&str, bool)] = match op {
        Op::Reduce { masked, .. } => &[("where", *masked)],
        Op::Linear { bias } | Op::Conv2d { bias, .. } | Op::Conv1d { bias, .. } => &[("b", *bias)],
        Op::LayerNorm { gain, bias, .. } | Op::GroupNorm { gain, bias, .. } => {
            &[("gain", *gain), ("bias", *bias)]
        }
        Op::RmsNorm { gain, .. } => &[("gain", *gain)],
        Op::Attention { mask, bias, .. } => &[("mask", *mask), ("bias", *bias)],
        _ => &[],
    };
    let absent = |n: &&str| present.contains(&(*n, false));
    let mut names: Vec<&str> = row.params.iter().map(|p| p.name).filter(|n| !absent(n)).collect();
    if row.variadic {
        names.resize(args, "b");
        names.truncate(args);
    }
    names
}
