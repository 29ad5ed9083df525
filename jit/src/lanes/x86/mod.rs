//! Vector programs as AVX2 and AVX-512 code, from one description.
//!
//! Cranelift's vectors have at most 128 bits on x86-64. This back end compiles the same programs with wider
//! ones. It never spills: it refuses a program that needs more registers than there are, and the caller
//! takes Cranelift's code instead. It does not schedule instructions or look for common subexpressions.
//!
//! A function takes one argument, the address of its pointers and integers, which have 8 bytes each.

mod asm;
mod body;
mod epilogue;
mod grouped;
mod map;
mod masks;
mod memory;
mod operands;
mod parts;
pub mod peak;
mod scalars;
mod tile;
pub mod verify;

use crate::lanes::marks::Mark;
use crate::lanes::{Program, Reg, Stmt};
pub use asm::{Asm, Assembled, Refused, Width};
use iced_x86::{Code, Instruction, MemoryOperand, Register};
use std::collections::BTreeMap;

/// The general registers for addresses and counters. Those that a callee must keep come last.
const GENERAL: [Register; 14] = [
    Register::RAX,
    Register::RCX,
    Register::RDX,
    Register::RSI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::RBX,
    Register::RBP,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];
/// Bytes of the smallest page.
const PAGE: i32 = 4096;
/// How many of them a function may use without saving them (System V).
const FREE: usize = 8;

/// A function under construction.
struct Emitter<'p> {
    asm: Asm,
    /// Whether the machine sums four products of bytes with one instruction.
    dots: bool,
    program: &'p Program,
    /// General registers in use, and the most that were in use at a time.
    used: usize,
    most: usize,
    /// The registers that hold a body's constants while a row is worked on.
    held: BTreeMap<Reg, u8>,
    /// Bytes of the frame.
    frame: i64,
    /// The mark of the statement at hand.
    first_mark: Mark,
}

/// The code of a program; `dots` if the machine has AVX-512 VNNI, or AVX-VNNI for 256 bits.
///
/// # Errors
/// The program has a form that stays with Cranelift, or needs more registers than there are.
pub fn emit(program: &Program, width: Width, dots: bool) -> Result<Vec<u8>, Refused> {
    emit_with(Asm::new(width), program, dots).map(|assembled| assembled.bytes)
}

/// The same code, with the marks of its instructions.
///
/// # Errors
/// Those of [`emit`].
pub fn emit_with_marks(program: &Program, width: Width, dots: bool) -> Result<Assembled, Refused> {
    emit_with(Asm::with_marks(width), program, dots)
}

fn emit_with(asm: Asm, program: &Program, dots: bool) -> Result<Assembled, Refused> {
    let (held, frame) = (BTreeMap::new(), i64::from(program.slots) * 64);
    let mut emitter = Emitter { asm, dots, program, used: 0, most: 0, held, frame, first_mark: 0 };
    for stmt in &program.stmts {
        emitter.used = 0;
        emitter.mark(0);
        match stmt {
            Stmt::Scalar { body, outs } => emitter.scalars(body, outs)?,
            Stmt::Map { len, body, reductions } => emitter.map(*len, body, reductions)?,
            Stmt::Tile(tile) => emitter.tile(tile)?,
        }
        emitter.first_mark += stmt.marks();
    }
    // Windows gives a stack its pages one after the other. Cranelift's code touches each page of a frame.
    let frame = i32::try_from(emitter.frame).ok().filter(|frame| *frame <= PAGE);
    let frame = frame.ok_or_else(|| Refused("a frame beyond a page".into()))?;
    let made = |i: Result<Instruction, iced_x86::IcedError>| i.map_err(|error| Refused(error.to_string()));
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let saved = GENERAL.iter().take(emitter.most).skip(FREE);
    for r in saved.clone() {
        before.push(made(Instruction::with1(Code::Push_r64, *r))?);
    }
    if frame > 0 {
        before.push(made(Instruction::with2(Code::Sub_rm64_imm32, Register::RSP, frame))?);
        after.push(made(Instruction::with2(Code::Add_rm64_imm32, Register::RSP, frame))?);
    }
    for r in saved.rev() {
        after.push(made(Instruction::with1(Code::Pop_r64, *r))?);
    }
    // Dirty upper halves would slow every SSE instruction of Cranelift's code.
    after.push(Instruction::with(Code::VEX_Vzeroupper));
    after.push(Instruction::with(Code::Retnq));
    emitter.asm.assemble(&before, &after)
}

impl Emitter<'_> {
    /// Says what the instructions that follow belong to, by its place among the marks of the statement: 0 is
    /// the statement itself.
    fn mark(&mut self, place: usize) {
        self.asm.mark = Some(self.first_mark + place as Mark);
    }

    /// A free general register.
    fn general(&mut self) -> Result<Register, Refused> {
        let r = GENERAL
            .get(self.used)
            .copied()
            .ok_or_else(|| Refused("too many pointers and counters".into()))?;
        self.used += 1;
        self.most = self.most.max(self.used);
        Ok(r)
    }

    fn push(&mut self, i: Result<Instruction, iced_x86::IcedError>) -> Result<(), Refused> {
        self.asm.push(i.map_err(|error| Refused(error.to_string()))?);
        Ok(())
    }

    /// Argument `i` of the function: pointers, then integers.
    fn argument(&self, i: u16) -> MemoryOperand {
        MemoryOperand::with_base_displ(Register::RDI, i64::from(i) * 8)
    }

    /// Loads a pointer argument into a register.
    fn pointer(&mut self, i: u16) -> Result<Register, Refused> {
        let r = self.general()?;
        let m = self.argument(i);
        self.push(Instruction::with2(Code::Mov_r64_rm64, r, m))?;
        Ok(r)
    }

    /// Loads an integer argument into a register.
    fn integer(&mut self, i: u16) -> Result<Register, Refused> {
        self.pointer(self.program.ptrs + i)
    }

    /// Where a row scalar is kept: a whole vector of equal lanes.
    fn slot(&self, s: u16) -> MemoryOperand {
        MemoryOperand::with_base_displ(Register::RSP, i64::from(s) * 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::expr::Expr;
    use crate::lanes::schedule::schedule;
    use crate::lanes::{Len, Mem, norms};
    use tancho_ir::op::EpsOn;

    /// Marks change no code, and every instruction of a statement has one.
    #[test]
    fn marks_of_a_norm() {
        for length in [Len::Const(37), Len::Arg(0)] {
            let mut expr = Expr::default();
            let x = expr.load(0, Len::ONE, Len::ZERO, Mem::F32);
            let y = norms::layer_norm(&mut expr, x, length, 1e-5, EpsOn::Var, None, None);
            expr.store(1, Len::ONE, Len::ZERO, Mem::F32, y);
            let program = schedule(&expr, length, 2, 1).program;
            let count: Mark = program.stmts.iter().map(Stmt::marks).sum();
            for width in [Width::Y, Width::Z] {
                let plain = emit(&program, width, true).expect("a norm");
                let Assembled { bytes, marks } = emit_with_marks(&program, width, true).expect("a norm");
                assert_eq!(plain, bytes);
                assert!(marks.is_sorted_by(|a, b| a.0 < b.0) && marks.iter().all(|(_, mark)| *mark < count));
                let instructions = iced_x86::Decoder::new(64, &bytes[..verify::end(&bytes)], 0);
                let offsets: Vec<u64> = instructions.into_iter().map(|i| i.ip()).collect();
                // Outside of statements there are four: the frame, the upper halves, and the return.
                assert_eq!(marks.len() + 4, offsets.len());
                assert!(marks.iter().all(|(at, _)| offsets.contains(&u64::from(*at))));
            }
        }
    }
}
