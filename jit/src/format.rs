//! How weights are kept, and what that makes of the operands of a product.

use std::fmt;

/// How weights of products are kept in memory. A product of few rows takes the time that memory needs to give
/// its weights: half the bytes are half the time.
///
/// Sums and results are f32. What weights are multiplied with is f32 with `f32` weights; with `bf16` too, but
/// for rows of more than four at a time on machines with AVX-512 BF16, which are rounded to bf16; with
/// integers it is rounded to 8 bits, with one factor for as many elements of a row as weights have one.
/// Weights that are no whole groups of sums stay f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// As they are.
    #[default]
    F32,
    /// bfloat16: 8 bits of mantissa, rounded to nearest even; errors of a product up to 2^-9 of `sum |x w|`,
    /// 2^-8 where both are rounded.
    Bf16,
    /// 8 bits with a sign, and an f32 factor for each 64 terms of a column: its largest magnitude is 127.
    Int8,
    /// 4 bits, and an f16 factor and summand for each 32 terms of a column: its least is 0, its largest 15.
    /// Weights that came as `Q4_0` or `Q4_1` of a GGUF file are taken as they are; those that came in 8 bits
    /// get [`Format::Int8`].
    Q4,
}

impl Format {
    /// All of them, from the most exact.
    pub const ALL: [Format; 4] = [Format::F32, Format::Bf16, Format::Int8, Format::Q4];

    /// What packed weights are to a tile that takes f32 rows, or the integers they need.
    pub(crate) fn layout(self) -> Terms {
        match self {
            Format::F32 => Terms::F32,
            Format::Bf16 => Terms::Halves,
            Format::Int8 => Terms::Bytes,
            Format::Q4 => Terms::Nibbles,
        }
    }

    /// Elements of a column that have one factor; 1 where each is a number of its own.
    pub fn group(self) -> usize {
        self.layout().group().map_or(1, |g| g.terms as usize)
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

/// What the operands of a tile are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Terms {
    /// f32 both.
    F32,
    /// f32 by bf16, whose values are f32 in the upper half of their bits.
    Halves,
    /// bf16 both: elements `2 i` and `2 i + 1` of a row of the left operand lie together as well. Of a pair
    /// the second is added first, each rounded once; what is subnormal counts as 0.
    Pairs,
    /// Integers of 8 bits both, in groups of 64 terms. In a column of the right operand a group is 16 lines
    /// of 4 bytes, of which 128 is to be taken, and a line with its f32 factor; in a row of the left one it
    /// is 64 bytes with a sign, their f32 factor, and -128 times their sum as an i32. The sum of a group's
    /// products is exact; it is multiplied by the column's factor, and that by the row's is added to the
    /// accumulator, rounded once.
    Bytes,
    /// Integers of 8 bits by such of 4 bits, in groups of 32 terms. In a column of the right operand a group
    /// is 4 lines of 4 bytes, whose lower halves are terms `8 i` to `8 i + 3` and whose upper halves are the
    /// 4 after them, and a line of two finite f16, a factor in the lower half and a summand in the upper one;
    /// in a row of the left one it is 32 bytes with a sign, their f32 factor, and the factor times their sum
    /// in f32. The product of summand and sum is added last.
    Nibbles,
}

/// How integers are grouped in the operands of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Terms that have one factor.
    pub terms: i64,
    /// Lines of 32 bits that their integers take in the right operand.
    pub lines: i64,
}

impl Group {
    /// Lines of 32 bits of a group in the right operand: integers, then factors.
    pub fn right(self) -> i64 {
        self.lines + 1
    }

    /// Elements of 32 bits of a group in the left operand: 4 bytes each, then the factor and the sum.
    pub fn left(self) -> i64 {
        self.terms / 4 + 2
    }
}

impl Terms {
    /// The groups of integers.
    pub fn group(self) -> Option<Group> {
        match self {
            Terms::Bytes => Some(Group { terms: 64, lines: 16 }),
            Terms::Nibbles => Some(Group { terms: 32, lines: 4 }),
            Terms::F32 | Terms::Halves | Terms::Pairs => None,
        }
    }

    /// Terms that cannot be parted: a sum has a multiple of them.
    pub fn together(self) -> i64 {
        match (self, self.group()) {
            (_, Some(g)) => g.terms,
            (Terms::F32, None) => 1,
            (_, None) => 2,
        }
    }

    /// Lines of 32 bits of so many terms of a column of the right operand.
    pub fn lines(self, k: i64) -> i64 {
        k / self.together() * self.group().map_or(1, Group::right)
    }

    /// Elements of 32 bits of so many terms of a row of the left operand.
    pub fn left(self, k: i64) -> i64 {
        match (self, self.group()) {
            (_, Some(g)) => k / g.terms * g.left(),
            (Terms::Pairs, None) => k / 2,
            (_, None) => k,
        }
    }

    /// Whether rows of f32 are brought into another form first.
    pub fn converts(self) -> bool {
        !matches!(self, Terms::F32 | Terms::Halves)
    }
}
