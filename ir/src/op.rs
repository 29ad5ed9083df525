//! The operations of a graph, as data.
//!
//! The core ops are what the interpreter and the lowering must know. Composites
//! (`layer_norm`, `softmax`, `attention` ...) keep their name to the end and have a
//! [decomposition](crate::decompose) into the core that defines them.

use crate::dim::Dim;
use crate::types::DType;

/// Elementwise function of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are the field's
pub enum Unary {
    Neg,
    Abs,
    Exp,
    Log,
    Sqrt,
    Rsqrt,
    Tanh,
    Erf,
    Sin,
    Cos,
    Not,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    Gelu,
    GeluTanh,
    HardSwish,
}

/// Elementwise function of two arguments; one shape may be a trailing suffix of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
    And,
    Or,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Swiglu,
}

impl Binary {
    /// Whether the result is `bool` whatever the arguments are.
    pub fn is_comparison(self) -> bool {
        matches!(self, Binary::Eq | Binary::Ne | Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge)
    }

    /// The operator in source text, if it has one.
    pub fn symbol(self) -> Option<&'static str> {
        Some(match self {
            Binary::Add => "+",
            Binary::Sub => "-",
            Binary::Mul => "*",
            Binary::Div => "/",
            _ => return None,
        })
    }
}

/// How a reduction combines the elements of the axes it removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Reduction {
    Sum,
    Mean,
    Max,
    Min,
}

/// Where `layer_norm` adds its eps: the textbook's or the article's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EpsOn {
    /// `(x - mean) / sqrt(var + eps)`: the textbook and `torch.nn.LayerNorm`.
    Var,
    /// `(x - mean) / (std + eps)`, biased std.
    Std,
}

/// Which elements of a head `rope` turns together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pairs {
    /// Element `i` with `i + HD / 2`, as GPT-NeoX and Llama in Hugging Face's form.
    Halves,
    /// Element `2 i` with `2 i + 1`, as the article and Llama in Meta's form.
    Adjacent,
}

/// Where the channels of an image stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `[N, C, H, W]`, as PyTorch has it.
    Nchw,
    /// `[N, H, W, C]`: a pixel's channels lie side by side.
    Nhwc,
}

impl Layout {
    /// Its name in the language.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Nchw => "nchw",
            Layout::Nhwc => "nhwc",
        }
    }

    /// The axis of the channels.
    pub fn channels(self) -> usize {
        match self {
            Layout::Nchw => 1,
            Layout::Nhwc => 3,
        }
    }

    /// The axis of the rows; that of the columns is the next.
    pub fn rows(self) -> usize {
        match self {
            Layout::Nchw => 2,
            Layout::Nhwc => 1,
        }
    }
}

/// What surrounds an image before a window runs over it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Padding {
    /// TensorFlow's: as much as `ceil(length / stride)` positions need, the odd one behind.
    Same,
    /// Above, below, left and right.
    Explicit([Dim; 4]),
}

/// How a window runs over the rows and columns of an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Pixels from one position to the next, down and across.
    pub stride: [Dim; 2],
    /// What surrounds the image.
    pub pad: Padding,
    /// Pixels from one element of the window to the next.
    pub dilation: [Dim; 2],
}

/// How a pooling combines the pixels of its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Pooling {
    Max,
    Avg,
    Sum,
}

/// A float attribute compared and hashed by its bits.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Number {}

impl std::hash::Hash for Number {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// A scalar constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// An f32, kept as f64 until it is used.
    F32(Number),
    /// An i32.
    I32(i32),
    /// A bool.
    Bool(bool),
}

impl Scalar {
    /// Its element type.
    pub fn dtype(self) -> DType {
        match self {
            Scalar::F32(_) => DType::F32,
            Scalar::I32(_) => DType::I32,
            Scalar::Bool(_) => DType::Bool,
        }
    }
}

/// One operation. Arguments are the node's; attributes are here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// The graph's input of that number. No arguments.
    Input(usize),
    /// The graph's weight of that number. No arguments.
    Weight(usize),
    /// What the graph's state of that number is before the run. No arguments.
    State(usize),
    /// A scalar constant. No arguments.
    Const(Scalar),
    /// The value of a dim as an f32 scalar. No arguments.
    DimValue(Dim),
    /// The numbers `start..end` as i32. No arguments.
    Arange {
        /// The first.
        start: Dim,
        /// One past the last.
        end: Dim,
    },
    /// `ratio^0, ratio^1 ..`, each the f32 next to the exact number. No arguments.
    Powers {
        /// What is raised.
        ratio: Number,
        /// How many.
        len: Dim,
    },
    /// Elementwise function of one argument.
    Unary(Unary),
    /// Elementwise function of two arguments.
    Binary(Binary),
    /// `x ^ exponent`, elementwise.
    Pow(Number),
    /// `select(cond, a, b)`: `a` where `cond` is true, else `b`.
    Select,
    /// Conversion to another element type. f32 to i32 truncates and saturates, NaN gives 0.
    Cast(DType),
    /// `[.., M, K] @ [.., K, N]` or `[.., M, K] @ [K, N]`.
    Matmul,
    /// A reduction over `axes` (sorted); with `masked` a second bool argument selects the elements that
    /// count.
    Reduce {
        /// What combines the elements.
        kind: Reduction,
        /// The reduced axes, ascending.
        axes: Vec<usize>,
        /// Keep the reduced axes with length 1.
        keep: bool,
        /// A mask is the second argument; its shape is that of `x` or a leading part of it.
        masked: bool,
    },
    /// Index of the largest element along `axis`, as i32; the first of equals; a NaN counts as largest.
    Argmax {
        /// The axis that goes.
        axis: usize,
        /// Keep it with length 1.
        keep: bool,
    },
    /// The same elements in row-major order under another shape.
    Reshape(Vec<Dim>),
    /// Axis `i` of the result is axis `axes[i]` of the argument.
    Transpose(Vec<usize>),
    /// Repetition along axes of length 1 and along new leading axes.
    Expand(Vec<Dim>),
    /// Every `step`-th of the elements `start..end` along `axis`.
    Slice {
        /// The axis that is cut.
        axis: usize,
        /// First index.
        start: Dim,
        /// One past the last index.
        end: Dim,
        /// Elements from one to the next; positive.
        step: Dim,
    },
    /// The arguments one after another along `axis`.
    Concat {
        /// The axis that grows.
        axis: usize,
    },
    /// A growing state with new rows behind those it has: arguments `state`, `rows`.
    Push {
        /// The axis it grows along.
        axis: usize,
    },
    /// Rows of a table (first argument) by i32 ids (second argument).
    Gather,
    /// `x @ w.t + b`, `w` is `[OUT, IN]`; `bias` says whether the third argument is there.
    Linear {
        /// A bias `[OUT]` is the third argument.
        bias: bool,
    },
    /// `exp(x - max) / sum`, or its logarithm.
    Softmax {
        /// The axis that sums to 1.
        axis: usize,
        /// Give the logarithm.
        log: bool,
    },
    /// Layer norm over `axes`; arguments `x`, gain if `gain`, bias if `bias`, both shaped like the normalised
    /// axes.
    LayerNorm {
        /// The normalised axes, ascending.
        axes: Vec<usize>,
        /// Added to the variance or to the standard deviation.
        eps: Number,
        /// Which of the two.
        eps_on: EpsOn,
        /// A gain is given.
        gain: bool,
        /// A bias is given.
        bias: bool,
    },
    /// `x / sqrt(mean(x*x) + eps) * gain` over `axes`.
    RmsNorm {
        /// The normalised axes, ascending.
        axes: Vec<usize>,
        /// Added to the mean square.
        eps: Number,
        /// A gain is given.
        gain: bool,
    },
    /// `x / max(sqrt(sum(x*x)), eps)` along one axis.
    L2Normalize {
        /// The normalised axis.
        axis: usize,
        /// Lower bound of the norm.
        eps: Number,
    },
    /// Layer norm over groups of channels of `[N, C, ..]`; arguments `x`, gain `[C]` if `gain`, bias `[C]` if
    /// `bias`.
    GroupNorm {
        /// How many groups; they divide the channels.
        groups: Dim,
        /// Added to the variance.
        eps: Number,
        /// A gain is given.
        gain: bool,
        /// A bias is given.
        bias: bool,
    },
    /// Convolution of images `x` with filters `w [O, C / groups, KH, KW]`, plus `b [O]` if `bias`. Filters
    /// are not flipped.
    Conv2d {
        /// How the filters run over the image.
        window: Window,
        /// Parts of the channels, each with filters of its own.
        groups: Dim,
        /// A bias is the third argument.
        bias: bool,
        /// Where the channels of `x` and of the result stand; filters are laid out as above in both.
        layout: Layout,
    },
    /// [`Op::Conv2d`] of `[N, C, L]` with filters `[O, C / groups, K]`.
    Conv1d {
        /// How the filters run, as over an image of one row.
        window: Window,
        /// Parts of the channels.
        groups: Dim,
        /// A bias is the third argument.
        bias: bool,
    },
    /// The pixels of a window combined, channel by channel. Surroundings do not count for `Max` and are 0
    /// else.
    Pool2d {
        /// How they are combined. A NaN in the window is its maximum.
        kind: Pooling,
        /// Rows and columns of the window.
        kernel: [Dim; 2],
        /// How it runs over the image.
        window: Window,
        /// Where the channels stand.
        layout: Layout,
        /// The mean counts what surrounds the image.
        count_pad: bool,
    },
    /// Batch norm with known statistics: `(x - mean) / sqrt(var + eps) * gain + bias`, all `[C]`, of `x [N,
    /// C, ..]`.
    BatchNorm {
        /// Added to the variance.
        eps: Number,
    },
    /// The mean of each channel of `[N, C, ..]`.
    GlobalMean,
    /// All axes from this one on as one.
    Flatten {
        /// The first of them.
        from: usize,
    },
    /// Each pixel of `[N, C, H, W]` repeated.
    UpsampleNearest {
        /// How often, down and across.
        scale: [Dim; 2],
    },
    /// Rotary position embedding of `[B, HEADS, S, HD]`: pair `i` of row `s` is turned by the angle
    /// `(from + s) * base^(-2 i / HD)`. Position, frequency and angle are f32 numbers.
    Rope {
        /// The base of the frequencies.
        base: Number,
        /// The position of the first row.
        from: Dim,
        /// Which elements are a pair.
        pairs: Pairs,
    },
    /// Zeros before and after `x` along `axis`.
    Pad {
        /// The axis that grows.
        axis: usize,
        /// How many before.
        before: Dim,
        /// How many after.
        after: Dim,
    },
    /// `-log_softmax(logits)[id]` of each row; 0 where the id is `ignore`. An id out of range is an error.
    CrossEntropy {
        /// The id of rows that do not count.
        ignore: i32,
    },
    /// Mean of `(a - b)^2` over the last axis.
    Mse,
    /// The identity here: what sets elements to 0 is training's.
    Dropout {
        /// The share of elements that training sets to 0.
        p: Number,
    },
    /// The identity; training lets no gradient through.
    StopGradient,
    /// Scaled dot-product attention; arguments `q`, `k`, `v`, mask if `mask`, bias if `bias`.
    Attention {
        /// Number of query heads.
        heads: Dim,
        /// A query sees no key after its own position, counted from the end of the keys.
        causal: bool,
        /// A query at position `p` sees no key before `p - window + 1`, positions counted as for `causal`.
        window: Option<Dim>,
        /// A bool mask is the fourth argument; true means attend.
        mask: bool,
        /// The last argument is added to the scaled scores.
        bias: bool,
        /// Factor on the scores; `1/sqrt(head dim)` if absent.
        scale: Option<Number>,
    },
}

impl Unary {
    /// The names of the language, in order.
    pub const TABLE: [(Unary, &'static str); 18] = [
        (Unary::Neg, "neg"),
        (Unary::Abs, "abs"),
        (Unary::Exp, "exp"),
        (Unary::Log, "log"),
        (Unary::Sqrt, "sqrt"),
        (Unary::Rsqrt, "rsqrt"),
        (Unary::Tanh, "tanh"),
        (Unary::Erf, "erf"),
        (Unary::Sin, "sin"),
        (Unary::Cos, "cos"),
        (Unary::Not, "not"),
        (Unary::Relu, "relu"),
        (Unary::Relu6, "relu6"),
        (Unary::Sigmoid, "sigmoid"),
        (Unary::Silu, "silu"),
        (Unary::Gelu, "gelu"),
        (Unary::GeluTanh, "gelu_tanh"),
        (Unary::HardSwish, "hard_swish"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Unary::TABLE[self as usize].1
    }
}

impl Binary {
    /// The names of the language, in order.
    pub const TABLE: [(Binary, &'static str); 15] = [
        (Binary::Add, "add"),
        (Binary::Sub, "sub"),
        (Binary::Mul, "mul"),
        (Binary::Div, "div"),
        (Binary::Max, "max"),
        (Binary::Min, "min"),
        (Binary::And, "and"),
        (Binary::Or, "or"),
        (Binary::Eq, "eq"),
        (Binary::Ne, "ne"),
        (Binary::Lt, "lt"),
        (Binary::Le, "le"),
        (Binary::Gt, "gt"),
        (Binary::Ge, "ge"),
        (Binary::Swiglu, "swiglu"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Binary::TABLE[self as usize].1
    }
}

impl Reduction {
    /// The names of the language, in order.
    pub const TABLE: [(Reduction, &'static str); 4] = [
        (Reduction::Sum, "sum"),
        (Reduction::Mean, "mean"),
        (Reduction::Max, "max"),
        (Reduction::Min, "min"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Reduction::TABLE[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_the_order_of_their_enums() {
        assert!(Unary::TABLE.iter().enumerate().all(|(i, r)| r.0 as usize == i));
        assert!(Binary::TABLE.iter().enumerate().all(|(i, r)| r.0 as usize == i));
        assert!(Reduction::TABLE.iter().enumerate().all(|(i, r)| r.0 as usize == i));
    }
}
