//! Vectors and single elements from memory and to it, and moves between the parts of a register.

use super::{Asm, Mask, Refused, Result, V, Width, xmm};
use iced_x86::{Code, Instruction, MemoryOperand, Register};

impl Asm {
    /// A whole vector from memory, elements of fewer than 4 bytes widened with zeros; lanes outside of the
    /// mask are 0.
    pub fn load(&mut self, d: V, m: MemoryOperand, size: i64, mask: Option<Mask>) -> Result<()> {
        let to = self.vector(d);
        match (size, mask) {
            (4, Some(Mask::Vector(k))) => {
                self.put(Instruction::with3(Code::VEX_Vmaskmovps_ymm_ymm_m256, to, self.vector(k), m))
            }
            (4, mask) => {
                let code = self.width.pick(Code::VEX_Vmovups_ymm_ymmm256, Code::EVEX_Vmovups_zmm_k1z_zmmm512);
                self.put_masked(Instruction::with2(code, to, m), mask, true)
            }
            (_, Some(Mask::Vector(_))) => {
                Err(Refused("a masked load of elements of one or two bytes".into()))
            }
            (size, mask) => self.put_masked(Instruction::with2(self.widening(size), to, m), mask, true),
        }
    }

    fn widening(&self, size: i64) -> Code {
        if size == 1 {
            self.width.pick(Code::VEX_Vpmovzxbd_ymm_xmmm64, Code::EVEX_Vpmovzxbd_zmm_k1z_xmmm128)
        } else {
            self.width.pick(Code::VEX_Vpmovzxwd_ymm_xmmm128, Code::EVEX_Vpmovzxwd_zmm_k1z_ymmm256)
        }
    }

    /// Elements of one or two bytes that lie packed in `d`, widened with zeros.
    pub fn widen(&mut self, d: V, size: i64) -> Result<()> {
        let from =
            if size * self.width.lanes() <= 16 { Register::XMM0 } else { Register::YMM0 } + u32::from(d);
        self.put(Instruction::with2(self.widening(size), self.vector(d), from))
    }

    /// The lower `size` bytes of the lanes, packed in `d`, which is not `v`; no value may be larger.
    pub fn pack(&mut self, d: V, v: V, size: i64) -> Result<()> {
        use Code::*;
        if self.width == Width::Z {
            return self.put(match size {
                1 => Instruction::with2(EVEX_Vpmovdb_xmmm128_k1z_zmm, xmm(d), self.vector(v)),
                _ => Instruction::with2(
                    EVEX_Vpmovdw_ymmm256_k1z_zmm,
                    Register::YMM0 + u32::from(d),
                    self.vector(v),
                ),
            });
        }
        self.extract_part(d, v, 1)?;
        self.put(Instruction::with3(VEX_Vpackusdw_xmm_xmm_xmmm128, xmm(d), xmm(v), xmm(d)))?;
        if size == 1 {
            self.put(Instruction::with3(VEX_Vpackuswb_xmm_xmm_xmmm128, xmm(d), xmm(d), xmm(d)))?;
        }
        Ok(())
    }

    /// A whole vector to memory, of the lanes their lower `size` bytes; lanes outside of the mask stay as
    /// they are. With 256 bits elements of fewer than 4 bytes come from [`pack`](Asm::pack).
    pub fn store(&mut self, m: MemoryOperand, v: V, size: i64, mask: Option<Mask>) -> Result<()> {
        use Code::*;
        let from = self.vector(v);
        match (size, mask) {
            (4, Some(Mask::Vector(k))) => {
                self.put(Instruction::with3(VEX_Vmaskmovps_m256_ymm_ymm, m, self.vector(k), from))
            }
            (_, Some(Mask::Vector(_))) => {
                Err(Refused("a masked store of elements of one or two bytes".into()))
            }
            (4, _) => {
                let code = self.width.pick(VEX_Vmovups_ymmm256_ymm, EVEX_Vmovups_zmmm512_k1z_zmm);
                self.put_masked(Instruction::with2(code, m, from), mask, false)
            }
            (size, _) => {
                let code = match size {
                    1 => self.width.pick(VEX_Vmovq_xmmm64_xmm, EVEX_Vpmovdb_xmmm128_k1z_zmm),
                    _ => self.width.pick(VEX_Vmovdqu_xmmm128_xmm, EVEX_Vpmovdw_ymmm256_k1z_zmm),
                };
                self.put_masked(Instruction::with2(code, m, self.width.pick(xmm(v), from)), mask, false)
            }
        }
    }

    /// Loads one element into every lane of its own size.
    pub fn broadcast(&mut self, d: V, m: MemoryOperand, size: i64) -> Result<()> {
        use Code::*;
        let code = match size {
            1 => self.width.pick(VEX_Vpbroadcastb_ymm_xmmm8, EVEX_Vpbroadcastb_zmm_k1z_xmmm8),
            2 => self.width.pick(VEX_Vpbroadcastw_ymm_xmmm16, EVEX_Vpbroadcastw_zmm_k1z_xmmm16),
            _ => self.width.pick(VEX_Vbroadcastss_ymm_m32, EVEX_Vbroadcastss_zmm_k1z_xmmm32),
        };
        self.put(Instruction::with2(code, self.vector(d), m))
    }

    /// The lower half of a general register in every lane.
    pub fn broadcast_general(&mut self, d: V, r: Register) -> Result<()> {
        let r = r.full_register32();
        if self.width == Width::Z {
            return self.put(Instruction::with2(Code::EVEX_Vpbroadcastd_zmm_k1z_r32, self.vector(d), r));
        }
        self.put(Instruction::with2(Code::VEX_Vmovd_xmm_rm32, xmm(d), r))?;
        self.put(Instruction::with2(Code::VEX_Vpbroadcastd_ymm_xmmm32, self.vector(d), xmm(d)))
    }

    /// Loads an element from memory into place `at` of the lower 128 bits. All above them becomes 0. A load
    /// of 4 bytes to place 0 makes everything else 0.
    pub fn insert(&mut self, d: V, m: MemoryOperand, size: i64, at: i64) -> Result<()> {
        use Code::*;
        let code = match size {
            1 => self.width.pick(VEX_Vpinsrb_xmm_xmm_r32m8_imm8, EVEX_Vpinsrb_xmm_xmm_r32m8_imm8),
            2 => self.width.pick(VEX_Vpinsrw_xmm_xmm_r32m16_imm8, EVEX_Vpinsrw_xmm_xmm_r32m16_imm8),
            _ if at == 0 => {
                return self.put(Instruction::with2(
                    self.width.pick(VEX_Vmovss_xmm_m32, EVEX_Vmovss_xmm_k1z_m32),
                    xmm(d),
                    m,
                ));
            }
            _ => self.width.pick(VEX_Vpinsrd_xmm_xmm_rm32_imm8, EVEX_Vpinsrd_xmm_xmm_rm32_imm8),
        };
        self.put(Instruction::with4(code, xmm(d), xmm(d), m, at as i32))
    }

    /// Stores the element at place `at` of the lower 128 bits.
    pub fn extract(&mut self, m: MemoryOperand, v: V, size: i64, at: i64) -> Result<()> {
        use Code::*;
        let code = match size {
            1 => self.width.pick(VEX_Vpextrb_r32m8_xmm_imm8, EVEX_Vpextrb_r32m8_xmm_imm8),
            2 => self.width.pick(VEX_Vpextrw_r32m16_xmm_imm8, EVEX_Vpextrw_r32m16_xmm_imm8),
            _ if at == 0 => {
                return self.put(Instruction::with2(
                    self.width.pick(VEX_Vmovss_m32_xmm, EVEX_Vmovss_m32_k1_xmm),
                    m,
                    xmm(v),
                ));
            }
            _ => self.width.pick(VEX_Vpextrd_rm32_xmm_imm8, EVEX_Vpextrd_rm32_xmm_imm8),
        };
        self.put(Instruction::with3(code, m, xmm(v), at as i32))
    }

    /// Puts the lower 128 bits of `a` into those of number `part` of `d`.
    pub fn insert_part(&mut self, d: V, a: V, part: i64) -> Result<()> {
        let code = self.width.pick(
            Code::VEX_Vinserti128_ymm_ymm_xmmm128_imm8,
            Code::EVEX_Vinserti32x4_zmm_k1z_zmm_xmmm128_imm8,
        );
        self.put(Instruction::with4(code, self.vector(d), self.vector(d), xmm(a), part as i32))
    }

    /// The 128 bits of number `part` as the lower ones of `d`.
    pub fn extract_part(&mut self, d: V, a: V, part: i64) -> Result<()> {
        let code = self
            .width
            .pick(Code::VEX_Vextracti128_xmmm128_ymm_imm8, Code::EVEX_Vextracti32x4_xmmm128_k1z_zmm_imm8);
        self.put(Instruction::with3(code, xmm(d), self.vector(a), part as i32))
    }

    /// Swaps halves of lanes, by steps: 0 swaps the halves of the register, each step smaller ones.
    pub fn swap(&mut self, d: V, a: V, step: u32) -> Result<()> {
        let (d, a) = (self.vector(d), self.vector(a));
        let permute = self
            .width
            .pick(Code::VEX_Vpermilps_ymm_ymmm256_imm8, Code::EVEX_Vpermilps_zmm_k1z_zmmm512b32_imm8);
        let i = match (self.width, step) {
            (Width::Z, 0) => {
                Instruction::with4(Code::EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8, d, a, a, 0x4e)
            }
            (Width::Z, 1) => {
                Instruction::with4(Code::EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8, d, a, a, 0xb1)
            }
            (Width::Y, 0) => Instruction::with4(Code::VEX_Vperm2f128_ymm_ymm_ymmm256_imm8, d, a, a, 1),
            (Width::Z, 2) | (Width::Y, 1) => Instruction::with3(permute, d, a, 0x4e),
            _ => Instruction::with3(permute, d, a, 0xb1),
        };
        self.put(i)
    }
}
