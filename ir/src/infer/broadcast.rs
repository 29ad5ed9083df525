//! Shapes of which one is a trailing part of the other.

use super::checks::is_line;
use super::{Arg, Result, ShapeError};
use crate::dim::Dim;
use crate::types::{Facts, Shape};

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

pub fn broadcast(what: &str, args: &[Arg<'_>], facts: &Facts) -> Result<Vec<Dim>> {
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
    if let ([one], Some(last)) = (s.as_slice(), b.last())
        && one.is(1)
    {
        return format!(
            "an axis of length 1 is not stretched by itself; write `expand({}, [{last}])`, or declare it without axes, `[]`",
            small.name
        );
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
