//! A model of the machine: sizes of tiles and blocks follow from its registers, ports and caches.

use crate::format::Format;
use crate::lanes::x86::Width;
use crate::lanes::{Encoding, Len, PANEL};

/// Cycles from one multiply-add to the next of the same accumulator.
const LATENCY: i64 = 4;
/// Multiply-adds and loads that a core starts in a cycle.
const PORTS: i64 = 2;
/// Most rows of a tile. More rows hide no more loads, and leave a larger remainder.
const MOST_ROWS: i64 = 8;
/// Most rows of a block. The right operand is read once for each block, from main memory if it is large.
const MOST_IN_BLOCK: i64 = 128;
/// Rows of a block that are too few to pay for the right operand, which each block reads.
const FEW_IN_BLOCK: i64 = 32;

/// A core's L2 cache, and the vectors that code for it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    /// Bytes of the L2 cache.
    pub l2: i64,
    /// Width of emitted code, if there is any.
    pub(crate) width: Option<Width>,
    /// Whether it adds products of bf16 two at a time, faster than those of f32 one at a time.
    pub(crate) pairs: bool,
    /// Whether it adds products of bytes four at a time.
    pub(crate) dots: bool,
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
    /// The machine that this program runs on, with vectors of a width.
    pub(crate) fn host(width: Option<Width>) -> Machine {
        Machine {
            l2: l2_cache().unwrap_or(512 << 10),
            width,
            pairs: width == Some(Width::Z) && has_pairs(),
            dots: width == Some(Width::Z) && has_dots(),
        }
    }

    /// Rows of the highest tile that is `panels` panels wide, if there is one.
    pub(crate) fn rows(self, panels: i64, encoding: Encoding) -> Option<i64> {
        let Some(width) = self.width else { return (panels == 1).then_some(4) };
        let vectors = panels * PANEL / width.lanes();
        // Besides the accumulators a tile holds a row of the right operand and one element of the left one.
        // Of bf16 it holds both halves, and a mask for one of them.
        let besides = match encoding {
            Encoding::F32 | Encoding::Pairs => vectors + 1,
            Encoding::Halves => 2 * vectors + 2,
            // Without an instruction for four products of bytes, each vector takes two registers, and the sum
            // of two products takes one more.
            Encoding::Bytes | Encoding::Nibbles => 2 * vectors + 3,
        };
        // Integers need the sum of a group beside each accumulator.
        let each = if encoding.group().is_some() { 2 } else { 1 };
        let rows = (i64::from(width.registers()) - besides) / (each * vectors);
        let rows = rows.min(MOST_ROWS);
        (rows >= if encoding.group().is_some() { 2 } else { 4 }).then_some(rows - rows % 2)
    }

    /// Cycles per row and term of a tile, times 1000. Multiply-adds, loads or latency bound them.
    fn cost(self, panels: i64, encoding: Encoding) -> Option<i64> {
        let lanes = self.width.map_or(4, Width::lanes);
        let (rows, vectors) = (self.rows(panels, encoding)?, panels * PANEL / lanes);
        Some(1000 * (rows * vectors).max(rows + vectors).max(LATENCY * PORTS) / PORTS / rows)
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
        Blocking { rows, cols: panels * PANEL, block: (capacity.min(MOST_IN_BLOCK) / rows * rows).max(rows) }
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

/// Whether the machine has AVX-512 BF16, and gains by it. Zen 4 does; the Intel core that was measured (a
/// Xeon with AMX) does not: 128x3072x768 ran there at 108 GFLOP/s with pairs, at 150 with bf16 weights and
/// f32 rows, and at 175 in f32.
fn has_pairs() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512bf16") && vendor() != *b"GenuineIntel";
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// The vendor of the CPU.
#[cfg(target_arch = "x86_64")]
fn vendor() -> [u8; 12] {
    let id = std::arch::x86_64::__cpuid(0);
    let mut name = [0; 12];
    for (to, part) in name.chunks_exact_mut(4).zip([id.ebx, id.edx, id.ecx]) {
        to.copy_from_slice(&part.to_le_bytes());
    }
    name
}

/// Whether the machine has AVX-512 VNNI.
fn has_dots() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512vnni");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Bytes of the L2 cache, as Linux reports it.
fn l2_cache() -> Option<i64> {
    let read = |index: usize, what: &str| {
        std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{what}")).ok()
    };
    let index = (0..4).find(|i| read(*i, "level").is_some_and(|l| l.trim() == "2"))?;
    let kilobytes: i64 = read(index, "size")?.trim().strip_suffix('K')?.parse().ok()?;
    (kilobytes > 0).then_some(kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(width: Option<Width>) -> Machine {
        Machine { l2: 1 << 20, width, pairs: false, dots: false }
    }

    #[test]
    fn tiles_follow_from_registers() {
        let tile = |w, n| {
            let b = machine(w).blocking(Len::Const(n), Len::Const(768), false, Encoding::F32);
            (b.rows, b.cols)
        };
        assert_eq!(tile(Some(Width::Z), 768), (8, 48));
        assert_eq!(tile(Some(Width::Z), 64), (8, 32));
        assert_eq!(tile(Some(Width::Z), 16), (8, 16));
        assert_eq!(tile(Some(Width::Y), 768), (6, 16));
        assert_eq!(tile(None, 768), (4, 16));
    }

    #[test]
    fn blocks_fit_into_the_l2_cache() {
        for k in [1, 64, 768, 3072, 100_000] {
            let m = machine(Some(Width::Z));
            let b = m.blocking(Len::Const(768), Len::Const(k), true, Encoding::F32);
            assert!(b.block % b.rows == 0 && b.block >= b.rows && b.block <= 128, "{b:?}");
            assert!(b.block == b.rows || b.block * (k + 768) * 4 <= m.l2, "{b:?} of {k}");
        }
    }
}
