//! The shape rules of random numbers and of what is made with them.

use super::broadcast::broadcast;
use super::checks::{FLOAT, want};
use super::composites::dropout;
use super::{Arg, At, Result, ShapeError};
use crate::dim::Dim;
use crate::op::Number;
use crate::types::{DType, Facts, Type};

pub fn threefry(args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    for i in 0..args.len() {
        want(i, args, "`threefry`", &[DType::I32])?;
    }
    Ok(Type::f32(broadcast("`threefry` cannot combine its keys and counters", args, facts)?))
}

pub fn uniform(shape: &[Dim], args: &[Arg<'_>]) -> Result<Type> {
    keys("`uniform`", 0, args)?;
    Ok(Type::f32(shape.to_vec()))
}

pub fn keyed_dropout(p: Number, args: &[Arg<'_>]) -> Result<Type> {
    keys("`keyed_dropout`", 1, args)?;
    want(0, args, "`keyed_dropout`", FLOAT)?;
    dropout(p, args)
}

/// The arguments from `first` on are keys: i32 scalars.
fn keys(what: &str, first: usize, args: &[Arg<'_>]) -> Result<()> {
    for (i, key) in args.iter().enumerate().skip(first) {
        want(i, args, what, &[DType::I32])?;
        if key.ty.rank() > 0 {
            let message = format!("the keys of {what} are scalars, but `{}` is {}", key.name, key.ty);
            return Err(ShapeError::new(message).at(At::Arg(i)));
        }
    }
    Ok(())
}
