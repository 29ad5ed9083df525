//! The shape rules: the type of an op's result from the types of its arguments.
//!
//! The macro runs them on symbols, the graph builder on whatever the dims are there;
//! both show the same message, with the arguments' names as their caller knows them.

mod attention;
mod broadcast;
mod checks;
mod compiled;
mod composites;
mod conv;
mod elementwise;
mod error;
mod matmul;
mod numbers;
mod random;
mod reduce;
mod rope;
mod shapes;
mod transposed;

pub use broadcast::is_suffix;
pub use checks::show_type;
pub use compiled::known_when_compiled;
pub use error::{Arg, At, ShapeError};
pub use rope::Rotation;

use crate::op::Op;
use crate::table::{name_of, present_params};
use crate::types::{DType, Facts, Type};
use checks::{FLOAT, want};

type Result<T> = std::result::Result<T, ShapeError>;

/// The result type of `op`. `args` are as many as the op takes (the verifier and the table see to it).
pub fn infer(op: &Op, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let name = name_of(op);
    let wanted = present_params(op, args.len()).len();
    if args.len() != wanted {
        return Err(ShapeError::new(format!("`{name}` takes {wanted} tensors here, {} given", args.len())));
    }
    numbers::in_range(op)?;
    let same = |allowed: &[DType]| {
        want(0, args, &format!("`{name}`"), allowed)?;
        Ok(args[0].ty.clone())
    };
    match op {
        Op::Input(_) | Op::Weight(_) | Op::State(_) => {
            Err(ShapeError::new(format!("`{name}` has the type of its declaration")))
        }
        Op::Scan { .. } | Op::Experts { .. } => {
            Err(ShapeError::new("an op with a body has the type that its body gives it"))
        }
        Op::Const(c) => Ok(Type::new(c.dtype(), Vec::new())),
        Op::DimValue(_) => Ok(Type::f32(Vec::new())),
        Op::Arange { len, .. } => shapes::arange(len, facts),
        Op::Powers { len, .. } => Ok(Type::f32(vec![len.clone()])),
        Op::Unary(u) => same(u.types()),
        Op::Binary(b) => elementwise::binary(*b, args, facts),
        Op::Pow(_) => same(FLOAT),
        Op::Select => elementwise::select(args, facts),
        Op::Cast(d) => Ok(Type::new(*d, args[0].ty.shape.clone())),
        Op::Matmul => matmul::matmul(args, facts),
        Op::Linear { .. } => matmul::linear(args, facts),
        Op::Reduce { kind, axes, keep, .. } => reduce::reduce(*kind, axes, *keep, args, facts),
        Op::Argmax { axis, keep } => reduce::argmax(*axis, *keep, args, facts),
        Op::TopK { k, axis, indices } => reduce::topk(k, *axis, *indices, args, facts),
        Op::Reshape(shape) => shapes::reshape(shape, args, facts),
        Op::Transpose(order) => shapes::transpose(order, args, facts),
        Op::Expand(shape) => shapes::expand(shape, args, facts),
        Op::Slice { axis, start, end, step } => shapes::slice(*axis, (start, end, step), args, facts),
        Op::Concat { axis } | Op::Push { axis } => shapes::concat(name, *axis, args, facts),
        Op::Gather => shapes::gather(args, facts),
        Op::ScatterAdd { rows } => shapes::scatter_add(rows, args, facts),
        Op::SumRows { part } => shapes::sum_rows(*part, args, facts),
        Op::Threefry => random::threefry(args, facts),
        Op::Uniform(shape) => random::uniform(shape, args),
        Op::KeyedDropout { p } => random::keyed_dropout(*p, args),
        Op::Flip { axis } => shapes::flip(*axis, args, facts),
        Op::Cumsum { axis } => shapes::cumsum(*axis, args, facts),
        Op::TakeAlong { axis } => shapes::take_along(*axis, args, facts),
        Op::Softmax { axis, .. } | Op::L2Normalize { axis, .. } => reduce::along(name, *axis, args, facts),
        Op::LayerNorm { axes, gain, .. } => reduce::norm(name, axes, args, extra(*gain), facts),
        Op::RmsNorm { axes, .. } => reduce::norm(name, axes, args, &["gain"], facts),
        Op::GroupNorm { groups, gain, .. } => composites::group_norm(groups, extra(*gain), args, facts),
        Op::Conv2d { window, groups, layout, .. } => conv::conv2d(window, groups, *layout, args, facts),
        Op::Conv1d { window, groups, .. } => conv::conv1d(window, groups, args, facts),
        Op::ConvTranspose2d { groups, .. } | Op::ConvTranspose1d { groups, .. } => {
            transposed::conv_transpose(name, &transposed::spread(op), groups, args, facts)
        }
        Op::Pool2d { kernel, window, layout, .. } => conv::pool2d(name, kernel, window, *layout, args, facts),
        Op::BatchNorm { .. } => conv::batch_norm(args, facts),
        Op::GlobalMean => conv::global_mean(args, facts),
        Op::Flatten { from } => conv::flatten(*from, args, facts),
        Op::UpsampleNearest { scale } => conv::upsample(name, scale, args, facts),
        Op::Resize { size, .. } => transposed::resize(size, args, facts),
        Op::UpsampleBilinear { scale } => conv::upsample(name, scale, args, facts).and_then(|ty| {
            want(0, args, &format!("`{name}`"), FLOAT)?;
            Ok(ty)
        }),
        Op::Rope { .. } => rope::rope(op, args, facts),
        Op::Pad { axis, before, after } => composites::pad(*axis, before, after, args, facts),
        Op::CrossEntropy { .. } => composites::cross_entropy(args, facts),
        Op::Mse => composites::mse(args, facts),
        Op::LeakyRelu { .. } | Op::Elu { .. } => same(FLOAT),
        Op::Softcap { cap } => numbers::above_zero(name, "cap", *cap).and_then(|()| same(FLOAT)),
        Op::Dropout { p } => composites::dropout(*p, args),
        Op::StopGradient | Op::OptimizationBarrier => Ok(args[0].ty.clone()),
        Op::Attention { heads, causal, window, mask, bias, .. } => {
            let (causal, mask, bias) = (*causal, *mask, *bias);
            attention::attention(
                heads,
                attention::Flags { causal, window: window.as_ref(), mask, bias },
                args,
                facts,
            )
        }
    }
}

/// The names of the arguments of a norm after `x`.
fn extra(gain: bool) -> &'static [&'static str] {
    if gain { &["gain", "bias"] } else { &["bias"] }
}
