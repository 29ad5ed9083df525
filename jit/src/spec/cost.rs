//! How much a kernel computes and moves: for dividing work, and for profiles.

use crate::lanes::{Len, Terms};
use crate::spec::{KernelSpec, Slot, WindowSpec};
use tancho_ir::Dim;

fn dim(l: Len) -> Dim {
    match l {
        Len::Const(n) => Dim::constant(n),
        Len::Arg(i) => Dim::sym(&format!("#{i}")),
    }
}

fn product(lens: impl IntoIterator<Item = Len>, factor: i64) -> Option<Dim> {
    lens.into_iter().try_fold(Dim::constant(factor), |acc, l| acc.times(&dim(l))).ok()
}

fn sum(parts: impl IntoIterator<Item = Option<Dim>>) -> Option<Dim> {
    parts.into_iter().try_fold(Dim::constant(0), |acc, p| acc.plus(&p?).ok())
}

/// Bytes of what a slot touches along these axes, and along a row of `len`: what lies still counts once.
fn bytes(s: &Slot, axes: &[Len], len: Len) -> Option<Dim> {
    let moving = axes
        .iter()
        .zip(&s.strides)
        .filter(|(_, stride)| !stride.is(0) || s.gather.is_some())
        .map(|(axis, _)| *axis);
    let row = if s.step.is(0) { Len::Const(1) } else { len };
    product(moving.chain([row]), s.mem.size())
}

/// Bytes of the image under a window, by the pixels of the result along these axes.
fn image(w: &WindowSpec, axes: &[Len]) -> Option<Dim> {
    product(axes.iter().copied().chain([w.stride[0], w.stride[1], w.chunk].map(Len::Const)), 4)
}

/// Floating-point operations of products, and bytes read and written once each; dims over the kernel's
/// parameters. `None` where they are too large to write down.
pub fn cost(spec: &KernelSpec) -> Option<(Dim, Dim)> {
    Some(match spec {
        KernelSpec::Row(s) => {
            let image = s.window.as_ref().map(|w| image(&w.window, &s.outer));
            (Dim::constant(0), sum(s.slots.iter().map(|slot| bytes(slot, &s.outer, s.len)).chain(image))?)
        }
        KernelSpec::Matmul(s) => {
            let mut axes = s.batch.clone();
            let right =
                s.b.strides.iter().zip(&axes).filter(|(stride, _)| !stride.is(0)).map(|(_, axis)| *axis);
            let right = match (s.terms.0, s.k) {
                (Terms::F32, k) => product(right.chain([k, s.n]), 4)?,
                (terms, Len::Const(k)) => product(right.chain([s.n]), 4 * terms.lines(k))?,
                _ => return None,
            };
            axes.push(s.m);
            let flops = product(axes.iter().copied().chain([s.n, s.k]), 2)?;
            let rows = s.rows.iter().flat_map(|(_, slots)| slots);
            let slots =
                s.slots.iter().chain(rows).filter(|slot| !slot.block).map(|slot| bytes(slot, &axes, s.n));
            let left = match &s.window {
                Some(w) => image(w, &axes),
                None => bytes(&s.a, &axes, s.k),
            };
            (flops, sum(slots.chain([left, Some(right)]))?)
        }
        KernelSpec::Winograd(s) => {
            // Those of the products that are made, not of the convolution.
            let (places, tile) = ((s.m + 2) * (s.m + 2), s.m * s.m);
            let pixels = product([s.images, s.window.out[0], s.window.out[1]], 1)?;
            let products =
                pixels.times(&Dim::constant(2 * places * s.channels * s.columns * s.parts / tile)).ok()?;
            let axes = [s.images, s.window.out[0], s.window.out[1]];
            let slots = s.slots.iter().map(|slot| bytes(slot, &axes, Len::Const(s.columns * s.parts)));
            let image = product([s.images, s.window.image[0], s.window.image[1]], 4 * s.channels);
            (
                products,
                sum(slots.chain([image, Some(Dim::constant(4 * places * s.channels * s.columns * s.parts))]))?,
            )
        }
        KernelSpec::Pack(s) => {
            (Dim::constant(0), product(s.batch.iter().chain(&s.k).copied().chain([s.n]), 8)?)
        }
        KernelSpec::Attention(s) => {
            let width = Len::Const(s.width);
            // Keys that no query sees by its place are counted too: what is left of them is no polynomial.
            let flops = product([s.batch, Len::Const(s.heads), s.s, s.t, width], 4)?;
            let of =
                |heads: i64, len: Len, bytes: i64| product([s.batch, Len::Const(heads), len, width], bytes);
            (flops, sum([of(s.heads, s.s, 8), of(s.key_heads, s.t, s.k.mem.size() + s.v.mem.size())])?)
        }
    })
}
