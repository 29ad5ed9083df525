//! Numbers that kernels are compiled for. A graph may have run-time dims in their place and still be
//! interpreted, but it cannot be compiled.

use super::{Arg, At, Result, ShapeError};
use crate::dim::Dim;
use crate::op::{Op, Window};
use crate::types::Facts;

/// Checks that the numbers that kernels are compiled for are known.
pub fn known(op: &str, name: &str, d: &Dim, at: At, facts: &Facts) -> Result<()> {
    if !facts.is_run_time(d) {
        return Ok(());
    }
    Err(ShapeError::new(format!(
        "{name} of `{op}` must be known when the network is compiled, but {d} is a run-time dim"
    ))
    .help(match d.as_sym() {
        Some(s) => format!(
            "make it static: `{s} = 64` with a default, or `{s} = _` to be given where the network is used"
        ),
        None => "make it static: give its names defaults".into(),
    })
    .at(at))
}

/// The channels and the size of the filters. A filter of one pixel is a matmul, which may have any.
fn filters(op: &str, window: &Window, groups: &Dim, channels: &Dim, w: &[Dim], facts: &Facts) -> Result<()> {
    known(op, "`groups`", groups, At::Option("groups"), facts)?;
    if groups.is(1) && window.is_bare() && w[2..].iter().all(|k| k.is(1)) {
        return Ok(());
    }
    known(op, "the number of channels", channels, At::Arg(0), facts)?;
    let names = ["the number of filters", "the number of channels of a filter"];
    for (i, d) in w.iter().enumerate() {
        known(op, names.get(i).unwrap_or(&"the size of the filters"), d, At::Arg(1), facts)?;
    }
    Ok(())
}

/// Whether an op that fits its arguments can be compiled for run-time dims as these are.
///
/// # Errors
/// What must be known, and what is a run-time dim instead.
pub fn known_when_compiled(op: &Op, args: &[Arg<'_>], facts: &Facts) -> Result<()> {
    let name = crate::table::name_of(op);
    let shape = |i: usize| args.get(i).map_or(&[][..], |a| &a.ty.shape);
    match op {
        Op::Conv2d { window, groups, layout, .. } => {
            filters(name, window, groups, &shape(0)[layout.channels()], shape(1), facts)
        }
        Op::Conv1d { window, groups, .. } => filters(name, window, groups, &shape(0)[1], shape(1), facts),
        Op::ConvTranspose2d { groups, .. } | Op::ConvTranspose1d { groups, .. } => {
            known(name, "`groups`", groups, At::Option("groups"), facts)?;
            shape(1).iter().try_for_each(|d| known(name, "the size of the filters", d, At::Arg(1), facts))
        }
        Op::TopK { k, .. } => known("topk", "`k`", k, At::Option("k"), facts),
        Op::Pool2d { layout, .. } => {
            known(name, "the number of channels", &shape(0)[layout.channels()], At::Arg(0), facts)
        }
        Op::Attention { heads, .. } => {
            known(name, "the number of heads", heads, At::Option("heads"), facts)?;
            let (q, k) = (shape(0), shape(1));
            match q.len() {
                3 => {
                    known(name, "the width of the queries", &q[2], At::Arg(0), facts)?;
                    known(name, "the width of the keys", &k[2], At::Arg(1), facts)
                }
                _ => {
                    known(name, "the width of a head", &q[3], At::Arg(0), facts)?;
                    known(name, "the number of key heads", &k[1], At::Arg(1), facts)
                }
            }
        }
        _ => Ok(()),
    }
}
