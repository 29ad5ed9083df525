//! Elementwise functions that others define.

use super::Body;
use crate::graph::Value;
use crate::op::*;
use crate::types::DType;

impl Body {
    /// A function of one argument; `None` for a core op.
    pub(super) fn unary(&mut self, u: Unary, x: Value) -> Option<Value> {
        match u {
            Unary::Relu => {
                let zero =
                    if self.g.ty(x).dtype == DType::I32 { Scalar::I32(0) } else { Scalar::F32(Number(0.0)) };
                let zero = self.push(Op::Const(zero), &[])?;
                self.bin(Binary::Max, x, zero)
            }
            Unary::Relu6 => {
                let low = self.by(Binary::Max, x, 0.0)?;
                self.by(Binary::Min, low, 6.0)
            }
            Unary::Sigmoid => self.sigmoid(x),
            Unary::Silu => {
                let s = self.sigmoid(x)?;
                self.bin(Binary::Mul, x, s)
            }
            Unary::Gelu => {
                let scaled = self.by(Binary::Mul, x, std::f64::consts::FRAC_1_SQRT_2)?;
                let inner = self.un(Unary::Erf, scaled)?;
                self.half_of_x_times_one_plus(x, inner)
            }
            Unary::GeluTanh => {
                let cube = self.push(Op::Pow(Number(3.0)), &[x])?;
                let bent = self.by(Binary::Mul, cube, 0.044715)?;
                let sum = self.bin(Binary::Add, x, bent)?;
                let scaled = self.by(Binary::Mul, sum, (2.0 / std::f64::consts::PI).sqrt())?;
                let inner = self.un(Unary::Tanh, scaled)?;
                self.half_of_x_times_one_plus(x, inner)
            }
            Unary::HardSwish => {
                let shifted = self.by(Binary::Add, x, 3.0)?;
                let low = self.by(Binary::Max, shifted, 0.0)?;
                let gate = self.by(Binary::Min, low, 6.0)?;
                let product = self.bin(Binary::Mul, x, gate)?;
                self.by(Binary::Div, product, 6.0)
            }
            Unary::Softsign => {
                let size = self.un(Unary::Abs, x)?;
                let below = self.by(Binary::Add, size, 1.0)?;
                self.bin(Binary::Div, x, below)
            }
            Unary::HardSigmoid => {
                let shifted = self.by(Binary::Add, x, 3.0)?;
                let gate = self.un(Unary::Relu6, shifted)?;
                self.by(Binary::Div, gate, 6.0)
            }
            Unary::Softplus => self.softplus(x),
            Unary::Mish => {
                let soft = self.un(Unary::Softplus, x)?;
                let gate = self.un(Unary::Tanh, soft)?;
                self.bin(Binary::Mul, x, gate)
            }
            Unary::Floor | Unary::Round | Unary::Sign => None,
            Unary::Neg | Unary::Abs | Unary::Exp | Unary::Log | Unary::Sqrt | Unary::Rsqrt => None,
            Unary::Tanh | Unary::Erf | Unary::Sin | Unary::Cos | Unary::Not => None,
        }
    }

    fn sigmoid(&mut self, x: Value) -> Option<Value> {
        let neg = self.un(Unary::Neg, x)?;
        let e = self.un(Unary::Exp, neg)?;
        let below = self.by(Binary::Add, e, 1.0)?;
        let one = self.num(1.0)?;
        self.bin(Binary::Div, one, below)
    }

    /// `max(x, 0) + log(1 + e^-|x|)`, where no exponential is large.
    fn softplus(&mut self, x: Value) -> Option<Value> {
        let size = self.un(Unary::Abs, x)?;
        let minus = self.un(Unary::Neg, size)?;
        let e = self.un(Unary::Exp, minus)?;
        let plus = self.by(Binary::Add, e, 1.0)?;
        let log = self.un(Unary::Log, plus)?;
        let high = self.by(Binary::Max, x, 0.0)?;
        self.bin(Binary::Add, high, log)
    }

    /// `x` where it is above 0, else `below`. A NaN is not above 0.
    fn above_zero_or(&mut self, x: Value, below: Value) -> Option<Value> {
        let above = self.by(Binary::Gt, x, 0.0)?;
        self.push(Op::Select, &[above, x, below])
    }

    pub(super) fn leaky_relu(&mut self, x: Value, slope: Number) -> Option<Value> {
        let below = self.by(Binary::Mul, x, slope.0)?;
        self.above_zero_or(x, below)
    }

    /// `e^x - 1` is `2 t / (1 - t)` with `t = tanh(x / 2)`: below 0 nothing cancels in it.
    pub(super) fn elu(&mut self, x: Value, alpha: Number) -> Option<Value> {
        let half = self.by(Binary::Mul, x, 0.5)?;
        let t = self.un(Unary::Tanh, half)?;
        let one = self.num(1.0)?;
        let rest = self.bin(Binary::Sub, one, t)?;
        let twice = self.bin(Binary::Add, t, t)?;
        let below = self.bin(Binary::Div, twice, rest)?;
        let below = self.by(Binary::Mul, below, alpha.0)?;
        self.above_zero_or(x, below)
    }

    fn half_of_x_times_one_plus(&mut self, x: Value, inner: Value) -> Option<Value> {
        let plus = self.by(Binary::Add, inner, 1.0)?;
        let product = self.bin(Binary::Mul, x, plus)?;
        self.by(Binary::Mul, product, 0.5)
    }

    /// A function of two arguments; `None` for a core op.
    pub(super) fn binary(&mut self, b: Binary, x: Value, y: Value) -> Option<Value> {
        match b {
            Binary::Swiglu => {
                let gate = self.un(Unary::Silu, x)?;
                self.bin(Binary::Mul, gate, y)
            }
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Max | Binary::Min => None,
            Binary::And | Binary::Or | Binary::Eq | Binary::Ne => None,
            Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge | Binary::Rem => None,
        }
    }
}
