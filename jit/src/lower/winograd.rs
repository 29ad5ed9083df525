//! Convolutions of 3x3 pixels at a stride of 1, by Winograd's algorithm: fewer products, and a row program
//! for each result of a tile that takes it from them.

use super::body::Body;
use super::{Lower, WeightPack, Wide, bind};
use crate::CompileError;
use crate::lanes::expr::Expr;
use crate::lanes::schedule::schedule;
use crate::lanes::{Len, Reg, STRIP, Terms};
use crate::spec::{Binding, Buffer, KernelSpec, WinogradSpec};
use crate::target::Precision;
use crate::winograd::{combine, matrices};
use tancho_ir::Value;
use tancho_ir::fuse::Kernel;
use tancho_ir::op::{Op, Window};

/// Fewer channels than this on either side have more work with transforms than products save.
const LEAST: i64 = 16;

/// Bytes of transformed filters beyond which large tiles take longer to read than they save: deep layers have
/// many channels and few pixels.
const MOST_FILTERS: i64 = 4 << 20;

/// Columns of a part: many enough that transforming patches anew for each costs little.
const PART: i64 = 128;

/// The side of a tile of results, if the algorithm is to be used.
pub fn tile(l: &Lower<'_>, v: Value) -> Option<i64> {
    let node = l.g.node(v);
    let Op::Conv2d { window: Window { stride, dilation, .. }, groups, .. } = &node.op else { return None };
    let [o, c, kh, kw] = l.g.ty(node.args[1]).shape.as_slice() else { return None };
    let unit = stride.iter().chain(dilation).chain([groups]).all(|d| d.is(1)) && kh.is(3) && kw.is(3);
    // One row or column of pixels leaves nothing of a tile to share.
    let thin = l.g.node(v).ty.shape[1..3].iter().any(|d| d.is(1));
    let enough = [o, c].iter().all(|d| d.as_const().is_some_and(|n| n >= LEAST));
    match l.precision {
        _ if !unit || !enough || thin => None,
        Precision::Direct => None,
        Precision::Standard => Some(2),
        Precision::Fast if o.as_const()? * c.as_const()? * 36 * 4 > MOST_FILTERS => Some(2),
        Precision::Fast => Some(4),
    }
}

/// Lowers a convolution with what is fused into it; `None` if its filters do not follow from weights.
pub fn lower(
    l: &mut Lower<'_>,
    k: &Kernel,
    v: Value,
    epilogue: &[Value],
    rows: &[Value],
    m: i64,
) -> Result<Option<()>, CompileError> {
    let Some((_, part)) = l.filter_part(v, 1)? else { return Ok(None) };
    let Some(channels) = l.g.ty(l.g.node(v).args[1]).shape[1].as_const() else { return Ok(None) };
    let n = part.n.0;
    let filters =
        l.pack(WeightPack { winograd: Some(m), ..WeightPack::plain(Vec::new(), vec![channels], vec![part]) });
    let mut b = Binding::default();
    let window = l.window(v, None)?.bind(&mut b);
    // Work on whole rows needs all columns.
    let parts = if rows.is_empty() && n % PART == 0 { n / PART } else { 1 };
    let columns = n / parts;
    let width = Len::Const(columns);
    // Whole tiles of rows for the products, as many tiles of results as keep both sides of them in the second
    // cache.
    let places = (m + 2) * (m + 2);
    let room = l.machine.l2 / 4 * 3 / (4 * places * (channels + columns)).max(1);
    let block = (room / 8 * 8).clamp(16, 64);
    let last = epilogue.last().copied().unwrap_or(v);
    let mut work = Vec::new();
    let mut slots = Vec::new();
    for i in 0..m * m {
        let mut body = Body::new(3, width);
        let products = body.pointer(Wide::floats(Buffer::Scratch, 3));
        let acc = result(&mut body, products, m as usize, i as usize, block * columns);
        body.define(v, acc);
        for &e in epilogue.iter().chain(rows) {
            body.node(l, &mut b, e)?;
        }
        for &o in k.outputs.iter().filter(|o| **o == last || rows.contains(o)) {
            body.store(l, &mut b, o)?;
        }
        let bound: Vec<_> = body.slots[1..].iter().map(|w| bind(&mut b, w)).collect();
        work.push(schedule(&body.e, width, body.slots.len() as u16, b.params.len() as u16));
        slots = bound;
    }
    let images = b.len(&l.g.ty(v).shape[0]);
    let spec = WinogradSpec {
        window,
        images,
        m,
        channels,
        columns,
        parts,
        filters: b.buffer(Buffer::PackedWeight(filters)),
        slots,
        work,
        scratch: b.buffer(Buffer::Scratch),
        block,
        unit: 4,
        cols: l.machine.blocking(width, Len::Const(channels), false, Terms::F32).cols.max(STRIP),
    };
    l.push(KernelSpec::Winograd(spec), b, v).map(Some)
}

/// Result `i` of a tile, `At M A`; places lie `apart`.
fn result(body: &mut Body, products: u16, m: usize, i: usize, apart: i64) -> Reg {
    let at = matrices(m).at;
    let side = m + 2;
    let (down, across) = (at[i / m], at[i % m]);
    let column = |e: &mut Expr, b: usize| {
        let product =
            |e: &mut Expr, a: usize| e.load_at(products, (a * side + b) as i64 * apart, Len::Const(1));
        combine(e, Expr::push, down, product).unwrap_or(0)
    };
    combine(&mut body.e, Expr::push, across, column).unwrap_or(0)
}
