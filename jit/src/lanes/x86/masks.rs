//! Masks of the first lanes of a vector, for remainders.

use super::asm::{Mask, V};
use super::map::narrow;
use super::{Emitter, Refused, Width};
use iced_x86::{Code, Instruction, MemoryOperand, Register};

impl Emitter<'_> {
    /// A mask of the first `n` lanes.
    pub fn known_mask(&mut self, n: i64, free: &mut Vec<V>) -> Result<Mask, Refused> {
        match self.asm.width {
            Width::Z => {
                let used = self.used;
                let r = narrow(self.general()?);
                self.used = used;
                self.push(Instruction::with2(Code::Mov_r32_imm32, r, (1 << n) - 1))?;
                self.push(Instruction::with2(Code::VEX_Kmovw_kr_r32, Register::K1, r))?;
                Ok(Mask::K(Register::K1))
            }
            Width::Y => {
                let data = (0..8).map(|i| if i < n { u32::MAX } else { 0 }).collect();
                let label = self.asm.pooled(data);
                let v = free.pop().ok_or_else(|| Refused("too few vector registers".into()))?;
                self.asm.load(
                    v,
                    MemoryOperand::with_base_displ_size(Register::RIP, label as i64, 8),
                    4,
                    None,
                )?;
                Ok(Mask::Vector(v))
            }
        }
    }

    /// A mask of the first `remainder` lanes, fewer than a vector has.
    pub fn run_time_mask(
        &mut self,
        remainder: Register,
        help: Register,
        free: &mut Vec<V>,
    ) -> Result<Mask, Refused> {
        match self.asm.width {
            Width::Z => {
                let (remainder, help) = (narrow(remainder), narrow(help));
                self.push(Instruction::with2(Code::Mov_r32_imm32, help, -1))?;
                self.push(Instruction::with3(Code::VEX_Bzhi_r32_rm32_r32, help, help, remainder))?;
                self.push(Instruction::with2(Code::VEX_Kmovw_kr_r32, Register::K1, help))?;
                Ok(Mask::K(Register::K1))
            }
            Width::Y => {
                // The mask is eight lanes of a table of eight set and eight clear ones.
                let label = self.asm.pooled((0..16).map(|i| if i < 8 { u32::MAX } else { 0 }).collect());
                let table = MemoryOperand::with_base_displ_size(Register::RIP, label as i64, 8);
                self.push(Instruction::with2(Code::Lea_r64_m, help, table))?;
                self.push(Instruction::with1(Code::Neg_rm64, remainder))?;
                let v = free.pop().ok_or_else(|| Refused("too few vector registers".into()))?;
                self.asm.load(
                    v,
                    MemoryOperand::with_base_index_scale_displ_size(help, remainder, 4, 32, 1),
                    4,
                    None,
                )?;
                Ok(Mask::Vector(v))
            }
        }
    }
}
