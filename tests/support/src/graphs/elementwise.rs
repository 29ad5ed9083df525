//! Steps of elementwise ops.

use super::{LIMIT, Random, n, num};
use tancho::{DType, Dim};
use tancho_ir::graph::Value;
use tancho_ir::op::*;

impl Random {
    pub(super) fn unary(&mut self) -> Option<Value> {
        if self.rng.chance(8) {
            let x = self.value(|g, v| g.ty(v).dtype == DType::I32)?;
            let op = self.rng.pick(&[Unary::Neg, Unary::Abs, Unary::Relu, Unary::Sign]);
            return self.push(Op::Unary(op), &[x], self.bound(x));
        }
        if self.rng.chance(5) {
            let x = self.value(|g, v| g.ty(v).dtype == DType::Bool)?;
            return self.push(Op::Unary(Unary::Not), &[x], 1.0);
        }
        let op = self.rng.pick(&Unary::TABLE).0;
        let mut x = self.float()?;
        let b = match op {
            Unary::Not => return None,
            Unary::Exp => {
                x = self.tame(x, 3.0)?;
                self.bound(x).exp()
            }
            Unary::Log | Unary::Rsqrt | Unary::Sqrt => {
                x = self.positive(x)?;
                self.bound(x).max(2.0)
            }
            Unary::Tanh | Unary::Erf | Unary::Sigmoid | Unary::Sin | Unary::Cos => 1.0,
            Unary::HardSigmoid | Unary::Sign => 1.0,
            Unary::Relu6 => 6.0,
            Unary::Softplus | Unary::Floor | Unary::Round => self.bound(x) + 1.0,
            _ => self.bound(x),
        };
        self.push(Op::Unary(op), &[x], b)
    }

    /// Something that fits `x` elementwise: of its shape, a trailing part, or a number.
    pub(super) fn partner(&mut self, x: Value) -> Option<Value> {
        let (shape, dtype) = (self.shape(x), self.dtype(x));
        if dtype == DType::F32 && self.rng.chance(25) {
            return self.push(num(self.rng.clone().pick(&[0.0, 1.0, -1.5, 0.5, 3.0])), &[], 3.0);
        }
        if dtype == DType::F32 && self.rng.chance(6) {
            let d = self.rng.pick(&[Dim::sym("S"), Dim::sym("B"), n(5)]);
            return self.push(Op::DimValue(d), &[], 40.0);
        }
        if dtype == DType::I32 && self.rng.chance(40) {
            return self.push(Op::Const(Scalar::I32(2)), &[], 2.0);
        }
        if dtype == DType::F32 && self.rng.chance(25) {
            let known: Vec<i64> = shape.iter().rev().map_while(Dim::as_const).collect();
            if !known.is_empty() {
                let len = 1 + self.rng.below(known.len());
                let part: Vec<i64> = known[..len].iter().rev().copied().collect();
                return Some(self.weight(&part));
            }
        }
        self.value(|g, v| {
            let t = g.ty(v);
            let (a, b) = (&t.shape, &shape);
            let suffix = |a: &[Dim], b: &[Dim]| a.len() <= b.len() && b[b.len() - a.len()..] == *a;
            t.dtype == dtype && (suffix(a, b) || suffix(b, a))
        })
    }

    pub(super) fn binary(&mut self) -> Option<Value> {
        let x = match self.rng.below(20) {
            0 | 1 => self.value(|g, v| g.ty(v).dtype == DType::I32)?,
            2 | 3 => self.value(|g, v| g.ty(v).dtype == DType::Bool)?,
            _ => self.float()?,
        };
        let mut y = self.partner(x)?;
        let op = match self.dtype(x) {
            DType::Bool => self.rng.pick(&[Binary::And, Binary::Or, Binary::Eq, Binary::Ne]),
            _ => self.rng.pick(&Binary::TABLE).0,
        };
        if op == Binary::Div || op == Binary::Rem && self.dtype(x) == DType::F32 {
            y = self.positive(y)?;
        }
        let (a, b) = (self.bound(x), self.bound(y));
        let bound = match op {
            Binary::Add | Binary::Sub => a + b,
            Binary::Mul | Binary::Swiglu => a * b,
            Binary::Div => a * 4.0,
            Binary::Max | Binary::Min | Binary::Rem => a.max(b),
            _ => 1.0,
        };
        let (x, y) =
            if self.rng.chance(30) && !matches!(op, Binary::Div | Binary::Rem) { (y, x) } else { (x, y) };
        let v = self.push(Op::Binary(op), &[x, y], bound)?;
        if self.dtype(v) == DType::F32 { self.tame(v, LIMIT) } else { Some(v) }
    }

    pub(super) fn pow(&mut self) -> Option<Value> {
        let mut x = self.float()?;
        x = self.tame(x, 3.0)?;
        let c = self.rng.pick(&[2.0, 3.0, 0.0, 1.0, -1.0, 0.5, 2.5, -0.5, 5.0, 20.0, -3.0]);
        if c > 8.0 {
            x = self.tame(x, 1.0)?;
        }
        if c < 0.0 || f64::fract(c) != 0.0 {
            x = self.positive(x)?;
        }
        let bound = if c < 0.0 { 4f64.powf(-c) } else { self.bound(x).max(1.0).powf(c) };
        let v = self.push(Op::Pow(Number(c)), &[x], bound)?;
        self.tame(v, LIMIT)
    }

    pub(super) fn select(&mut self) -> Option<Value> {
        let x = self.value(|g, v| g.ty(v).dtype != DType::Bool)?;
        let (shape, dtype) = (self.shape(x), self.dtype(x));
        let y = if dtype == DType::Bf16 { x } else { self.partner(x)? };
        let suffix = |a: &[Dim], b: &[Dim]| a.len() <= b.len() && b[b.len() - a.len()..] == *a;
        let mut cond = self.value(|g, v| g.ty(v).dtype == DType::Bool && suffix(&g.ty(v).shape, &shape));
        if cond.is_none() && dtype == DType::F32 {
            let zero = self.push(num(0.0), &[], 0.0)?;
            cond = self.push(Op::Binary(Binary::Gt), &[x, zero], 1.0);
        }
        self.push(Op::Select, &[cond?, x, y], self.bound(x).max(self.bound(y)))
    }

    pub(super) fn cast(&mut self) -> Option<Value> {
        let x = self.value(|_, _| true)?;
        let to = self.rng.pick(&DType::ALL);
        let bound = if to == DType::Bool { 1.0 } else { self.bound(x) };
        self.push(Op::Cast(to), &[x], bound)
    }
}
