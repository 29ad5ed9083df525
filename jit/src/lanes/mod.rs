//! Lanes programs: the vector bodies of kernels, as data.
//!
//! A [`Program`] is a leaf function over base pointers and integers. Its
//! statements say what is computed for every element of a row or for every
//! accumulator of a product's tile; how many elements go into one register, how
//! tails are done and how many accumulators a reduction has is the business of
//! the back ends: [`oracle`] (plain Rust, one element at a time, the meaning of a
//! program) and [`clif`] (Cranelift, 128 bits).

pub mod clif;
mod compact;
pub mod expr;
pub mod math;
pub mod norms;
pub mod oracle;
pub mod schedule;
mod sums;
pub(crate) mod x86;

pub use compact::compact;
pub use sums::{PART, Parts, Total};

/// A register of a body: the result of the instruction of that number.
pub type Reg = u32;

/// A length, stride or count: known when the kernel is compiled, or an integer argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Len {
    /// Baked into the code.
    Const(i64),
    /// The integer argument of that number; in a kernel's spec, the parameter of that number.
    Arg(u16),
    /// An integer that the loop nest around a program computes itself. Only programs that are not
    /// [`compact`] yet have these.
    Local(Local),
}

/// The name of an integer that a loop nest computes for its programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Local(pub u16);

impl Local {
    /// Back ends come here with a program that is not [`compact`].
    ///
    /// # Panics
    /// Always.
    pub fn unbound(self) -> ! {
        panic!("{self:?} is known in a loop nest alone")
    }
}

impl Len {
    /// One element, or the distance from one to the next.
    pub const ONE: Len = Len::Const(1);
    /// No element, or no distance.
    pub const ZERO: Len = Len::Const(0);

    /// Whether it is the constant `n`.
    pub fn is(self, n: i64) -> bool {
        self == Len::Const(n)
    }
}

/// How elements lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mem {
    /// f32, a float lane.
    F32,
    /// bfloat16, widened to a float lane; stored with round to nearest even.
    Bf16,
    /// i32, an integer lane.
    I32,
    /// One byte, 0 or 1; a mask lane.
    Bool,
    /// One byte with a sign, an integer lane; stored as its lowest byte.
    I8,
}

impl Mem {
    /// Bytes per element.
    pub fn size(self) -> i64 {
        match self {
            Mem::F32 | Mem::I32 => 4,
            Mem::Bf16 => 2,
            Mem::Bool | Mem::I8 => 1,
        }
    }

    /// The lane type it is loaded as.
    pub fn ty(self) -> Ty {
        match self {
            Mem::F32 | Mem::Bf16 => Ty::F,
            Mem::I32 | Mem::I8 => Ty::I,
            Mem::Bool => Ty::M,
        }
    }
}

/// The type of a lane, always 32 bits wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ty {
    /// f32.
    F,
    /// i32.
    I,
    /// A mask: all bits set or none.
    M,
}

/// Function of one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Un {
    /// Square root.
    Sqrt,
    /// To the nearest integral float, ties to even.
    Round,
    /// Float to i32, truncating; i32::MIN where it does not fit or is NaN.
    ToInt,
    /// Float to i32, truncating and saturating; NaN gives 0.
    ToIntSat,
    /// i32 to float, to nearest.
    ToFloat,
    /// The bits of a float as an i32.
    Bits,
    /// The float with these bits.
    FromBits,
    /// Bitwise not of a mask.
    Not,
}

/// Function of two lanes of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bin {
    /// Float addition.
    Add,
    /// Float subtraction.
    Sub,
    /// Float multiplication.
    Mul,
    /// Float division.
    Div,
    /// `a > b ? a : b`: `b` where either is NaN.
    Max,
    /// `a < b ? a : b`: `b` where either is NaN.
    Min,
    /// Wrapping i32 addition.
    IAdd,
    /// Wrapping i32 subtraction.
    ISub,
    /// Wrapping i32 multiplication.
    IMul,
    /// Bitwise and of ints or masks.
    And,
    /// Bitwise or of ints or masks.
    Or,
    /// Bitwise exclusive or of ints or masks.
    Xor,
    /// Shift left; the second register is a constant.
    Shl,
    /// Arithmetic shift right; the second register is a constant.
    Shr,
}

/// Comparison of two float or two int lanes; gives a mask. Ordered: false where either is NaN, `Ne` true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// How a row is folded into one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fold {
    /// Float sum; the order of addition is the back end's.
    Sum,
    /// Largest float; a NaN may get lost.
    Max,
    /// Largest float; NaN if there is one.
    MaxNan,
    /// Smallest float; NaN if there is one.
    MinNan,
    /// Wrapping i32 sum.
    ISum,
    /// Largest i32.
    IMax,
    /// Smallest i32.
    IMin,
}

impl Fold {
    /// The bits of the value of an empty row.
    pub fn identity(self) -> u32 {
        match self {
            Fold::Sum => 0f32.to_bits(),
            Fold::Max | Fold::MaxNan => f32::NEG_INFINITY.to_bits(),
            Fold::MinNan => f32::INFINITY.to_bits(),
            Fold::ISum => 0,
            Fold::IMax => i32::MIN as u32,
            Fold::IMin => i32::MAX as u32,
        }
    }

    /// The lane type it works on.
    pub fn ty(self) -> Ty {
        match self {
            Fold::Sum | Fold::Max | Fold::MaxNan | Fold::MinNan => Ty::F,
            Fold::ISum | Fold::IMax | Fold::IMin => Ty::I,
        }
    }
}

/// One instruction of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Inst {
    /// A float constant, by its bits.
    Float(u32),
    /// An i32 constant.
    Int(i32),
    /// An integer argument as an i32.
    ArgInt(Len),
    /// A row scalar that an earlier statement left.
    Slot(u16, Ty),
    /// The number of the element in its row, as an i32.
    Index,
    /// The accumulator of a tile.
    Acc,
    /// Element `i * step` of the pointer, in a tile also `+ row * row_step`.
    Load {
        /// The pointer argument.
        ptr: u16,
        /// Elements from one to the next: 1 for a row, 0 for one value.
        step: Len,
        /// Elements from one row of a tile to the next.
        row_step: Len,
        /// How they lie in memory.
        mem: Mem,
    },
    /// The same for writing; has no result.
    Store {
        /// The pointer argument.
        ptr: u16,
        /// Elements from one to the next.
        step: Len,
        /// Elements from one row of a tile to the next.
        row_step: Len,
        /// How they lie in memory.
        mem: Mem,
        /// What is written.
        value: Reg,
    },
    /// Function of one lane.
    Un(Un, Reg),
    /// Function of two lanes.
    Bin(Bin, Reg, Reg),
    /// `a * b + c`, rounded once.
    Fma(Reg, Reg, Reg),
    /// Comparison.
    Cmp(Cmp, Reg, Reg),
    /// `a` where the mask is set, else `b`.
    Select(Reg, Reg, Reg),
    /// The row folded into one lane; only in an [`expr::Expr`], scheduling makes statements of it.
    Fold(Fold, Reg),
}

impl Inst {
    /// The registers it reads.
    pub fn operands(&self) -> impl Iterator<Item = Reg> {
        let (a, b, c) = match *self {
            Inst::Store { value, .. } => (Some(value), None, None),
            Inst::Un(_, a) | Inst::Fold(_, a) => (Some(a), None, None),
            Inst::Bin(_, a, b) | Inst::Cmp(_, a, b) => (Some(a), Some(b), None),
            Inst::Fma(a, b, c) | Inst::Select(a, b, c) => (Some(a), Some(b), Some(c)),
            _ => (None, None, None),
        };
        a.into_iter().chain(b).chain(c)
    }

    /// The same instruction with its registers renamed.
    pub fn map(self, mut f: impl FnMut(Reg) -> Reg) -> Inst {
        match self {
            Inst::Store { ptr, step, row_step, mem, value } => {
                Inst::Store { ptr, step, row_step, mem, value: f(value) }
            }
            Inst::Un(u, a) => Inst::Un(u, f(a)),
            Inst::Fold(k, a) => Inst::Fold(k, f(a)),
            Inst::Bin(o, a, b) => Inst::Bin(o, f(a), f(b)),
            Inst::Cmp(o, a, b) => Inst::Cmp(o, f(a), f(b)),
            Inst::Fma(a, b, c) => Inst::Fma(f(a), f(b), f(c)),
            Inst::Select(a, b, c) => Inst::Select(f(a), f(b), f(c)),
            other => other,
        }
    }

    /// The type of the result, given those of earlier registers; `None` for a store.
    pub fn ty(&self, of: impl Fn(Reg) -> Ty) -> Option<Ty> {
        Some(match *self {
            Inst::Float(_) | Inst::Acc | Inst::Fma(..) => Ty::F,
            Inst::Int(_) | Inst::ArgInt(_) | Inst::Index => Ty::I,
            Inst::Slot(_, t) => t,
            Inst::Load { mem, .. } => mem.ty(),
            Inst::Store { .. } => return None,
            Inst::Un(u, _) => match u {
                Un::Sqrt | Un::Round | Un::ToFloat | Un::FromBits => Ty::F,
                Un::ToInt | Un::ToIntSat | Un::Bits => Ty::I,
                Un::Not => Ty::M,
            },
            Inst::Bin(_, a, _) => of(a),
            Inst::Cmp(..) => Ty::M,
            Inst::Select(_, a, _) => of(a),
            Inst::Fold(f, _) => f.ty(),
        })
    }
}

/// Columns of one strip of a packed right operand: `[N / 16][K][16]`.
pub const STRIP: i64 = tancho_ir::fuse::STRIP;

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

/// One statement of a program.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stmt {
    /// Straight-line code on row scalars.
    Once {
        /// The instructions.
        body: Vec<Inst>,
        /// Results kept in slots.
        outs: Vec<(Reg, u16)>,
    },
    /// The body for each of `len` elements of a row, and folds over them.
    Map {
        /// Number of elements.
        len: Len,
        /// The instructions for one element.
        body: Vec<Inst>,
        /// `(how, what, slot of the result)`.
        folds: Vec<(Fold, Reg, u16)>,
    },
    /// `acc[r][c] = Σ_k a[r][k] * b[k][c]`, in parts as [`PART`] says, then the body for each accumulator.
    Tile {
        /// Rows of the tile.
        rows: u8,
        /// Columns of the tile, from the first of a strip or inside of one; at 128 bits within one strip.
        cols: u8,
        /// Length of the sum.
        k: Len,
        /// Length of the right operand's strips: that of the sum, or more where it takes a part of them.
        strip: Len,
        /// Pointer of the left operand, rows with unit step.
        a: u16,
        /// Elements of 32 bits from one row of it to the next.
        a_row: Len,
        /// Pointer into the packed strips of the right operand: element `(i, c)` is `b[(c / STRIP * strip +
        /// i) * STRIP + c % STRIP]`. In bf16, elements `2 i` and `2 i + 1` of a column are the lower and the
        /// upper half of 32 bits: `b[(c / STRIP * (strip / 2) + i) * STRIP + c % STRIP]`. So are lines of
        /// other [`Terms`].
        b: u16,
        /// What the operands' elements are; but for f32, `k` and `strip` are constants, multiples of
        /// [`Terms::together`].
        terms: Terms,
        /// What may be brought nearer meanwhile.
        ahead: Option<Ahead>,
        /// What is done with each accumulator ([`Inst::Acc`]).
        body: Vec<Inst>,
    },
}

/// Memory that will be read soon: lines of 64 bytes from a pointer on, so many for each turn of the loop over
/// a tile's sum. A hint: nothing there is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ahead {
    /// The pointer.
    pub ptr: u16,
    /// Lines a turn.
    pub lines: u8,
}

/// Lines of a strip that one turn of the loop over a tile's sum takes, where they are no groups.
pub const UNROLL: i64 = 4;

/// Pointers from this number on are [`Program::derived`] ones.
pub const DERIVED: u16 = 0x8000;

/// A pointer at a constant distance from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Derived {
    /// The pointer argument it is made of.
    pub ptr: u16,
    /// Elements of 32 bits from there.
    pub at: i64,
}

/// The pointer `at` elements behind another, which is added to the list if it is new.
pub fn derive(list: &mut Vec<Derived>, ptr: u16, at: i64) -> u16 {
    let d = Derived { ptr, at };
    let i = list.iter().position(|x| *x == d).unwrap_or_else(|| {
        list.push(d);
        list.len() - 1
    });
    DERIVED + i as u16
}

/// The argument behind a pointer, and the bytes from there; `None` if there is no such pointer.
pub fn resolve(list: &[Derived], ptr: u16) -> Option<(u16, i64)> {
    match ptr.checked_sub(DERIVED) {
        Some(i) => list.get(usize::from(i)).map(|d| (d.ptr, d.at * 4)),
        None => Some((ptr, 0)),
    }
}

/// A leaf function: `fn(pointers.., integers..)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Program {
    /// Number of pointer arguments.
    pub ptrs: u16,
    /// Number of integer arguments.
    pub ints: u16,
    /// Number of row scalars.
    pub slots: u16,
    /// Pointers at constant distances from arguments; the first is called [`DERIVED`].
    pub derived: Vec<Derived>,
    /// The statements in order.
    pub stmts: Vec<Stmt>,
}

impl Program {
    /// The argument behind a pointer, and the bytes from there; `None` if there is no such pointer.
    pub fn resolve(&self, ptr: u16) -> Option<(u16, i64)> {
        resolve(&self.derived, ptr)
    }
}

/// The lane type of each register of a body; a store's is that of its value.
pub fn body_types(body: &[Inst]) -> Vec<Ty> {
    let mut types: Vec<Ty> = Vec::with_capacity(body.len());
    for inst in body {
        let t = inst.ty(|r| types[r as usize]).unwrap_or(Ty::F);
        types.push(t);
    }
    types
}
