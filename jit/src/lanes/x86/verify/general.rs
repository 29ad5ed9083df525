//! What the abstract execution follows: the instructions on general registers, opmasks and the stack, in the
//! forms that the emitter uses.

use iced_x86::{Code, Instruction, Mnemonic, OpKind, Register};

/// A general register by number, or a constant.
#[derive(Clone, Copy, Debug)]
pub enum Operand {
    Register(usize),
    Number(i64),
}

/// A base and a scaled index.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// `None` for what is known by its place in the code.
    pub base: Option<usize>,
    pub index: Option<(usize, i64)>,
    pub displacement: i64,
}

/// What an instruction does to its first operand.
#[derive(Clone, Copy, Debug)]
pub enum GeneralOp {
    /// Nothing.
    Nothing,
    Set(Operand),
    /// Loads from the argument block.
    Argument(i64),
    Address(Address),
    Add(Operand),
    Sub(Operand),
    /// Sets the flags as of a subtraction.
    Compare(Operand),
    /// Sets the flags as of a comparison with 0.
    Test,
    /// The same of these bits.
    TestBits(i64),
    Negate,
    And(i64),
    Times(i64),
    /// Times the first register.
    Product(usize),
    /// Becomes the product of a register and a constant.
    SetProduct(usize, i64),
    /// Becomes the register where the flags say not less.
    IfNotLess(usize),
    ShiftRight(u32),
    /// As many low bits of the first register as the second says.
    LowBits(usize, usize),
    /// The operand is an opmask; from the low half of a general register.
    Opmask(usize),
    Push,
    Pop,
    Return,
}

fn full(i: &Instruction, n: u32) -> Option<usize> {
    (i.op_kind(n) == OpKind::Register && i.op_register(n).is_gpr64()).then(|| i.op_register(n).number())
}

fn half(i: &Instruction, n: u32) -> Option<usize> {
    (i.op_kind(n) == OpKind::Register && i.op_register(n).is_gpr32()).then(|| i.op_register(n).number())
}

/// The second operand, of 64 bits.
fn second(i: &Instruction) -> Option<Operand> {
    full(i, 1).map(Operand::Register).or_else(|| immediate(i).map(Operand::Number))
}

fn immediate(i: &Instruction) -> Option<i64> {
    matches!(
        i.op1_kind(),
        OpKind::Immediate8 | OpKind::Immediate32 | OpKind::Immediate8to64 | OpKind::Immediate32to64
    )
    .then(|| i.immediate(1) as i64)
}

/// The operation of an instruction, and the number of its first register; `None` for a form that the emitter
/// does not use.
pub fn operation(i: &Instruction) -> Option<(GeneralOp, usize)> {
    use Mnemonic::*;
    let shift = || immediate(i).filter(|n| (0..32).contains(n));
    Some(match i.mnemonic() {
        // A hint reads nothing, whatever its address is.
        Nop | Prefetcht1 => (GeneralOp::Nothing, 0),
        Ret if i.code() == Code::Retnq => (GeneralOp::Return, 0),
        // Writing the lower half clears the upper one.
        Mov if half(i, 0).is_some() => {
            (GeneralOp::Set(Operand::Number(immediate(i)? & 0xffff_ffff)), half(i, 0)?)
        }
        Mov if i.op1_kind() == OpKind::Memory => (GeneralOp::Argument(argument(i)?), full(i, 0)?),
        Mov => (GeneralOp::Set(second(i)?), full(i, 0)?),
        Lea => (GeneralOp::Address(address(i)?), full(i, 0)?),
        Add => (GeneralOp::Add(second(i)?), full(i, 0)?),
        Sub => (GeneralOp::Sub(second(i)?), full(i, 0)?),
        Dec => (GeneralOp::Sub(Operand::Number(1)), full(i, 0)?),
        Cmp => (GeneralOp::Compare(second(i)?), full(i, 0)?),
        Test if i.op1_kind() == OpKind::Register && i.op0_register() == i.op1_register() => {
            (GeneralOp::Test, full(i, 0)?)
        }
        Test => (GeneralOp::TestBits(immediate(i)?), full(i, 0)?),
        Neg => (GeneralOp::Negate, full(i, 0)?),
        And => (GeneralOp::And(immediate(i)?), full(i, 0)?),
        Imul if i.op_count() == 3 => (GeneralOp::SetProduct(full(i, 1)?, i.immediate(2) as i64), full(i, 0)?),
        Imul => (GeneralOp::Product(full(i, 1)?), full(i, 0)?),
        Cmovge => (GeneralOp::IfNotLess(full(i, 1)?), full(i, 0)?),
        Shl => (GeneralOp::Times(1 << shift()?), full(i, 0)?),
        Sar => (GeneralOp::ShiftRight(shift()? as u32), full(i, 0)?),
        Bzhi => (GeneralOp::LowBits(half(i, 1)?, half(i, 2)?), half(i, 0)?),
        Kmovw if i.op0_register().is_k() => (GeneralOp::Opmask(half(i, 1)?), i.op0_register().number()),
        Push => (GeneralOp::Push, full(i, 0)?),
        Pop => (GeneralOp::Pop, full(i, 0)?),
        _ => return None,
    })
}

/// The number of the argument that a `mov` loads.
fn argument(i: &Instruction) -> Option<i64> {
    let at = i.memory_displacement64() as i64;
    let plain = i.memory_base() == Register::RDI
        && i.memory_index() == Register::None
        && i.segment_prefix() == Register::None;
    (plain && at >= 0 && at % 8 == 0).then_some(at / 8)
}

/// The address that `lea` computes.
fn address(i: &Instruction) -> Option<Address> {
    let register = |r: Register| if r.is_gpr64() { Some(r.number()) } else { None };
    let base = match i.memory_base() {
        Register::RIP => None,
        r => Some(register(r)?),
    };
    let index = match i.memory_index() {
        Register::None => None,
        r => Some((register(r)?, i64::from(i.memory_index_scale()))),
    };
    Some(Address { base, index, displacement: i.memory_displacement64() as i64 })
}

/// The power of two by which an operation splits an integer into whole iterations and a remainder; 1 if it
/// does not.
pub fn split(op: GeneralOp) -> Option<i64> {
    let n = match op {
        GeneralOp::And(mask) if mask < 0 => mask.checked_neg()?,
        GeneralOp::And(mask) => mask.checked_add(1)?,
        GeneralOp::ShiftRight(by) => 1 << by,
        _ => 1,
    };
    (n <= 256 && n & (n - 1) == 0).then_some(n)
}
