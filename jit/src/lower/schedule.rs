//! What a network is lowered to: its steps, and the weights to pack for them.

use crate::format::Format;
use crate::lanes::PANEL;
use crate::spec::{Binding, StepOrigins, StepSpec};
use tancho_ir::{Dim, Graph};

/// A kernel call of the network, a loop or a mixture of experts: what runs, on what, how often.
#[derive(Clone, Debug)]
pub struct Step {
    /// The code.
    pub spec: StepSpec,
    /// Buffers and parameters.
    pub binding: Binding,
    /// The fused kernel it belongs to.
    pub kernel: usize,
    /// A short name for profiles.
    pub name: String,
    /// The nodes of the graph that it computes, for dumps.
    pub origins: StepOrigins,
    /// Units of work, as a dim over the network's run-time dims.
    pub units: Dim,
    /// Units of a matmul that is divided by columns.
    pub columns: Option<Dim>,
    /// Bytes of working memory of one thread.
    pub scratch: Dim,
    /// Floating-point operations of matmuls: two for each multiply-add. Attention counts all keys, those that
    /// no query sees too.
    pub flops: Dim,
    /// Bytes read and written, each once.
    pub bytes: Dim,
}

/// Weights that are packed when the network is compiled, as panels `[N / 16][K][16]` per batch. Several
/// parts lie side by side along N.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WeightPack {
    /// Extents of the leading axes.
    pub batch: Vec<i64>,
    /// Extents of the axes that the rows run over, the last running fastest.
    pub k: Vec<i64>,
    /// Filters of 3x3 are transformed for Winograd's tiles of that side: a matrix for each place of a patch.
    pub winograd: Option<i64>,
    /// How the elements are kept: [`Encoding`](crate::lanes::Encoding) says where those of a column lie.
    pub format: Format,
    /// What the columns are; all parts but the last have whole panels.
    pub parts: Vec<WeightPart>,
}

/// Numbers that are known when the network is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Constant {
    /// The weight of that number in the graph.
    Weight(usize),
    /// The result of that number of [`Schedule::prepared`].
    Prepared(usize),
}

/// One factor for each `run` elements of a weight, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scale {
    /// The factors.
    pub by: Constant,
    /// How many elements have one factor.
    pub run: i64,
}

/// A part of a [`WeightPack`]: how its columns are read from a weight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WeightPart {
    /// What is read.
    pub from: Constant,
    /// What it is multiplied by.
    pub scale: Option<Scale>,
    /// Elements before the first.
    pub offset: i64,
    /// Strides of the leading axes.
    pub batch_strides: Vec<i64>,
    /// Strides along the axes of the rows.
    pub k_strides: Vec<i64>,
    /// Columns and their stride.
    pub n: (i64, i64),
}

impl WeightPack {
    /// One whose columns are read as they are.
    pub fn plain(batch: Vec<i64>, k: Vec<i64>, parts: Vec<WeightPart>) -> WeightPack {
        WeightPack { batch, k, winograd: None, format: Format::F32, parts }
    }

    /// Rows; `None` where they cannot be counted.
    pub fn rows(&self) -> Option<i64> {
        self.k.iter().try_fold(1i64, |n, k| n.checked_mul(*k))
    }

    /// Floats of the packed weights; `None` where they cannot be counted.
    pub fn floats(&self) -> Option<usize> {
        let panels = self
            .parts
            .iter()
            .try_fold(0i64, |sum, p| sum.checked_add(p.n.0.checked_add(PANEL - 1)? / PANEL))?;
        let places = self.winograd.map_or(1, |m| (m + 2) * (m + 2));
        // Counted as f32 first: no format takes more.
        self.batch
            .iter()
            .try_fold(panels.checked_mul(self.rows()?)?, |n, b| n.checked_mul(*b))?
            .checked_mul(PANEL)?
            .checked_mul(places)?;
        let matrices = self.batch.iter().product::<i64>() * places * panels;
        usize::try_from(matrices * self.lines()? * PANEL).ok()
    }

    /// Lines of 32 bits of a column; `None` where they cannot be counted.
    pub fn lines(&self) -> Option<i64> {
        self.rows().map(|k| self.format.encoding().panel_rows(k))
    }
}

/// The calls of a network in order, and the weights to pack.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// The calls.
    pub steps: Vec<Step>,
    /// Weights to pack.
    pub packs: Vec<WeightPack>,
    /// The bodies of loops and of experts, which are compiled on their own.
    pub bodies: Vec<Graph>,
    /// Values that follow from weights: the results of a graph without inputs.
    pub prepared: Graph,
}
