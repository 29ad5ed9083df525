//! Checks that many shape rules make, and how they show types.

use super::{Arg, At, Result, ShapeError};
use crate::dim::Dim;
use crate::types::{DType, Facts, Type};

pub const FLOAT: &[DType] = &[DType::F32];
pub const NUMBERS: &[DType] = &[DType::F32, DType::I32];
pub const BOOLS: &[DType] = &[DType::Bool];

pub fn is_line(a: &Arg<'_>, facts: &Facts) -> String {
    format!("`{}` is {}", a.name, show_type(a.ty, facts))
}

/// A type in messages: f32 is left out, as in the language.
pub fn show_type(t: &Type, facts: &Facts) -> String {
    let dims: Vec<String> = t.shape.iter().map(|d| facts.show(d)).collect();
    let dtype = if t.dtype == DType::F32 { "" } else { t.dtype.name() };
    format!("{dtype}[{}]", dims.join(", "))
}

/// An argument must be of one of these element types.
pub fn want(i: usize, args: &[Arg<'_>], what: &str, allowed: &[DType]) -> Result<()> {
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

pub fn same_dtype(what: &str, args: &[Arg<'_>], pair: (usize, usize)) -> Result<()> {
    let (a, b) = (&args[pair.0], &args[pair.1]);
    if a.ty.dtype == b.ty.dtype {
        return Ok(());
    }
    // Towards f32: the other direction loses precision.
    let (from, to) = if a.ty.dtype == DType::F32 { (b, a) } else { (a, b) };
    Err(ShapeError::new(format!("{what}: `{}` is {} but `{}` is {}", a.name, a.ty.dtype, b.name, b.ty.dtype))
        .help(format!(
            "nothing is converted silently; write `cast({}, {})` where it is meant",
            from.name, to.ty.dtype
        )))
}

pub fn axis_ok(op: &str, axis: usize, a: &Arg<'_>, option: &'static str, facts: &Facts) -> Result<()> {
    if axis < a.ty.rank() {
        return Ok(());
    }
    Err(ShapeError::new(format!("`{op}` has no axis {axis} to work over"))
        .fact(is_line(a, facts))
        .help(format!("its axes are 0 to {}", a.ty.rank() as i64 - 1))
        .at(At::Option(option)))
}

pub fn without(shape: &[Dim], axes: &[usize], keep: bool) -> Vec<Dim> {
    let dims = shape.iter().enumerate();
    if keep {
        dims.map(|(i, d)| if axes.contains(&i) { Dim::constant(1) } else { d.clone() }).collect()
    } else {
        dims.filter(|(i, _)| !axes.contains(i)).map(|(_, d)| d.clone()).collect()
    }
}
