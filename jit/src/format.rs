//! How weights are kept, and what that makes of the operands of a product.

use std::fmt;

/// How the weights of matrix products are kept in memory. A product of few rows takes as long as memory needs
/// to deliver its weights: half the bytes take half the time.
///
/// Sums and results are always f32. The other operand of a product depends on the format of the weights:
///
/// - With f32 and bf16 weights it is f32. One exception are bf16 weights with more than four rows at a time
///   on machines with AVX-512 BF16: there the rows are rounded to bf16.
/// - With integer weights it is rounded to 8 bits. It gets one factor for as many elements of a row as the
///   weights have one factor for.
///
/// Weights whose sums are not whole groups stay f32.
///
/// The enum is exhaustive on purpose: whoever packs weights must say what it does with a new format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// As they are.
    #[default]
    F32,
    /// bfloat16: 8 bits of mantissa, rounded to nearest even; errors of a product up to 2^-9 of `sum |x w|`,
    /// 2^-8 where both are rounded.
    Bf16,
    /// Signed 8 bits, and an f32 factor for each 64 terms of a column. The largest magnitude of a group is
    /// 127.
    Int8,
    /// 4 bits, and an f16 factor and summand for each 32 terms of a column. The least of a group is 0, the
    /// largest 15. `Q4_0` and `Q4_1` weights of a GGUF file are taken as they are. Weights of a file that has
    /// them in 8 bits get [`Format::Int8`].
    Q4,
}

impl Format {
    /// All of them, from the most exact.
    pub const ALL: [Format; 4] = [Format::F32, Format::Bf16, Format::Int8, Format::Q4];

    /// The encoding of packed weights for a tile whose rows are f32, or the integers that such weights need.
    pub(crate) fn encoding(self) -> Encoding {
        match self {
            Format::F32 => Encoding::F32,
            Format::Bf16 => Encoding::Halves,
            Format::Int8 => Encoding::Bytes,
            Format::Q4 => Encoding::Nibbles,
        }
    }

    /// Elements of a column that share a factor; 1 for formats without factors.
    pub fn group(self) -> usize {
        self.encoding().group().map_or(1, |g| g.terms as usize)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::F32 => "f32",
            Format::Bf16 => "bf16",
            Format::Int8 => "int8",
            Format::Q4 => "q4",
        })
    }
}

/// How the elements of a register tile's operands are encoded.
///
/// The right operand lies in packed panels, whose rows have 32 bits for each column. The left operand lies in
/// rows of 32-bit elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Both operands are f32.
    F32,
    /// The left operand is f32. The right one is bf16, two terms in 32 bits; a bf16 is the upper half of an
    /// f32.
    Halves,
    /// Both operands are bf16, two terms in 32 bits. Of a pair the second product is added first, and each
    /// addition rounds. Subnormal numbers count as 0.
    Pairs,
    /// Both operands are 8-bit integers in groups of 64 terms.
    ///
    /// A group of a column of the right operand is 16 rows of 4 unsigned bytes, each 128 larger than its
    /// number, and a row with the f32 factor. A group of a row of the left operand is 64 signed bytes, their
    /// f32 factor, and -128 times their sum as an i32. The sum of a group's products is exact. It is
    /// multiplied by the column's factor, then the product with the row's factor is added to the accumulator
    /// and rounded once.
    Bytes,
    /// The left operand is 8-bit integers, the right one 4-bit integers, in groups of 32 terms.
    ///
    /// A group of a column of the right operand is 4 rows of 4 bytes. The lower halves of row `i` are the
    /// terms `8 i` to `8 i + 3`, the upper halves the 4 terms after them. A fifth row holds two finite f16: a
    /// factor in the lower half and a summand in the upper one. A group of a row of the left operand is 32
    /// signed bytes, their f32 factor, and the factor times their sum as an f32. The product of the summand
    /// and that sum is added last.
    Nibbles,
}

/// A group of integers that share a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Encoding of the group.
    pub terms: i64,
    /// 32-bit rows that their integers take in a panel.
    pub rows: i64,
}

impl Group {
    /// 32-bit rows of the group in a panel: integers, then factors.
    pub fn panel_rows(self) -> i64 {
        self.rows + 1
    }

    /// 32-bit elements of the group in a row of the left operand: 4 bytes each, then the factor and the sum.
    pub fn left_len(self) -> i64 {
        self.terms / 4 + 2
    }
}

impl Encoding {
    /// The groups of an encoding with integers.
    pub fn group(self) -> Option<Group> {
        match self {
            Encoding::Bytes => Some(Group { terms: 64, rows: 16 }),
            Encoding::Nibbles => Some(Group { terms: 32, rows: 4 }),
            Encoding::F32 | Encoding::Halves | Encoding::Pairs => None,
        }
    }

    /// Encoding that lie in one unit. The length of a sum is a multiple of it.
    pub fn unit(self) -> i64 {
        match (self, self.group()) {
            (_, Some(g)) => g.terms,
            (Encoding::F32, None) => 1,
            (_, None) => 2,
        }
    }

    /// 32-bit rows of a panel for `k` terms.
    pub fn panel_rows(self, k: i64) -> i64 {
        k / self.unit() * self.group().map_or(1, Group::panel_rows)
    }

    /// 32-bit elements of a row of the left operand for `k` terms.
    pub fn left_len(self, k: i64) -> i64 {
        match (self, self.group()) {
            (_, Some(g)) => k / g.terms * g.left_len(),
            (Encoding::Pairs, None) => k / 2,
            (_, None) => k,
        }
    }

    /// Whether rows of f32 are converted before they are multiplied.
    pub fn converts(self) -> bool {
        !matches!(self, Encoding::F32 | Encoding::Halves)
    }
}
