//! The shape rules of `@` and `linear`.

use super::checks::{FLOAT, is_line, show_type, want};
use super::{Arg, At, Result, ShapeError};
use crate::dim::Dim;
use crate::types::{Facts, Shape, Type};

/// An argument as a help writes it: a text that was cut is a letter.
fn written<'a>(arg: &Arg<'a>, letter: &'a str) -> &'a str {
    if arg.name.ends_with("...") { letter } else { arg.name }
}

pub fn matmul(args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let (a, b) = (&args[0], &args[1]);
    want(0, args, "`@`", FLOAT)?;
    want(1, args, "`@`", FLOAT)?;
    let (x, w) = (&a.ty.shape, &b.ty.shape);
    let lines = |e: ShapeError| e.fact(is_line(a, facts)).fact(is_line(b, facts));
    let (left, right) = (written(a, "x"), written(b, "y"));
    if x.is_empty() || w.len() < 2 {
        let e = lines(ShapeError::new("`@` needs [.., M, K] @ [.., K, N]"));
        return Err(match (x.last(), w.as_slice()) {
            (Some(k), [d]) if k == d => {
                e.help(format!("to contract with a vector write `sum({left} * {right}, over = {d})`"))
            }
            (Some(_), [_]) => e.help("`w @ x` takes one vector: [M, K] @ [K]"),
            _ => e.help(format!("a scalar is multiplied with `*`: `{left} * {right}`")),
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
            e.help(format!("`{}` fits if transposed: `{left} @ {right}.t`", b.name))
        } else if x.len() >= 2 && &x[x.len() - 2] == wk && leading_fit {
            e.help(format!("`{}` fits if transposed: `{left}.t @ {right}`", a.name))
        } else if facts.value(k).is_some() && facts.value(k) == facts.value(wk) {
            e.help(format!("{k} and {wk} are equal only by default; use the same name on both sides"))
        } else {
            e.help("the last axis of the left side meets the last but one of the right side")
        });
    }
    if !leading_fit {
        let e = lines(ShapeError::new("the leading axes of `@` differ"));
        let leading = &x[..x.len().saturating_sub(2)];
        return Err(if leading.len() > w.len() - 2 && leading.ends_with(&w[..w.len() - 2]) {
            let whole: Vec<Dim> = leading.iter().chain(&w[w.len() - 2..]).cloned().collect();
            e.help(format!("nothing is repeated silently: `{left} @ expand({right}, {})`", Shape(&whole)))
        } else {
            e.help("both sides have the same leading axes, or the right side is one matrix [K, N]")
        });
    }
    let mut shape = x.clone();
    if let (Some(last), Some(n)) = (shape.last_mut(), w.last()) {
        *last = n.clone();
    }
    Ok(Type::f32(shape))
}

pub fn linear(args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
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
