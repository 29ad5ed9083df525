//! How the units of a kernel may be divided among threads.

use super::{KernelSpec, MatmulSpec};

/// How the units of a kernel may be divided among threads.
#[derive(Clone, Copy, Debug)]
pub enum Division {
    /// In ranges of any length.
    Ranges,
    /// One at a time, since each is much work.
    Single,
    /// By rows, or by columns.
    Matmul(MatmulDivision),
}

/// What decides how a matmul is divided.
#[derive(Clone, Copy, Debug)]
pub struct MatmulDivision {
    /// Units of a block.
    pub block: i64,
    /// There is more than one matrix, or how many is not known when compiled.
    pub batched: bool,
    /// The left operand is what a window sees, which is copied anew for each range of columns.
    pub window: bool,
    /// Rows are converted anew for each range of columns.
    pub converts: bool,
    /// The result is kept in working memory, a block at a time.
    pub kept_in_block: bool,
    /// Work on whole rows follows.
    pub row_work: bool,
}

impl MatmulSpec {
    fn division(&self) -> MatmulDivision {
        MatmulDivision {
            block: self.blocking.block / self.blocking.rows,
            batched: !self.batch.is_empty(),
            window: self.window.is_some(),
            converts: self.encodings.many_rows.converts(),
            kept_in_block: self.slots.iter().any(|slot| slot.block),
            row_work: self.rows.is_some(),
        }
    }
}

impl KernelSpec {
    /// How its units may be divided among threads.
    pub fn division(&self) -> Division {
        match self {
            KernelSpec::Matmul(spec) => Division::Matmul(spec.division()),
            KernelSpec::Attention(_) => Division::Single,
            KernelSpec::Row(_)
            | KernelSpec::Winograd(_)
            | KernelSpec::Pack(_)
            | KernelSpec::Cumulative(_)
            | KernelSpec::Scatter(_) => Division::Ranges,
        }
    }
}
