//! How much a kernel computes and moves: for dividing work, and for profiles.

use super::params::product;
use super::{
    AttentionSpec, CumulativeSpec, KernelSpec, MatmulSpec, PackSpec, RowSpec, ScatterSpec, Slot, WindowSpec,
    WinogradSpec,
};
use crate::lanes::{Encoding, Len};
use tancho_ir::Dim;

/// What a kernel computes and moves, as dims over its parameters.
#[derive(Default)]
pub struct Cost {
    /// Floating-point operations of matmuls: two for each multiply-add.
    pub flops: Dim,
    /// Bytes read and written, each once.
    pub bytes: Dim,
}

/// What a kernel computes and moves. `None` where that is too large to write down.
pub fn cost(spec: &KernelSpec) -> Option<Cost> {
    match spec {
        KernelSpec::Row(spec) => spec.cost(),
        KernelSpec::Matmul(spec) => spec.cost(),
        KernelSpec::Winograd(spec) => spec.cost(),
        KernelSpec::Pack(spec) => spec.cost(),
        KernelSpec::Attention(spec) => spec.cost(),
        KernelSpec::Cumulative(spec) => spec.cost(),
        KernelSpec::Scatter(spec) => spec.cost(),
    }
}

fn sum(parts: impl IntoIterator<Item = Option<Dim>>) -> Option<Dim> {
    parts.into_iter().try_fold(Dim::constant(0), |sum, part| sum.plus(&part?).ok())
}

/// Bytes of what a slot touches along these axes, and along a row of `len`: what lies still counts once.
fn bytes(slot: &Slot, axes: &[Len], len: Len) -> Option<Dim> {
    let moving = axes
        .iter()
        .zip(&slot.strides)
        .filter(|(_, stride)| !stride.is(0) || slot.gather.is_some())
        .map(|(axis, _)| *axis);
    let row = if slot.step.is(0) { Len::ONE } else { len };
    product(moving.chain([row]), slot.mem.size())
}

/// Bytes of the image under a window, by the pixels of the result along these axes.
fn image(window: &WindowSpec, axes: &[Len]) -> Option<Dim> {
    let factors = [window.stride[0], window.stride[1], window.chunk].map(Len::Const);
    product(axes.iter().copied().chain(factors), 4)
}

impl RowSpec {
    fn cost(&self) -> Option<Cost> {
        let image = self.window.as_ref().map(|seen| image(&seen.window, &self.outer));
        let slots = self.slots.iter().map(|slot| bytes(slot, &self.outer, self.len));
        Some(Cost { flops: Dim::constant(0), bytes: sum(slots.chain(image))? })
    }
}

impl MatmulSpec {
    fn cost(&self) -> Option<Cost> {
        let mut axes = self.batch.clone();
        let matrices =
            self.b.strides.iter().zip(&axes).filter(|(stride, _)| !stride.is(0)).map(|(_, axis)| *axis);
        let right = match (self.encodings.many_rows, self.k) {
            (Encoding::F32, k) => product(matrices.chain([k, self.n]), 4)?,
            (encoding, Len::Const(k)) => product(matrices.chain([self.n]), 4 * encoding.panel_rows(k))?,
            _ => return None,
        };
        axes.push(self.m);
        let flops = product(axes.iter().copied().chain([self.n, self.k]), 2)?;
        let row_slots = self.rows.iter().flat_map(|rows| &rows.slots);
        let slots = self
            .slots
            .iter()
            .chain(row_slots)
            .filter(|slot| !slot.block)
            .map(|slot| bytes(slot, &axes, self.n));
        let left = match &self.window {
            Some(window) => image(window, &axes),
            None => bytes(&self.a, &axes, self.k),
        };
        Some(Cost { flops, bytes: sum(slots.chain([left, Some(right)]))? })
    }
}

impl WinogradSpec {
    /// The operations counted are those of the matmuls that are made, not those of the convolution.
    fn cost(&self) -> Option<Cost> {
        let (places, tile) = ((self.m + 2) * (self.m + 2), self.m * self.m);
        let axes = [self.images, self.window.out[0], self.window.out[1]];
        let pixels = product(axes, 1)?;
        let each = 2 * places * self.channels * self.columns * self.parts / tile;
        let flops = pixels.times(&Dim::constant(each)).ok()?;
        let width = Len::Const(self.columns * self.parts);
        let slots = self.slots.iter().map(|slot| bytes(slot, &axes, width));
        let image = product([self.images, self.window.image[0], self.window.image[1]], 4 * self.channels);
        let filters = Dim::constant(4 * places * self.channels * self.columns * self.parts);
        Some(Cost { flops, bytes: sum(slots.chain([image, Some(filters)]))? })
    }
}

impl PackSpec {
    fn cost(&self) -> Option<Cost> {
        let bytes = product(self.batch.iter().chain(&self.k).copied().chain([self.n]), 8)?;
        Some(Cost { flops: Dim::constant(0), bytes })
    }
}

impl CumulativeSpec {
    fn cost(&self) -> Option<Cost> {
        let bytes = product(self.outer.iter().copied().chain([self.steps, self.len]), 8)?;
        Some(Cost { flops: Dim::constant(0), bytes })
    }
}

impl ScatterSpec {
    /// All of the result is written, and the rows that ids name are read and written again.
    fn cost(&self) -> Option<Cost> {
        let added = product(self.axes.iter().copied().chain([self.len]), 12)?;
        let zeros = self.rows()?.times(&product([self.len], 4)?).ok()?;
        Some(Cost { flops: Dim::constant(0), bytes: added.plus(&zeros).ok()? })
    }
}

impl KernelSpec {
    /// Floating-point operations of a call with these parameters, where they are no polynomial of them:
    /// attention counts the keys that queries see by their places.
    pub fn counted_flops(&self, params: &[i64]) -> Option<i64> {
        let KernelSpec::Attention(spec) = self else { return None };
        let [batch, queries, keys] = [spec.batch, spec.queries, spec.keys].map(|len| len.value(params));
        let window = spec.window.map(|len| len.value(params));
        let each = i128::from(batch) * i128::from(4 * spec.heads) * i128::from(spec.width);
        let all = each.saturating_mul(seen_keys(queries, keys, spec.causal, window));
        Some(i64::try_from(all).unwrap_or(i64::MAX))
    }
}

/// How many keys queries see by their places, all queries together. Query `s` is at place
/// `keys - queries + s`.
fn seen_keys(queries: i64, keys: i64, causal: bool, window: Option<i64>) -> i128 {
    let [queries, keys] = [queries, keys].map(i128::from);
    let window = window.map_or(i128::MAX >> 64, i128::from);
    // The sum of the numbers up to `n`; 0 below 1.
    let up_to = |n: i128| if n > 0 { n * (n + 1) / 2 } else { 0 };
    // What the queries of places below `n` see of the keys up to their own.
    let causally = |n: i128| if n <= window { up_to(n) } else { up_to(window) + (n - window) * window };
    // What the window hides from them.
    let hidden = |n: i128| up_to(n - window);
    if causal {
        causally(keys) - causally(keys - queries)
    } else {
        queries * keys - (hidden(keys) - hidden(keys - queries))
    }
}

impl AttentionSpec {
    /// Keys that no query sees by its place are counted too: without them the number is no polynomial.
    fn cost(&self) -> Option<Cost> {
        let width = Len::Const(self.width);
        let flops = product([self.batch, Len::Const(self.heads), self.queries, self.keys, width], 4)?;
        let of =
            |heads: i64, len: Len, bytes: i64| product([self.batch, Len::Const(heads), len, width], bytes);
        let queries = of(self.heads, self.queries, 8);
        let keys = of(self.key_heads, self.keys, self.k.mem.size() + self.v.mem.size());
        Some(Cost { flops, bytes: sum([queries, keys])? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_as_they_are_seen() {
        for (queries, keys) in [(1, 1), (5, 5), (3, 9), (9, 9), (4, 2), (0, 3), (1, 0)] {
            for causal in [false, true] {
                for window in [None, Some(1), Some(3), Some(20)] {
                    let sees = |s: i64, t: i64| {
                        let place = keys - queries + s;
                        (!causal || t <= place) && window.is_none_or(|w| t > place - w)
                    };
                    let one_by_one =
                        (0..queries).map(|s| (0..keys).filter(|t| sees(s, *t)).count()).sum::<usize>();
                    let found = seen_keys(queries, keys, causal, window);
                    assert_eq!(found, one_by_one as i128, "{queries} of {keys}, {causal}, {window:?}");
                }
            }
        }
    }
}
