//! The shape rules of reductions and norms, which work over named axes.

use super::checks::{BOOLS, FLOAT, NUMBERS, axis_ok, is_line, show_type, want, without};
use super::{Arg, At, Result, ShapeError};
use crate::dim::Dim;
use crate::op::Reduction;
use crate::types::{DType, Facts, Shape, Type};

/// Over `axes`; a mask, if there is one, is the second argument.
pub fn reduce(kind: Reduction, axes: &[usize], keep: bool, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let public = kind.name();
    for &a in axes {
        axis_ok(public, a, &args[0], "over", facts)?;
    }
    want(0, args, &format!("`{public}`"), if kind == Reduction::Mean { FLOAT } else { NUMBERS })?;
    if args.len() > 1 {
        want(1, args, &format!("the mask of `{public}`"), BOOLS)?;
        reduction_mask(public, axes, args, facts)?;
    }
    Ok(Type::new(args[0].ty.dtype, without(&args[0].ty.shape, axes, keep)))
}

pub fn argmax(axis: usize, keep: bool, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    axis_ok("argmax", axis, &args[0], "over", facts)?;
    want(0, args, "`argmax`", NUMBERS)?;
    Ok(Type::new(DType::I32, without(&args[0].ty.shape, &[axis], keep)))
}

/// Each of the `k` is found by a pass over the row.
const MOST_TOPK: i64 = 1024;

pub fn topk(k: &Dim, axis: usize, indices: bool, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let x = &args[0];
    axis_ok("topk", axis, x, "over", facts)?;
    want(0, args, "`topk`", NUMBERS)?;
    if let Some(n) = facts.value(k).filter(|n| !(1..=MOST_TOPK).contains(n)) {
        let text = format!("`topk` finds 1 to {MOST_TOPK} elements, not {n}");
        return Err(ShapeError::new(text).at(At::Option("k")));
    }
    let len = &x.ty.shape[axis];
    if facts.value(k).zip(facts.value(len)).is_some_and(|(k, n)| k > n) {
        let text = format!("`topk` cannot find {} of {} elements", facts.show(k), facts.show(len));
        return Err(ShapeError::new(text).fact(is_line(x, facts)).at(At::Option("k")));
    }
    let mut shape = x.ty.shape.clone();
    shape[axis] = k.clone();
    Ok(Type::new(if indices { DType::I32 } else { x.ty.dtype }, shape))
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

/// A norm or a softmax along one axis, without gain and bias.
pub fn along(op: &str, axis: usize, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    axis_ok(op, axis, &args[0], "over", facts)?;
    want(0, args, &format!("`{op}`"), FLOAT)?;
    Ok(args[0].ty.clone())
}

/// A norm over `axes`; `extra` are the names of its arguments after `x`.
pub fn norm(op: &str, axes: &[usize], args: &[Arg<'_>], extra: &[&str], facts: &Facts) -> Result<Type> {
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
