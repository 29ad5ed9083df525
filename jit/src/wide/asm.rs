//! An assembler for what the emitter uses: instructions picked by width from one
//! table, labels, and a pool of constants behind the code.

use super::{Refused, Width};
use iced_x86::{BlockEncoder, BlockEncoderOptions, Code, Instruction, InstructionBlock, MemoryOperand, Register};

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
    And,
    Or,
    Xor,
    IAdd,
    ISub,
    IMul,
    IMax,
    IMin,
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

/// The mask of a tail: the first lanes count.
#[derive(Clone, Copy, Debug)]
pub enum Mask {
    /// Opmask register 1.
    K,
    /// A vector register of 0 and -1.
    Vector(V),
}

/// A place in the code.
pub type Label = u64;

/// Instructions under construction.
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

    fn vector(&self, v: V) -> Register {
        self.width.pick(Register::YMM0, Register::ZMM0) + u32::from(v)
    }

    pub fn op3(&mut self, op: Op3, d: V, a: V, b: Rm) -> Result<()> {
        self.op3_masked(op, d, a, b, None)
    }

    /// With a mask, lanes outside of it keep what the destination had.
    pub fn op3_masked(&mut self, op: Op3, d: V, a: V, b: Rm, mask: Option<Mask>) -> Result<()> {
        let (code, d, a) = (op.code(self.width), self.vector(d), self.vector(a));
        let mut i = made(match b {
            Rm::Reg(b) => Instruction::with3(code, d, a, self.vector(b)),
            Rm::Mem(m) => Instruction::with3(code, d, a, m),
        })?;
        if let Some(Mask::K) = mask {
            i.set_op_mask(Register::K1);
        }
        self.push(i);
        Ok(())
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
        self.push(made(i)?);
        Ok(())
    }

    /// Rounds to nearest even.
    pub fn round(&mut self, d: V, a: Rm) -> Result<()> {
        let code = self.width.pick(Code::VEX_Vroundps_ymm_ymmm256_imm8, Code::EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae);
        let d = self.vector(d);
        let i = match a {
            Rm::Reg(a) => Instruction::with3(code, d, self.vector(a), 0),
            Rm::Mem(m) => Instruction::with3(code, d, m, 0),
        };
        self.push(made(i)?);
        Ok(())
    }

    /// Shifts by a constant: left, or arithmetic right.
    pub fn shift(&mut self, left: bool, d: V, a: V, amount: i32) -> Result<()> {
        let code = match (self.width, left) {
            (Width::Y, true) => Code::VEX_Vpslld_ymm_ymm_imm8,
            (Width::Y, false) => Code::VEX_Vpsrad_ymm_ymm_imm8,
            (Width::Z, true) => Code::EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8,
            (Width::Z, false) => Code::EVEX_Vpsrad_zmm_k1z_zmmm512b32_imm8,
        };
        let i = made(Instruction::with3(code, self.vector(d), self.vector(a), amount))?;
        self.push(i);
        Ok(())
    }

    /// A comparison of floats as a mask vector; `predicate` is that of `vcmpps`.
    pub fn compare(&mut self, d: V, a: V, b: Rm, predicate: i32) -> Result<()> {
        let (a, code) =
            (self.vector(a), self.width.pick(Code::VEX_Vcmpps_ymm_ymm_ymmm256_imm8, Code::EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae));
        let to = self.width.pick(self.vector(d), Register::K2);
        let i = match b {
            Rm::Reg(b) => Instruction::with4(code, to, a, self.vector(b), predicate),
            Rm::Mem(m) => Instruction::with4(code, to, a, m, predicate),
        };
        self.push(made(i)?);
        self.spread(d)
    }

    /// A comparison of ints as a mask vector; only with 512 bits.
    pub fn compare_ints(&mut self, d: V, a: V, b: Rm, predicate: i32) -> Result<()> {
        let (a, code) = (self.vector(a), Code::EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8);
        let i = match b {
            Rm::Reg(b) => Instruction::with4(code, Register::K2, a, self.vector(b), predicate),
            Rm::Mem(m) => Instruction::with4(code, Register::K2, a, m, predicate),
        };
        self.push(made(i)?);
        self.spread(d)
    }

    /// With 512 bits comparisons give an opmask: a mask vector of it.
    fn spread(&mut self, d: V) -> Result<()> {
        if self.width == Width::Z {
            let i = made(Instruction::with2(Code::EVEX_Vpmovm2d_zmm_kr, self.vector(d), Register::K2))?;
            self.push(i);
        }
        Ok(())
    }

    /// `d = m ? a : b` for a mask vector; `d` must hold `m` with 512 bits.
    pub fn select(&mut self, d: V, m: V, a: V, b: V) -> Result<()> {
        let (d, m, a, b) = (self.vector(d), self.vector(m), self.vector(a), self.vector(b));
        let i = match self.width {
            Width::Y => Instruction::with4(Code::VEX_Vblendvps_ymm_ymm_ymmm256_ymm, d, b, a, m),
            Width::Z => Instruction::with4(Code::EVEX_Vpternlogd_zmm_k1z_zmm_zmmm512b32_imm8, d, a, b, 0xca),
        };
        self.push(made(i)?);
        Ok(())
    }

    /// A whole vector from memory; lanes outside of the mask are 0.
    pub fn load(&mut self, d: V, m: MemoryOperand, mask: Option<Mask>) -> Result<()> {
        match mask {
            Some(Mask::Vector(k)) => {
                let i = made(Instruction::with3(Code::VEX_Vmaskmovps_ymm_ymm_m256, self.vector(d), self.vector(k), m))?;
                self.push(i);
            }
            mask => {
                let code = self.width.pick(Code::VEX_Vmovups_ymm_ymmm256, Code::EVEX_Vmovups_zmm_k1z_zmmm512);
                let mut i = made(Instruction::with2(code, self.vector(d), m))?;
                if mask.is_some() {
                    i.set_op_mask(Register::K1);
                    i.set_zeroing_masking(true);
                }
                self.push(i);
            }
        }
        Ok(())
    }

    /// A whole vector to memory; lanes outside of the mask stay as they are.
    pub fn store(&mut self, m: MemoryOperand, v: V, mask: Option<Mask>) -> Result<()> {
        match mask {
            Some(Mask::Vector(k)) => {
                let i = made(Instruction::with3(Code::VEX_Vmaskmovps_m256_ymm_ymm, m, self.vector(k), self.vector(v)))?;
                self.push(i);
            }
            mask => {
                let code = self.width.pick(Code::VEX_Vmovups_ymmm256_ymm, Code::EVEX_Vmovups_zmmm512_k1z_zmm);
                let mut i = made(Instruction::with2(code, m, self.vector(v)))?;
                if mask.is_some() {
                    i.set_op_mask(Register::K1);
                }
                self.push(i);
            }
        }
        Ok(())
    }

    /// The first lane to memory.
    pub fn store_one(&mut self, m: MemoryOperand, v: V) -> Result<()> {
        let code = self.width.pick(Code::VEX_Vmovss_m32_xmm, Code::EVEX_Vmovss_m32_k1_xmm);
        let i = made(Instruction::with2(code, m, Register::XMM0 + u32::from(v)))?;
        self.push(i);
        Ok(())
    }

    /// One element of 32 bits in every lane.
    pub fn broadcast(&mut self, d: V, m: MemoryOperand) -> Result<()> {
        let code = self.width.pick(Code::VEX_Vbroadcastss_ymm_m32, Code::EVEX_Vbroadcastss_zmm_k1z_xmmm32);
        let i = made(Instruction::with2(code, self.vector(d), m))?;
        self.push(i);
        Ok(())
    }

    /// Bytes 0 and 1 widened to lanes.
    pub fn load_bytes(&mut self, d: V, m: MemoryOperand, mask: Option<Mask>) -> Result<()> {
        if matches!(mask, Some(Mask::Vector(_))) {
            return Err(Refused("a tail of bytes at 256 bits".into()));
        }
        let code = self.width.pick(Code::VEX_Vpmovzxbd_ymm_xmmm64, Code::EVEX_Vpmovzxbd_zmm_k1z_xmmm128);
        let mut i = made(Instruction::with2(code, self.vector(d), m))?;
        if mask.is_some() {
            i.set_op_mask(Register::K1);
            i.set_zeroing_masking(true);
        }
        self.push(i);
        Ok(())
    }

    /// Swaps halves of lanes, by steps: 0 swaps the halves of the register, each step smaller ones.
    pub fn swap(&mut self, d: V, a: V, step: u32) -> Result<()> {
        let (d, a) = (self.vector(d), self.vector(a));
        let permute = self.width.pick(Code::VEX_Vpermilps_ymm_ymmm256_imm8, Code::EVEX_Vpermilps_zmm_k1z_zmmm512b32_imm8);
        let i = match (self.width, step) {
            (Width::Z, 0) => Instruction::with4(Code::EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8, d, a, a, 0x4e),
            (Width::Z, 1) => Instruction::with4(Code::EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8, d, a, a, 0xb1),
            (Width::Y, 0) => Instruction::with4(Code::VEX_Vperm2f128_ymm_ymm_ymmm256_imm8, d, a, a, 1),
            (Width::Z, 2) | (Width::Y, 1) => Instruction::with3(permute, d, a, 0x4e),
            _ => Instruction::with3(permute, d, a, 0xb1),
        };
        self.push(made(i)?);
        Ok(())
    }

    /// A constant in every lane, as an operand.
    pub fn constant(&mut self, bits: u32) -> Rm {
        let lanes = self.width.pick(8, 1);
        let label = self.pooled(vec![bits; lanes]);
        let mut m = MemoryOperand::with_base_displ_size(Register::RIP, label as i64, 8);
        m.is_broadcast = self.width == Width::Z;
        Rm::Mem(m)
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
        BlockEncoder::encode(64, block, BlockEncoderOptions::NONE).map(|r| r.code_buffer).map_err(|e| Refused(e.to_string()))
    }
}
