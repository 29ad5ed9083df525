//! From a call by name to an [`Op`]: parameters and options looked up in the row, defaults filled in.

use super::{Attr, Kind, OpDef, lookup};
use crate::dim::Dim;
use crate::op::*;
use crate::types::DType;
use std::fmt;

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

    /// What surrounds a signal, as an image of one row.
    fn ends(&self, name: &'static str) -> Result<Padding, CallError> {
        let (before, behind) = match self.get(name) {
            Some(Attr::Word(w)) if w == "same" => return Ok(Padding::Same),
            Some(Attr::Dims(d)) => match d.as_slice() {
                [both] => (both.clone(), both.clone()),
                [before, behind] => (before.clone(), behind.clone()),
                _ => return Err(self.bad(name)),
            },
            Some(_) => return Err(self.bad(name)),
            None => (Dim::constant(0), Dim::constant(0)),
        };
        Ok(Padding::Explicit([Dim::constant(0), Dim::constant(0), before, behind]))
    }

    fn layout(&self) -> Result<Layout, CallError> {
        Ok(if self.word("layout")? == "nhwc" { Layout::Nhwc } else { Layout::Nchw })
    }

    fn pool(&self, kind: Pooling) -> Result<Op, CallError> {
        let kernel = self.pair("kernel")?;
        let stride = self.pair_if_given("stride")?.unwrap_or_else(|| kernel.clone());
        let window =
            Window { stride, pad: self.padding("pad")?, dilation: [Dim::constant(1), Dim::constant(1)] };
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
    let reduce = |kind| {
        Ok(Op::Reduce { kind, axes: o.sorted_axes("over")?, keep: o.flag("keep")?, masked: has("where") })
    };
    match name {
        "input" => Ok(Op::Input(o.index("index")?)),
        "weight" => Ok(Op::Weight(o.index("index")?)),
        "state" => Ok(Op::State(o.index("index")?)),
        "push" => Ok(Op::Push { axis: o.axis("axis")? }),
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
        "slice" => Ok(Op::Slice {
            axis: o.axis("axis")?,
            start: o.dim("start")?,
            end: o.dim("end")?,
            step: o.dim("step")?,
        }),
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
        "rms_norm" => {
            Ok(Op::RmsNorm { axes: o.sorted_axes("over")?, eps: o.number("eps")?, gain: has("gain") })
        }
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
        "group_norm" => Ok(Op::GroupNorm {
            groups: o.dim("groups")?,
            eps: o.number("eps")?,
            gain: has("gain"),
            bias: has("bias"),
        }),
        "conv2d" => Ok(Op::Conv2d {
            window: Window {
                stride: o.pair("stride")?,
                pad: o.padding("pad")?,
                dilation: o.pair("dilation")?,
            },
            groups: o.dim("groups")?,
            bias: has("b"),
            layout: o.layout()?,
        }),
        "conv1d" => Ok(Op::Conv1d {
            window: Window::along_columns(&o.dim("stride")?, &o.ends("pad")?, &o.dim("dilation")?),
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
