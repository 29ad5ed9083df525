//! An assembler for what the emitter uses: instructions picked by width from one
//! table, labels, and a pool of constants behind the code.

use super::{Refused, Width};
use iced_x86::{
    BlockEncoder, BlockEncoderOptions, Code, Instruction, InstructionBlock, MemoryOperand, Register,
};

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

/// Instructions of three vectors, the last of which may be memory.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Op3 {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
    Fma231,
    Fma213,
    /// Sums of two products of bf16; with 512 bits only.
    DotBf16,
    /// Sums of four products of bytes, without a sign by with one; with 512 bits only.
    DotBytes,
    /// Sums of two products of 16 bits.
    DotWords,
    /// Sums of two products of bytes, without a sign by with one, in 16 bits that must hold them.
    DotBytesInWords,
    /// Sums of 16 bits.
    AddWords,
    And,
    Or,
    Xor,
    IAdd,
    ISub,
    IMul,
    IMax,
    IMin,
}

/// The lower 128 bits of a vector register.
fn xmm(v: V) -> Register {
    Register::XMM0 + u32::from(v)
}

impl Op3 {
    fn code(self, w: Width) -> Code {
        use Code::*;
        let (y, z) = match self {
            Op3::Add => (VEX_Vaddps_ymm_ymm_ymmm256, EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er),
            Op3::Sub => (VEX_Vsubps_ymm_ymm_ymmm256, EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er),
            Op3::Mul => (VEX_Vmulps_ymm_ymm_ymmm256, EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er),
            Op3::Div => (VEX_Vdivps_ymm_ymm_ymmm256, EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er),
            Op3::Max => (VEX_Vmaxps_ymm_ymm_ymmm256, EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae),
            Op3::Min => (VEX_Vminps_ymm_ymm_ymmm256, EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae),
            Op3::Fma231 => (VEX_Vfmadd231ps_ymm_ymm_ymmm256, EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er),
            Op3::Fma213 => (VEX_Vfmadd213ps_ymm_ymm_ymmm256, EVEX_Vfmadd213ps_zmm_k1z_zmm_zmmm512b32_er),
            Op3::DotBf16 => (INVALID, EVEX_Vdpbf16ps_zmm_k1z_zmm_zmmm512b32),
            Op3::DotBytes => (INVALID, EVEX_Vpdpbusd_zmm_k1z_zmm_zmmm512b32),
            Op3::DotWords => (VEX_Vpmaddwd_ymm_ymm_ymmm256, EVEX_Vpmaddwd_zmm_k1z_zmm_zmmm512),
            Op3::DotBytesInWords => (VEX_Vpmaddubsw_ymm_ymm_ymmm256, EVEX_Vpmaddubsw_zmm_k1z_zmm_zmmm512),
            Op3::AddWords => (VEX_Vpaddw_ymm_ymm_ymmm256, EVEX_Vpaddw_zmm_k1z_zmm_zmmm512),
            Op3::And => (VEX_Vpand_ymm_ymm_ymmm256, EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32),
            Op3::Or => (VEX_Vpor_ymm_ymm_ymmm256, EVEX_Vpord_zmm_k1z_zmm_zmmm512b32),
            Op3::Xor => (VEX_Vpxor_ymm_ymm_ymmm256, EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32),
            Op3::IAdd => (VEX_Vpaddd_ymm_ymm_ymmm256, EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32),
            Op3::ISub => (VEX_Vpsubd_ymm_ymm_ymmm256, EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32),
            Op3::IMul => (VEX_Vpmulld_ymm_ymm_ymmm256, EVEX_Vpmulld_zmm_k1z_zmm_zmmm512b32),
            Op3::IMax => (VEX_Vpmaxsd_ymm_ymm_ymmm256, EVEX_Vpmaxsd_zmm_k1z_zmm_zmmm512b32),
            Op3::IMin => (VEX_Vpminsd_ymm_ymm_ymmm256, EVEX_Vpminsd_zmm_k1z_zmm_zmmm512b32),
        };
        w.pick(y, z)
    }
}

/// Instructions of two vectors, the last of which may be memory.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Op2 {
    Sqrt,
    ToInt,
    ToFloat,
    Move,
}

/// Shifts by a constant.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Shift {
    Left,
    /// The sign comes in.
    Right,
    /// Zeros come in.
    RightZero,
}

/// The predicate of a float comparison that is true where either is NaN.
const UNORDERED: i32 = 3;
/// Its opposite.
pub const ORDERED: i32 = 7;
/// Opmask of results of comparisons.
const RESULT: Register = Register::K2;

/// The lanes that count, as in a tail.
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
    /// Constants with their labels; `true` for one lane that broadcasts.
    pool: Vec<(Vec<u32>, Label)>,
}

type Result<T> = std::result::Result<T, Refused>;

fn made(i: std::result::Result<Instruction, iced_x86::IcedError>) -> Result<Instruction> {
    i.map_err(|e| Refused(e.to_string()))
}

impl Asm {
    pub fn new(width: Width) -> Asm {
        Asm { width, list: Vec::new(), pending: None, next: 1, pool: Vec::new() }
    }

    pub fn label(&mut self) -> Label {
        self.next += 1;
        self.next - 1
    }

    /// Puts a label before the next instruction.
    pub fn place(&mut self, l: Label) {
        if self.pending.is_some() {
            // Two labels at one place: the first gets an instruction of its own.
            self.push(Instruction::with(Code::Nopd));
        }
        self.pending = Some(l);
    }

    pub fn push(&mut self, mut i: Instruction) {
        i.set_ip(self.pending.take().unwrap_or(0));
        self.list.push(i);
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

    /// With 512 bits comparisons give an opmask: a mask vector of it.
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

    /// `d = op(d, x)` for a maximum or minimum that keeps NaN; spoils `t` and `c`, of which `t` may be `x`.
    pub fn keep_nan(&mut self, op: Op3, d: V, x: V, mask: Option<Mask>, (t, c): (V, V)) -> Result<()> {
        // The instructions give the second where either is NaN: right for one in `x`, not for one in `d`.
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

    /// The bits of bf16, round to nearest even and NaN kept, in the lower halves of `d`; spoils `c`.
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

    /// One element in every lane, at the lower end of lanes of its size.
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

    /// An element from memory into place `at` of the lower 128 bits; all above them becomes 0, and with 4
    /// bytes at place 0 all else.
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

    /// The element at place `at` of the lower 128 bits to memory.
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

    /// Data behind the code.
    pub fn pooled(&mut self, data: Vec<u32>) -> Label {
        if let Some((_, l)) = self.pool.iter().find(|(d, _)| *d == data) {
            return *l;
        }
        let l = self.label();
        self.pool.push((data, l));
        l
    }

    /// `prologue`, the code so far, `epilogue`, then the pool; as bytes that run anywhere.
    pub fn assemble(mut self, prologue: &[Instruction], epilogue: &[Instruction]) -> Result<Vec<u8>> {
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
        let block = InstructionBlock::new(&all, 0);
        BlockEncoder::encode(64, block, BlockEncoderOptions::NONE)
            .map(|r| r.code_buffer)
            .map_err(|e| Refused(e.to_string()))
    }
}
