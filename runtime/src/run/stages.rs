//! How the steps of a run are divided among threads: stages of units, each in one range per thread.
//!
//! Only shapes and the number of threads decide, never timing: every run does the same work in the same
//! pieces, and no result depends on how they are divided.

use tancho_jit::UnitKind;
use tancho_jit::spec::{Division, KernelSpec, MatmulDivision};

/// Less work than this, in bytes or multiply-adds, is done sooner than another thread has begun.
pub const WORTH: i64 = 1 << 15;

/// Units between two barriers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The step it belongs to.
    pub step: usize,
    /// Which units of the step.
    pub unit_kind: UnitKind,
    /// How many.
    pub units: i64,
    /// How many a thread takes at a time.
    pub grain: i64,
    /// Among how many threads they are divided.
    pub threads: usize,
}

/// What a step has to do, with its dims bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Units as rows, heads or panels.
    pub units: i64,
    /// Units as columns of a matmul.
    pub columns: i64,
    /// Floating-point operations of matmuls.
    pub flops: i64,
    /// Bytes read and written.
    pub bytes: i64,
}

impl Stage {
    fn new(step: usize, unit_kind: UnitKind, units: i64, threads: usize, most: i64) -> Stage {
        // Two pieces per thread: a thread that comes late loses half of its own to the others.
        let range = ceil(units, threads as i64);
        let grain = if threads == 1 { units } else { ceil(range, 2).min(most) };
        Stage { step, unit_kind, units, grain: grain.max(1), threads }
    }

    /// The units of a thread, before others help.
    pub fn range(&self, thread: usize) -> (i64, i64) {
        let at = |t: usize| (i128::from(self.units) * t as i128 / self.threads as i128) as i64;
        if thread >= self.threads { (0, 0) } else { (at(thread), at(thread + 1)) }
    }
}

fn ceil(a: i64, b: i64) -> i64 {
    a / b + i64::from(a % b > 0)
}

/// The stages of a step that calls a kernel; one of less work than `worth` is done by one thread.
pub fn divide(
    index: usize,
    kernel: &KernelSpec,
    work: &Work,
    threads: usize,
    worth: i64,
    out: &mut Vec<Stage>,
) {
    if work.units == 0 {
        return;
    }
    let small = work.bytes.saturating_add(work.flops) < worth;
    let threads = if small { 1 } else { threads };
    match kernel.division() {
        Division::Matmul(matmul) => divide_matmul(index, matmul, work, threads, out),
        Division::Single => out.push(Stage::new(index, UnitKind::Rows, work.units, threads, 1)),
        Division::Ranges => out.push(Stage::new(index, UnitKind::Rows, work.units, threads, i64::MAX)),
    }
}

/// Many rows are divided by rows, together with what is fused to them. A few rows, and rows that fit into one
/// block, are divided by columns, so that each weight is read by one thread; work on whole rows then waits
/// for all columns. Windows of many pixels are not: their receptive fields would be copied for each piece of
/// columns.
fn divide_matmul(step: usize, matmul: MatmulDivision, work: &Work, threads: usize, out: &mut Vec<Stage>) {
    let block = matmul.block;
    let one_block = !matmul.batched && work.units <= block;
    let threads_at = |n: i64| n * threads as i64;
    let few = (work.units < threads_at(4) && work.columns >= threads_at(1))
        || (one_block && !matmul.window && work.columns >= threads_at(4));
    // Columns of all rows meet in one block, if they are not stored.
    let meet = !matmul.kept_in_block || one_block;
    if threads == 1 || !few || !meet {
        return out.push(Stage::new(step, UnitKind::Rows, work.units, threads, block));
    }
    let columns = Stage::new(step, UnitKind::Columns, work.columns, threads, i64::MAX);
    // Each piece encodes all rows anew: one piece per thread.
    let whole = matmul.converts.then(|| ceil(work.columns, threads as i64).max(1));
    out.push(Stage { grain: whole.unwrap_or(columns.grain), ..columns });
    if matmul.row_work {
        let threads = if work.units == 1 { 1 } else { threads };
        out.push(Stage::new(step, UnitKind::RowWork, work.units, threads, block));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_unit_once() {
        for units in [0, 1, 2, 7, 12, 100, 1 << 40] {
            for threads in 1..=7 {
                let s = Stage::new(0, UnitKind::Rows, units, threads, 5);
                let ranges: Vec<_> = (0..threads).map(|t| s.range(t)).collect();
                assert_eq!((ranges[0].0, ranges[threads - 1].1), (0, units));
                assert!(ranges.windows(2).all(|r| r[0].1 == r[1].0) && ranges.iter().all(|r| r.0 <= r.1));
                let longest = ranges.iter().map(|r| r.1 - r.0).max().unwrap();
                assert!(longest <= ceil(units, threads as i64), "no thread has more than its share");
                assert_eq!(s.range(threads), (0, 0));
            }
        }
    }
}
