//! Kernels as data: everything the code depends on and nothing else.
//!
//! Two layers of a network with the same spec share one function. Dims that are known when the network is
//! compiled are constants in the spec. Run-time dims are parameters, computed from the bound dims before each
//! call; [`Len::Arg`] is the kernel's parameter of that number.
//!
//! What follows from a spec alone is here too: how many units it has and how its working memory is laid out
//! (`extents.rs`), what it costs (`cost.rs`), how it is divided among threads (`division.rs`), and what its
//! lengths are for given parameters (`params.rs`). Lowering and loop nests both use this folder, and it uses
//! neither.

mod binding;
pub(crate) mod cost;
mod division;
pub(crate) mod extents;
mod origins;
pub(crate) mod params;
mod print;

pub use binding::{Binding, Buffer};
pub use division::{Division, MatmulDivision};
pub use origins::{StepOrigins, WorkPart};

use crate::lanes::schedule::Scheduled;
use crate::lanes::{Encoding, Inst, Len, Mem};
use crate::machine::Blocking;

/// One way a kernel reads or writes a buffer: element `offset + Σ coordinate * stride`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The kernel's buffer of that number.
    pub buffer: u16,
    /// How elements lie there.
    pub mem: Mem,
    /// Elements before the first.
    pub offset: Len,
    /// Elements from one to the next along each outer axis of the kernel.
    pub strides: Vec<Len>,
    /// Elements from one to the next along the row.
    pub step: Len,
    /// The row is the one whose number another slot holds.
    pub gather: Option<Gather>,
    /// The buffer holds the rows of one block alone: the result of a matmul before work on whole rows.
    pub block: bool,
}

/// Rows taken by number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gather {
    /// The slot the i32 number is read from.
    pub ids: Box<Slot>,
    /// How many rows the table has.
    pub rows: Len,
    /// Elements from one row of the table to the next.
    pub row_stride: Len,
}

/// A window that runs over an image `[N, H, W, C]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WindowSpec {
    /// The image: strides along N, H and W; the last is a constant, and channels lie side by side.
    pub from: Slot,
    /// Rows and columns of the image.
    pub image: [Len; 2],
    /// Rows and columns of the result.
    pub out: [Len; 2],
    /// Pixels before the image's first row and column.
    pub before: [Len; 2],
    /// Rows and columns of the window.
    pub kernel: [i64; 2],
    /// Pixels from one position to the next.
    pub stride: [i64; 2],
    /// Pixels from one element to the next.
    pub dilation: [i64; 2],
    /// Channels that a window sees: all, or those of a group.
    pub chunk: i64,
    /// The result's first axis is that of the groups.
    pub grouped: bool,
    /// What surrounds the image, by its bits.
    pub fill: u32,
}

/// Whether a window of this many elements has code for each of them; else loops run over them.
pub fn written_out(elements: i64) -> bool {
    elements <= 128
}

impl WindowSpec {
    /// Elements from one pixel of a row to the next.
    pub fn column(&self) -> i64 {
        match self.from.strides.last() {
            Some(Len::Const(n)) => *n,
            _ => self.chunk,
        }
    }

    /// Elements that a window sees, over all channels.
    pub fn terms(&self) -> i64 {
        self.kernel[0] * self.kernel[1] * self.chunk
    }

    /// Whether a row of the window is one run of elements.
    pub fn side_by_side(&self) -> bool {
        self.kernel[1] == 1 || (self.dilation[1] == 1 && self.column() == self.chunk)
    }

    /// Floats from one row of a patch to the next. A patch holds what a window sees that stands partly beside
    /// the image.
    pub fn patch_row(&self) -> i64 {
        self.span() * self.column()
    }

    /// Floats of a patch.
    pub fn patch(&self) -> i64 {
        self.kernel[0] * self.patch_row()
    }

    /// Pixels from the first to the last of a row of the window.
    pub fn span(&self) -> i64 {
        (self.kernel[1] - 1) * self.dilation[1] + 1
    }
}

/// Rows worked on one by one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowSpec {
    /// Outer axes; their product is the number of rows.
    pub outer: Vec<Len>,
    /// What each pointer of the program is.
    pub slots: Vec<Slot>,
    /// The work on one row; its last pointers are scratch rows.
    pub work: Scheduled,
    /// Elements of a row.
    pub len: Len,
    /// The buffer scratch rows are taken from, if there are any.
    pub scratch: Option<u16>,
    /// A window that the row is made of. The outer axes are then N, H and W of the result.
    pub window: Option<RowWindow>,
    /// Sums of rows that the work adds to.
    pub sums: Option<RowSums>,
}

/// Sums of the rows of a row kernel. Its units are then parts of the rows, so that the sums do not depend on
/// how the rows are divided among threads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowSums {
    /// Rows of a part; 0 for one part of all rows.
    pub part: i64,
    /// The slots of the sums, each a row of f32 for each part, one after the other. The work adds to them.
    pub slots: Vec<u16>,
}

/// What a row kernel sees of an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowWindow {
    /// The window.
    pub window: WindowSpec,
    /// The slots from this number on are the rows of the window; where it is reduced before the work, one
    /// slot is the result.
    pub first: usize,
    /// How it is reduced before the work, if it has too many elements to be written out there.
    pub reduction: Option<WindowReduction>,
}

/// What becomes of the elements of a window, channel by channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowReduction {
    /// Their maximum; NaN if there is one.
    Max,
    /// Their sum.
    Sum,
    /// Their sum, each times a row of filters.
    Filtered {
        /// The slot of the filters.
        slot: usize,
        /// Floats from one row of them to the next.
        apart: i64,
    },
}

/// The operand encodings of a matmul's tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encodings {
    /// Of tiles of many rows.
    pub many_rows: Encoding,
    /// Of tiles of few rows.
    pub few_rows: Encoding,
}

impl Encodings {
    /// f32 throughout.
    pub const F32: Encodings = Encodings { many_rows: Encoding::F32, few_rows: Encoding::F32 };
}

/// Work on finished rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowWork {
    /// The work on one row; pointer `i` is slot `i`, then come scratch rows.
    pub work: Scheduled,
    /// What it reads and writes.
    pub slots: Vec<Slot>,
}

/// A matmul with what is fused into it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MatmulSpec {
    /// Leading axes along which both sides have a matrix of their own.
    pub batch: Vec<Len>,
    /// Rows of a result.
    pub m: Len,
    /// Columns of a result.
    pub n: Len,
    /// Length of the sums.
    pub k: Len,
    /// The left operand: strides along the batch axes, then from row to row. If its step is not 1, it lies
    /// transposed, and a block of it is copied into scratch memory as it lies.
    pub a: Slot,
    /// The left operand's rows are what a window sees at each pixel of the result: they are copied into
    /// scratch memory, a block at a time.
    pub window: Option<WindowSpec>,
    /// The packed right operand: strides along the batch axes.
    pub b: Slot,
    /// What the operands are in tiles.
    pub encodings: Encodings,
    /// What is read and written for each accumulator; strides as of `a`.
    pub slots: Vec<Slot>,
    /// The work on each accumulator; pointer `i` is slot `i`.
    pub epilogue: Vec<Inst>,
    /// Work on the finished rows of a block.
    pub rows: Option<RowWork>,
    /// The buffer for a block of rows, scratch rows and a copy of the left operand, if one of them is needed.
    pub scratch: Option<u16>,
    /// How it is cut into tiles and blocks.
    pub blocking: Blocking,
}

/// A convolution by Winograd's algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WinogradSpec {
    /// The image and the result.
    pub window: WindowSpec,
    /// Number of images.
    pub images: Len,
    /// Results of a side of a tile.
    pub m: i64,
    /// Input channels.
    pub channels: i64,
    /// Output channels of a part.
    pub columns: i64,
    /// Parts of the output channels: work is divided among them before tiles, so that a thread reads its own
    /// filters.
    pub parts: i64,
    /// The buffer of the transformed filters: panels `[C][16]` for each place of a patch.
    pub filters: u16,
    /// What is read and written for each result; strides along N, H and W.
    pub slots: Vec<Slot>,
    /// The work on each result of a tile: pointer 0 is the matmuls' results of the tile, then come the slots,
    /// then scratch rows.
    pub work: Vec<Scheduled>,
    /// The buffer for patches, the matmuls' results and scratch rows.
    pub scratch: u16,
    /// Tiles done together.
    pub block: i64,
    /// Tiles of a unit of work.
    pub unit: i64,
    /// Columns of the widest tile of a matmul.
    pub cols: i64,
}

/// A right operand that is no weight, brought into panels of 16 columns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PackSpec {
    /// Leading axes.
    pub batch: Vec<Len>,
    /// Axes of the rows, the last running fastest.
    pub k: Vec<Len>,
    /// Columns.
    pub n: Len,
    /// Where it is read: strides along the batch axes, then along those of the rows; step along the columns.
    pub from: Slot,
    /// The packed buffer.
    pub to: u16,
}

/// Scaled dot-product attention. Strides of the slots are along batch, head and position.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AttentionSpec {
    /// Number of sequences.
    pub batch: Len,
    /// Query heads.
    pub heads: i64,
    /// Key heads; a divisor of `heads`.
    pub key_heads: i64,
    /// Queries of a sequence.
    pub queries: Len,
    /// Keys of a sequence.
    pub keys: Len,
    /// Width of a head.
    pub width: i64,
    /// Queries, keys and values; their last axis lies with step 1.
    pub q: Slot,
    /// See `q`.
    pub k: Slot,
    /// See `q`.
    pub v: Slot,
    /// Strides along batch, head, query; step along the keys.
    pub mask: Option<Slot>,
    /// What is added to the scaled scores; strides as of the mask.
    pub bias: Option<Slot>,
    /// A query sees no key behind it, counted from the end.
    pub causal: bool,
    /// A query sees this many keys up to its own place, and those behind it.
    pub window: Option<Len>,
    /// Factor on the scores, by its bits.
    pub scale: u32,
    /// What bounds the scaled scores, by its bits.
    pub softcap: Option<u32>,
    /// Where the result goes.
    pub out: Slot,
    /// The buffer for packed keys and values and a block of scores.
    pub scratch: u16,
    /// Queries of a block.
    pub block: i64,
    /// Columns of the widest tile of the scores.
    pub score_cols: i64,
    /// Columns of the widest tile of the matmul with the values.
    pub value_cols: i64,
}

/// Sums that go on along an axis, for each element of a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CumulativeSpec {
    /// The axes besides those of the sums and the row.
    pub outer: Vec<Len>,
    /// The length of the sums.
    pub steps: Len,
    /// Elements of a row.
    pub len: Len,
    /// What is summed: f32 or i32. Its last stride is along the sums.
    pub from: Slot,
    /// Where the sums go; strides as of `from`.
    pub to: Slot,
    /// The buffer for two rows: the sums, and what they lost to rounding.
    pub scratch: u16,
}

/// Sums of rows by ids. A unit is a row of the result. One more unit is no row: it is there so that ids are
/// read where no id can be right.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScatterSpec {
    /// The axes of the ids.
    pub axes: Vec<Len>,
    /// Elements of a row.
    pub len: Len,
    /// The rows, one for each id.
    pub from: Slot,
    /// The result: the row that the id of its gather names. Its rows lie one after the other.
    pub to: Slot,
}

/// A kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum KernelSpec {
    Row(RowSpec),
    Matmul(MatmulSpec),
    Winograd(WinogradSpec),
    Pack(PackSpec),
    Attention(AttentionSpec),
    Cumulative(CumulativeSpec),
    Scatter(ScatterSpec),
}

/// A loop: for each element of the sequences, the steps of a body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScanSpec {
    /// The number of the body in the schedule.
    pub body: usize,
    /// Iterations.
    pub len: Len,
    /// How many inputs of the body are elements of sequences.
    pub sequences: usize,
    /// How many of those after them are carried: what the first results of the iteration before are.
    pub carried: usize,
    /// The last element of the sequences comes first.
    pub backwards: bool,
    /// Where the inputs of the body come from, in order.
    pub inputs: Vec<Part>,
    /// Where its results go, in order: those that are carried, then those that are stacked.
    pub results: Vec<Part>,
}

/// What one iteration, or an expert for one row, reads or writes of a buffer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// The buffer of the step; none for what is carried, but read by nothing after the loop.
    pub buffer: Option<u16>,
    /// Bytes of the part.
    pub bytes: Len,
}

/// A mixture of experts: for each expert that an id names, the steps of its body for the rows that chose it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExpertsSpec {
    /// The number of the first expert's body in the schedule; the others follow.
    pub body: usize,
    /// How many experts there are.
    pub experts: usize,
    /// The buffer of the ids, which are i32.
    pub ids: u16,
    /// Rows.
    pub rows: Len,
    /// Ids of each row.
    pub each: Len,
    /// Where the rows that the bodies are given come from, in order.
    pub inputs: Vec<Part>,
    /// Where the results go.
    pub result: Part,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StepSpec {
    /// It calls a kernel.
    Kernel(Box<KernelSpec>),
    /// It runs the steps of a body in turn, and has no code of its own.
    Scan(ScanSpec),
    /// It runs the steps of several bodies, and has no code of its own.
    Experts(ExpertsSpec),
}

impl StepSpec {
    /// The kernel, if it is one.
    pub fn kernel(&self) -> Option<&KernelSpec> {
        if let StepSpec::Kernel(spec) = self { Some(spec) } else { None }
    }

    /// Whether it stops at an id that is out of range. A loop does where a step of its body does.
    pub fn finds_ids(&self) -> bool {
        match self {
            StepSpec::Kernel(kernel) => kernel.gathers().next().is_some(),
            StepSpec::Scan(_) => false,
            StepSpec::Experts(_) => true,
        }
    }
}

impl From<KernelSpec> for StepSpec {
    fn from(spec: KernelSpec) -> StepSpec {
        StepSpec::Kernel(Box::new(spec))
    }
}

impl KernelSpec {
    /// The row kernel, if it is one.
    fn row(&self) -> Option<&RowSpec> {
        if let KernelSpec::Row(spec) = self { Some(spec) } else { None }
    }

    /// Whether it packs a right operand for the kernel after it.
    pub fn packs(&self) -> bool {
        matches!(self, KernelSpec::Pack(_))
    }

    /// The slots that take rows by number, or give them, with their places among the slots.
    pub fn gathers(&self) -> impl Iterator<Item = (usize, &Gather)> {
        let slots = match self {
            KernelSpec::Row(spec) => spec.slots.as_slice(),
            KernelSpec::Scatter(spec) => std::slice::from_ref(&spec.to),
            _ => &[],
        };
        slots.iter().enumerate().filter_map(|(i, slot)| slot.gather.as_ref().map(|gather| (i, gather)))
    }

    /// The slots of a buffer; `None` if it is read otherwise than row by row.
    pub fn row_slots(&self, buffer: usize) -> Option<impl Iterator<Item = &Slot>> {
        Some(self.row()?.slots.iter().filter(move |slot| usize::from(slot.buffer) == buffer))
    }

    /// Where a unit of a row kernel lies along the outer axes, or an id of a scatter along the axes of the
    /// ids, with these as its parameters.
    pub fn coordinates(&self, unit: i64, params: &[i64]) -> Vec<i64> {
        let outer = match self {
            KernelSpec::Row(spec) => spec.outer.as_slice(),
            KernelSpec::Scatter(spec) => &spec.axes,
            _ => &[],
        };
        let mut coords = vec![0; outer.len()];
        let mut left = unit;
        for (at, extent) in coords.iter_mut().zip(outer).rev() {
            let extent = extent.value(params).max(1);
            *at = left % extent;
            left /= extent;
        }
        coords
    }
}
