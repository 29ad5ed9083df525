//! An assembler for what the emitter uses: labels, a pool of constants after the code, and instructions that
//! are picked by width from one table.

mod arithmetic;
mod memory;
mod ops;

use crate::lanes::marks::Mark;
pub use arithmetic::ORDERED;
use iced_x86::{
    BlockEncoder, BlockEncoderOptions, Code, Instruction, InstructionBlock, MemoryOperand, Register,
};
pub use ops::{Op2, Op3, Shift};

/// The width of the vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// 256 bits: AVX2 and FMA.
    Y,
    /// 512 bits: AVX-512 F, BW, VL, DQ.
    Z,
}

impl Width {
    /// The first for 256 bits, the second for 512.
    pub fn pick<T>(self, y: T, z: T) -> T {
        match self {
            Width::Y => y,
            Width::Z => z,
        }
    }

    /// f32 lanes of a register.
    pub fn lanes(self) -> i64 {
        self.pick(8, 16)
    }

    /// Vector registers.
    pub fn registers(self) -> u8 {
        self.pick(16, 32)
    }
}

/// Why a program is not emitted: it has a form that the emitter does not do, or needs too many registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

/// A vector register, by number.
pub type V = u8;

/// An operand: a register, or memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rm {
    /// A vector register.
    Reg(V),
    /// A whole vector in memory.
    Mem(MemoryOperand),
}

/// The lower 128 bits of a vector register.
fn xmm(v: V) -> Register {
    Register::XMM0 + u32::from(v)
}

/// The lanes that an instruction works on, as in a remainder.
#[derive(Clone, Copy, Debug)]
pub enum Mask {
    /// An opmask register.
    K(Register),
    /// A vector register of 0 and -1.
    Vector(V),
}

/// A place in the code.
pub type Label = u64;

/// Instructions under construction.
#[derive(Clone)]
pub struct Asm {
    pub width: Width,
    list: Vec<Instruction>,
    /// Labels that the next instruction gets.
    pending: Option<Label>,
    next: Label,
    /// Constants with their labels.
    pool: Vec<(Vec<u32>, Label)>,
    /// What the instructions that follow belong to.
    pub mark: Option<Mark>,
    /// The marks of all instructions, if they are wanted.
    marks: Option<Vec<Option<Mark>>>,
}

/// Assembled code.
pub struct Assembled {
    pub bytes: Vec<u8>,
    /// The offset of each instruction that has a mark, in ascending order, with the mark. Empty if marks were
    /// not wanted.
    pub marks: Vec<(u32, Mark)>,
}

type Result<T> = std::result::Result<T, Refused>;

fn made(i: std::result::Result<Instruction, iced_x86::IcedError>) -> Result<Instruction> {
    i.map_err(|error| Refused(error.to_string()))
}

impl Asm {
    pub fn new(width: Width) -> Asm {
        Asm { width, list: Vec::new(), pending: None, next: 1, pool: Vec::new(), mark: None, marks: None }
    }

    /// The same that keeps the marks of instructions.
    pub fn with_marks(width: Width) -> Asm {
        Asm { marks: Some(Vec::new()), ..Asm::new(width) }
    }

    pub fn label(&mut self) -> Label {
        self.next += 1;
        self.next - 1
    }

    /// Puts a label before the next instruction.
    pub fn place(&mut self, l: Label) {
        if self.pending.is_some() {
            // An instruction has one label: the first of two gets an instruction of its own.
            self.push(Instruction::with(Code::Nopd));
        }
        self.pending = Some(l);
    }

    pub fn push(&mut self, mut i: Instruction) {
        i.set_ip(self.pending.take().unwrap_or(0));
        self.list.push(i);
        if let Some(marks) = &mut self.marks {
            marks.push(self.mark);
        }
    }

    fn put(&mut self, i: std::result::Result<Instruction, iced_x86::IcedError>) -> Result<()> {
        let i = made(i)?;
        self.push(i);
        Ok(())
    }

    /// Adds an instruction under an opmask: lanes outside of it keep what the destination had, or become 0.
    fn put_masked(
        &mut self,
        i: std::result::Result<Instruction, iced_x86::IcedError>,
        mask: Option<Mask>,
        zero: bool,
    ) -> Result<()> {
        let mut i = made(i)?;
        if let Some(Mask::K(k)) = mask {
            i.set_op_mask(k);
            i.set_zeroing_masking(zero);
        }
        self.push(i);
        Ok(())
    }

    fn vector(&self, v: V) -> Register {
        self.width.pick(Register::YMM0, Register::ZMM0) + u32::from(v)
    }

    /// A constant in every lane, as an operand.
    pub fn constant(&mut self, bits: u32) -> Rm {
        let lanes = self.width.pick(8, 1);
        let label = self.pooled(vec![bits; lanes]);
        let mut m = MemoryOperand::with_base_displ_size(Register::RIP, label as i64, 8);
        m.is_broadcast = self.width == Width::Z;
        Rm::Mem(m)
    }

    /// The numbers from `from` on, one a lane, as an operand.
    pub fn numbers(&mut self, from: i64) -> Rm {
        let label = self.pooled((0..self.width.lanes()).map(|i| (from + i) as u32).collect());
        Rm::Mem(MemoryOperand::with_base_displ_size(Register::RIP, label as i64, 8))
    }

    /// Data after the code.
    pub fn pooled(&mut self, data: Vec<u32>) -> Label {
        if let Some((_, l)) = self.pool.iter().find(|(d, _)| *d == data) {
            return *l;
        }
        let l = self.label();
        self.pool.push((data, l));
        l
    }

    /// `prologue`, the code so far, `epilogue`, then the pool; as bytes that run anywhere.
    pub fn assemble(mut self, prologue: &[Instruction], epilogue: &[Instruction]) -> Result<Assembled> {
        self.mark = None;
        for i in epilogue {
            self.push(*i);
        }
        let mut all = prologue.to_vec();
        all.append(&mut self.list);
        for (data, label) in &self.pool {
            for (n, word) in data.iter().enumerate() {
                let mut i = made(Instruction::try_with_declare_dword_1(*word))?;
                i.set_ip(if n == 0 { *label } else { 0 });
                all.push(i);
            }
        }
        let options = match self.marks {
            Some(_) => BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS,
            None => BlockEncoderOptions::NONE,
        };
        let encoded = BlockEncoder::encode(64, InstructionBlock::new(&all, 0), options)
            .map_err(|error| Refused(error.to_string()))?;
        let offsets = encoded.new_instruction_offsets.iter().skip(prologue.len());
        let with_mark = |(offset, mark): (&u32, Option<Mark>)| mark.map(|mark| (*offset, mark));
        let marks = offsets.zip(self.marks.unwrap_or_default()).filter_map(with_mark).collect();
        Ok(Assembled { bytes: encoded.code_buffer, marks })
    }
}
