//! The shape rules of composites that are neither norms over named axes nor attention.

use super::checks::{FLOAT, axis_ok, is_line, show_type, want};
use super::{Arg, At, Result, ShapeError};
use crate::dim::Dim;
use crate::op::Number;
use crate::types::{DType, Facts, Shape, Type};

/// `x [N, C, ..]`, gain and bias `[C]`; the groups divide `C`.
pub fn group_norm(groups: &Dim, extra: &[&str], args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    for i in 0..args.len() {
        want(i, args, "`group_norm`", FLOAT)?;
    }
    let x = &args[0];
    let [n, channels, ..] = x.ty.shape.as_slice() else {
        return Err(ShapeError::new("`group_norm` needs [N, C, ..]").fact(is_line(x, facts)).at(At::Arg(0)));
    };
    if n.as_sym() == Some("..") {
        return Err(ShapeError::new("`group_norm` needs [N, C, ..]: the channels are its second axis")
            .fact(is_line(x, facts))
            .at(At::Arg(0)));
    }
    let known = facts.value(groups).zip(facts.value(channels));
    match known {
        Some((g, c)) if g <= 0 || c % g != 0 => {
            let e = ShapeError::new(format!(
                "{} groups do not divide {} channels",
                facts.show(groups),
                facts.show(channels)
            ));
            return Err(e.fact(is_line(x, facts)).at(At::Option("groups")));
        }
        Some(_) if groups.as_const().is_some() && channels.as_const().is_some() => {}
        _ if facts.divides(channels, groups) => {}
        _ => {
            let e = ShapeError::new(format!(
                "it is not known that {} groups divide {}",
                facts.show(groups),
                facts.show(channels)
            ));
            return Err(e
                .help(format!("promise it: `where {channels} % {groups} == 0`"))
                .at(At::Option("groups")));
        }
    }
    for (i, a) in args.iter().enumerate().skip(1) {
        if a.ty.shape != std::slice::from_ref(channels) {
            let init = if extra.get(i - 1) == Some(&"bias") { "zeros" } else { "ones" };
            return Err(ShapeError::new(format!(
                "`{}` is {} but `group_norm` needs [{channels}]",
                a.name,
                show_type(a.ty, facts)
            ))
            .help(format!("declare `param {}: [{channels}] = {init};`", a.name))
            .at(At::Arg(i)));
        }
    }
    Ok(x.ty.clone())
}

/// One axis grows by what stands before and after it.
pub fn pad(axis: usize, before: &Dim, after: &Dim, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    axis_ok("pad", axis, &args[0], "axis", facts)?;
    for (name, d) in [("before", before), ("after", after)] {
        if facts.value(d).is_some_and(|n| n < 0) {
            return Err(ShapeError::new(format!("`pad` adds elements, but `{name}` is {}", facts.show(d)))
                .help("a slice takes elements away: `x[axis = start..end]`")
                .at(At::Option(name)));
        }
    }
    let mut ty = args[0].ty.clone();
    ty.shape[axis] = ty.shape[axis].plus(before)?.plus(after)?;
    Ok(ty)
}

/// `logits [.., C]`, `ids i32[..]`; a number a row.
pub fn cross_entropy(args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let (x, ids) = (&args[0], &args[1]);
    want(0, args, "`cross_entropy`", FLOAT)?;
    want(1, args, "the ids of `cross_entropy`", &[DType::I32])?;
    let lines = |e: ShapeError| e.fact(is_line(x, facts)).fact(is_line(ids, facts));
    let Some((_, rows)) = x.ty.shape.split_last() else {
        return Err(lines(ShapeError::new("`cross_entropy` needs logits [.., CLASSES]")).at(At::Arg(0)));
    };
    if ids.ty.shape != rows {
        return Err(lines(ShapeError::new("`cross_entropy` takes one id for each row of logits"))
            .help(format!("the ids of `{}` are i32{}", x.name, Shape(rows)))
            .at(At::Arg(1)));
    }
    Ok(Type::f32(rows.to_vec()))
}

/// Two tensors of one shape; a number a row.
pub fn mse(args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    want(0, args, "`mse`", FLOAT)?;
    want(1, args, "`mse`", FLOAT)?;
    let (a, b) = (&args[0], &args[1]);
    let lines = |e: ShapeError| e.fact(is_line(a, facts)).fact(is_line(b, facts));
    if a.ty.shape != b.ty.shape {
        return Err(lines(ShapeError::new(format!(
            "`mse` compares `{}` and `{}`: their shapes differ",
            a.name, b.name
        )))
        .help("both sides have the same shape; nothing is repeated"));
    }
    match a.ty.shape.split_last() {
        Some((_, rows)) => Ok(Type::f32(rows.to_vec())),
        None => Err(lines(ShapeError::new("`mse` is the mean over the last axis, and a scalar has none"))),
    }
}

/// The type of its argument; `p` is a probability.
pub fn dropout(p: Number, args: &[Arg<'_>]) -> Result<Type> {
    want(0, args, "`dropout`", FLOAT)?;
    if (0.0..=1.0).contains(&p.0) {
        return Ok(args[0].ty.clone());
    }
    Err(ShapeError::new(format!("`dropout` sets a share of the elements to 0, which cannot be {}", p.0))
        .at(At::Option("p")))
}
