//! Arithmetic, comparisons and selections of vectors.

use super::{Asm, Mask, Op2, Op3, Result, Rm, Shift, V, Width};
use iced_x86::{Code, Instruction, MemoryOperand, Register};

/// The predicate of a float comparison that is true where either is NaN.
const UNORDERED: i32 = 3;
/// Its opposite.
pub const ORDERED: i32 = 7;
/// The opmask that comparisons write.
const RESULT: Register = Register::K2;

impl Asm {
    pub fn op3(&mut self, op: Op3, d: V, a: V, b: Rm) -> Result<()> {
        self.op3_masked(op, d, a, b, None)
    }

    /// With a mask, lanes outside of it keep what the destination had.
    pub fn op3_masked(&mut self, op: Op3, d: V, a: V, b: Rm, mask: Option<Mask>) -> Result<()> {
        let (code, d, a) = (op.code(self.width), self.vector(d), self.vector(a));
        let i = match b {
            Rm::Reg(b) => Instruction::with3(code, d, a, self.vector(b)),
            Rm::Mem(m) => Instruction::with3(code, d, a, m),
        };
        self.put_masked(i, mask, false)
    }

    pub fn op2(&mut self, op: Op2, d: V, a: Rm) -> Result<()> {
        use Code::*;
        let code = match op {
            Op2::Sqrt => self.width.pick(VEX_Vsqrtps_ymm_ymmm256, EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er),
            Op2::ToInt => self.width.pick(VEX_Vcvttps2dq_ymm_ymmm256, EVEX_Vcvttps2dq_zmm_k1z_zmmm512b32_sae),
            Op2::ToFloat => self.width.pick(VEX_Vcvtdq2ps_ymm_ymmm256, EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er),
            Op2::Move => self.width.pick(VEX_Vmovups_ymm_ymmm256, EVEX_Vmovups_zmm_k1z_zmmm512),
        };
        let d = self.vector(d);
        let i = match a {
            Rm::Reg(a) => Instruction::with2(code, d, self.vector(a)),
            // A constant of one lane is no whole vector.
            Rm::Mem(m) if m.is_broadcast && matches!(op, Op2::Move) => Instruction::with2(
                self.width.pick(VEX_Vbroadcastss_ymm_m32, EVEX_Vbroadcastss_zmm_k1z_xmmm32),
                d,
                MemoryOperand { is_broadcast: false, ..m },
            ),
            Rm::Mem(m) => Instruction::with2(code, d, m),
        };
        self.put(i)
    }

    /// Rounds to nearest even.
    pub fn round(&mut self, d: V, a: Rm) -> Result<()> {
        let code = self
            .width
            .pick(Code::VEX_Vroundps_ymm_ymmm256_imm8, Code::EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae);
        let d = self.vector(d);
        let i = match a {
            Rm::Reg(a) => Instruction::with3(code, d, self.vector(a), 0),
            Rm::Mem(m) => Instruction::with3(code, d, m, 0),
        };
        self.put(i)
    }

    /// Shifts by a constant.
    pub fn shift(&mut self, how: Shift, d: V, a: V, amount: i32) -> Result<()> {
        use Code::*;
        let (y, z) = match how {
            Shift::Left => (VEX_Vpslld_ymm_ymm_imm8, EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8),
            Shift::Right => (VEX_Vpsrad_ymm_ymm_imm8, EVEX_Vpsrad_zmm_k1z_zmmm512b32_imm8),
            Shift::RightZero => (VEX_Vpsrld_ymm_ymm_imm8, EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8),
        };
        self.put(Instruction::with3(self.width.pick(y, z), self.vector(d), self.vector(a), amount))
    }

    /// Rotates to the left by a constant below 32; overwrites `t`.
    pub fn rotate_left(&mut self, d: V, a: V, amount: i32, t: V) -> Result<()> {
        match self.width {
            Width::Y => {
                self.shift(Shift::Left, d, a, amount)?;
                self.shift(Shift::RightZero, t, a, 32 - amount)?;
                self.op3(Op3::Or, d, d, Rm::Reg(t))
            }
            Width::Z => {
                let code = Code::EVEX_Vprold_zmm_k1z_zmmm512b32_imm8;
                self.put(Instruction::with3(code, self.vector(d), self.vector(a), amount))
            }
        }
    }

    /// Shifts each 16 bits by a constant.
    pub fn shift_words(&mut self, how: Shift, d: V, a: V, amount: i32) -> Result<()> {
        use Code::*;
        let (y, z) = match how {
            Shift::Left => (VEX_Vpsllw_ymm_ymm_imm8, EVEX_Vpsllw_zmm_k1z_zmmm512_imm8),
            Shift::Right => (VEX_Vpsraw_ymm_ymm_imm8, EVEX_Vpsraw_zmm_k1z_zmmm512_imm8),
            Shift::RightZero => (VEX_Vpsrlw_ymm_ymm_imm8, EVEX_Vpsrlw_zmm_k1z_zmmm512_imm8),
        };
        self.put(Instruction::with3(self.width.pick(y, z), self.vector(d), self.vector(a), amount))
    }

    /// A comparison of floats as a mask vector; `predicate` is that of `vcmpps`.
    pub fn compare(&mut self, d: V, a: V, b: Rm, predicate: i32) -> Result<()> {
        self.compare_within(d, a, b, predicate, None)?;
        self.spread(d)
    }

    /// With 512 bits the result is an opmask, and lanes outside of the mask are false.
    fn compare_within(&mut self, d: V, a: V, b: Rm, predicate: i32, mask: Option<Mask>) -> Result<()> {
        let code = self
            .width
            .pick(Code::VEX_Vcmpps_ymm_ymm_ymmm256_imm8, Code::EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae);
        let (to, a) = (self.width.pick(self.vector(d), RESULT), self.vector(a));
        let i = match b {
            Rm::Reg(b) => Instruction::with4(code, to, a, self.vector(b), predicate),
            Rm::Mem(m) => Instruction::with4(code, to, a, m, predicate),
        };
        self.put_masked(i, mask, false)
    }

    /// Whether ints are equal, or the first is greater, as a mask vector.
    pub fn compare_ints(&mut self, d: V, a: V, b: Rm, greater: bool) -> Result<()> {
        let a = self.vector(a);
        match self.width {
            Width::Y => {
                let code = if greater {
                    Code::VEX_Vpcmpgtd_ymm_ymm_ymmm256
                } else {
                    Code::VEX_Vpcmpeqd_ymm_ymm_ymmm256
                };
                let d = self.vector(d);
                self.put(match b {
                    Rm::Reg(b) => Instruction::with3(code, d, a, self.vector(b)),
                    Rm::Mem(m) => Instruction::with3(code, d, a, m),
                })
            }
            Width::Z => {
                let (code, predicate) =
                    (Code::EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8, if greater { 6 } else { 0 });
                self.put(match b {
                    Rm::Reg(b) => Instruction::with4(code, RESULT, a, self.vector(b), predicate),
                    Rm::Mem(m) => Instruction::with4(code, RESULT, a, m, predicate),
                })?;
                self.spread(d)
            }
        }
    }

    /// Makes a mask vector of the opmask that comparisons give with 512 bits.
    fn spread(&mut self, d: V) -> Result<()> {
        match self.width {
            Width::Y => Ok(()),
            Width::Z => self.put(Instruction::with2(Code::EVEX_Vpmovm2d_zmm_kr, self.vector(d), RESULT)),
        }
    }

    /// `d = m ? a : b` for a mask vector; with 512 bits `d` must be `m` or `b`.
    pub fn select(&mut self, d: V, m: V, a: V, b: V) -> Result<()> {
        let [to, mask, x, y] = [d, m, a, b].map(|v| self.vector(v));
        let ternary = Code::EVEX_Vpternlogd_zmm_k1z_zmm_zmmm512b32_imm8;
        self.put(match self.width {
            Width::Y => Instruction::with4(Code::VEX_Vblendvps_ymm_ymm_ymmm256_ymm, to, y, x, mask),
            Width::Z if d == m => Instruction::with4(ternary, to, x, y, 0xca),
            Width::Z => Instruction::with4(ternary, to, x, mask, 0xd8),
        })
    }

    /// `d = op(d, x)` for a maximum or minimum that keeps NaN; overwrites `t` and `c`, of which `t` may be
    /// `x`.
    pub fn keep_nan(&mut self, op: Op3, d: V, x: V, mask: Option<Mask>, (t, c): (V, V)) -> Result<()> {
        // The instructions give their second operand where either is NaN. That is right for a NaN in `x` and
        // wrong for one in `d`.
        match self.width {
            Width::Y => {
                self.compare(c, d, Rm::Reg(d), UNORDERED)?;
                self.op3(op, t, d, Rm::Reg(x))?;
                self.select(d, c, d, t)
            }
            Width::Z => {
                self.compare_within(c, d, Rm::Reg(d), ORDERED, mask)?;
                self.op3_masked(op, d, d, Rm::Reg(x), Some(Mask::K(RESULT)))
            }
        }
    }

    /// The bits of bf16, round to nearest even and NaN kept, in the lower halves of `d`; overwrites `c`.
    pub fn round_to_bf16(&mut self, d: V, v: V, c: V) -> Result<()> {
        let (one, half, quiet) = (self.constant(1), self.constant(0x7fff), self.constant(0x40_0000));
        self.shift(Shift::RightZero, d, v, 16)?;
        self.op3(Op3::And, d, d, one)?;
        self.op3(Op3::IAdd, d, d, half)?;
        self.op3(Op3::IAdd, d, d, Rm::Reg(v))?;
        self.compare(c, v, Rm::Reg(v), UNORDERED)?;
        self.select(d, c, v, d)?;
        self.op3(Op3::And, c, c, quiet)?;
        self.op3(Op3::Or, d, d, Rm::Reg(c))?;
        self.shift(Shift::RightZero, d, d, 16)
    }
}
