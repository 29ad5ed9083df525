//! One row per operation that can be named: parameters, options with defaults,
//! formula, and the two conversions between the row's options and an [`Op`].
//!
//! The macro reads calls by it, the text form is printed and parsed by it, and the
//! docs quote it. A new op is a row here, a shape rule in [`infer`](crate::infer), and its kernels.

use crate::dim::Dim;
use crate::op::*;
use crate::types::DType;
use std::fmt;

/// The value of an option in a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Attr {
    /// Axes, already resolved to positions.
    Axes(Vec<usize>),
    /// A dim.
    Dim(Dim),
    /// A shape.
    Dims(Vec<Dim>),
    /// A number.
    Float(f64),
    /// An integer constant (only of `const`).
    Int(i32),
    /// A flag.
    Bool(bool),
    /// One of a few words.
    Word(String),
}

impl fmt::Display for Attr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attr::Axes(a) => match a.as_slice() {
                [x] => write!(f, "({x},)"),
                many => write!(f, "({})", many.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
            },
            Attr::Dim(d) => write!(f, "{d}"),
            Attr::Dims(d) => write!(f, "{}", crate::types::Shape(d)),
            // A point or exponent always, so that the reader can tell it from a dim.
            Attr::Float(x) => write!(f, "{x:?}"),
            Attr::Int(i) => write!(f, "{i}"),
            Attr::Bool(b) => write!(f, "{b}"),
            Attr::Word(w) => write!(f, "{w}"),
        }
    }
}

/// What kind of value an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One axis, by dim name or integer.
    Axis,
    /// One axis or several in a tuple.
    Axes,
    /// All axes in a new order.
    Perm,
    /// A dim.
    Dim,
    /// A shape `[..]`.
    Shape,
    /// A number.
    Float,
    /// An i32 literal.
    Int,
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A dim, or two for rows and columns.
    Pair,
    /// What surrounds an image.
    Pad,
}

/// A tensor parameter of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name, for calls and messages.
    pub name: &'static str,
    /// Whether a call may leave it out.
    pub optional: bool,
}

/// A named option of an operation.
#[derive(Clone, Copy, Debug)]
pub struct OptionDef {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// The default as text, or `None` where the caller must say it, or `Some("")` for "absent".
    pub default: Option<&'static str>,
}

/// One row of the table.
#[derive(Debug)]
pub struct OpDef {
    /// The name in the language and in the text form.
    pub name: &'static str,
    /// Tensor parameters in order.
    pub params: &'static [Param],
    /// The last parameter may be given many times (`concat`).
    pub variadic: bool,
    /// Options in order; they may also be given by position after the tensors.
    pub options: &'static [OptionDef],
    /// Whether the language offers it by that name (else it is only written with an operator, or internal).
    pub callable: bool,
    /// What it computes, in one line.
    pub formula: &'static str,
}

const fn req(name: &'static str) -> Param {
    Param { name, optional: false }
}

const fn opt(name: &'static str) -> Param {
    Param { name, optional: true }
}

const fn must(name: &'static str, kind: Kind) -> OptionDef {
    OptionDef { name, kind, default: None }
}

const fn or(name: &'static str, kind: Kind, default: &'static str) -> OptionDef {
    OptionDef { name, kind, default: Some(default) }
}

const X: &[Param] = &[req("x")];
const AB: &[Param] = &[req("a"), req("b")];
const REDUCE: &[Param] = &[req("x"), opt("where")];
const OVER_KEEP: &[OptionDef] = &[must("over", Kind::Axes), or("keep", Kind::Bool, "false")];

const LAYOUT: Kind = Kind::Word(&["nchw", "nhwc"]);
const POOL: &[OptionDef] =
    &[must("kernel", Kind::Pair), or("stride", Kind::Pair, ""), or("pad", Kind::Pad, "0"), or("layout", LAYOUT, "nchw")];

const fn row(name: &'static str, params: &'static [Param], options: &'static [OptionDef], formula: &'static str) -> OpDef {
    OpDef { name, params, variadic: false, options, callable: true, formula }
}

const fn internal(name: &'static str, params: &'static [Param], options: &'static [OptionDef], formula: &'static str) -> OpDef {
    OpDef { name, params, variadic: false, options, callable: false, formula }
}

/// Every operation.
pub const OPS: &[OpDef] = &[
    internal("input", &[], &[must("index", Kind::Dim)], "an input of the network"),
    internal("weight", &[], &[must("index", Kind::Dim)], "a weight of the network"),
    internal("const", &[], &[or("f32", Kind::Float, ""), or("i32", Kind::Int, ""), or("bool", Kind::Bool, "")], "a scalar constant"),
    internal("dim", &[], &[must("of", Kind::Dim)], "the value of a dim as an f32 scalar"),
    internal("arange", &[], &[must("start", Kind::Dim), must("end", Kind::Dim)], "start, start + 1 .. end - 1 as i32"),
    internal("powers", &[], &[must("ratio", Kind::Float), must("len", Kind::Dim)], "ratio^0 .. ratio^(len - 1)"),
    row("neg", X, &[], "-x"),
    row("abs", X, &[], "|x|"),
    row("exp", X, &[], "e^x"),
    row("log", X, &[], "natural logarithm"),
    row("sqrt", X, &[], "square root"),
    row("rsqrt", X, &[], "1 / sqrt(x)"),
    row("tanh", X, &[], "hyperbolic tangent"),
    row("erf", X, &[], "error function"),
    row("sin", X, &[], "sine; NaN beyond 2^22, where neighbouring numbers are half a radian apart"),
    row("cos", X, &[], "cosine; NaN beyond 2^22, where neighbouring numbers are half a radian apart"),
    row("not", X, &[], "logical not, bool"),
    row("relu", X, &[], "max(x, 0); NaN stays"),
    row("relu6", X, &[], "min(max(x, 0), 6)"),
    row("sigmoid", X, &[], "1 / (1 + e^-x)"),
    row("silu", X, &[], "x * sigmoid(x)"),
    row("gelu", X, &[], "x * (1 + erf(x / sqrt(2))) / 2"),
    row("gelu_tanh", X, &[], "x * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))) / 2"),
    row("hard_swish", X, &[], "x * relu6(x + 3) / 6"),
    internal("add", AB, &[], "a + b"),
    internal("sub", AB, &[], "a - b"),
    internal("mul", AB, &[], "a * b"),
    internal("div", AB, &[], "a / b"),
    row("max", AB, &[], "the larger, elementwise; NaN if either is"),
    row("min", AB, &[], "the smaller, elementwise; NaN if either is"),
    row("and", AB, &[], "logical and, bool"),
    row("or", AB, &[], "logical or, bool"),
    row("eq", AB, &[], "a == b"),
    row("ne", AB, &[], "a != b"),
    row("lt", AB, &[], "a < b"),
    row("le", AB, &[], "a <= b"),
    row("gt", AB, &[], "a > b"),
    row("ge", AB, &[], "a >= b"),
    row("swiglu", AB, &[], "silu(a) * b"),
    row("pow", X, &[must("exponent", Kind::Float)], "x ^ exponent"),
    row("select", &[req("cond"), req("a"), req("b")], &[], "a where cond, else b"),
    row("cast", X, &[must("to", Kind::Word(&["f32", "bf16", "i32", "bool"]))], "x in another element type"),
    internal("matmul", AB, &[], "a @ b"),
    row("sum", REDUCE, OVER_KEEP, "sum over the axes"),
    row("mean", REDUCE, OVER_KEEP, "sum / count; 0 where a mask leaves none"),
    row("reduce_max", REDUCE, OVER_KEEP, "largest element; written max(x, over = ..)"),
    row("reduce_min", REDUCE, OVER_KEEP, "smallest element; written min(x, over = ..)"),
    row("argmax", X, &[must("over", Kind::Axis), or("keep", Kind::Bool, "false")], "index of the largest element, i32"),
    row("reshape", X, &[must("shape", Kind::Shape)], "the same elements under another shape"),
    row("transpose", X, &[must("axes", Kind::Perm)], "axes in another order"),
    row("expand", X, &[must("shape", Kind::Shape)], "repeat axes of length 1 and new leading axes"),
    internal(
        "slice",
        X,
        &[must("axis", Kind::Axis), must("start", Kind::Dim), must("end", Kind::Dim), or("step", Kind::Dim, "1")],
        "x[.., (start..end).step_by(step), ..]",
    ),
    OpDef {
        name: "concat",
        params: &[req("a"), opt("b")],
        variadic: true,
        options: &[must("axis", Kind::Axis)],
        callable: true,
        formula: "the arguments one after another",
    },
    internal("gather", &[req("table"), req("ids")], &[], "rows of a table by i32 ids"),
    row("linear", &[req("x"), req("w"), opt("b")], &[], "x @ w.t + b, w is [OUT, IN]"),
    row("softmax", X, &[must("over", Kind::Axis)], "exp(x - max) / sum"),
    row("log_softmax", X, &[must("over", Kind::Axis)], "x - max - log(sum(exp(x - max)))"),
    row(
        "layer_norm",
        &[req("x"), opt("gain"), opt("bias")],
        &[must("over", Kind::Axes), or("eps", Kind::Float, "1e-5"), or("eps_on", Kind::Word(&["var", "std"]), "var")],
        "(x - mean) / sqrt(var + eps) * gain + bias, biased variance; eps_on = std: (x - mean) / (std + eps)",
    ),
    row(
        "rms_norm",
        &[req("x"), opt("gain")],
        &[must("over", Kind::Axes), or("eps", Kind::Float, "1e-6")],
        "x / sqrt(mean(x^2) + eps) * gain",
    ),
    row("l2_normalize", X, &[must("over", Kind::Axis), or("eps", Kind::Float, "1e-12")], "x / max(sqrt(sum(x^2)), eps)"),
    row(
        "group_norm",
        &[req("x"), opt("gain"), opt("bias")],
        &[must("groups", Kind::Dim), or("eps", Kind::Float, "1e-5")],
        "[N, C, ..] normalised over groups of channels and all axes behind, then * gain + bias, both [C]",
    ),
    row(
        "conv2d",
        &[req("x"), req("w"), opt("b")],
        &[
            or("stride", Kind::Pair, "1"),
            or("pad", Kind::Pad, "0"),
            or("dilation", Kind::Pair, "1"),
            or("groups", Kind::Dim, "1"),
            or("layout", LAYOUT, "nchw"),
        ],
        "convolution of [N, C, H, W] with filters w [O, C / groups, KH, KW], plus b [O]",
    ),
    row(
        "conv1d",
        &[req("x"), req("w"), opt("b")],
        &[or("stride", Kind::Dim, "1"), or("pad", Kind::Pad, "0"), or("dilation", Kind::Dim, "1"), or("groups", Kind::Dim, "1")],
        "convolution of [N, C, L] with filters w [O, C / groups, K], plus b [O]",
    ),
    row("max_pool2d", X, POOL, "largest pixel of each window, channel by channel; NaN if there is one"),
    row(
        "avg_pool2d",
        X,
        &[
            must("kernel", Kind::Pair),
            or("stride", Kind::Pair, ""),
            or("pad", Kind::Pad, "0"),
            or("layout", LAYOUT, "nchw"),
            or("count_include_pad", Kind::Bool, "false"),
        ],
        "mean of the pixels of each window, channel by channel",
    ),
    internal("sum_pool2d", X, POOL, "sum of the pixels of each window, channel by channel"),
    row(
        "batch_norm",
        &[req("x"), req("gain"), req("bias"), req("mean"), req("var")],
        &[or("eps", Kind::Float, "1e-5")],
        "(x - mean) / sqrt(var + eps) * gain + bias of [N, C, ..], all [C]",
    ),
    row("global_mean", X, &[], "mean of each channel of [N, C, ..]: [N, C]"),
    row("flatten", X, &[or("from", Kind::Axis, "1")], "all axes from `from` on as one"),
    row("upsample_nearest", X, &[must("scale", Kind::Pair)], "each pixel of [N, C, H, W] repeated `scale` times down and across"),
    row(
        "attention",
        &[req("q"), req("k"), req("v"), opt("mask"), opt("bias")],
        &[must("heads", Kind::Dim), or("causal", Kind::Bool, "false"), or("window", Kind::Dim, ""), or("scale", Kind::Float, "")],
        "softmax(q k^T * scale + bias, masked) v per head; a row with no key to attend gives zeros",
    ),
    row(
        "rope",
        X,
        &[or("base", Kind::Float, "1e4"), or("from", Kind::Dim, "0"), or("pairs", Kind::Word(&["halves", "adjacent"]), "halves")],
        "pair i of row s of [B, HEADS, S, HD] turned by (from + s) * base^(-2 i / HD)",
    ),
    row(
        "pad",
        X,
        &[must("axis", Kind::Axis), or("before", Kind::Dim, "0"), or("after", Kind::Dim, "0")],
        "zeros before and after x along the axis",
    ),
    row(
        "cross_entropy",
        &[req("logits"), req("ids")],
        &[or("ignore", Kind::Int, "-100")],
        "-log_softmax(logits)[id] of each row; 0 where the id is `ignore`",
    ),
    row("mse", AB, &[], "mean of (a - b)^2 over the last axis"),
    row("dropout", X, &[must("p", Kind::Float)], "x, but in training"),
    row("stop_gradient", X, &[], "x, with no gradient"),
];

/// The row of that name.
pub fn lookup(name: &str) -> Option<&'static OpDef> {
    OPS.iter().find(|d| d.name == name)
}

/// The row of an op.
pub fn row_of(op: &Op) -> &'static OpDef {
    // Every name that `name_of` gives is a row; the unit test walks all of them.
    lookup(name_of(op)).unwrap_or(&OPS[0])
}

/// The name of an op.
pub fn name_of(op: &Op) -> &'static str {
    match op {
        Op::Input(_) => "input",
        Op::Weight(_) => "weight",
        Op::Const(_) => "const",
        Op::DimValue(_) => "dim",
        Op::Unary(u) => u.name(),
        Op::Binary(b) => b.name(),
        Op::Pow(_) => "pow",
        Op::Select => "select",
        Op::Cast(_) => "cast",
        Op::Matmul => "matmul",
        Op::Reduce { kind: Reduction::Max, .. } => "reduce_max",
        Op::Reduce { kind: Reduction::Min, .. } => "reduce_min",
        Op::Reduce { kind, .. } => kind.name(),
        Op::Argmax { .. } => "argmax",
        Op::Reshape(_) => "reshape",
        Op::Transpose(_) => "transpose",
        Op::Expand(_) => "expand",
        Op::Slice { .. } => "slice",
        Op::Concat { .. } => "concat",
        Op::Gather => "gather",
        Op::Linear { .. } => "linear",
        Op::Softmax { log: false, .. } => "softmax",
        Op::Softmax { log: true, .. } => "log_softmax",
        Op::LayerNorm { .. } => "layer_norm",
        Op::RmsNorm { .. } => "rms_norm",
        Op::L2Normalize { .. } => "l2_normalize",
        Op::Attention { .. } => "attention",
        Op::Arange { .. } => "arange",
        Op::Powers { .. } => "powers",
        Op::GroupNorm { .. } => "group_norm",
        Op::Conv2d { .. } => "conv2d",
        Op::Conv1d { .. } => "conv1d",
        Op::Pool2d { kind: Pooling::Max, .. } => "max_pool2d",
        Op::Pool2d { kind: Pooling::Avg, .. } => "avg_pool2d",
        Op::Pool2d { kind: Pooling::Sum, .. } => "sum_pool2d",
        Op::BatchNorm { .. } => "batch_norm",
        Op::GlobalMean => "global_mean",
        Op::Flatten { .. } => "flatten",
        Op::UpsampleNearest { .. } => "upsample_nearest",
        Op::Rope { .. } => "rope",
        Op::Pad { .. } => "pad",
        Op::CrossEntropy { .. } => "cross_entropy",
        Op::Mse => "mse",
        Op::Dropout { .. } => "dropout",
        Op::StopGradient => "stop_gradient",
    }
}

/// The options of an op in the order of its row; those at "absent" are left out.
pub fn attrs_of(op: &Op) -> Vec<(&'static str, Attr)> {
    let float = |n: &Number| Attr::Float(n.0);
    let dim = |d: &Dim| Attr::Dim(d.clone());
    let pair = |p: &[Dim; 2]| Attr::Dims(p.to_vec());
    let padding = |p: &Padding| match p {
        Padding::Same => Attr::Word("same".into()),
        Padding::Explicit(p) => Attr::Dims(p.to_vec()),
    };
    let layout = |l: &Layout| Attr::Word(l.name().into());
    match op {
        Op::Input(i) | Op::Weight(i) => vec![("index", Attr::Dim(Dim::from(*i)))],
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
        Op::Reduce { axes, keep, .. } => vec![("over", Attr::Axes(axes.clone())), ("keep", Attr::Bool(*keep))],
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
        Op::Concat { axis } => vec![("axis", Attr::Axes(vec![*axis]))],
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
        Op::Conv1d { stride, pad, dilation, groups, .. } => {
            vec![("stride", dim(stride)), ("pad", padding(pad)), ("dilation", dim(dilation)), ("groups", dim(groups))]
        }
        Op::Pool2d { kind, kernel, window, layout: l, count_pad } => {
            let mut a =
                vec![("kernel", pair(kernel)), ("stride", pair(&window.stride)), ("pad", padding(&window.pad)), ("layout", layout(l))];
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
        Op::Pad { axis, before, after } => vec![("axis", Attr::Axes(vec![*axis])), ("before", dim(before)), ("after", dim(after))],
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
        Op::LayerNorm { gain, bias, .. } | Op::GroupNorm { gain, bias, .. } => &[("gain", *gain), ("bias", *bias)],
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

/// A call by name, before it is an [`Op`].
#[derive(Clone, Debug, Default)]
pub struct Call<'a> {
    /// Which parameters are given, by name.
    pub given: Vec<&'a str>,
    /// Options given.
    pub options: Vec<(&'a str, Attr)>,
}

/// What is wrong with a call before any shape is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// No op of that name.
    Unknown(String),
    /// A parameter or option that must be said is missing.
    Missing(&'static str),
    /// An option the op does not have.
    NoSuchOption(String),
    /// The option's value is of the wrong kind.
    BadValue {
        /// The option.
        option: &'static str,
        /// What it takes.
        expected: String,
    },
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Unknown(n) => write!(f, "unknown operation `{n}`"),
            CallError::Missing(n) => write!(f, "`{n}` is missing"),
            CallError::NoSuchOption(n) => write!(f, "there is no option `{n}`"),
            CallError::BadValue { option, expected } => write!(f, "`{option}` takes {expected}"),
        }
    }
}

impl std::error::Error for CallError {}

impl Kind {
    /// In words, for messages.
    pub fn describe(self) -> String {
        match self {
            Kind::Axis => "an axis: a dim's name or an integer".into(),
            Kind::Axes => "an axis or a tuple of axes: dims' names or integers".into(),
            Kind::Perm => "all axes in their new order, as a tuple".into(),
            Kind::Dim => "a dimension".into(),
            Kind::Shape => "a shape such as `[B, D]`".into(),
            Kind::Float => "a number".into(),
            Kind::Int => "an integer".into(),
            Kind::Bool => "`true` or `false`".into(),
            Kind::Pair => "a dimension, or two: `(rows, columns)`".into(),
            Kind::Pad => "`same`, a dimension, two `(rows, columns)` or four `(above, below, left, right)`".into(),
            Kind::Word(w) => format!("one of {}", w.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")),
        }
    }
}

struct Options<'a>(&'static OpDef, &'a [(&'a str, Attr)]);

impl Options<'_> {
    fn get(&self, name: &'static str) -> Option<&Attr> {
        self.1.iter().find(|(n, _)| *n == name).map(|(_, a)| a)
    }

    fn bad(&self, name: &'static str) -> CallError {
        let kind = self.0.options.iter().find(|o| o.name == name).map_or(Kind::Bool, |o| o.kind);
        CallError::BadValue { option: name, expected: kind.describe() }
    }

    fn default(&self, name: &'static str) -> Result<&'static str, CallError> {
        self.0.options.iter().find(|o| o.name == name).and_then(|o| o.default).ok_or(CallError::Missing(name))
    }

    fn axes(&self, name: &'static str) -> Result<Vec<usize>, CallError> {
        match self.get(name) {
            Some(Attr::Axes(a)) => Ok(a.clone()),
            Some(_) => Err(self.bad(name)),
            None => Err(CallError::Missing(name)),
        }
    }

    fn sorted_axes(&self, name: &'static str) -> Result<Vec<usize>, CallError> {
        let mut a = self.axes(name)?;
        a.sort_unstable();
        a.dedup();
        if a.is_empty() { Err(self.bad(name)) } else { Ok(a) }
    }

    fn axis(&self, name: &'static str) -> Result<usize, CallError> {
        if self.get(name).is_none()
            && let Ok(n) = self.default(name)?.parse()
        {
            return Ok(n);
        }
        match self.axes(name)?.as_slice() {
            [a] => Ok(*a),
            _ => Err(self.bad(name)),
        }
    }

    fn dim_if_given(&self, name: &'static str) -> Result<Option<Dim>, CallError> {
        match self.get(name) {
            Some(Attr::Dim(d)) => Ok(Some(d.clone())),
            Some(_) => Err(self.bad(name)),
            None => Ok(Dim::parse(self.default(name)?).ok()),
        }
    }

    fn dim(&self, name: &'static str) -> Result<Dim, CallError> {
        self.dim_if_given(name)?.ok_or(CallError::Missing(name))
    }

    /// One dim for both, or two.
    fn pair_if_given(&self, name: &'static str) -> Result<Option<[Dim; 2]>, CallError> {
        Ok(match self.get(name) {
            Some(Attr::Dims(d)) => match d.as_slice() {
                [both] => Some([both.clone(), both.clone()]),
                [rows, columns] => Some([rows.clone(), columns.clone()]),
                _ => return Err(self.bad(name)),
            },
            Some(_) => return Err(self.bad(name)),
            None => Dim::parse(self.default(name)?).ok().map(|d| [d.clone(), d]),
        })
    }

    fn pair(&self, name: &'static str) -> Result<[Dim; 2], CallError> {
        self.pair_if_given(name)?.ok_or(CallError::Missing(name))
    }

    fn padding(&self, name: &'static str) -> Result<Padding, CallError> {
        Ok(Padding::Explicit(match self.get(name) {
            Some(Attr::Word(w)) if w == "same" => return Ok(Padding::Same),
            Some(Attr::Dims(d)) => match d.as_slice() {
                [all] => std::array::from_fn(|_| all.clone()),
                [rows, columns] => [rows.clone(), rows.clone(), columns.clone(), columns.clone()],
                [above, below, left, right] => [above.clone(), below.clone(), left.clone(), right.clone()],
                _ => return Err(self.bad(name)),
            },
            Some(_) => return Err(self.bad(name)),
            None => std::array::from_fn(|_| Dim::constant(0)),
        }))
    }

    fn layout(&self) -> Result<Layout, CallError> {
        Ok(if self.word("layout")? == "nhwc" { Layout::Nhwc } else { Layout::Nchw })
    }

    fn pool(&self, kind: Pooling) -> Result<Op, CallError> {
        let kernel = self.pair("kernel")?;
        let stride = self.pair_if_given("stride")?.unwrap_or_else(|| kernel.clone());
        let window = Window { stride, pad: self.padding("pad")?, dilation: [Dim::constant(1), Dim::constant(1)] };
        let count_pad = kind == Pooling::Avg && self.flag("count_include_pad")?;
        Ok(Op::Pool2d { kind, kernel, window, layout: self.layout()?, count_pad })
    }

    fn int(&self, name: &'static str) -> Result<i32, CallError> {
        match self.get(name) {
            Some(Attr::Int(i)) => Ok(*i),
            Some(_) => Err(self.bad(name)),
            None => self.default(name)?.parse().map_err(|_| CallError::Missing(name)),
        }
    }

    fn index(&self, name: &'static str) -> Result<usize, CallError> {
        self.dim(name)?.as_const().and_then(|n| usize::try_from(n).ok()).ok_or_else(|| self.bad(name))
    }

    fn shape(&self, name: &'static str) -> Result<Vec<Dim>, CallError> {
        match self.get(name) {
            Some(Attr::Dims(d)) => Ok(d.clone()),
            Some(_) => Err(self.bad(name)),
            None => Err(CallError::Missing(name)),
        }
    }

    fn float(&self, name: &'static str) -> Result<Option<Number>, CallError> {
        match self.get(name) {
            Some(Attr::Float(x)) => Ok(Some(Number(*x))),
            Some(_) => Err(self.bad(name)),
            None => {
                let text = self.default(name)?;
                Ok(text.parse().ok().map(Number))
            }
        }
    }

    fn number(&self, name: &'static str) -> Result<Number, CallError> {
        self.float(name)?.ok_or(CallError::Missing(name))
    }

    fn flag(&self, name: &'static str) -> Result<bool, CallError> {
        match self.get(name) {
            Some(Attr::Bool(b)) => Ok(*b),
            Some(_) => Err(self.bad(name)),
            None => Ok(self.default(name)? == "true"),
        }
    }

    fn word(&self, name: &'static str) -> Result<String, CallError> {
        let words = match self.0.options.iter().find(|o| o.name == name).map(|o| o.kind) {
            Some(Kind::Word(w)) => w,
            _ => &[],
        };
        match self.get(name) {
            Some(Attr::Word(w)) if words.contains(&w.as_str()) => Ok(w.clone()),
            Some(_) => Err(self.bad(name)),
            None => Ok(self.default(name)?.into()),
        }
    }
}

/// The op of a call: parameters and options looked up in the row, defaults filled in.
///
/// ```
/// use tancho_ir::{table::{make, Attr, Call}, op::Op};
/// let call = Call { given: vec!["x"], options: vec![("over", Attr::Axes(vec![1]))] };
/// assert!(matches!(make("softmax", &call), Ok(Op::Softmax { axis: 1, log: false })));
/// ```
pub fn make(name: &str, call: &Call<'_>) -> Result<Op, CallError> {
    let row = lookup(name).ok_or_else(|| CallError::Unknown(name.into()))?;
    if let Some(missing) = row.params.iter().find(|p| !p.optional && !call.given.contains(&p.name)) {
        return Err(CallError::Missing(missing.name));
    }
    if let Some((n, _)) = call.options.iter().find(|(n, _)| row.options.iter().all(|o| o.name != *n)) {
        return Err(CallError::NoSuchOption((*n).into()));
    }
    let o = Options(row, &call.options);
    let has = |p: &str| call.given.contains(&p);
    if let Some((u, _)) = Unary::TABLE.iter().find(|(_, n)| *n == name) {
        return Ok(Op::Unary(*u));
    }
    // `max` and `min` of two tensors; the reductions are `reduce_max` and `reduce_min` here.
    if let Some((b, _)) = Binary::TABLE.iter().find(|(_, n)| *n == name) {
        return Ok(Op::Binary(*b));
    }
    let reduce = |kind| Ok(Op::Reduce { kind, axes: o.sorted_axes("over")?, keep: o.flag("keep")?, masked: has("where") });
    match name {
        "input" => Ok(Op::Input(o.index("index")?)),
        "weight" => Ok(Op::Weight(o.index("index")?)),
        "const" => match call.options.first() {
            Some((_, Attr::Float(x))) => Ok(Op::Const(Scalar::F32(Number(*x)))),
            Some((_, Attr::Int(i))) => Ok(Op::Const(Scalar::I32(*i))),
            Some((_, Attr::Bool(b))) => Ok(Op::Const(Scalar::Bool(*b))),
            _ => Err(CallError::Missing("f32")),
        },
        "dim" => Ok(Op::DimValue(o.dim("of")?)),
        "pow" => Ok(Op::Pow(o.number("exponent")?)),
        "select" => Ok(Op::Select),
        "cast" => DType::from_name(&o.word("to")?).map(Op::Cast).ok_or_else(|| o.bad("to")),
        "matmul" => Ok(Op::Matmul),
        "sum" => reduce(Reduction::Sum),
        "mean" => reduce(Reduction::Mean),
        "reduce_max" => reduce(Reduction::Max),
        "reduce_min" => reduce(Reduction::Min),
        "argmax" => Ok(Op::Argmax { axis: o.axis("over")?, keep: o.flag("keep")? }),
        "reshape" => Ok(Op::Reshape(o.shape("shape")?)),
        "transpose" => Ok(Op::Transpose(o.axes("axes")?)),
        "expand" => Ok(Op::Expand(o.shape("shape")?)),
        "slice" => Ok(Op::Slice { axis: o.axis("axis")?, start: o.dim("start")?, end: o.dim("end")?, step: o.dim("step")? }),
        "concat" => Ok(Op::Concat { axis: o.axis("axis")? }),
        "gather" => Ok(Op::Gather),
        "linear" => Ok(Op::Linear { bias: has("b") }),
        "softmax" => Ok(Op::Softmax { axis: o.axis("over")?, log: false }),
        "log_softmax" => Ok(Op::Softmax { axis: o.axis("over")?, log: true }),
        "layer_norm" => Ok(Op::LayerNorm {
            axes: o.sorted_axes("over")?,
            eps: o.number("eps")?,
            eps_on: if o.word("eps_on")? == "std" { EpsOn::Std } else { EpsOn::Var },
            gain: has("gain"),
            bias: has("bias"),
        }),
        "rms_norm" => Ok(Op::RmsNorm { axes: o.sorted_axes("over")?, eps: o.number("eps")?, gain: has("gain") }),
        "l2_normalize" => Ok(Op::L2Normalize { axis: o.axis("over")?, eps: o.number("eps")? }),
        "attention" => Ok(Op::Attention {
            heads: o.dim("heads")?,
            causal: o.flag("causal")?,
            window: o.dim_if_given("window")?,
            mask: has("mask"),
            bias: has("bias"),
            scale: o.float("scale")?,
        }),
        "arange" => Ok(Op::Arange { start: o.dim("start")?, end: o.dim("end")? }),
        "powers" => Ok(Op::Powers { ratio: o.number("ratio")?, len: o.dim("len")? }),
        "group_norm" => Ok(Op::GroupNorm { groups: o.dim("groups")?, eps: o.number("eps")?, gain: has("gain"), bias: has("bias") }),
        "conv2d" => Ok(Op::Conv2d {
            window: Window { stride: o.pair("stride")?, pad: o.padding("pad")?, dilation: o.pair("dilation")? },
            groups: o.dim("groups")?,
            bias: has("b"),
            layout: o.layout()?,
        }),
        "conv1d" => Ok(Op::Conv1d {
            stride: o.dim("stride")?,
            pad: o.padding("pad")?,
            dilation: o.dim("dilation")?,
            groups: o.dim("groups")?,
            bias: has("b"),
        }),
        "max_pool2d" => o.pool(Pooling::Max),
        "avg_pool2d" => o.pool(Pooling::Avg),
        "sum_pool2d" => o.pool(Pooling::Sum),
        "batch_norm" => Ok(Op::BatchNorm { eps: o.number("eps")? }),
        "global_mean" => Ok(Op::GlobalMean),
        "flatten" => Ok(Op::Flatten { from: o.axis("from")? }),
        "upsample_nearest" => Ok(Op::UpsampleNearest { scale: o.pair("scale")? }),
        "rope" => Ok(Op::Rope {
            base: o.number("base")?,
            from: o.dim("from")?,
            pairs: if o.word("pairs")? == "adjacent" { Pairs::Adjacent } else { Pairs::Halves },
        }),
        "pad" => Ok(Op::Pad { axis: o.axis("axis")?, before: o.dim("before")?, after: o.dim("after")? }),
        "cross_entropy" => Ok(Op::CrossEntropy { ignore: o.int("ignore")? }),
        "mse" => Ok(Op::Mse),
        "dropout" => Ok(Op::Dropout { p: o.number("p")? }),
        "stop_gradient" => Ok(Op::StopGradient),
        other => Err(CallError::Unknown(other.into())),
    }
}
