//! The shape rule of `rope`, and what its options say together.

use super::checks::{FLOAT, is_line, show_type, want};
use super::numbers::above_zero;
use super::{Arg, At, Result, ShapeError};
use crate::op::{Number, Op, Scaling};
use crate::types::{DType, Facts, Shape, Type};
use std::f64::consts::PI;

/// The base of the frequencies where none is given.
const BASE: Number = Number(1e4);

/// How the frequencies of a `rope` follow from those of its base, `base^(-2 i / HD)`. All that is computed
/// with these numbers is computed in f32, in the order in which Hugging Face's models do it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rotation {
    /// They are the same.
    Plain,
    /// All are divided.
    Linear {
        /// By this.
        factor: f64,
    },
    /// By their wavelength: long ones are divided, short ones are the same, others are between.
    Llama3 {
        /// What they are divided by.
        factor: f64,
        /// How often the longest of those between turns in training.
        low: f64,
        /// How often the shortest turns.
        high: f64,
        /// How many positions there were in training.
        original: f64,
    },
    /// By their number: those up to `first` are the same, from `last` on they are divided, others are
    /// between.
    Yarn {
        /// What they are divided by.
        factor: f64,
        /// The last pair whose frequency is the same.
        first: f64,
        /// The first pair whose frequency is divided.
        last: f64,
        /// What sines and cosines are multiplied by.
        amplitude: f64,
    },
}

impl Rotation {
    /// The base of a `rope`, and how its frequencies follow from those of the base where `pairs` of them are
    /// turned.
    ///
    /// # Errors
    /// An option is missing, has no meaning, or is out of its range.
    pub fn of(op: &Op, pairs: i64) -> Result<(f64, Rotation)> {
        let Op::Rope { base, scaling, .. } = op else { return Err(ShapeError::new("it is no `rope`")) };
        let base = base.unwrap_or(BASE);
        if !(1.0..f64::INFINITY).contains(&base.0) {
            return Err(ShapeError::new(format!("the base of `rope` is at least 1, not {}", base.0))
                .at(At::Option("base")));
        }
        let given = |name: &str| stated(op).into_iter().find(|(n, _)| *n == name).and_then(|(_, v)| v);
        only_of(*scaling, &stated(op))?;
        let number = |name: &'static str, default: f64| {
            let n = given(name).unwrap_or(Number(default));
            above_zero("rope", name, n).map(|()| n.0)
        };
        // What must be stated is there: `only_of` has seen to it.
        let (factor, original) = (number("factor", 1.0)?, number("original_max_position", 1.0)?);
        let rotation = match scaling {
            Scaling::None => Rotation::Plain,
            Scaling::Linear => Rotation::Linear { factor },
            Scaling::Llama3 => {
                let (low, high) = (number("low_freq_factor", 1.0)?, number("high_freq_factor", 1.0)?);
                ordered("low_freq_factor", low, "high_freq_factor", high)?;
                Rotation::Llama3 { factor, low, high, original }
            }
            Scaling::Yarn => {
                let (slow, fast) = (number("beta_slow", 1.0)?, number("beta_fast", 32.0)?);
                ordered("beta_slow", slow, "beta_fast", fast)?;
                if base.0 == 1.0 {
                    return Err(ShapeError::new(
                        "`scaling = yarn` needs frequencies that differ: a base above 1",
                    )
                    .at(At::Option("base")));
                }
                let width = (2 * pairs) as f64;
                let turns = |n: f64| width * (original / (n * 2.0 * PI)).ln() / (2.0 * base.0.ln());
                let first = turns(fast).floor().max(0.0);
                let last = turns(slow).ceil().min(width - 1.0);
                let last = if first == last { last + 0.001 } else { last };
                let usual = if factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 };
                Rotation::Yarn { factor, first, last, amplitude: number("attention_factor", usual)? }
            }
        };
        Ok((base.0, rotation))
    }
}

/// The numbers that belong to a scaling.
fn stated(op: &Op) -> Vec<(&'static str, Option<Number>)> {
    let Op::Rope {
        factor,
        original_max_position,
        low_freq_factor,
        high_freq_factor,
        beta_fast,
        beta_slow,
        attention_factor,
        ..
    } = op
    else {
        return Vec::new();
    };
    vec![
        ("factor", *factor),
        ("original_max_position", *original_max_position),
        ("low_freq_factor", *low_freq_factor),
        ("high_freq_factor", *high_freq_factor),
        ("beta_fast", *beta_fast),
        ("beta_slow", *beta_slow),
        ("attention_factor", *attention_factor),
    ]
}

/// The numbers that a scaling must be given, those that it may be given, and a call with them.
fn takes(scaling: Scaling) -> (&'static [&'static str], &'static [&'static str], &'static str) {
    match scaling {
        Scaling::None => (&[], &[], ""),
        Scaling::Linear => (&["factor"], &[], "scaling = linear, factor = 4"),
        Scaling::Llama3 => (
            &["factor", "low_freq_factor", "high_freq_factor", "original_max_position"],
            &[],
            "scaling = llama3, factor = 8, low_freq_factor = 1, high_freq_factor = 4, \
             original_max_position = 8192",
        ),
        Scaling::Yarn => (
            &["factor", "original_max_position"],
            &["beta_fast", "beta_slow", "attention_factor"],
            "scaling = yarn, factor = 4, original_max_position = 32768",
        ),
    }
}

/// What a scaling needs is given, and nothing else.
fn only_of(scaling: Scaling, stated: &[(&'static str, Option<Number>)]) -> Result<()> {
    let (needed, more, call) = takes(scaling);
    let given = |name: &&str| stated.iter().any(|(n, v)| n == name && v.is_some());
    let superfluous = stated.iter().find(|(n, v)| v.is_some() && !needed.contains(n) && !more.contains(n));
    if let Some((name, _)) = superfluous {
        let of = Scaling::ALL.into_iter().filter(|s| {
            let (needed, more, _) = takes(*s);
            needed.contains(name) || more.contains(name)
        });
        let of: Vec<String> = of.map(|s| format!("`scaling = {}`", s.name())).collect();
        return Err(ShapeError::new(format!("`{name}` of `rope` belongs to {}", of.join(" or ")))
            .help(format!("state the scaling, or leave `{name}` out"))
            .at(At::Option(name)));
    }
    let missing: Vec<String> = needed.iter().filter(|n| !given(n)).map(|n| format!("`{n}`")).collect();
    let Some((last, others)) = missing.split_last() else { return Ok(()) };
    let missing = if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
    Err(ShapeError::new(format!("`scaling = {}` of `rope` needs {missing}", scaling.name()))
        .help(format!("the numbers stand in the model's config.json: `{call}`"))
        .at(At::Option("scaling")))
}

fn ordered(low_name: &'static str, low: f64, high_name: &'static str, high: f64) -> Result<()> {
    if low < high {
        return Ok(());
    }
    Err(ShapeError::new(format!(
        "`{low_name}` of `rope` is below `{high_name}`, but {low:?} is not below {high:?}"
    ))
    .at(At::Option(low_name)))
}

/// `x [B, HEADS, S, HD]`, whose width is even and static: the frequencies are made when the network is
/// compiled. They may be given instead, and the positions too.
pub fn rope(op: &Op, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let Op::Rope { freqs, positions, base, from, scaling, .. } = op else {
        return Err(ShapeError::new("it is no `rope`"));
    };
    want(0, args, "`rope`", FLOAT)?;
    let x = &args[0];
    let line = |e: ShapeError| e.fact(is_line(x, facts)).at(At::Arg(0));
    let [batch, _, rows, width] = x.ty.shape.as_slice() else {
        return Err(line(ShapeError::new("`rope` turns heads: it needs [B, HEADS, S, HD]")).help(format!(
            "split the heads off: `rearrange({}, [b, s, (h d)] -> [b, h, s, d], h = HEADS)`",
            x.name
        )));
    };
    if batch.as_sym() == Some("..") {
        return Err(line(ShapeError::new("`rope` needs [B, HEADS, S, HD], and `..` is any number of axes")));
    }
    if facts.value(width).is_some_and(|n| n % 2 != 0) {
        return Err(line(ShapeError::new(format!(
            "`rope` turns pairs, but a head is {} wide",
            facts.show(width)
        ))));
    }
    if facts.is_run_time(width) {
        return Err(line(ShapeError::new(format!(
            "the frequencies of `rope` follow from the width of a head, but {width} is a run-time dim"
        )))
        .help("make it static: give it a default"));
    }
    if *freqs {
        if base.is_some() {
            return Err(ShapeError::new("`rope` takes `freqs` or `base`, not both")
                .help("leave `base` out: `freqs` are the frequencies")
                .at(At::Option("base")));
        }
        if *scaling != Scaling::None {
            return Err(ShapeError::new("`rope` takes `freqs` or `scaling`, not both")
                .help("leave `scaling` out, and scale `freqs` before")
                .at(At::Option("scaling")));
        }
        frequencies(1, args, facts)?;
    }
    // The width may not be known yet, which no error depends on.
    Rotation::of(op, facts.value(width).unwrap_or(2) / 2)?;
    if *positions {
        if !from.is(0) {
            return Err(ShapeError::new("`rope` takes `positions` or `from`, not both")
                .help("leave `from` out: `positions` has the position of each row")
                .at(At::Option("from")));
        }
        let at = 1 + usize::from(*freqs);
        want(at, args, "`positions` of `rope`", &[DType::I32])?;
        let p = &args[at];
        let shape = p.ty.shape.as_slice();
        if shape != [rows.clone()] && shape != [batch.clone(), rows.clone()] {
            let (one, each) = (std::slice::from_ref(rows), [batch.clone(), rows.clone()]);
            return Err(ShapeError::new(format!(
                "the positions of `rope` are i32{} or, different in each sequence, i32{}",
                Shape(one),
                Shape(&each)
            ))
            .fact(is_line(p, facts))
            .fact(is_line(x, facts))
            .at(At::Arg(at)));
        }
    }
    Ok(x.ty.clone())
}

/// One frequency for each pair, or for the first pairs.
fn frequencies(at: usize, args: &[Arg<'_>], facts: &Facts) -> Result<()> {
    want(at, args, "`freqs` of `rope`", FLOAT)?;
    let (x, f) = (&args[0], &args[at]);
    let width = &x.ty.shape[3];
    let [n] = f.ty.shape.as_slice() else {
        return Err(ShapeError::new(format!(
            "`freqs` of `rope` has one number for each pair that is turned, but `{}` is {}",
            f.name,
            show_type(f.ty, facts)
        ))
        .fact(is_line(x, facts))
        .at(At::Arg(at)));
    };
    if facts.is_run_time(n) {
        return Err(ShapeError::new(format!(
            "how many pairs `rope` turns must be known when the network is compiled, but {n} is a run-time dim"
        ))
        .fact(is_line(f, facts))
        .help("make it static: give it a default")
        .at(At::Arg(at)));
    }
    match facts.value(n).zip(facts.value(width)) {
        Some((n, width)) if n > width / 2 => Err(ShapeError::new(format!(
            "`rope` turns {n} pairs by `{}`, but a head has only {}",
            f.name,
            width / 2
        ))
        .fact(is_line(f, facts))
        .fact(is_line(x, facts))
        .at(At::Arg(at))),
        _ => Ok(()),
    }
}
