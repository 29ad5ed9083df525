//! The shape rules of functions of several elements.

use super::broadcast::broadcast;
use super::checks::{BOOLS, same_dtype, want};
use super::{Arg, Result};
use crate::op::Binary;
use crate::types::{DType, Facts, Type};

pub fn binary(b: Binary, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
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

pub fn select(args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    want(0, args, "the condition of `select`", BOOLS)?;
    same_dtype("both values of `select` must be of one type", args, (1, 2))?;
    let shape = broadcast("`select` cannot choose elementwise", args, facts)?;
    Ok(Type::new(args[1].ty.dtype, shape))
}
