//! A loop that does as many multiply-adds as vectors of a width can: it has many accumulators and reads no
//! memory.

use super::asm::{Asm, Op2, Op3, Rm};
use super::{Refused, Width};
use crate::lanes::Program;
use iced_x86::{Code, Instruction, Register};

/// Iterations of the loop in one call.
const ITERATIONS: i32 = 1000;

/// A function of no arguments, the program that [`super::verify`] knows it by, and the
/// floating-point operations of a call.
///
/// # Errors
/// An instruction cannot be encoded.
pub fn multiply_adds(width: Width) -> Result<(Vec<u8>, Program, u64), Refused> {
    // Two units with a latency of 4 or 5 cycles need 10 accumulators to be busy.
    let (accumulators, factor, term) = width.pick((12, 12, 13), (28, 28, 29));
    let made = |i: Result<Instruction, iced_x86::IcedError>| i.map_err(|error| Refused(error.to_string()));
    let mut asm = Asm::new(width);
    // `acc * 0.5 + 1` is a normal number after any number of iterations.
    for (v, value) in (0..accumulators).map(|v| (v, 1.0f32)).chain([(factor, 0.5), (term, 1.0)]) {
        let bits = asm.constant(value.to_bits());
        asm.op2(Op2::Move, v, bits)?;
    }
    asm.push(made(Instruction::with2(Code::Mov_r32_imm32, Register::EAX, ITERATIONS))?);
    let top = asm.label();
    asm.place(top);
    for v in 0..accumulators {
        asm.op3(Op3::Fma213, v, factor, Rm::Reg(term))?;
    }
    asm.push(made(Instruction::with1(Code::Dec_rm64, Register::RAX))?);
    asm.push(made(Instruction::with_branch(Code::Jne_rel32_64, top))?);
    let after = [Instruction::with(Code::VEX_Vzeroupper), Instruction::with(Code::Retnq)];
    let flops = ITERATIONS as u64 * u64::from(accumulators) * width.lanes() as u64 * 2;
    Ok((asm.assemble(&[], &after)?.bytes, Program::default(), flops))
}
