//! The shape rules of ops that give elements other places.

use super::checks::{NUMBERS, axis_ok, is_line, same_dtype, show_type, want};
use super::{Arg, At, Result, ShapeError};
use crate::dim::Dim;
use crate::types::{DType, Facts, Shape, Type};

pub fn reshape(shape: &[Dim], args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
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
        .help("`reshape` keeps every element; `sum` or `mean` take an axis away, `expand` repeats one"));
    }
    Ok(Type::new(args[0].ty.dtype, shape.to_vec()))
}

pub fn transpose(perm: &[usize], args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let mut seen = perm.to_vec();
    seen.sort_unstable();
    if seen.iter().copied().ne(0..args[0].ty.rank()) {
        return Err(ShapeError::new("`transpose` must name every axis exactly once")
            .fact(is_line(&args[0], facts))
            .help(match args[0].ty.shape.first().and_then(Dim::as_sym) {
                Some("..") => {
                    format!("the leading axes stay, the {} after them move", args[0].ty.rank() - 1)
                }
                _ => format!(
                    "for example `transpose({}, axes = ({}))`",
                    args[0].name,
                    (0..args[0].ty.rank()).rev().map(|i| i.to_string()).collect::<Vec<_>>().join(", ")
                ),
            })
            .at(At::Option("axes")));
    }
    Ok(Type::new(args[0].ty.dtype, perm.iter().map(|&i| args[0].ty.shape[i].clone()).collect()))
}

pub fn expand(shape: &[Dim], args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
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

pub fn slice(
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

/// As many numbers as there are; how many need not be static.
pub fn arange(len: &Dim, facts: &Facts) -> Result<Type> {
    if facts.value(len).is_some_and(|n| n < 0) {
        return Err(ShapeError::new(format!("`arange` makes {} numbers", facts.show(len)))
            .help("`len` is how many there are, and `from` the first of them")
            .at(At::Option("len")));
    }
    Ok(Type::new(DType::I32, vec![len.clone()]))
}

pub fn concat(name: &str, axis: usize, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
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

pub fn gather(args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let (t, ids) = (&args[0], &args[1]);
    if t.ty.rank() == 0 {
        return Err(ShapeError::new(format!("`{}` has no rows to take", t.name))
            .fact(is_line(t, facts))
            .help("a table has at least one axis, `[V, D]`")
            .at(At::Arg(0)));
    }
    if ids.ty.dtype != DType::I32 {
        // The element type is what is wrong: it is stated even where it is f32.
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

/// Rows of one axis, as many as there are ids and in their order.
pub fn scatter_add(rows: &Dim, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let (x, ids) = (&args[0], &args[1]);
    want(0, args, "`scatter_add`", &[DType::F32])?;
    want(1, args, "the ids of `scatter_add`", &[DType::I32])?;
    if facts.value(rows).is_some_and(|n| n < 0) {
        let message = format!("`scatter_add` makes {} rows", facts.show(rows));
        return Err(ShapeError::new(message).at(At::Option("rows")));
    }
    match x.ty.shape.split_last() {
        Some((width, of_rows)) if of_rows == ids.ty.shape => Ok(Type::f32(vec![rows.clone(), width.clone()])),
        _ => Err(ShapeError::new("`scatter_add` takes a row of one axis for each id")
            .fact(is_line(x, facts))
            .fact(is_line(ids, facts))
            .at(At::Arg(0))),
    }
}

/// A row for each part of the rows.
pub fn sum_rows(part: usize, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    want(0, args, "`sum_rows`", &[DType::F32])?;
    let Some((width, rows)) = args[0].ty.shape.split_last() else {
        return Err(ShapeError::new("`sum_rows` takes rows").fact(is_line(&args[0], facts)).at(At::Arg(0)));
    };
    match i64::try_from(part) {
        Ok(0) => Ok(Type::f32(vec![width.clone()])),
        Ok(part) => Ok(Type::f32(vec![Dim::product(rows)?.ceil_div(&Dim::constant(part))?, width.clone()])),
        Err(_) => Err(ShapeError::new("`sum_rows` has too long parts").at(At::Option("part"))),
    }
}

pub fn flip(axis: usize, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    axis_ok("flip", axis, &args[0], "axis", facts)?;
    Ok(args[0].ty.clone())
}

pub fn cumsum(axis: usize, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    axis_ok("cumsum", axis, &args[0], "over", facts)?;
    want(0, args, "`cumsum`", NUMBERS)?;
    Ok(args[0].ty.clone())
}

pub fn take_along(axis: usize, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let (x, ids) = (&args[0], &args[1]);
    axis_ok("take_along", axis, x, "axis", facts)?;
    want(1, args, "the ids of `take_along`", &[DType::I32])?;
    let (from, to) = (&x.ty.shape, &ids.ty.shape);
    let fits =
        from.len() == to.len() && from.iter().zip(to).enumerate().all(|(i, (a, b))| i == axis || a == b);
    if !fits {
        return Err(ShapeError::new(format!(
            "`{}` does not say which elements of `{}` to take",
            ids.name, x.name
        ))
        .fact(is_line(x, facts))
        .fact(is_line(ids, facts))
        .help(format!("both have as many axes, and all but axis {axis} are equal"))
        .at(At::Arg(1)));
    }
    Ok(Type::new(x.ty.dtype, to.clone()))
}
