//! How many units of work a kernel has, and how its working memory is laid out.

use super::params::product;
use super::{
    AttentionSpec, CumulativeSpec, KernelSpec, MatmulSpec, PackSpec, RowSpec, ScatterSpec, WindowSpec,
    WinogradSpec,
};
use crate::lanes::expr::Expr;
use crate::lanes::math::capped;
use crate::lanes::norms::softmax_parts;
use crate::lanes::schedule::{Scheduled, schedule};
use crate::lanes::{Encoding, Len, Mem, PANEL};
use tancho_ir::Dim;

/// How much work a kernel has, as dims over its parameters.
pub struct Extents {
    /// Units.
    pub units: Dim,
    /// Bytes of working memory of one thread.
    pub scratch: Dim,
    /// Units of a matmul that is divided by columns.
    pub columns: Option<Dim>,
}

impl Extents {
    /// A step that runs bodies is one unit, which has the working memory of their steps alone.
    pub fn of_bodies() -> Extents {
        Extents { units: Dim::constant(1), scratch: Dim::constant(0), columns: None }
    }
}

/// How much work a kernel has; `None` where a product of its dims is too large to write down.
pub fn extents(spec: &KernelSpec) -> Option<Extents> {
    match spec {
        KernelSpec::Row(spec) => spec.extents(),
        KernelSpec::Matmul(spec) => spec.extents(),
        KernelSpec::Winograd(spec) => spec.extents(),
        KernelSpec::Pack(spec) => spec.extents(),
        KernelSpec::Attention(spec) => spec.extents(),
        KernelSpec::Cumulative(spec) => spec.extents(),
        KernelSpec::Scatter(spec) => spec.extents(),
    }
}

/// How many parts of `by` elements a length has, the last one perhaps shorter.
fn parts(len: Len, by: i64) -> Option<Dim> {
    len.dim().ceil_div(&Dim::constant(by)).ok()
}

/// Elements of a row that takes whole panels.
pub fn whole_panels(width: i64) -> i64 {
    (width + PANEL - 1) / PANEL * PANEL
}

/// Floats of a row of sums that is kept in memory: the partial sums, their totals, and what these lost to
/// rounding.
pub fn sum_floats(width: i64) -> i64 {
    3 * whole_panels(width)
}

impl RowSpec {
    fn extents(&self) -> Option<Extents> {
        let row = self.len.dim().times(&Dim::constant(4 * i64::from(self.work.scratch_rows))).ok()?;
        let window = self.window.as_ref().map_or(0, |seen| {
            4 * if seen.reduction.is_some() { sum_floats(seen.window.chunk) } else { seen.window.patch() }
        });
        Some(Extents { units: self.parts()?, scratch: row.plus(&Dim::constant(window)).ok()?, columns: None })
    }

    /// Rows, or parts of them where they are summed.
    fn parts(&self) -> Option<Dim> {
        let rows = product(self.outer.iter().copied(), 1)?;
        match self.sums.as_ref().map(|sums| sums.part) {
            None => Some(rows),
            Some(0) => Some(Dim::constant(1)),
            Some(part) => rows.ceil_div(&Dim::constant(part)).ok(),
        }
    }
}

impl MatmulSpec {
    fn extents(&self) -> Option<Extents> {
        let (batch, cut) = (product(self.batch.iter().copied(), 1)?, self.blocking);
        Some(Extents {
            units: batch.times(&parts(self.m, cut.rows)?).ok()?,
            scratch: match self.scratch {
                Some(_) => self
                    .n
                    .dim()
                    .times(&Dim::constant(4 * self.scratch_rows()))
                    .ok()?
                    .plus(&self.copied_bytes()?)
                    .ok()?,
                None => Dim::constant(0),
            },
            columns: Some(batch.times(&parts(self.n, cut.cols)?).ok()?),
        })
    }

    /// Rows of working memory as wide as the result, for work on whole rows: those of a block, then scratch
    /// rows. Behind them is the left operand of a block, if that is copied.
    pub(crate) fn scratch_rows(&self) -> i64 {
        self.rows.as_ref().map_or(0, |rows| self.blocking.block + i64::from(rows.work.scratch_rows))
    }

    /// The length of the sums and the encoding of the left operand, if its rows are converted before tiles
    /// of many rows read them.
    pub(crate) fn converted(&self) -> Option<(i64, Encoding)> {
        match self.k {
            Len::Const(k) if self.encodings.many_rows.converts() => Some((k, self.encodings.many_rows)),
            _ => None,
        }
    }

    /// Whether the left operand lies with its columns in memory one after the other. A block of it is then
    /// copied as it lies, so that the cache holds it whole.
    pub(crate) fn transposed(&self) -> bool {
        self.window.is_none() && !self.a.step.is(1)
    }

    /// Bytes of the left operand of a block, where it is copied: what a window sees, a transposed operand, or
    /// converted rows.
    fn copied_bytes(&self) -> Option<Dim> {
        let block = self.blocking.block;
        Some(match (&self.window, self.converted()) {
            (Some(window), _) => Dim::constant(4 * block * window.terms()),
            _ if self.transposed() => product([self.k], 4 * block)?,
            (None, Some((k, encoding))) => Dim::constant((4 * block * encoding.left_len(k) + 63) / 64 * 64),
            _ => Dim::constant(0),
        })
    }
}

impl WinogradSpec {
    fn extents(&self) -> Option<Extents> {
        let [rows, columns] = self.window.out;
        let across = |len: Len| parts(len, self.m);
        let tiles = self.images.dim().times(&across(rows)?).ok()?.times(&across(columns)?).ok()?;
        let floats = self.patch_floats()
            + self.product_floats()
            + self.scratch_rows() * self.columns
            + self.patch_window().patch();
        let units = tiles.ceil_div(&Dim::constant(self.unit)).ok()?.times(&Dim::constant(self.parts)).ok()?;
        Some(Extents { units, scratch: Dim::constant(4 * floats), columns: None })
    }

    /// Pixels of a side of a patch.
    pub(crate) fn side(&self) -> i64 {
        self.m + 2
    }

    /// Places of a patch, each with a matmul of its own.
    pub(crate) fn places(&self) -> i64 {
        self.side() * self.side()
    }

    /// What a tile sees of the image: a window that moves by whole tiles.
    pub(crate) fn patch_window(&self) -> WindowSpec {
        WindowSpec { kernel: [self.side(); 2], stride: [self.m; 2], ..self.window.clone() }
    }

    /// Floats of the transformed patches of a block.
    pub(crate) fn patch_floats(&self) -> i64 {
        self.places() * self.block * self.channels
    }

    /// Floats of the matmuls' results of a block.
    pub(crate) fn product_floats(&self) -> i64 {
        self.places() * self.block * self.columns
    }

    /// Scratch rows that the work on any result of a tile needs.
    pub(crate) fn scratch_rows(&self) -> i64 {
        self.work.iter().map(|work| i64::from(work.scratch_rows)).max().unwrap_or(0)
    }
}

impl PackSpec {
    fn extents(&self) -> Option<Extents> {
        let panels = parts(self.n, PANEL)?;
        Some(Extents {
            units: product(self.batch.iter().copied(), 1)?.times(&panels).ok()?,
            scratch: Dim::constant(0),
            columns: None,
        })
    }
}

impl CumulativeSpec {
    fn extents(&self) -> Option<Extents> {
        let rows = self.len.dim().times(&Dim::constant(8)).ok()?;
        Some(Extents { units: product(self.outer.iter().copied(), 1)?, scratch: rows, columns: None })
    }
}

impl ScatterSpec {
    fn extents(&self) -> Option<Extents> {
        let units = self.rows()?.plus(&Dim::constant(1)).ok()?;
        Some(Extents { units, scratch: Dim::constant(0), columns: None })
    }

    /// Rows of the result.
    pub(crate) fn rows(&self) -> Option<Dim> {
        Some(self.to.gather.as_ref()?.rows.dim())
    }
}

/// Floats for each key in an attention's working memory. Before them stand the reciprocals of a block and the
/// sums of a single query, whose size does not depend on the keys.
pub struct FloatsPerKey {
    /// Packed keys.
    pub keys: i64,
    /// Packed values.
    pub values: i64,
    /// A block of scores, then scratch rows of the softmax.
    pub scores: i64,
}

impl AttentionSpec {
    fn extents(&self) -> Option<Extents> {
        let units = self.batch.dim().times(&Dim::constant(self.heads)).ok()?;
        let each = self.floats_per_key();
        let padded = parts(self.keys, PANEL)?.times(&Dim::constant(PANEL)).ok()?;
        let floats = padded
            .times(&Dim::constant(each.keys + each.values + each.scores))
            .ok()?
            .plus(&Dim::constant(self.reciprocal_floats() + sum_floats(self.width)))
            .ok()?;
        Some(Extents { units, scratch: floats.times(&Dim::constant(4)).ok()?, columns: None })
    }

    /// Panels of a head's width.
    pub(crate) fn panels(&self) -> i64 {
        whole_panels(self.width) / PANEL
    }

    /// Floats for the reciprocals of a block: whole cache lines.
    pub(crate) fn reciprocal_floats(&self) -> i64 {
        whole_panels(self.block)
    }

    /// Floats of working memory for each key.
    pub(crate) fn floats_per_key(&self) -> FloatsPerKey {
        let scores = self.block + i64::from(self.softmax(self.keys).scratch_rows);
        FloatsPerKey { keys: self.width, values: self.panels() * PANEL, scores }
    }

    /// Softmax of `len` scores of a row in place, but for its denominator. The result of the matmul with the
    /// values is scaled instead of its weights.
    pub(crate) fn softmax(&self, len: Len) -> Scheduled {
        /// The pointers: the scores, the reciprocal of their sum, then the mask and the bias, if there are
        /// any.
        const SCORES: u16 = 0;
        const RECIPROCAL: u16 = 1;
        const OPERANDS: u16 = 2;
        let mut expr = Expr::default();
        let mut x = expr.load(SCORES, Len::ONE, Len::ZERO, Mem::F32);
        let mut ptrs = OPERANDS;
        let mut operand = |expr: &mut Expr, slot: &super::Slot| {
            ptrs += 1;
            expr.load(ptrs - 1, slot.step, Len::ZERO, slot.mem)
        };
        let keep = self.mask.as_ref().map(|mask| operand(&mut expr, mask));
        if let Some(cap) = self.softcap {
            x = capped(&mut expr, x, f32::from_bits(cap));
        }
        if let Some(bias) = &self.bias {
            let bias = operand(&mut expr, bias);
            x = expr.add(x, bias);
        }
        let (weights, scale) = softmax_parts(&mut expr, x, keep);
        expr.store(SCORES, Len::ONE, Len::ZERO, Mem::F32, weights);
        expr.store(RECIPROCAL, Len::ZERO, Len::ZERO, Mem::F32, scale);
        schedule(&expr, len, ptrs, 0)
    }
}
