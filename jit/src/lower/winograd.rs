//! Convolutions of 3x3 pixels at a stride of 1, by Winograd's algorithm: fewer multiplications, and a row
//! program for each result of a tile that takes it from the matmuls.

use super::body::Body;
use super::unbound::{Unbound, bind};
use super::{Lower, MatmulGroup, WeightPack};
use crate::CompileError;
use crate::lanes::expr::Expr;
use crate::lanes::marks::Origins;
use crate::lanes::schedule::{Scheduled, schedule_with_origins};
use crate::lanes::{Encoding, Len, PANEL, Reg};
use crate::spec::{Binding, Buffer, KernelSpec, Slot, StepOrigins, WinogradSpec};
use crate::target::Precision;
use crate::winograd::{combine, matrices};
use tancho_ir::Value;
use tancho_ir::op::{Op, Window};

/// Fewer channels than this on either side have more work with transforms than the algorithm saves.
const LEAST: i64 = 16;

/// Bytes of transformed filters beyond which large tiles take longer to read than they save: deep layers have
/// many channels and few pixels.
const MOST_FILTERS: i64 = 4 << 20;

/// Columns of a part: many enough that transforming patches anew for each costs little.
const PART: i64 = 128;

/// The side of a tile of results, if the algorithm is to be used.
pub fn tile(lower: &Lower<'_>, v: Value) -> Option<i64> {
    let node = lower.graph.node(v);
    let Op::Conv2d { window: Window { stride, dilation, .. }, groups, .. } = &node.op else { return None };
    let [o, c, kh, kw] = lower.graph.ty(node.args[1]).shape.as_slice() else { return None };
    let unit = stride.iter().chain(dilation).chain([groups]).all(|d| d.is(1)) && kh.is(3) && kw.is(3);
    // One row or column of pixels leaves nothing of a tile to share.
    let thin = lower.graph.node(v).ty.shape[1..3].iter().any(|d| d.is(1));
    let enough = [o, c].iter().all(|d| d.as_const().is_some_and(|n| n >= LEAST));
    match lower.precision {
        _ if !unit || !enough || thin => None,
        Precision::Direct => None,
        Precision::Standard => Some(2),
        Precision::Fast if o.as_const()? * c.as_const()? * 36 * 4 > MOST_FILTERS => Some(2),
        Precision::Fast => Some(4),
    }
}

/// Lowers a convolution with what is fused into it, by tiles of `m` results a side; `None` if its filters do
/// not follow from weights.
pub fn lower(lower: &mut Lower<'_>, group: &MatmulGroup<'_>, m: i64) -> Result<Option<()>, CompileError> {
    let v = group.matmul;
    let Some((_, part)) = lower.filter_part(v, 1)? else { return Ok(None) };
    let Some(channels) = lower.graph.ty(lower.graph.node(v).args[1]).shape[1].as_const() else {
        return Ok(None);
    };
    let n = part.n.0;
    let plain = WeightPack::plain(Vec::new(), vec![channels], vec![part]);
    let filters = lower.pack(WeightPack { winograd: Some(m), ..plain });
    let mut binding = Binding::default();
    let window = lower.window(v, None)?.bind(&mut binding);
    // Work on whole rows needs all columns.
    let parts = if group.rows.is_empty() && n % PART == 0 { n / PART } else { 1 };
    let columns = n / parts;
    let block = block(lower.machine.l2, m, channels + columns);
    let (scheduled, slots) = results(lower, &mut binding, group, m, block, columns)?;
    let (work, works) = scheduled.into_iter().unzip();
    let images = binding.len(&lower.graph.ty(v).shape[0]);
    let blocking = lower.machine.blocking(Len::Const(columns), Len::Const(channels), false, Encoding::F32);
    let spec = WinogradSpec {
        window,
        images,
        m,
        channels,
        columns,
        parts,
        filters: binding.buffer(Buffer::PackedWeight(filters)),
        slots,
        work,
        scratch: binding.buffer(Buffer::Scratch),
        block,
        unit: 4,
        cols: blocking.cols.max(PANEL),
    };
    let origins = StepOrigins { works, ..StepOrigins::from(v) };
    lower.push(KernelSpec::Winograd(spec), binding, origins).map(Some)
}

/// Tiles done together: whole tiles of rows for the matmuls, as many tiles of results as keep both sides of
/// them, `channels` in all, in the L2 cache.
fn block(l2: i64, m: i64, channels: i64) -> i64 {
    let places = (m + 2) * (m + 2);
    let fit = l2 / 4 * 3 / (4 * places * channels).max(1);
    (fit / 8 * 8).clamp(16, 64)
}

/// The work on each result of a tile, with the nodes that it computes.
type ResultWorks = Vec<(Scheduled, Origins)>;

/// The work on each result of a tile, and the slots that all of them have.
fn results(
    lower: &Lower<'_>,
    binding: &mut Binding,
    group: &MatmulGroup<'_>,
    m: i64,
    block: i64,
    columns: i64,
) -> Result<(ResultWorks, Vec<Slot>), CompileError> {
    let width = Len::Const(columns);
    let (mut work, mut slots) = (Vec::new(), Vec::new());
    for i in 0..m * m {
        let mut body = Body::new(3, width);
        body.expr.origin = Some(group.matmul);
        let products = body.pointer(Unbound::floats(Buffer::Scratch, 3));
        let acc = result(&mut body, products, m as usize, i as usize, block * columns);
        body.define(group.matmul, acc);
        for &v in group.epilogue.iter().chain(group.rows) {
            body.node(lower, binding, v)?;
        }
        let last = group.last();
        for &v in group.outputs.iter().filter(|v| **v == last || group.rows.contains(v)) {
            body.store(lower, binding, v)?;
        }
        slots = body.slots[1..].iter().map(|slot| bind(binding, slot)).collect();
        let (ptrs, ints) = (body.slots.len() as u16, binding.params.len() as u16);
        work.push(schedule_with_origins(&body.expr, width, ptrs, ints));
    }
    Ok((work, slots))
}

/// Result `i` of a tile, `At M A`; places lie `apart`.
fn result(body: &mut Body, products: u16, m: usize, i: usize, apart: i64) -> Reg {
    let at = matrices(m).at;
    let side = m + 2;
    let (down, across) = (at[i / m], at[i % m]);
    let column = |expr: &mut Expr, column: usize| {
        let product = |expr: &mut Expr, row: usize| {
            expr.load_at(products, (row * side + column) as i64 * apart, Len::ONE)
        };
        combine(expr, Expr::push, down, product).unwrap_or(0)
    };
    combine(&mut body.expr, Expr::push, across, column).unwrap_or(0)
}
