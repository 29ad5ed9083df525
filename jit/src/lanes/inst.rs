//! Instructions of the straight-line bodies of vector programs.

use super::Len;

/// A register of a body: the result of the instruction of that number.
pub type Reg = u32;

/// A pointer of a vector program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ptr {
    /// The pointer argument of that number.
    Arg(u16),
    /// The pointer of that number among [`Program::derived`](super::Program::derived).
    Derived(u16),
}

impl From<u16> for Ptr {
    /// The pointer argument of that number.
    fn from(arg: u16) -> Ptr {
        Ptr::Arg(arg)
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
    /// Rotation of the bits of an i32 to the left; the second register is a constant.
    RotateLeft,
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

/// How a row is reduced to one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduce {
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

impl Reduce {
    /// The bits of the value of an empty row.
    pub fn identity(self) -> u32 {
        match self {
            Reduce::Sum => 0f32.to_bits(),
            Reduce::Max | Reduce::MaxNan => f32::NEG_INFINITY.to_bits(),
            Reduce::MinNan => f32::INFINITY.to_bits(),
            Reduce::ISum => 0,
            Reduce::IMax => i32::MIN as u32,
            Reduce::IMin => i32::MAX as u32,
        }
    }

    /// The lane type it works on.
    pub fn ty(self) -> Ty {
        match self {
            Reduce::Sum | Reduce::Max | Reduce::MaxNan | Reduce::MinNan => Ty::F,
            Reduce::ISum | Reduce::IMax | Reduce::IMin => Ty::I,
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
        /// The pointer.
        ptr: Ptr,
        /// Elements from one to the next: 1 for a row, 0 for one value.
        step: Len,
        /// Elements from one row of a tile to the next.
        row_step: Len,
        /// How they lie in memory.
        mem: Mem,
    },
    /// The same for writing; has no result.
    Store {
        /// The pointer.
        ptr: Ptr,
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
    /// The row reduced to one lane. It occurs in an [`Expr`](super::expr::Expr) only: scheduling makes
    /// statements of it.
    Reduce(Reduce, Reg),
}

impl Inst {
    /// The registers it reads.
    pub fn operands(&self) -> impl Iterator<Item = Reg> {
        let (a, b, c) = match *self {
            Inst::Store { value, .. } => (Some(value), None, None),
            Inst::Un(_, a) | Inst::Reduce(_, a) => (Some(a), None, None),
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
            Inst::Reduce(how, a) => Inst::Reduce(how, f(a)),
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
            Inst::Reduce(how, _) => how.ty(),
        })
    }
}
