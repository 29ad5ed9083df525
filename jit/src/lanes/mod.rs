//! Vector programs: the bodies of kernels as data, and their three meanings.
//!
//! A [`Program`] is a leaf function over base pointers and integers. Its statements say what is computed for
//! every element of a row or for every accumulator of a register tile. How many elements a register holds,
//! how the remainder of a row is done and how many accumulators a reduction has is left to the back ends:
//!
//! - [`oracle`] is plain Rust, one element at a time. It defines what a program means.
//! - [`clif`] is Cranelift's IR with vectors of 128 bits.
//! - `x86` emits AVX2 and AVX-512 code, and decodes and verifies what it has emitted.

pub mod clif;
mod compact;
pub mod expr;
mod inst;
pub mod marks;
pub mod math;
pub mod norms;
pub mod oracle;
mod print;
mod program;
pub mod random;
mod rounding;
pub mod schedule;
mod sums;
pub(crate) mod x86;

pub use crate::format::{Encoding, Group};
pub use compact::compact;
pub use inst::{Bin, Cmp, Inst, Mem, Ptr, Reduce, Reg, Ty, Un};
pub use program::{
    Derived, Prefetch, Program, RowReduction, ScalarOutput, Stmt, Tile, body_types, derive, resolve,
};
pub use sums::{PART, Parts, Total};

/// A length, stride or count: known when the kernel is compiled, or an integer argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Len {
    /// A constant in the code.
    Const(i64),
    /// The integer argument of that number. In a kernel's spec it is the parameter of that number.
    Arg(u16),
    /// An integer that the loop nest around a program computes itself. Only programs that are not
    /// [`compact`] yet have these.
    Local(Local),
}

/// The name of an integer that a loop nest computes for its programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Local(pub u16);

impl Local {
    /// What back ends call for a local: a program that has one is not [`compact`] yet.
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

/// Columns of a panel of a packed right operand, which has the layout `[N / 16][K][16]`.
pub const PANEL: i64 = tancho_ir::fuse::PANEL;

/// Rows of a panel that one iteration of the loop over a tile's sums takes, where the encoding has no groups.
pub const UNROLL: i64 = 4;
