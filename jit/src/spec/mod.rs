//! Kernels as data: everything the code depends on and nothing else.
//!
//! Two layers of a network with the same specs share one function. Dims known when
//! compiling are constants in the spec; run-time dims are parameters, computed from
//! the bound dims before each call ([`Len::Arg`] is the kernel's parameter of that number).

pub(crate) mod cost;

use crate::lanes::schedule::Scheduled;
use crate::lanes::{Inst, Len, Mem, Terms};
use crate::machine::Blocking;
use std::collections::HashMap;
use tancho_ir::{Dim, Value};

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
    /// The buffer holds only the rows of the block at hand (a contraction's product before row work).
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
    /// Elements of the window, down and across.
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

/// Whether code is written for each of so many elements of a window: else loops run over them.
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

    /// Numbers that a window sees.
    pub fn terms(&self) -> i64 {
        self.kernel[0] * self.kernel[1] * self.chunk
    }

    /// Whether a row of the window is one run of elements.
    pub fn side_by_side(&self) -> bool {
        self.kernel[1] == 1 || (self.dilation[1] == 1 && self.column() == self.chunk)
    }

    /// Floats from one row of a patch, which holds a window that does not stand on the image alone, to the
    /// next.
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
}

/// What a row kernel sees of an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowWindow {
    /// The window.
    pub window: WindowSpec,
    /// The slots from this number on are the rows of the window; where it is folded before, one slot is the
    /// result.
    pub first: usize,
    /// How it is folded before the work, if it has too many elements to be written out there.
    pub fold: Option<WindowFold>,
}

/// What becomes of the elements of a window, channel by channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowFold {
    /// Their maximum; NaN if there is one.
    Max,
    /// Their sum.
    Sum,
    /// Their sum, each times a row of filters: the slot of these, and floats from one to the next.
    Filtered(usize, i64),
}

/// A matrix product with what is fused into it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MatmulSpec {
    /// Leading axes along which both sides have a matrix of their own.
    pub batch: Vec<Len>,
    /// Rows of a product.
    pub m: Len,
    /// Columns of a product.
    pub n: Len,
    /// Length of the sums.
    pub k: Len,
    /// The left operand: strides along the batch axes, then from row to row.
    pub a: Slot,
    /// The left operand's rows are what a window sees at each pixel of the result: they are copied into
    /// scratch memory, a block at a time.
    pub window: Option<WindowSpec>,
    /// The packed right operand: strides along the batch axes.
    pub b: Slot,
    /// What the operands are in tiles of many rows, and of few.
    pub terms: (Terms, Terms),
    /// What is read and written for each accumulator; strides as of `a`.
    pub slots: Vec<Slot>,
    /// The work on each accumulator; pointer `i` is slot `i`.
    pub epilogue: Vec<Inst>,
    /// Work on the finished rows of a block; pointer `i` is `row_slots[i]`, then scratch rows.
    pub rows: Option<(Scheduled, Vec<Slot>)>,
    /// The buffer for a block of product rows and scratch rows, if row work needs one.
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
    /// The buffer of the transformed filters: strips `[C][16]` for each place of a patch.
    pub filters: u16,
    /// What is read and written for each result; strides along N, H and W.
    pub slots: Vec<Slot>,
    /// The work on each result of a tile: pointer 0 is the tile's products, then the slots, then scratch
    /// rows.
    pub work: Vec<Scheduled>,
    /// The buffer for patches, products and scratch rows.
    pub scratch: u16,
    /// Tiles done together.
    pub block: i64,
    /// Tiles of a unit of work.
    pub unit: i64,
    /// Columns of the widest tile of a product.
    pub cols: i64,
}

/// A right operand that is no weight, brought into strips of 16 columns.
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
    pub s: Len,
    /// Keys of a sequence.
    pub t: Len,
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
    /// A query sees so many keys up to its own place, and those behind it.
    pub window: Option<Len>,
    /// Factor on the scores, by its bits.
    pub scale: u32,
    /// Where the result goes.
    pub out: Slot,
    /// The buffer for packed keys and values and a block of scores.
    pub scratch: u16,
    /// Queries of a block.
    pub block: i64,
    /// Columns of the widest tiles of the scores, and of the product with the values.
    pub columns: (i64, i64),
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
}

/// What a kernel's buffer is when the network runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Buffer {
    /// A value of the graph.
    Value(Value),
    /// An input or weight as it came in, where the value itself is copied out.
    Source(Value),
    /// A packed right operand made by the kernel before.
    Packed(Value),
    /// A weight packed when the network is compiled, by its number.
    PackedWeight(usize),
    /// Working memory of one call, apart for each thread.
    Scratch,
}

/// What a kernel is called with: its buffers and the dims behind its parameters.
#[derive(Clone, Debug, Default)]
pub struct Binding {
    /// The buffers in the order of the spec's numbers.
    pub buffers: Vec<Buffer>,
    /// The dims behind the parameters.
    pub params: Vec<Dim>,
    known: HashMap<Dim, u16>,
}

impl Binding {
    /// A dim as constant or parameter.
    pub fn len(&mut self, d: &Dim) -> Len {
        if let Some(n) = d.as_const() {
            return Len::Const(n);
        }
        let next = self.params.len() as u16;
        let i = *self.known.entry(d.clone()).or_insert(next);
        if i == next {
            self.params.push(d.clone());
        }
        Len::Arg(i)
    }

    /// Several dims.
    pub fn lens(&mut self, dims: &[Dim]) -> Vec<Len> {
        dims.iter().map(|d| self.len(d)).collect()
    }

    /// The number of a buffer.
    pub fn buffer(&mut self, b: Buffer) -> u16 {
        match self.buffers.iter().position(|x| *x == b) {
            Some(i) => i as u16,
            None => {
                self.buffers.push(b);
                (self.buffers.len() - 1) as u16
            }
        }
    }
}

impl RowSpec {
    /// The slots that take rows by number, with their place among the slots.
    pub fn gathers(&self) -> impl Iterator<Item = (usize, &Gather)> {
        self.slots.iter().enumerate().filter_map(|(i, s)| s.gather.as_ref().map(|g| (i, g)))
    }
}
