//! One row per operation that can be named: parameters, options with defaults,
//! formula, and the two conversions between the row's options and an [`Op`].
//!
//! The macro reads calls by it, the text form is printed and parsed by it, and the
//! docs quote it. A new op is a row here, a shape rule in [`infer`](crate::infer), and its kernels.

mod attrs;
mod call;

pub use attrs::{attrs_of, present_params};
pub use call::{Call, CallError, make};

use crate::dim::Dim;
use crate::op::*;
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
    /// What surrounds an image: a dim for all sides, two for rows and columns, or four.
    Pad,
    /// What surrounds a signal: a dim for both ends, or two.
    Ends,
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
const POOL: &[OptionDef] = &[
    must("kernel", Kind::Pair),
    or("stride", Kind::Pair, ""),
    or("pad", Kind::Pad, "0"),
    or("layout", LAYOUT, "nchw"),
];

const fn row(
    name: &'static str,
    params: &'static [Param],
    options: &'static [OptionDef],
    formula: &'static str,
) -> OpDef {
    OpDef { name, params, variadic: false, options, callable: true, formula }
}

const fn internal(
    name: &'static str,
    params: &'static [Param],
    options: &'static [OptionDef],
    formula: &'static str,
) -> OpDef {
    OpDef { name, params, variadic: false, options, callable: false, formula }
}

/// Every operation.
pub const OPS: &[OpDef] = &[
    internal("input", &[], &[must("index", Kind::Dim)], "an input of the network"),
    internal("weight", &[], &[must("index", Kind::Dim)], "a weight of the network"),
    internal("state", &[], &[must("index", Kind::Dim)], "what a state is before the run"),
    internal(
        "push",
        &[req("state"), req("rows")],
        &[must("axis", Kind::Axis)],
        "a growing state with new rows behind those it has",
    ),
    internal(
        "const",
        &[],
        &[or("f32", Kind::Float, ""), or("i32", Kind::Int, ""), or("bool", Kind::Bool, "")],
        "a scalar constant",
    ),
    internal("dim", &[], &[must("of", Kind::Dim)], "the value of a dim as an f32 scalar"),
    internal(
        "arange",
        &[],
        &[must("start", Kind::Dim), must("end", Kind::Dim)],
        "start, start + 1 .. end - 1 as i32",
    ),
    internal(
        "powers",
        &[],
        &[must("ratio", Kind::Float), must("len", Kind::Dim)],
        "ratio^0 .. ratio^(len - 1)",
    ),
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
    row(
        "argmax",
        X,
        &[must("over", Kind::Axis), or("keep", Kind::Bool, "false")],
        "index of the largest element, i32",
    ),
    row("reshape", X, &[must("shape", Kind::Shape)], "the same elements under another shape"),
    row("transpose", X, &[must("axes", Kind::Perm)], "axes in another order"),
    row("expand", X, &[must("shape", Kind::Shape)], "repeat axes of length 1 and new leading axes"),
    internal(
        "slice",
        X,
        &[
            must("axis", Kind::Axis),
            must("start", Kind::Dim),
            must("end", Kind::Dim),
            or("step", Kind::Dim, "1"),
        ],
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
        &[
            must("over", Kind::Axes),
            or("eps", Kind::Float, "1e-5"),
            or("eps_on", Kind::Word(&["var", "std"]), "var"),
        ],
        "(x - mean) / sqrt(var + eps) * gain + bias, biased variance; eps_on = std: (x - mean) / (std + eps)",
    ),
    row(
        "rms_norm",
        &[req("x"), opt("gain")],
        &[must("over", Kind::Axes), or("eps", Kind::Float, "1e-6")],
        "x / sqrt(mean(x^2) + eps) * gain",
    ),
    row(
        "l2_normalize",
        X,
        &[must("over", Kind::Axis), or("eps", Kind::Float, "1e-12")],
        "x / max(sqrt(sum(x^2)), eps)",
    ),
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
        &[
            or("stride", Kind::Dim, "1"),
            or("pad", Kind::Ends, "0"),
            or("dilation", Kind::Dim, "1"),
            or("groups", Kind::Dim, "1"),
        ],
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
    row(
        "upsample_nearest",
        X,
        &[must("scale", Kind::Pair)],
        "each pixel of [N, C, H, W] repeated `scale` times down and across",
    ),
    row(
        "attention",
        &[req("q"), req("k"), req("v"), opt("mask"), opt("bias")],
        &[
            must("heads", Kind::Dim),
            or("causal", Kind::Bool, "false"),
            or("window", Kind::Dim, ""),
            or("scale", Kind::Float, ""),
        ],
        "softmax(q k^T * scale + bias, masked) v per head; a row with no key to attend gives zeros",
    ),
    row(
        "rope",
        X,
        &[
            or("base", Kind::Float, "1e4"),
            or("from", Kind::Dim, "0"),
            or("pairs", Kind::Word(&["halves", "adjacent"]), "halves"),
        ],
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
        Op::State(_) => "state",
        Op::Push { .. } => "push",
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
            Kind::Ends => "`same`, a dimension, or two: `(before, behind)`".into(),
            Kind::Pad => {
                "`same`, a dimension, two `(rows, columns)` or four `(above, below, left, right)`".into()
            }
            Kind::Word(w) => {
                format!("one of {}", w.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", "))
            }
        }
    }
}
