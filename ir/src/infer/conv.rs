//! The shape rules of windows over images: convolutions and pooling, and of what goes with them.

use super::checks::{FLOAT, is_line, show_type, want};
use super::compiled::known;
use super::{Arg, At, Result, ShapeError};
use crate::dim::{Dim, DimError};
use crate::op::{Layout, Padding, Window};
use crate::types::{Facts, Type};

const AXES: [&str; 2] = ["rows", "columns"];

/// A number of a window is known, and is at least `least`.
pub fn at_least(op: &str, name: &'static str, least: i64, d: &Dim, facts: &Facts) -> Result<()> {
    known(op, &format!("`{name}`"), d, At::Option(name), facts)?;
    match facts.value(d) {
        Some(n) if n < least => {
            Err(ShapeError::new(format!("`{name}` of `{op}` is at least {least}, not {n}"))
                .at(At::Option(name)))
        }
        _ => Ok(()),
    }
}

/// Strides and dilations are at least 1, paddings at least 0, and all are known when compiled.
fn sound(op: &str, w: &Window, facts: &Facts) -> Result<()> {
    let pads: &[Dim] = match &w.pad {
        Padding::Same => &[],
        Padding::Explicit(p) => p,
    };
    for d in &w.stride {
        at_least(op, "stride", 1, d, facts)
            .map_err(|e| if e.help.is_none() { e.help("a stride of 1 visits every pixel") } else { e })?;
    }
    w.dilation.iter().try_for_each(|d| at_least(op, "dilation", 1, d, facts))?;
    pads.iter().try_for_each(|d| at_least(op, "pad", 0, d, facts))
}

/// How many positions a window has along one axis; it must fit into the image and what surrounds it.
fn positions(
    op: &str,
    w: &Window,
    axis: usize,
    length: &Dim,
    kernel: &Dim,
    x: &Arg<'_>,
    facts: &Facts,
) -> Result<Dim> {
    let slack = w.slack(axis, length, kernel)?;
    if facts.value(&slack).is_some_and(|n| n < 0) {
        let extent = w.extent(axis, kernel)?;
        let padded = slack.plus(&extent)?;
        let n = facts.value(&slack).unwrap_or(0);
        let need = (1 - n) / 2;
        let e = ShapeError::new(format!(
            "the window of `{op}` spans {} {}, but the image with its padding has only {}",
            facts.show(&extent),
            AXES[axis],
            facts.show(&padded)
        ));
        return Err(e
            .fact(is_line(x, facts))
            .help(format!(
                "a padding of {need} more on each side fits, or `pad = same`; or take a smaller kernel"
            ))
            .at(At::Arg(0)));
    }
    if w.around(axis, length, kernel) == Err(DimError::TooComplex) {
        return Err(ShapeError::new(format!(
            "`pad = same` of `{op}` needs a window of at least the stride where the size is not known"
        ))
        .fact(format!(
            "the stride is {}, the window spans {}",
            facts.show(&w.stride[axis]),
            facts.show(&w.extent(axis, kernel)?)
        ))
        .help("say the padding in numbers, or the size of the image")
        .at(At::Option("pad")));
    }
    Ok(w.positions(axis, length, kernel)?)
}

/// The groups divide the channels of both sides.
pub fn grouped(op: &str, groups: &Dim, channels: &Dim, what: &str, facts: &Facts) -> Result<()> {
    if groups.is(1) {
        return Ok(());
    }
    let known = facts.value(groups).zip(facts.value(channels));
    match known {
        Some((g, c)) if g <= 0 || c % g != 0 => Err(ShapeError::new(format!(
            "{} groups of `{op}` do not divide {} {what} channels",
            facts.show(groups),
            facts.show(channels)
        ))
        .at(At::Option("groups"))),
        Some(_) if groups.as_const().is_some() && channels.as_const().is_some() => Ok(()),
        _ if facts.divides(channels, groups) => Ok(()),
        _ => Err(ShapeError::new(format!(
            "it is not known that {} groups divide {}",
            facts.show(groups),
            facts.show(channels)
        ))
        .help(format!("promise it: `where {channels} % {groups} == 0`"))
        .at(At::Option("groups"))),
    }
}

/// Channels of the image and of the filters agree, and the bias has one number a filter.
fn channels(op: &str, c: &Dim, groups: &Dim, args: &[Arg<'_>], facts: &Facts) -> Result<()> {
    let (x, w) = (&args[0], &args[1]);
    let (Some(o), Some(each)) = (w.ty.shape.first(), w.ty.shape.get(1)) else { return Ok(()) };
    grouped(op, groups, c, "input", facts)?;
    grouped(op, groups, o, "output", facts)?;
    if each.times(groups)? != *c {
        let wanted = if groups.is(1) { c.to_string() } else { c.exact_div(groups)?.to_string() };
        let mut filters: Vec<String> = w.ty.shape.iter().map(Dim::to_string).collect();
        filters[1] = wanted.clone();
        let e = ShapeError::new(format!(
            "the filters of `{op}` see {} channel{} each, but `{}` has {}{}",
            facts.show(each),
            if each.is(1) { "" } else { "s" },
            x.name,
            facts.show(c),
            if groups.is(1) { String::new() } else { format!(" in {} groups", facts.show(groups)) }
        ));
        let e = e.fact(is_line(x, facts)).fact(is_line(w, facts)).at(At::Arg(1));
        return Err(if o == c && facts.value(each) == Some(1) && groups.is(1) {
            e.help(format!("for filters of one channel each write `groups = {c}`"))
        } else {
            e.help(format!("`{}` is [{}] where it fits", w.name, filters.join(", ")))
        });
    }
    if let Some(b) = args.get(2)
        && b.ty.shape.as_slice() != std::slice::from_ref(o)
    {
        return Err(ShapeError::new(format!(
            "`{}` is {} but `{op}` needs a bias [{o}]",
            b.name,
            show_type(b.ty, facts)
        ))
        .help(format!("declare `param {}: [{o}] = zeros;`", b.name))
        .at(At::Arg(2)));
    }
    Ok(())
}

/// `x` has that many axes, none of them `..`.
pub fn image(op: &str, rank: usize, form: &str, x: &Arg<'_>, facts: &Facts) -> Result<()> {
    if x.ty.rank() == rank && x.ty.shape.iter().all(|d| d.as_sym() != Some("..")) {
        return Ok(());
    }
    Err(ShapeError::new(format!("`{op}` takes {form}")).fact(is_line(x, facts)).at(At::Arg(0)))
}

fn layout_text(l: Layout) -> &'static str {
    match l {
        Layout::Nchw => "an image [N, C, H, W]",
        Layout::Nhwc => "an image [N, H, W, C]",
    }
}

/// `x [N, C, H, W]` with filters `w [O, C / groups, KH, KW]` and a bias `[O]`.
pub fn conv2d(
    window: &Window,
    groups: &Dim,
    layout: Layout,
    args: &[Arg<'_>],
    facts: &Facts,
) -> Result<Type> {
    let op = "conv2d";
    for i in 0..args.len() {
        want(i, args, "`conv2d`", FLOAT)?;
    }
    let (x, w) = (&args[0], &args[1]);
    image(op, 4, layout_text(layout), x, facts)?;
    if w.ty.rank() != 4 {
        return Err(ShapeError::new("`conv2d` takes filters [O, C / groups, KH, KW]")
            .fact(is_line(w, facts))
            .at(At::Arg(1)));
    }
    sound(op, window, facts)?;
    channels(op, &x.ty.shape[layout.channels()], groups, args, facts)?;
    let mut shape = x.ty.shape.clone();
    shape[layout.channels()] = w.ty.shape[0].clone();
    for axis in 0..2 {
        let at = layout.rows() + axis;
        shape[at] = positions(op, window, axis, &x.ty.shape[at], &w.ty.shape[2 + axis], x, facts)?;
    }
    Ok(Type::f32(shape))
}

/// `x [N, C, L]` with filters `w [O, C / groups, K]` and a bias `[O]`.
pub fn conv1d(window: &Window, groups: &Dim, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let op = "conv1d";
    for i in 0..args.len() {
        want(i, args, "`conv1d`", FLOAT)?;
    }
    let (x, w) = (&args[0], &args[1]);
    image(op, 3, "a signal [N, C, L]", x, facts)?;
    if w.ty.rank() != 3 {
        return Err(ShapeError::new("`conv1d` takes filters [O, C / groups, K]")
            .fact(is_line(w, facts))
            .at(At::Arg(1)));
    }
    if *window != Window::along_columns(&window.stride[1], &window.pad, &window.dilation[1]) {
        return Err(
            ShapeError::new("`conv1d` runs along one axis, but its window has rows").at(At::Option("pad"))
        );
    }
    sound(op, window, facts)?;
    channels(op, &x.ty.shape[1], groups, args, facts)?;
    let length = positions(op, window, 1, &x.ty.shape[2], &w.ty.shape[2], x, facts)?;
    Ok(Type::f32(vec![x.ty.shape[0].clone(), w.ty.shape[0].clone(), length]))
}

/// An image, pooled channel by channel.
pub fn pool2d(
    op: &'static str,
    kernel: &[Dim; 2],
    window: &Window,
    layout: Layout,
    args: &[Arg<'_>],
    facts: &Facts,
) -> Result<Type> {
    want(0, args, &format!("`{op}`"), FLOAT)?;
    let x = &args[0];
    image(op, 4, layout_text(layout), x, facts)?;
    // First: the stride is the kernel where no other is given.
    kernel.iter().try_for_each(|k| at_least(op, "kernel", 1, k, facts))?;
    sound(op, window, facts)?;
    let mut shape = x.ty.shape.clone();
    for (axis, k) in kernel.iter().enumerate() {
        let at = layout.rows() + axis;
        shape[at] = positions(op, window, axis, &x.ty.shape[at], k, x, facts)?;
        // As in PyTorch: a window never covers padding alone.
        if let Padding::Explicit(p) = &window.pad
            && let Some(k) = facts.value(k)
            && let Some(pad) =
                p[2 * axis..2 * axis + 2].iter().find(|p| facts.value(p).is_some_and(|n| n > k / 2))
        {
            return Err(ShapeError::new(format!(
                "the padding of `{op}` is at most half of its kernel, {}, not {}",
                k / 2,
                facts.show(pad)
            ))
            .at(At::Option("pad")));
        }
    }
    Ok(Type::f32(shape))
}

/// `[N, C, ..]`; gain, bias, mean and variance are `[C]`.
pub fn batch_norm(args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    for i in 0..args.len() {
        want(i, args, "`batch_norm`", FLOAT)?;
    }
    let x = &args[0];
    let c = second_axis("batch_norm", x, facts)?;
    for (i, a) in args.iter().enumerate().skip(1) {
        if a.ty.shape != std::slice::from_ref(c) {
            return Err(ShapeError::new(format!(
                "`{}` is {} but `batch_norm` needs [{c}]",
                a.name,
                show_type(a.ty, facts)
            ))
            .help(format!("declare it as [{c}], as `BatchNorm<C = {c}>` does"))
            .at(At::Arg(i)));
        }
    }
    Ok(x.ty.clone())
}

fn second_axis<'a>(op: &str, x: &Arg<'a>, facts: &Facts) -> Result<&'a Dim> {
    match x.ty.shape.as_slice() {
        [n, c, ..] if n.as_sym() != Some("..") => Ok(c),
        _ => Err(ShapeError::new(format!("`{op}` needs [N, C, ..]: the channels are its second axis"))
            .fact(is_line(x, facts))
            .at(At::Arg(0))),
    }
}

/// `[N, C, ..]` to `[N, C]`.
pub fn global_mean(args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    want(0, args, "`global_mean`", FLOAT)?;
    second_axis("global_mean", &args[0], facts)?;
    if args[0].ty.rank() < 3 {
        return Err(ShapeError::new("`global_mean` needs pixels: [N, C, ..] with at least three axes")
            .fact(is_line(&args[0], facts)));
    }
    Ok(Type::f32(args[0].ty.shape[..2].to_vec()))
}

/// The axes from `from` on as one.
pub fn flatten(from: usize, args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    let shape = &args[0].ty.shape;
    if from >= shape.len() || shape.iter().any(|d| d.as_sym() == Some("..")) {
        return Err(ShapeError::new(format!(
            "`flatten` joins the axes from {from} on, which `{}` does not have",
            args[0].name
        ))
        .fact(is_line(&args[0], facts))
        .at(At::Option("from")));
    }
    let mut out = shape[..from].to_vec();
    out.push(Dim::product(&shape[from..])?);
    Ok(Type::new(args[0].ty.dtype, out))
}

/// `[N, C, H, W]` to `[N, C, scale * H, scale * W]`.
pub fn upsample(op: &'static str, scale: &[Dim; 2], args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    image(op, 4, "an image [N, C, H, W]", &args[0], facts)?;
    let mut ty = args[0].ty.clone();
    for (axis, s) in scale.iter().enumerate() {
        if facts.value(s).is_some_and(|n| n < 1) {
            return Err(ShapeError::new(format!(
                "`{op}` repeats pixels at least once, not {} times",
                facts.show(s)
            ))
            .at(At::Option("scale")));
        }
        ty.shape[2 + axis] = ty.shape[2 + axis].times(s)?;
    }
    Ok(ty)
}
