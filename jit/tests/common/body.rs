//! Random bodies of statements.

use super::Rng;
use tancho_jit::lanes::{Bin, Cmp, Inst, Reg, Ty, Un, body_types};

/// A random body: registers of known types, with every instruction.
#[derive(Default)]
pub struct Body {
    pub insts: Vec<Inst>,
}

impl Body {
    pub fn push(&mut self, i: Inst) -> Reg {
        self.insts.push(i);
        (self.insts.len() - 1) as Reg
    }

    /// A register of that type; a constant if there is none.
    pub fn reg(&mut self, rng: &mut Rng, t: Ty) -> Reg {
        let types = body_types(&self.insts);
        let is_store = |i: usize| matches!(self.insts[i], Inst::Store { .. });
        let of: Vec<Reg> =
            (0..types.len()).filter(|i| types[*i] == t && !is_store(*i)).map(|i| i as Reg).collect();
        if !of.is_empty() {
            return rng.pick(&of);
        }
        match t {
            Ty::F => self.float(1.5),
            Ty::I => self.push(Inst::Int(-3)),
            Ty::M => {
                let i = self.reg(rng, Ty::I);
                self.push(Inst::Cmp(Cmp::Ge, i, i))
            }
        }
    }

    pub fn float(&mut self, x: f32) -> Reg {
        self.push(Inst::Float(x.to_bits()))
    }

    /// The same without NaN, whose bits are nobody's business.
    pub fn number(&mut self, x: Reg) -> Reg {
        let (zero, nan) = (self.float(0.0), self.push(Inst::Cmp(Cmp::Ne, x, x)));
        self.push(Inst::Select(nan, zero, x))
    }

    /// Brought between two bounds; NaN becomes the lower.
    pub fn between(&mut self, x: Reg, low: f32, high: f32) -> Reg {
        let (low, high) = (self.float(low), self.float(high));
        let x = self.push(Inst::Bin(Bin::Max, x, low));
        self.push(Inst::Bin(Bin::Min, x, high))
    }

    pub fn step(&mut self, rng: &mut Rng) {
        const FLOAT: [Bin; 6] = [Bin::Add, Bin::Sub, Bin::Mul, Bin::Div, Bin::Max, Bin::Min];
        const INT: [Bin; 6] = [Bin::IAdd, Bin::ISub, Bin::IMul, Bin::And, Bin::Or, Bin::Xor];
        const CMP: [Cmp; 6] = [Cmp::Eq, Cmp::Ne, Cmp::Lt, Cmp::Le, Cmp::Gt, Cmp::Ge];
        match rng.below(17) {
            0..3 => {
                let (a, b) = (self.reg(rng, Ty::F), self.reg(rng, Ty::F));
                self.push(Inst::Bin(rng.pick(&FLOAT), a, b));
            }
            3 => {
                let (a, b, c) = (self.reg(rng, Ty::F), self.reg(rng, Ty::F), self.reg(rng, Ty::F));
                self.push(Inst::Fma(a, b, c));
            }
            4 => {
                let (a, b) = (self.reg(rng, Ty::I), self.reg(rng, Ty::I));
                self.push(Inst::Bin(rng.pick(&INT), a, b));
            }
            5 => {
                let (a, b) = (self.reg(rng, Ty::M), self.reg(rng, Ty::M));
                self.push(Inst::Bin(rng.pick(&[Bin::And, Bin::Or, Bin::Xor]), a, b));
            }
            6 => {
                let a = self.reg(rng, Ty::I);
                let by = self.push(Inst::Int(rng.pick(&[0, 1, 7, 16, 23, 31])));
                self.push(Inst::Bin(rng.pick(&[Bin::Shl, Bin::Shr, Bin::RotateLeft]), a, by));
            }
            7 | 8 => {
                let t = rng.pick(&[Ty::F, Ty::F, Ty::I]);
                let (a, b) = (self.reg(rng, t), self.reg(rng, t));
                self.push(Inst::Cmp(rng.pick(&CMP), a, b));
            }
            9 | 10 => {
                let t = rng.pick(&[Ty::F, Ty::F, Ty::I, Ty::M]);
                let (m, a, b) = (self.reg(rng, Ty::M), self.reg(rng, t), self.reg(rng, t));
                self.push(Inst::Select(m, a, b));
            }
            11 => {
                let a = self.reg(rng, Ty::F);
                self.push(Inst::Un(rng.pick(&[Un::Sqrt, Un::Round, Un::ToIntSat]), a));
            }
            12 => {
                // What does not fit is another number on each machine.
                let a = self.reg(rng, Ty::F);
                let a = self.between(a, -1e6, 1e6);
                self.push(Inst::Un(Un::ToInt, a));
            }
            13 => {
                let a = self.reg(rng, Ty::I);
                self.push(Inst::Un(Un::ToFloat, a));
            }
            14 => {
                let a = self.reg(rng, Ty::F);
                let a = self.number(a);
                self.push(Inst::Un(Un::Bits, a));
            }
            15 => {
                // Finite ones: magnitudes below 2.
                let a = self.reg(rng, Ty::I);
                let mask = self.push(Inst::Int(0xbfff_ffff_u32 as i32));
                let a = self.push(Inst::Bin(Bin::And, a, mask));
                self.push(Inst::Un(Un::FromBits, a));
            }
            _ => {
                let a = self.reg(rng, Ty::M);
                self.push(Inst::Un(Un::Not, a));
            }
        }
    }
}
