//! The shape rules: the type of an op's result from the types of its arguments.
//!
//! The macro runs them on symbols, the graph builder on whatever the dims are there;
//! both show the same message, with the arguments' names as their caller knows them.

mod attention;
mod compiled;
mod composites;
mod conv;
mod numbers;

use crate::dim::{Dim, DimError};
use crate::op::*;
use crate::types::{DType, Facts, Shape, Type};
use std::fmt;

/// An argument as a shape rule sees it.
#[derive(Clone, Copy, Debug)]
pub struct Arg<'a> {
    /// Its type.
    pub ty: &'a Type,
    /// Its name in messages: a variable or the source text.
    pub name: &'a str,
}

/// Which part of a call a message points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The whole call.
    Call,
    /// The argument of that number.
    Arg(usize),
    /// The option of that name.
    Option(&'static str),
}

/// A shape rule that does not hold: one sentence, facts, and a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeError {
    /// One sentence with the names.
    pub message: String,
    /// The shapes it speaks of, one a line.
    pub facts: Vec<String>,
    /// What to write instead.
    pub help: Option<String>,
    /// Where to point.
    pub at: At,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        for fact in &self.facts {
            write!(f, "\n  {fact}")?;
        }
        if let Some(h) = &self.help {
            write!(f, "\nhelp: {h}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ShapeError {}

impl ShapeError {
    /// A message about the whole call.
    pub fn new(message: impl Into<String>) -> ShapeError {
        ShapeError { message: message.into(), facts: Vec::new(), help: None, at: At::Call }
    }

    /// Adds a line of fact.
    pub fn fact(mut self, f: impl Into<String>) -> ShapeError {
        self.facts.push(f.into());
        self
    }

    /// Adds the repair.
    pub fn help(mut self, h: impl Into<String>) -> ShapeError {
        self.help = Some(h.into());
        self
    }

    /// Points at a part of the call.
    pub fn at(mut self, at: At) -> ShapeError {
        self.at = at;
        self
    }
}

impl From<DimError> for ShapeError {
    fn from(e: DimError) -> ShapeError {
        ShapeError::new(e.to_string())
    }
}

type Result<T> = std::result::Result<T, ShapeError>;

pub use compiled::known_when_compiled;

fn is_line(a: &Arg<'_>, facts: &Facts) -> String {
    format!("`{}` is {}", a.name, show_type(a.ty, facts))
}

/// A type in messages: f32 stays unsaid, as in the language.
pub fn show_type(t: &Type, facts: &Facts) -> String {
    let dims: Vec<String> = t.shape.iter().map(|d| facts.show(d)).collect();
    let dtype = if t.dtype == DType::F32 { "" } else { t.dtype.name() };
    format!("{dtype}[{}]", dims.join(", "))
}

/// Whether `small` is a trailing suffix of `big` (a scalar is one of everything).
pub fn is_suffix(small: &[Dim], big: &[Dim]) -> bool {
    small.len() <= big.len() && big[big.len() - small.len()..] == *small
}

/// The longer of two shapes, if one is a trailing suffix of the other.
fn joined<'a>(a: &'a [Dim], b: &'a [Dim]) -> Option<&'a [Dim]> {
    if is_suffix(b, a) {
        Some(a)
    } else if is_suffix(a, b) {
        Some(b)
    } else {
        None
    }
}

fn broadcast(what: &str, args: &[Arg<'_>], facts: &Facts) -> Result<Vec<Dim>> {
    let mut shape = args[0].ty.shape.clone();
    for b in &args[1..] {
        match joined(&shape, &b.ty.shape) {
            Some(s) => shape = s.to_vec(),
            None => {
                let mut e = ShapeError::new(format!("{what}: their shapes differ"));
                for a in args {
                    e = e.fact(is_line(a, facts));
                }
                return Err(e.help(broadcast_help(args, facts)));
            }
        }
    }
    Ok(shape)
}

fn broadcast_help(args: &[Arg<'_>], facts: &Facts) -> String {
    let rank = args.iter().map(|a| a.ty.rank()).max().unwrap_or(0);
    let big = args.iter().find(|a| a.ty.rank() == rank);
    let small = big.and_then(|b| args.iter().find(|a| !is_suffix(&a.ty.shape, &b.ty.shape)));
    let Some((small, big)) = small.zip(big) else {
        return "the shapes must be equal, or one a trailing part of the other".into();
    };
    let (s, b) = (&small.ty.shape, &big.ty.shape);
    if s.len() == b.len() {
        let stretches = |from: &[Dim], to: &[Dim]| from.iter().zip(to).all(|(x, y)| x == y || x.is(1));
        if let Some((from, to)) =
            [(small, big), (big, small)].into_iter().find(|(x, y)| stretches(&x.ty.shape, &y.ty.shape))
        {
            return format!(
                "an axis of length 1 is not stretched by itself; write `expand({}, {})`",
                from.name,
                Shape(&to.ty.shape)
            );
        }
        let same_number = |x: &Dim, y: &Dim| facts.value(x).is_some() && facts.value(x) == facts.value(y);
        let mut differ = s.iter().zip(b).filter(|(x, y)| x != y);
        if let Some((x, y)) = differ.next()
            && same_number(x, y)
            && differ.all(|(x, y)| same_number(x, y))
        {
            return format!("{x} and {y} are equal only by default; use the same name on both sides");
        }
        return "both sides must have the same shape; a side may also be a trailing part of the other, as a bias is".into();
    }
    // A part that is not the trailing one: the article's gain over the channels, a mask over rows.
    match among(s, b) {
        Some(spread) => format!(
            "only a trailing part of {} is repeated; write `expand(reshape({}, {}), {})`",
            Shape(b),
            small.name,
            Shape(&spread),
            Shape(b)
        ),
        None => format!("only a trailing part of {} is repeated; write `expand` for anything else", Shape(b)),
    }
}

/// `small` with an axis of length 1 for each axis of `big` that it lacks, from its first axis on; its axes
/// must be some of `big`'s, in order.
fn among(small: &[Dim], big: &[Dim]) -> Option<Vec<Dim>> {
    let mut left = small.iter().peekable();
    let mut out = Vec::new();
    for d in big {
        if left.next_if(|x| *x == d).is_some() {
            out.push(d.clone());
        } else if !out.is_empty() {
            out.push(Dim::constant(1));
        }
    }
    (left.peek().is_none() && !out.is_empty()).then_some(out)
}

/// An argument must be of one of these element types.
fn want(i: usize, args: &[Arg<'_>], what: &str, allowed: &[DType]) -> Result<()> {
    let a = &args[i];
    if allowed.contains(&a.ty.dtype) {
        return Ok(());
    }
    let help = if a.ty.dtype == DType::Bf16 {
        format!("bf16 is for storage; write `cast({}, f32)`", a.name)
    } else {
        format!("convert on purpose: `cast({}, {})`", a.name, allowed[0])
    };
    Err(ShapeError::new(format!("{what} takes {}, but `{}` is {}", words(allowed), a.name, a.ty.dtype))
        .help(help)
        .at(At::Arg(i)))
}

fn words(allowed: &[DType]) -> String {
    allowed.iter().map(|d| d.name()).collect::<Vec<_>>().join(" or ")
}

fn same_dtype(what: &str, args: &[Arg<'_>], pair: (usize, usize)) -> Result<()> {
    let (a, b) = (&args[pair.0], &args[pair.1]);
    if a.ty.dtype == b.ty.dtype {
        return Ok(());
    }
    // Towards f32: the other direction loses something.
    let (from, to) = if a.ty.dtype == DType::F32 { (b, a) } else { (a, b) };
    Err(ShapeError::new(format!("{what}: `{}` is {} but `{}` is {}", a.name, a.ty.dtype, b.name, b.ty.dtype))
        .help(format!(
            "nothing is converted silently; write `cast({}, {})` where it is meant",
            from.name, to.ty.dtype
        )))
}

fn axis_ok(op: &str, axis: usize, a: &Arg<'_>, option: &'static str, facts: &Facts) -> Result<()> {
    if axis < a.ty.rank() {
        return Ok(());
    }
    Err(ShapeError::new(format!("`{op}` has no axis {axis} to work over"))
        .fact(is_line(a, facts))
        .help(format!("its axes are 0 to {}", a.ty.rank() as i64 - 1))
        .at(At::Option(option)))
}

fn without(shape: &[Dim], axes: &[usize], keep: bool) -> Vec<Dim> {
    let dims = shape.iter().enumerate();
    if keep {
        dims.map(|(i, d)| if axes.contains(&i) { Dim::constant(1) } else { d.clone() }).collect()
    } else {
        dims.filter(|(i, _)| !axes.contains(i)).map(|(_, d)| d.clone()).collect()
    }
}

const FLOAT: &[DType] = &[DType::F32];
const NUMBERS: &[DType] = &[DType::F32, DType::I32];
const BOOLS: &[DType] = &[DType::Bool];

/// The result type of `op`. `args` are as many as the op takes (the verifier and the table see to it).
pub fn infer(op: &Op, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let name = crate::table::name_of(op);
    let wanted = crate::table::present_params(op, args.len()).len();
    if args.len() != wanted {
        return Err(ShapeError::new(format!("`{name}` takes {wanted} tensors here, {} given", args.len())));
    }
    numbers::in_range(op)?;
    let what = format!("`{name}`");
    match op {
        Op::Input(_) | Op::Weight(_) | Op::State(_) => {
            Err(ShapeError::new(format!("{what} has the type of its declaration")))
        }
        Op::Const(c) => Ok(Type::new(c.dtype(), Vec::new())),
        Op::DimValue(_) => Ok(Type::f32(Vec::new())),
        Op::Arange { start, end } => Ok(Type::new(DType::I32, vec![end.minus(start)?])),
        Op::Powers { ratio, len } if 0.0 < ratio.0 && ratio.0 <= 1.0 => Ok(Type::f32(vec![len.clone()])),
        Op::Powers { ratio, .. } => {
            Err(ShapeError::new(format!("{what} needs a ratio in (0, 1], not {}", ratio.0)))
        }
        Op::Unary(u) => {
            want(0, args, &what, u.types())?;
            Ok(args[0].ty.clone())
        }
        Op::Binary(b) => binary(*b, args, facts),
        Op::Pow(_) => {
            want(0, args, &what, FLOAT)?;
            Ok(args[0].ty.clone())
        }
        Op::Select => {
            want(0, args, "the condition of `select`", BOOLS)?;
            same_dtype("both values of `select` must be of one type", args, (1, 2))?;
            let shape = broadcast("`select` cannot choose elementwise", args, facts)?;
            Ok(Type::new(args[1].ty.dtype, shape))
        }
        Op::Cast(d) => Ok(Type::new(*d, args[0].ty.shape.clone())),
        Op::Matmul => matmul(args, facts),
        Op::Reduce { kind, axes, keep, masked } => {
            let public = kind.name();
            for &a in axes {
                axis_ok(public, a, &args[0], "over", facts)?;
            }
            want(0, args, &format!("`{public}`"), if *kind == Reduction::Mean { FLOAT } else { NUMBERS })?;
            if *masked {
                want(1, args, &format!("the mask of `{public}`"), BOOLS)?;
                reduction_mask(public, axes, args, facts)?;
            }
            Ok(Type::new(args[0].ty.dtype, without(&args[0].ty.shape, axes, *keep)))
        }
        Op::Argmax { axis, keep } => {
            axis_ok(name, *axis, &args[0], "over", facts)?;
            want(0, args, &what, NUMBERS)?;
            Ok(Type::new(DType::I32, without(&args[0].ty.shape, &[*axis], *keep)))
        }
        Op::Reshape(shape) => {
            let (from, to) = (Dim::product(&args[0].ty.shape)?, Dim::product(shape)?);
            if from != to {
                return Err(ShapeError::new(format!(
                    "`reshape` cannot make {} of `{}`: the number of elements differs",
                    Shape(shape),
                    args[0].name
                ))
                .fact(format!(
                    "`{}` is {}, {} elements",
                    args[0].name,
                    show_type(args[0].ty, facts),
                    facts.show(&from)
                ))
                .fact(format!("{} has {} elements", Shape(shape), facts.show(&to)))
                .help(
                    "`reshape` keeps every element; `sum` or `mean` take an axis away, `expand` repeats one",
                ));
            }
            Ok(Type::new(args[0].ty.dtype, shape.clone()))
        }
        Op::Transpose(perm) => {
            let mut seen = perm.clone();
            seen.sort_unstable();
            if seen.iter().copied().ne(0..args[0].ty.rank()) {
                return Err(ShapeError::new("`transpose` must name every axis exactly once")
                    .fact(is_line(&args[0], facts))
                    .help(match args[0].ty.shape.first().and_then(Dim::as_sym) {
                        Some("..") => {
                            format!("the leading axes stay, the {} behind them move", args[0].ty.rank() - 1)
                        }
                        _ => format!(
                            "for example `transpose({}, axes = ({}))`",
                            args[0].name,
                            (0..args[0].ty.rank())
                                .rev()
                                .map(|i| i.to_string())
                                .collect::<Vec<_>>()
                                .join(", ")
                        ),
                    })
                    .at(At::Option("axes")));
            }
            Ok(Type::new(args[0].ty.dtype, perm.iter().map(|&i| args[0].ty.shape[i].clone()).collect()))
        }
        Op::Expand(shape) => expand(shape, args, facts),
        Op::Slice { axis, start, end, step } => slice(*axis, (start, end, step), args, facts),
        Op::Concat { axis } | Op::Push { axis } => concat(name, *axis, args, facts),
        Op::Gather => gather(args, facts),
        Op::Linear { .. } => linear(args, facts),
        Op::Softmax { axis, .. } | Op::L2Normalize { axis, .. } => {
            axis_ok(name, *axis, &args[0], "over", facts)?;
            want(0, args, &what, FLOAT)?;
            Ok(args[0].ty.clone())
        }
        Op::LayerNorm { axes, gain, .. } => {
            norm(name, axes, args, if *gain { &["gain", "bias"] } else { &["bias"] }, facts)
        }
        Op::RmsNorm { axes, .. } => norm(name, axes, args, &["gain"], facts),
        Op::GroupNorm { groups, gain, .. } => {
            composites::group_norm(groups, if *gain { &["gain", "bias"] } else { &["bias"] }, args, facts)
        }
        Op::Conv2d { window, groups, layout, .. } => conv::conv2d(window, groups, *layout, args, facts),
        Op::Conv1d { window, groups, .. } => conv::conv1d(window, groups, args, facts),
        Op::Pool2d { kernel, window, layout, .. } => conv::pool2d(name, kernel, window, *layout, args, facts),
        Op::BatchNorm { .. } => conv::batch_norm(args, facts),
        Op::GlobalMean => conv::global_mean(args, facts),
        Op::Flatten { from } => conv::flatten(*from, args, facts),
        Op::UpsampleNearest { scale } => conv::upsample_nearest(scale, args, facts),
        Op::Rope { base, .. } => composites::rope(*base, args, facts),
        Op::Pad { axis, before, after } => composites::pad(*axis, before, after, args, facts),
        Op::CrossEntropy { .. } => composites::cross_entropy(args, facts),
        Op::Mse => composites::mse(args, facts),
        Op::Dropout { p } => composites::dropout(*p, args),
        Op::StopGradient => Ok(args[0].ty.clone()),
        Op::Attention { heads, causal, window, mask, bias, .. } => {
            let flags =
                attention::Flags { causal: *causal, window: window.as_ref(), mask: *mask, bias: *bias };
            attention::attention(heads, flags, args, facts)
        }
    }
}

fn binary(b: Binary, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let (x, y) = (args[0].name, args[1].name);
    let what = match b {
        Binary::Add => format!("cannot add `{x}` and `{y}`"),
        Binary::Sub => format!("cannot subtract `{y}` from `{x}`"),
        Binary::Mul => format!("cannot multiply `{x}` and `{y}`"),
        Binary::Div => format!("cannot divide `{x}` by `{y}`"),
        _ => format!("`{}` cannot take `{x}` and `{y}`", b.name()),
    };
    let op = b.symbol().unwrap_or(b.name());
    want(0, args, &format!("`{op}`"), b.types())?;
    want(1, args, &format!("`{op}`"), b.types())?;
    same_dtype(&what, args, (0, 1))?;
    let shape = broadcast(&what, args, facts)?;
    Ok(Type::new(if b.is_comparison() { DType::Bool } else { args[0].ty.dtype }, shape))
}

fn matmul(args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let (a, b) = (&args[0], &args[1]);
    want(0, args, "`@`", FLOAT)?;
    want(1, args, "`@`", FLOAT)?;
    let (x, w) = (&a.ty.shape, &b.ty.shape);
    let lines = |e: ShapeError| e.fact(is_line(a, facts)).fact(is_line(b, facts));
    if x.is_empty() || w.len() < 2 {
        let e = lines(ShapeError::new("`@` needs [.., M, K] @ [.., K, N]"));
        return Err(match (x.last(), w.as_slice()) {
            (Some(k), [d]) if k == d => {
                e.help(format!("to contract with a vector write `sum({} * {}, over = {d})`", a.name, b.name))
            }
            (Some(_), [_]) => e.help("`w @ x` takes one vector: [M, K] @ [K]"),
            _ => e.help(format!("a scalar is multiplied with `*`: `{} * {}`", a.name, b.name)),
        });
    }
    let (k, wk) = (&x[x.len() - 1], &w[w.len() - 2]);
    let leading_fit = w.len() == 2 || (x.len() == w.len() && x[..x.len() - 2] == w[..w.len() - 2]);
    if k != wk {
        let e = lines(ShapeError::new(format!(
            "inner dimensions of `@` differ: {} is not {}",
            facts.show(k),
            facts.show(wk)
        )));
        return Err(if w.last() == Some(k) && leading_fit {
            e.help(format!("`{}` fits if transposed: `{} @ {}.t`", b.name, a.name, b.name))
        } else if x.len() >= 2 && &x[x.len() - 2] == wk && leading_fit {
            e.help(format!("`{}` fits if transposed: `{}.t @ {}`", a.name, a.name, b.name))
        } else if facts.value(k).is_some() && facts.value(k) == facts.value(wk) {
            e.help(format!("{k} and {wk} are equal only by default; use the same name on both sides"))
        } else {
            e.help("the last axis of the left side meets the last but one of the right side")
        });
    }
    if !leading_fit {
        return Err(lines(ShapeError::new("the leading axes of `@` differ"))
            .help("both sides have the same leading axes, or the right side is one matrix [K, N]"));
    }
    let mut shape = x.clone();
    if let (Some(last), Some(n)) = (shape.last_mut(), w.last()) {
        *last = n.clone();
    }
    Ok(Type::f32(shape))
}

fn reduction_mask(op: &str, axes: &[usize], args: &[Arg<'_>], facts: &Facts) -> Result<()> {
    let (x, m) = (&args[0].ty.shape, &args[1].ty.shape);
    let leading = m.len() <= x.len() && x[..m.len()] == **m;
    if leading && axes.iter().all(|&a| a < m.len()) {
        return Ok(());
    }
    Err(ShapeError::new(format!("the mask of `{op}` does not fit"))
        .fact(is_line(&args[0], facts))
        .fact(is_line(&args[1], facts))
        .help(format!("a mask has the leading axes of `{}`, the reduced ones among them", args[0].name))
        .at(At::Arg(1)))
}

fn expand(shape: &[Dim], args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let from = &args[0].ty.shape;
    let fits = from.len() <= shape.len()
        && from
            .iter()
            .zip(&shape[shape.len() - from.len()..])
            .all(|(a, b)| a == b || (a.is(1) && b.as_sym() != Some("..")));
    if !fits {
        return Err(ShapeError::new(format!(
            "`expand` cannot stretch `{}` to {}",
            args[0].name,
            Shape(shape)
        ))
        .fact(is_line(&args[0], facts))
        .help("it repeats axes of length 1 and adds leading axes; every other axis stays as it is"));
    }
    Ok(Type::new(args[0].ty.dtype, shape.to_vec()))
}

fn slice(
    axis: usize,
    (start, end, step): (&Dim, &Dim, &Dim),
    args: &[Arg<'_>],
    facts: &Facts,
) -> Result<Type> {
    axis_ok("slice", axis, &args[0], "axis", facts)?;
    if facts.is_run_time(step) || facts.value(step).is_some_and(|n| n < 1) {
        return Err(ShapeError::new(format!(
            "the step of a slice is a positive static dim, not {}",
            facts.show(step)
        ))
        .at(At::Option("step")));
    }
    let len = &args[0].ty.shape[axis];
    let size = end.minus(start)?;
    // What cannot be decided here (run-time dims) is checked when the dims are bound.
    let negative = |d: &Dim| facts.value(d).is_some_and(|n| n < 0);
    if negative(&size) || negative(start) || negative(&len.minus(end)?) {
        return Err(ShapeError::new(format!("{start}..{end} is outside of `{}`", args[0].name))
            .fact(is_line(&args[0], facts))
            .help(format!("axis {axis} has {} elements", facts.show(len))));
    }
    let mut shape = args[0].ty.shape.clone();
    shape[axis] = size.ceil_div(step)?;
    Ok(Type::new(args[0].ty.dtype, shape))
}

fn concat(name: &str, axis: usize, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    axis_ok(name, axis, &args[0], "axis", facts)?;
    let mut out = args[0].ty.clone();
    for (i, b) in args.iter().enumerate().skip(1) {
        same_dtype(&format!("`{name}` joins tensors of one type"), args, (0, i))?;
        let fits = b.ty.rank() == out.rank()
            && b.ty.shape.iter().zip(&out.shape).enumerate().all(|(j, (x, y))| j == axis || x == y);
        if !fits {
            let along = &args[0].ty.shape[axis];
            return Err(ShapeError::new(format!(
                "`{name}` cannot join `{}` and `{}` along axis {axis}, {along}",
                args[0].name, b.name
            ))
            .fact(is_line(&args[0], facts))
            .fact(is_line(b, facts))
            .help("both have as many axes, and all but the joined one are equal")
            .at(At::Arg(i)));
        }
        out.shape[axis] = out.shape[axis].plus(&b.ty.shape[axis])?;
    }
    Ok(out)
}

/// Whether a value is called by a name, which can be declared otherwise, or by the text of an expression.
fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn gather(args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let (t, ids) = (&args[0], &args[1]);
    if t.ty.rank() == 0 {
        return Err(ShapeError::new(format!("`{}` has no rows to take", t.name))
            .fact(is_line(t, facts))
            .help("a table has at least one axis, `[V, D]`")
            .at(At::Arg(0)));
    }
    if ids.ty.dtype != DType::I32 {
        // The element type is what is wrong: it is said even where it is f32.
        let found = format!(
            "{}[{}]",
            ids.ty.dtype,
            ids.ty.shape.iter().map(|d| facts.show(d)).collect::<Vec<_>>().join(", ")
        );
        let help = match ids.ty.dtype {
            DType::Bool => format!(
                "where a mask is meant, write `select({}, a, b)` or the `where` of a reduction",
                ids.name
            ),
            _ if is_name(ids.name) => format!("declare it as `{}: i32{}`", ids.name, Shape(&ids.ty.shape)),
            _ => format!("convert on purpose: `cast({}, i32)`", ids.name),
        };
        return Err(ShapeError::new(format!("rows are taken by i32 ids, but `{}` is {found}", ids.name))
            .help(help)
            .at(At::Arg(1)));
    }
    let mut shape = ids.ty.shape.clone();
    shape.extend(t.ty.shape[1..].iter().cloned());
    Ok(Type::new(t.ty.dtype, shape))
}

fn linear(args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    for i in 0..args.len() {
        want(i, args, "`linear`", FLOAT)?;
    }
    let (x, w) = (&args[0], &args[1]);
    let lines = |e: ShapeError| e.fact(is_line(x, facts)).fact(is_line(w, facts));
    let (Some(k), [out, wk]) = (x.ty.shape.last(), w.ty.shape.as_slice()) else {
        return Err(lines(ShapeError::new("`linear` needs `x` [.., IN] and `w` [OUT, IN]"))
            .help("a weight is declared as `param w: [OUT, IN];`"));
    };
    if k != wk {
        let e = lines(ShapeError::new(format!(
            "`linear` cannot apply `{}` to `{}`: {} is not {}",
            w.name,
            x.name,
            facts.show(wk),
            facts.show(k)
        )));
        return Err(if k == out {
            e.help(format!("`linear` takes a weight [OUT, IN]; `{}.t` fits", w.name))
        } else {
            e.help(format!("`linear` takes a weight [OUT, IN], here [{out}, {k}]"))
        });
    }
    if let Some(b) = args.get(2)
        && b.ty.shape.as_slice() != std::slice::from_ref(out)
    {
        return Err(ShapeError::new(format!(
            "`{}` is {} but `linear` needs a bias [{out}]",
            b.name,
            show_type(b.ty, facts)
        ))
        .help(format!("declare `param {}: [{out}] = zeros;`", b.name))
        .at(At::Arg(2)));
    }
    let mut shape = x.ty.shape.clone();
    if let Some(last) = shape.last_mut() {
        *last = out.clone();
    }
    Ok(Type::f32(shape))
}

fn norm(op: &str, axes: &[usize], args: &[Arg<'_>], extra: &[&str], facts: &Facts) -> Result<Type> {
    let x = &args[0];
    for &a in axes {
        axis_ok(op, a, x, "over", facts)?;
    }
    for i in 0..args.len() {
        want(i, args, &format!("`{op}`"), FLOAT)?;
    }
    let over: Vec<Dim> = axes.iter().map(|&a| x.ty.shape[a].clone()).collect();
    let named = over.iter().map(Dim::to_string).collect::<Vec<_>>().join(", ");
    let spoken = if over.len() == 1 { named } else { format!("({named})") };
    for (i, a) in args.iter().enumerate().skip(1) {
        if a.ty.shape != over {
            let which = extra.get(i - 1).copied().unwrap_or("gain");
            let init = if which == "bias" { "zeros" } else { "ones" };
            return Err(ShapeError::new(format!(
                "`{}` is {} but `{op}(.., over = {spoken})` needs {}",
                a.name,
                show_type(a.ty, facts),
                Shape(&over)
            ))
            .help(format!("declare `param {}: {} = {init};`", a.name, Shape(&over)))
            .at(At::Arg(i)));
        }
    }
    Ok(x.ty.clone())
}
