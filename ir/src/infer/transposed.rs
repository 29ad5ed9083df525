//! The shape rules of transposed convolutions, and of images that get another size.

use super::checks::{FLOAT, is_line, show_type, want};
use super::conv::{at_least, grouped, image};
use super::{Arg, At, Result, ShapeError};
use crate::dim::{Dim, DimError};
use crate::op::Op;
use crate::types::{Facts, Type};

/// How the filters are spread along one axis.
#[derive(Clone, Debug)]
pub struct Spread {
    pub stride: Dim,
    pub pad: Dim,
    pub output_pad: Dim,
    pub dilation: Dim,
}

impl Spread {
    /// Elements of the result over `length` elements.
    fn length(&self, length: &Dim, kernel: &Dim) -> std::result::Result<Dim, DimError> {
        let one = Dim::constant(1);
        let steps = length.minus(&one)?.times(&self.stride)?;
        let extent = kernel.minus(&one)?.times(&self.dilation)?.plus(&one)?;
        steps.minus(&self.pad)?.minus(&self.pad)?.plus(&extent)?.plus(&self.output_pad)
    }
}

/// Along rows and columns, or along the one axis of a signal; empty for other ops.
pub fn spread(op: &Op) -> Vec<Spread> {
    match op {
        Op::ConvTranspose2d { stride, pad, output_pad, dilation, .. } => (0..2)
            .map(|i| Spread {
                stride: stride[i].clone(),
                pad: pad[i].clone(),
                output_pad: output_pad[i].clone(),
                dilation: dilation[i].clone(),
            })
            .collect(),
        Op::ConvTranspose1d { stride, pad, output_pad, dilation, .. } => vec![Spread {
            stride: stride.clone(),
            pad: pad.clone(),
            output_pad: output_pad.clone(),
            dilation: dilation.clone(),
        }],
        _ => Vec::new(),
    }
}

/// `x [N, C, ..]` with filters `w [C, O / groups, ..]` and a bias `[O]`.
pub fn conv_transpose(
    op: &'static str,
    spread: &[Spread],
    groups: &Dim,
    args: &[Arg<'_>],
    facts: &Facts,
) -> Result<Type> {
    for i in 0..args.len() {
        want(i, args, &format!("`{op}`"), FLOAT)?;
    }
    let (x, w, rank) = (&args[0], &args[1], 2 + spread.len());
    let (of_x, of_w) = match spread.len() {
        2 => ("an image [N, C, H, W]", "filters [C, O / groups, KH, KW]"),
        _ => ("a signal [N, C, L]", "filters [C, O / groups, K]"),
    };
    image(op, rank, of_x, x, facts)?;
    if w.ty.rank() != rank {
        return Err(ShapeError::new(format!("`{op}` takes {of_w}")).fact(is_line(w, facts)).at(At::Arg(1)));
    }
    for s in spread {
        at_least(op, "stride", 1, &s.stride, facts)?;
        at_least(op, "pad", 0, &s.pad, facts)?;
        at_least(op, "output_pad", 0, &s.output_pad, facts)?;
        at_least(op, "dilation", 1, &s.dilation, facts)?;
        // As in PyTorch: what is added after the last element is less than a step.
        let [added, stride, dilation] = [&s.output_pad, &s.stride, &s.dilation].map(|d| facts.value(d));
        if let (Some(added), Some(stride), Some(dilation)) = (added, stride, dilation)
            && added >= stride.max(dilation)
        {
            let text = format!("`output_pad` of `{op}` is less than the stride or the dilation, not {added}");
            return Err(ShapeError::new(text).at(At::Option("output_pad")));
        }
    }
    channels(op, groups, args, facts)?;
    let mut shape = vec![x.ty.shape[0].clone(), w.ty.shape[1].times(groups)?];
    for ((s, length), kernel) in spread.iter().zip(&x.ty.shape[2..]).zip(&w.ty.shape[2..]) {
        let length = s.length(length, kernel)?;
        if facts.value(&length).is_some_and(|n| n < 0) {
            let text = format!("`pad` of `{op}` cuts off more than there is");
            return Err(ShapeError::new(text)
                .fact(is_line(x, facts))
                .fact(is_line(w, facts))
                .at(At::Option("pad")));
        }
        shape.push(length);
    }
    Ok(Type::f32(shape))
}

/// The filters have a part for each channel of `x`, and the bias a number for each of the result.
fn channels(op: &str, groups: &Dim, args: &[Arg<'_>], facts: &Facts) -> Result<()> {
    let (x, w) = (&args[0], &args[1]);
    let c = &x.ty.shape[1];
    grouped(op, groups, c, "input", facts)?;
    if w.ty.shape[0] != *c {
        let text = format!("the filters of `{op}` are for {} channels", facts.show(&w.ty.shape[0]));
        return Err(ShapeError::new(format!("{text}, but `{}` has {}", x.name, facts.show(c)))
            .fact(is_line(x, facts))
            .fact(is_line(w, facts))
            .help("the first axis of the filters is that of the channels of the input")
            .at(At::Arg(1)));
    }
    let o = w.ty.shape[1].times(groups)?;
    match args.get(2) {
        Some(b) if b.ty.shape.as_slice() != std::slice::from_ref(&o) => Err(ShapeError::new(format!(
            "`{}` is {} but `{op}` needs a bias [{o}]",
            b.name,
            show_type(b.ty, facts)
        ))
        .help(format!("declare `param {}: [{o}] = zeros;`", b.name))
        .at(At::Arg(2))),
        _ => Ok(()),
    }
}

/// `[N, C, H, W]` to `[N, C, size]`.
pub fn resize(size: &[Dim], args: &[Arg<'_>], facts: &Facts) -> Result<Type> {
    want(0, args, "`resize`", FLOAT)?;
    image("resize", 4, "an image [N, C, H, W]", &args[0], facts)?;
    let [rows, columns] = size else {
        let text = format!("`resize` is given {} lengths instead of rows and columns", size.len());
        return Err(ShapeError::new(text).at(At::Option("size")));
    };
    for d in [rows, columns] {
        if d.as_sym() == Some("..") || facts.value(d).is_some_and(|n| n < 0) {
            let text = format!("`resize` cannot make an image of {} rows or columns", facts.show(d));
            return Err(ShapeError::new(text).at(At::Option("size")));
        }
    }
    let mut ty = args[0].ty.clone();
    (ty.shape[2], ty.shape[3]) = (rows.clone(), columns.clone());
    Ok(ty)
}
