//! The shape rule of attention.

use super::checks::{BOOLS, FLOAT, is_line, show_type, want};
use super::{Arg, At, Result, ShapeError};
use crate::dim::Dim;
use crate::types::{Facts, Type};

/// What besides heads and arguments the rule depends on.
#[derive(Clone, Copy)]
pub struct Flags<'a> {
    pub causal: bool,
    pub window: Option<&'a Dim>,
    pub mask: bool,
    pub bias: bool,
}

/// `q [B, S, HEADS*HD]` with `k, v [B, T, KV*HD]`, or `q [B, HEADS, S, HD]` with `k, v [B, KV, T, HD]`.
pub fn attention(heads: &Dim, flags: Flags<'_>, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    for i in 0..3 {
        want(i, args, "`attention`", FLOAT)?;
    }
    let (q, k, v) = (&args[0], &args[1], &args[2]);
    let (qs, ks, vs) = (&q.ty.shape, &k.ty.shape, &v.ty.shape);
    let lines = |e: ShapeError| e.fact(is_line(q, facts)).fact(is_line(k, facts)).fact(is_line(v, facts));
    let rank = qs.len();
    if !(rank == 3 || rank == 4) || ks.len() != rank || vs.len() != rank {
        return Err(lines(ShapeError::new("`attention` needs q, k and v of one form"))
            .help("[B, S, HEADS*HD] for all three, or [B, HEADS, S, HD] for all three"));
    }
    if ks != vs {
        return Err(lines(ShapeError::new(format!(
            "`{}` and `{}` differ: every key has one value",
            k.name, v.name
        )))
        .at(At::Arg(2)));
    }
    if qs[0] != ks[0] {
        return Err(lines(ShapeError::new(format!(
            "the batch of `{}` is {} but that of `{}` is {}",
            q.name, qs[0], k.name, ks[0]
        )))
        .at(At::Arg(1)));
    }
    let widths: &[(&str, &Dim, At)] = match rank {
        3 => &[
            ("the number of heads", heads, At::Option("heads")),
            ("the width of the queries", &qs[2], At::Arg(0)),
            ("the width of the keys", &ks[2], At::Arg(1)),
        ],
        _ => &[
            ("the number of heads", heads, At::Option("heads")),
            ("the width of a head", &qs[3], At::Arg(0)),
            ("the number of key heads", &ks[1], At::Arg(1)),
        ],
    };
    for (what, d, at) in widths {
        if facts.value(d).is_some_and(|n| n < 1) {
            return Err(lines(ShapeError::new(format!(
                "{what} of `attention` is at least 1, not {}",
                facts.show(d)
            )))
            .at(*at));
        }
    }
    let (s, t) = if rank == 3 { (&qs[1], &ks[1]) } else { (&qs[2], &ks[2]) };
    if rank == 4 {
        if &qs[1] != heads {
            return Err(lines(ShapeError::new(format!(
                "`attention` is given {} heads but `{}` has {}",
                facts.show(heads),
                q.name,
                facts.show(&qs[1])
            )))
            .help(format!("write `heads = {}`", qs[1]))
            .at(At::Option("heads")));
        }
        if qs[3] != ks[3] {
            return Err(lines(ShapeError::new(format!(
                "a head of `{}` is {} wide but one of `{}` {}",
                q.name,
                facts.show(&qs[3]),
                k.name,
                facts.show(&ks[3])
            ))));
        }
        groups(heads, &ks[1], facts)?;
    } else {
        heads_divide(heads, &qs[2], facts)?;
        if qs[2] != ks[2] {
            let hd = qs[2].exact_div(heads)?;
            if !facts.divides(&ks[2], &hd)
                && facts.value(&ks[2]).zip(facts.value(&hd)).is_none_or(|(k, h)| h == 0 || k % h != 0)
            {
                return Err(lines(ShapeError::new(format!(
                    "`{}` does not hold whole heads of {}",
                    k.name,
                    facts.show(&hd)
                )))
                .at(At::Arg(1)));
            }
            groups(heads, &ks[2].exact_div(&hd)?, facts)?;
        }
    }
    if flags.causal && facts.value(s).zip(facts.value(t)).is_some_and(|(s, t)| s > t) {
        return Err(lines(ShapeError::new("`attention` with `causal = true` has more queries than keys"))
            .at(At::Option("causal")));
    }
    if let Some(w) = flags.window
        && facts.value(w).is_some_and(|n| !(1..=i64::from(i32::MAX)).contains(&n))
    {
        return Err(ShapeError::new(format!("a window of {} sees no key or is no i32", facts.show(w)))
            .help("a query sees `window` keys, its own position among them")
            .at(At::Option("window")));
    }
    let (over_keys, over_pairs, by_head) = (vec![&qs[0], t], vec![&qs[0], s, t], vec![&qs[0], heads, s, t]);
    let fits = |m: &Arg<'_>, forms: &[&Vec<&Dim>]| {
        forms.iter().any(|f| f.len() == m.ty.rank() && f.iter().zip(&m.ty.shape).all(|(a, b)| *a == b))
    };
    let misfit = |what: &str, i: usize| {
        ShapeError::new(format!(
            "{what} of `attention` does not fit: `{}` is {}",
            args[i].name,
            show_type(args[i].ty, facts)
        ))
        .fact(format!("queries are [{}, {s}], keys [{}, {t}]", qs[0], ks[0]))
        .at(At::Arg(i))
    };
    if flags.mask {
        want(3, args, "the mask of `attention`", BOOLS)?;
        if !fits(&args[3], &[&over_keys, &over_pairs, &by_head]) {
            return Err(misfit("the mask", 3)
                .help(format!("a mask is bool[{b}, {t}] over the keys, bool[{b}, {s}, {t}], or bool[{b}, {heads}, {s}, {t}]", b = qs[0])));
        }
    }
    if flags.bias {
        let i = args.len() - 1;
        want(i, args, "the bias of `attention`", FLOAT)?;
        if !fits(&args[i], &[&by_head[1..].to_vec(), &by_head]) {
            let e = misfit("the bias", i);
            return Err(e.help(format!(
                "a bias is added to the scores: [{heads}, {s}, {t}] or [{}, {heads}, {s}, {t}]",
                qs[0]
            )));
        }
    }
    Ok(q.ty.clone())
}

/// `10, 11 or 14`
fn either(all: &[String]) -> String {
    match all {
        [init @ .., last] if !init.is_empty() => format!("{} or {last}", init.join(", ")),
        _ => all.concat(),
    }
}

fn heads_divide(heads: &Dim, d: &Dim, facts: &Facts) -> Result<()> {
    if let (Some(h), Some(n)) = (facts.value(heads), facts.value(d)) {
        if h <= 0 || n % h != 0 {
            let spelled = if d.as_const().is_some() { format!("{n}") } else { format!("{d} = {n}") };
            let e = ShapeError::new(format!("{h} heads do not divide {spelled}")).at(At::Option("heads"));
            if h <= 0 {
                return Err(e);
            }
            let near: Vec<String> = ((h - 4).max(1)..=h.saturating_add(4).min(n))
                .filter(|c| n % c == 0)
                .map(|c| c.to_string())
                .collect();
            let heads_name = heads.as_sym().unwrap_or("heads");
            let d_name = d.as_sym().map_or("the width".to_string(), str::to_string);
            let also = if near.is_empty() {
                String::new()
            } else {
                format!(", or {heads_name} = {}", either(&near))
            };
            // The numbers alone would be an error again: a use may override them.
            let promise = if d.as_const().is_some() || facts.divides(d, heads) {
                String::new()
            } else {
                format!("; and promise it: `where {d} % {heads} == 0`")
            };
            return Err(e.fact(format!("{n} = {h} * {} + {}", n / h, n % h)).help(format!(
                "choose {d_name} = {} or {}{also}{promise}",
                n / h * h,
                (n / h + 1).saturating_mul(h)
            )));
        }
        if d.as_const().is_some() && heads.as_const().is_some() {
            return Ok(());
        }
    }
    if facts.divides(d, heads) {
        return Ok(());
    }
    Err(ShapeError::new(format!("it is not known that {} heads divide {}", facts.show(heads), facts.show(d)))
        .help(format!("promise it: `where {d} % {heads} == 0`"))
        .at(At::Option("heads")))
}

fn groups(heads: &Dim, kv: &Dim, facts: &Facts) -> Result<()> {
    let known = facts.value(heads).zip(facts.value(kv));
    if heads == kv || facts.divides(heads, kv) || known.is_some_and(|(h, k)| k > 0 && h % k == 0) {
        return Ok(());
    }
    Err(ShapeError::new(format!(
        "{} key heads do not divide {} query heads",
        facts.show(kv),
        facts.show(heads)
    ))
    .at(At::Arg(1)))
}
