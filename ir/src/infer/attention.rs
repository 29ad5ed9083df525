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
    let call = Call { heads, args, facts };
    call.forms()?;
    call.at_least_one()?;
    match args[0].ty.rank() {
        3 => call.joined_heads()?,
        _ => call.separate_heads()?,
    }
    call.places(flags)?;
    if flags.mask {
        call.mask()?;
    }
    if flags.bias {
        call.bias()?;
    }
    Ok(args[0].ty.clone())
}

/// A call of attention, whose first arguments are queries, keys and values.
struct Call<'c> {
    heads: &'c Dim,
    args: &'c [Arg<'c>],
    facts: &'c Facts,
}

impl Call<'_> {
    fn shape(&self, i: usize) -> &[Dim] {
        &self.args[i].ty.shape
    }

    /// Queries and keys of a sequence.
    fn lengths(&self) -> (&Dim, &Dim) {
        let axis = self.shape(0).len() - 2;
        (&self.shape(0)[axis], &self.shape(1)[axis])
    }

    /// An error with the types of queries, keys and values.
    fn error(&self, text: impl Into<String>) -> ShapeError {
        self.args[..3].iter().fold(ShapeError::new(text.into()), |e, a| e.fact(is_line(a, self.facts)))
    }

    /// The ranks agree, values are as keys, and the batches are one.
    fn forms(&self) -> Result<()> {
        let (q, k, v) = (&self.args[0], &self.args[1], &self.args[2]);
        let rank = q.ty.rank();
        if !(rank == 3 || rank == 4) || k.ty.rank() != rank || v.ty.rank() != rank {
            return Err(self
                .error("`attention` needs q, k and v of one form")
                .help("[B, S, HEADS*HD] for all three, or [B, HEADS, S, HD] for all three"));
        }
        if k.ty.shape != v.ty.shape {
            let text = format!("`{}` and `{}` differ: every key has one value", k.name, v.name);
            return Err(self.error(text).at(At::Arg(2)));
        }
        let (of_queries, of_keys) = (&q.ty.shape[0], &k.ty.shape[0]);
        if of_queries != of_keys {
            let text =
                format!("the batch of `{}` is {of_queries} but that of `{}` is {of_keys}", q.name, k.name);
            return Err(self.error(text).at(At::Arg(1)));
        }
        Ok(())
    }

    /// Heads and widths that are known are not 0.
    fn at_least_one(&self) -> Result<()> {
        let (q, k) = (self.shape(0), self.shape(1));
        let rest = match q.len() {
            3 => [("the width of the queries", &q[2]), ("the width of the keys", &k[2])],
            _ => [("the width of a head", &q[3]), ("the number of key heads", &k[1])],
        };
        let all = [
            ("the number of heads", self.heads, At::Option("heads")),
            (rest[0].0, rest[0].1, At::Arg(0)),
            (rest[1].0, rest[1].1, At::Arg(1)),
        ];
        for (what, d, at) in all {
            if self.facts.value(d).is_some_and(|n| n < 1) {
                let text = format!("{what} of `attention` is at least 1, not {}", self.facts.show(d));
                return Err(self.error(text).at(at));
            }
        }
        Ok(())
    }

    /// `[B, HEADS, S, HD]`.
    fn separate_heads(&self) -> Result<()> {
        let (q, k, facts) = (self.shape(0), self.shape(1), self.facts);
        let (queries, keys) = (self.args[0].name, self.args[1].name);
        if &q[1] != self.heads {
            let (given, has) = (facts.show(self.heads), facts.show(&q[1]));
            return Err(self
                .error(format!("`attention` is given {given} heads but `{queries}` has {has}"))
                .help(format!("write `heads = {}`", q[1]))
                .at(At::Option("heads")));
        }
        if q[3] != k[3] {
            let (one, other) = (facts.show(&q[3]), facts.show(&k[3]));
            return Err(
                self.error(format!("a head of `{queries}` is {one} wide but one of `{keys}` {other}"))
            );
        }
        groups(self.heads, &k[1], facts)
    }

    /// `[B, S, HEADS*HD]`.
    fn joined_heads(&self) -> Result<()> {
        let (q, k, facts) = (&self.shape(0)[2], &self.shape(1)[2], self.facts);
        heads_divide(self.heads, q, facts)?;
        if q == k {
            return Ok(());
        }
        let width = q.exact_div(self.heads)?;
        let uneven = |(k, width): (i64, i64)| width == 0 || k % width != 0;
        if !facts.divides(k, &width) && facts.value(k).zip(facts.value(&width)).is_none_or(uneven) {
            let text = format!("`{}` does not hold whole heads of {}", self.args[1].name, facts.show(&width));
            return Err(self.error(text).at(At::Arg(1)));
        }
        groups(self.heads, &k.exact_div(&width)?, facts)
    }

    /// What queries see by their place.
    fn places(&self, flags: Flags<'_>) -> Result<()> {
        let ((s, t), facts) = (self.lengths(), self.facts);
        if flags.causal && facts.value(s).zip(facts.value(t)).is_some_and(|(s, t)| s > t) {
            let text = "`attention` with `causal = true` has more queries than keys";
            return Err(self.error(text).at(At::Option("causal")));
        }
        if let Some(w) = flags.window
            && facts.value(w).is_some_and(|n| !(1..=i64::from(i32::MAX)).contains(&n))
        {
            return Err(ShapeError::new(format!("a window of {} sees no key or is no i32", facts.show(w)))
                .help("a query sees `window` keys, its own position among them")
                .at(At::Option("window")));
        }
        Ok(())
    }

    /// Whether an argument has one of these shapes.
    fn fits(&self, i: usize, forms: &[&[&Dim]]) -> bool {
        let shape = self.shape(i);
        forms.iter().any(|f| f.len() == shape.len() && f.iter().zip(shape).all(|(a, b)| *a == b))
    }

    fn misfit(&self, what: &str, i: usize) -> ShapeError {
        let ((s, t), batches) = (self.lengths(), (&self.shape(0)[0], &self.shape(1)[0]));
        let (name, ty) = (self.args[i].name, show_type(self.args[i].ty, self.facts));
        ShapeError::new(format!("{what} of `attention` does not fit: `{name}` is {ty}"))
            .fact(format!("queries are [{}, {s}], keys [{}, {t}]", batches.0, batches.1))
            .at(At::Arg(i))
    }

    fn mask(&self) -> Result<()> {
        want(3, self.args, "the mask of `attention`", BOOLS)?;
        let (b, heads, (s, t)) = (&self.shape(0)[0], self.heads, self.lengths());
        if self.fits(3, &[&[b, t], &[b, s, t], &[b, heads, s, t]]) {
            return Ok(());
        }
        Err(self.misfit("the mask", 3).help(format!(
            "a mask is bool[{b}, {t}] over the keys, bool[{b}, {s}, {t}], or bool[{b}, {heads}, {s}, {t}]"
        )))
    }

    fn bias(&self) -> Result<()> {
        let i = self.args.len() - 1;
        want(i, self.args, "the bias of `attention`", FLOAT)?;
        let (b, heads, (s, t)) = (&self.shape(0)[0], self.heads, self.lengths());
        if self.fits(i, &[&[heads, s, t], &[b, heads, s, t]]) {
            return Ok(());
        }
        Err(self
            .misfit("the bias", i)
            .help(format!("a bias is added to the scores: [{heads}, {s}, {t}] or [{b}, {heads}, {s}, {t}]")))
    }
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
