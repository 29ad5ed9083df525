//! A model of the machine: sizes of tiles and blocks follow from its registers, ports and caches.

mod host;
#[cfg(test)]
mod tests;

use crate::format::Format;
use crate::lanes::x86::Width;
use crate::lanes::{Encoding, Len, PANEL};

/// Cycles from one multiply-add to the next of the same accumulator, on all machines that the tests describe.
const LATENCY: i64 = 4;
/// Most rows of a tile. More rows hide no more loads, and leave a larger remainder.
const MOST_ROWS: i64 = 8;
/// Rows of a block, if as many fit. The right operand is read once for each block, from main memory if it is
/// large.
const MOST_IN_BLOCK: i64 = 128;
/// Rows of a block that are too few to pay for the right operand, which each block reads.
const FEW_IN_BLOCK: i64 = 32;

/// What a core has, and the vectors that code for it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    /// Bytes of the L2 cache.
    pub l2: i64,
    /// Width of emitted code, if there is any.
    pub(crate) width: Option<Width>,
    /// Vector registers of generated code, emitted or not.
    pub(crate) registers: i64,
    /// What a core starts in a cycle.
    pub(crate) ports: Ports,
    /// Whether it adds products of bf16 two at a time, faster than those of f32 one at a time.
    pub(crate) pairs: bool,
    /// Whether emitted code adds products of bytes four at a time.
    pub(crate) dots: bool,
}

/// What a core starts in a cycle, in vectors of the code's width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ports {
    pub multiply_adds: i64,
    pub loads: i64,
}

/// How a matrix product is cut for registers and caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Blocking {
    /// Rows of the highest tile: work on rows is divided in multiples of them.
    pub rows: i64,
    /// Columns of the widest tile, a multiple of a panel: work on columns is divided in multiples of them.
    pub cols: i64,
    /// Rows of a block: the right operand is read once for each.
    pub block: i64,
}

impl Machine {
    /// Rows of the highest tile that is `panels` panels wide, if there is one.
    pub(crate) fn rows(self, panels: i64, encoding: Encoding) -> Option<i64> {
        let Some(width) = self.width else {
            return (panels == 1).then_some(self.narrow_tile(encoding).0);
        };
        let vectors = panels * PANEL / width.lanes();
        // Besides the accumulators a tile holds a row of the right operand and one element of the left one.
        // Of bf16 it holds both halves, and a mask for one of them.
        let besides = match encoding {
            Encoding::F32 | Encoding::Pairs => vectors + 1,
            Encoding::Halves => 2 * vectors + 2,
            // Without an instruction for four products of bytes, each vector takes two registers, and the sum
            // of two products takes one more.
            Encoding::Bytes if self.dots => vectors + 1,
            Encoding::Nibbles if self.dots => 2 * vectors + 2,
            Encoding::Bytes | Encoding::Nibbles => 2 * vectors + 3,
        };
        // Where there are no mask registers, the mask of the last columns is a vector.
        let besides = besides + i64::from(width == Width::Y);
        // Integers need the sum of a group beside each accumulator.
        let (each, least) = if encoding.group().is_some() { (2, 2) } else { (1, 4) };
        let rows = ((self.registers - besides) / (each * vectors)).min(MOST_ROWS);
        (rows >= least).then_some(rows)
    }

    /// Rows and columns of the highest tile of vectors of 128 bits, by Cranelift.
    pub(crate) fn narrow_tile(self, encoding: Encoding) -> (i64, i64) {
        match encoding.group() {
            // As many accumulators as fit beside a row of the right operand, of bf16 both of its halves, and
            // for integers the sums of a group beside each of them.
            None if self.registers >= 32 && encoding == Encoding::Halves => (5, 16),
            None if self.registers >= 32 => (6, 16),
            Some(_) if self.registers >= 32 => (3, 16),
            None => (4, 8),
            Some(_) => (2, 8),
        }
    }

    /// Cycles per row and term of a tile, times 1000. Multiply-adds, loads or latency bound them.
    fn cost(self, panels: i64, encoding: Encoding) -> Option<i64> {
        let lanes = self.width.map_or(4, Width::lanes);
        let (rows, vectors) = (self.rows(panels, encoding)?, panels * PANEL / lanes);
        let cycles = |count: i64, ports: i64| 1000 * count / ports;
        let bound = cycles(rows * vectors, self.ports.multiply_adds)
            .max(cycles(rows + vectors, self.ports.loads))
            .max(cycles(LATENCY, 1));
        Some(bound / rows)
    }

    /// The encodings of the operands of matmuls with weights of a format: with many rows, and with few.
    pub(crate) fn encodings(self, format: Format) -> (Encoding, Encoding) {
        match format {
            Format::Bf16 if self.pairs => (Encoding::Pairs, Encoding::Halves),
            _ => (format.encoding(), format.encoding()),
        }
    }

    /// How a product of `n` columns with sums of `k` terms is cut; `whole` if work on whole rows follows it.
    pub(crate) fn blocking(self, n: Len, k: Len, whole: bool, encoding: Encoding) -> Blocking {
        // The widest tile is the one for which all columns cost least, the last ones in a tile of their own.
        let all = match n {
            Len::Const(n) => (n + PANEL - 1) / PANEL,
            Len::Arg(_) | Len::Local(_) => 1 << 20,
        };
        let total = |panels: i64| {
            let remainder = if all % panels == 0 { 0 } else { self.cost(all % panels, encoding)? };
            Some((all / panels) * self.cost(panels, encoding)? + remainder)
        };
        let best = (1..=all.min(6)).filter_map(|s| Some((total(s)?, -self.rows(s, encoding)?, -s))).min();
        let panels = best.map_or(1, |b| -b.2);
        let rows = self.rows(panels, encoding).unwrap_or(4);
        let floats = |l: Len| match l {
            Len::Const(n) => n,
            Len::Arg(_) | Len::Local(_) => 1024,
        };
        // Rows of the left operand are shorter once they are converted.
        let left = if encoding.converts() { encoding.left_len(floats(k)) } else { floats(k) };
        // A block's rows, on both sides, fit into the L2 cache. The columns at hand have to stay there,
        // the rows do not: a tile reads few bytes of them for what it computes.
        let fit = |row: i64| self.l2 / 4 / row.max(1);
        let capacity = match whole {
            // Where few rows of results fit, the right operand would be read from main memory for each of
            // them: it costs more than row work on rows that left the cache.
            true if fit(left + floats(n)) >= FEW_IN_BLOCK => fit(left + floats(n)),
            _ => fit(left),
        };
        // Whole tiles: where there is room, rather a few rows more than a block of few rows behind it.
        let most = (MOST_IN_BLOCK + rows - 1) / rows * rows;
        Blocking { rows, cols: panels * PANEL, block: (capacity / rows * rows).clamp(rows, most) }
    }

    /// Queries of a block of attention: a block of scores over `t` keys takes a quarter of the L2 cache.
    pub(crate) fn queries(self, t: Len) -> i64 {
        let keys = match t {
            Len::Const(n) => n.max(1),
            Len::Arg(_) | Len::Local(_) => 1024,
        };
        let rows = self.rows(1, Encoding::F32).unwrap_or(4);
        ((self.l2 / 4 / 4 / keys).min(32) / rows * rows).max(rows)
    }
}
