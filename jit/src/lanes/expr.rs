//! Straight-line code over a row, before it is cut into passes.
//!
//! An [`Expr`] mixes values that have one element per element of the row with row scalars and reductions;
//! [`schedule`](super::schedule) makes the passes. Its methods are the vocabulary in which
//! [`math`](super::math) and [`norms`](super::norms) are written, once for every back end.

use super::{Bin, Cmp, Derived, Inst, Len, Mem, Ptr, Reduce, Reg, Ty, Un};
use std::collections::HashMap;
use tancho_ir::Value;

/// A list of instructions without duplicates: adding one that is there already gives its register.
#[derive(Clone, Debug, Default)]
pub struct Expr {
    /// The instructions in order.
    pub insts: Vec<Inst>,
    /// The node of the graph that each of them was first added for, where it is known.
    pub origins: Vec<Option<Value>>,
    /// The node that instructions are added for.
    pub origin: Option<Value>,
    types: Vec<Ty>,
    known: HashMap<Inst, Reg>,
    /// Pointers at constant distances from arguments; [`Ptr::Derived`] gives their number.
    pub derived: Vec<Derived>,
}

impl Expr {
    /// Adds an instruction, or finds it again.
    pub fn push(&mut self, inst: Inst) -> Reg {
        if let Some(&r) = self.known.get(&inst) {
            return r;
        }
        let r = self.insts.len() as Reg;
        let ty = inst.ty(|r| self.types[r as usize]).unwrap_or(Ty::F);
        self.insts.push(inst);
        self.origins.push(self.origin);
        self.types.push(ty);
        if !matches!(inst, Inst::Store { .. }) {
            self.known.insert(inst, r);
        }
        r
    }

    /// The lane type of a register.
    pub fn ty(&self, r: Reg) -> Ty {
        self.types[r as usize]
    }

    /// A float constant.
    pub fn float(&mut self, x: f32) -> Reg {
        self.push(Inst::Float(x.to_bits()))
    }

    /// An integer constant.
    pub fn int(&mut self, x: i32) -> Reg {
        self.push(Inst::Int(x))
    }

    /// The elements of a row: `step` 1, or 0 for a row scalar.
    pub fn load(&mut self, ptr: impl Into<Ptr>, step: Len, row_step: Len, mem: Mem) -> Reg {
        self.push(Inst::Load { ptr: ptr.into(), step, row_step, mem })
    }

    /// The elements of a row that begins `at` elements after pointer argument `arg`.
    pub fn load_at(&mut self, arg: u16, at: i64, step: Len) -> Reg {
        let ptr = super::derive(&mut self.derived, arg, at);
        self.load(ptr, step, Len::Const(0), Mem::F32)
    }

    /// Writes the elements of a row, or a row scalar.
    pub fn store(&mut self, ptr: impl Into<Ptr>, step: Len, row_step: Len, mem: Mem, value: Reg) {
        self.push(Inst::Store { ptr: ptr.into(), step, row_step, mem, value });
    }

    /// Function of one lane.
    pub fn un(&mut self, op: Un, a: Reg) -> Reg {
        self.push(Inst::Un(op, a))
    }

    /// Function of two lanes.
    pub fn bin(&mut self, op: Bin, a: Reg, b: Reg) -> Reg {
        self.push(Inst::Bin(op, a, b))
    }

    /// `a + b`
    pub fn add(&mut self, a: Reg, b: Reg) -> Reg {
        self.bin(Bin::Add, a, b)
    }

    /// `a - b`
    pub fn sub(&mut self, a: Reg, b: Reg) -> Reg {
        self.bin(Bin::Sub, a, b)
    }

    /// `a * b`
    pub fn mul(&mut self, a: Reg, b: Reg) -> Reg {
        self.bin(Bin::Mul, a, b)
    }

    /// `a / b`
    pub fn div(&mut self, a: Reg, b: Reg) -> Reg {
        self.bin(Bin::Div, a, b)
    }

    /// `a * b + c`, rounded once.
    pub fn fma(&mut self, a: Reg, b: Reg, c: Reg) -> Reg {
        self.push(Inst::Fma(a, b, c))
    }

    /// Comparison.
    pub fn cmp(&mut self, op: Cmp, a: Reg, b: Reg) -> Reg {
        self.push(Inst::Cmp(op, a, b))
    }

    /// `a` where the mask is set, else `b`.
    pub fn select(&mut self, m: Reg, a: Reg, b: Reg) -> Reg {
        self.push(Inst::Select(m, a, b))
    }

    /// The row reduced to one lane.
    pub fn reduce(&mut self, how: Reduce, a: Reg) -> Reg {
        self.push(Inst::Reduce(how, a))
    }

    /// The larger of a bound and `x`; NaN stays NaN.
    pub fn at_least(&mut self, x: Reg, bound: f32) -> Reg {
        let b = self.float(bound);
        self.bin(Bin::Max, b, x)
    }

    /// The smaller of a bound and `x`; NaN stays NaN.
    pub fn at_most(&mut self, x: Reg, bound: f32) -> Reg {
        let b = self.float(bound);
        self.bin(Bin::Min, b, x)
    }

    /// Whether `x` is NaN.
    pub fn is_nan(&mut self, x: Reg) -> Reg {
        self.cmp(Cmp::Ne, x, x)
    }

    /// `c[0] * x^(n-1) + .. + c[n-1]`, by Horner's rule.
    pub fn poly(&mut self, x: Reg, coefficients: &[f32]) -> Reg {
        let mut p = self.float(coefficients.first().copied().unwrap_or(0.0));
        for &k in coefficients.iter().skip(1) {
            let k = self.float(k);
            p = self.fma(p, x, k);
        }
        p
    }
}
