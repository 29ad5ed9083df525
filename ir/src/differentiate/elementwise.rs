//! Gradients of elementwise functions.

use super::{Backward, Rule};
use crate::emit::Emit;
use crate::graph::Value;
use crate::op::{Binary, Op, Unary};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

impl Backward {
    /// `y` is the result for `x`, and `d` its gradient.
    pub(super) fn unary(&mut self, u: Unary, x: Value, y: Value, d: Value) -> Rule {
        let slope = match u {
            Unary::Neg => return self.unary_of(Unary::Neg, d).and_then(|back| self.give(x, back)),
            // They are steps: 0 wherever they have a gradient. Conditions are not differentiated.
            Unary::Floor | Unary::Round | Unary::Sign | Unary::Not => return Ok(()),
            Unary::Relu => {
                let above = self.by(Binary::Gt, x, 0.0)?;
                return self.where_(above, d).and_then(|back| self.give(x, back));
            }
            Unary::Relu6 => {
                let inside = self.between(x, 0.0, 6.0)?;
                return self.where_(inside, d).and_then(|back| self.give(x, back));
            }
            Unary::HardSigmoid => {
                let inside = self.between(x, -3.0, 3.0)?;
                let d = self.by(Binary::Div, d, 6.0)?;
                return self.where_(inside, d).and_then(|back| self.give(x, back));
            }
            Unary::Log => return self.binary_of(Binary::Div, d, x).and_then(|back| self.give(x, back)),
            Unary::Abs => self.unary_of(Unary::Sign, x)?,
            Unary::Exp => y,
            Unary::Sqrt => {
                let half = self.number(0.5)?;
                self.binary_of(Binary::Div, half, y)?
            }
            Unary::Rsqrt => {
                let cube = self.push(Op::Pow(crate::op::Number(3.0)), &[y])?;
                self.by(Binary::Mul, cube, -0.5)?
            }
            Unary::Tanh => self.one_minus_square(y)?,
            Unary::Erf => {
                let e = self.exp_of_minus(x, 1.0)?;
                self.by(Binary::Mul, e, FRAC_2_SQRT_PI)?
            }
            Unary::Sin => self.unary_of(Unary::Cos, x)?,
            Unary::Cos => {
                let sine = self.unary_of(Unary::Sin, x)?;
                self.unary_of(Unary::Neg, sine)?
            }
            Unary::Sigmoid => self.of_sigmoid(y)?,
            Unary::Silu => self.of_silu(x)?,
            Unary::Gelu => self.of_gelu(x)?,
            Unary::GeluTanh => self.of_gelu_tanh(x)?,
            Unary::HardSwish => self.of_hard_swish(x)?,
            Unary::Softsign => {
                let size = self.unary_of(Unary::Abs, x)?;
                let below = self.by(Binary::Add, size, 1.0)?;
                self.push(Op::Pow(crate::op::Number(-2.0)), &[below])?
            }
            Unary::Softplus => self.unary_of(Unary::Sigmoid, x)?,
            Unary::Mish => self.of_mish(x)?,
        };
        let back = self.times(d, slope)?;
        self.give(x, back)
    }

    fn between(&mut self, x: Value, low: f64, high: f64) -> Rule<Value> {
        let above = self.by(Binary::Gt, x, low)?;
        let below = self.by(Binary::Lt, x, high)?;
        self.binary_of(Binary::And, above, below)
    }

    fn one_minus(&mut self, x: Value) -> Rule<Value> {
        let one = self.number(1.0)?;
        self.binary_of(Binary::Sub, one, x)
    }

    fn one_minus_square(&mut self, x: Value) -> Rule<Value> {
        let square = self.times(x, x)?;
        self.one_minus(square)
    }

    /// `exp(-x^2 factor)`
    fn exp_of_minus(&mut self, x: Value, factor: f64) -> Rule<Value> {
        let square = self.times(x, x)?;
        let minus = self.by(Binary::Mul, square, -factor)?;
        self.unary_of(Unary::Exp, minus)
    }

    /// `s (1 - s)`
    fn of_sigmoid(&mut self, s: Value) -> Rule<Value> {
        let rest = self.one_minus(s)?;
        self.times(s, rest)
    }

    /// `s (1 + x (1 - s))` of `s = sigmoid(x)`
    fn of_silu(&mut self, x: Value) -> Rule<Value> {
        let s = self.unary_of(Unary::Sigmoid, x)?;
        let rest = self.one_minus(s)?;
        let grown = self.times(x, rest)?;
        let grown = self.by(Binary::Add, grown, 1.0)?;
        self.times(s, grown)
    }

    /// The normal distribution's function, and `x` times its density.
    fn of_gelu(&mut self, x: Value) -> Rule<Value> {
        let scaled = self.by(Binary::Mul, x, FRAC_1_SQRT_2)?;
        let erf = self.unary_of(Unary::Erf, scaled)?;
        let half = self.by(Binary::Mul, erf, 0.5)?;
        let below = self.by(Binary::Add, half, 0.5)?;
        let e = self.exp_of_minus(x, 0.5)?;
        let density = self.by(Binary::Mul, e, 1.0 / (2.0 * PI).sqrt())?;
        let moved = self.times(x, density)?;
        self.binary_of(Binary::Add, below, moved)
    }

    /// Of `x (1 + t) / 2` with `t = tanh(u)`: `(1 + t) / 2 + x / 2 (1 - t^2) u'`.
    fn of_gelu_tanh(&mut self, x: Value) -> Rule<Value> {
        let (factor, bend) = ((2.0 / PI).sqrt(), 0.044715);
        let square = self.times(x, x)?;
        let bent = self.by(Binary::Mul, square, bend)?;
        let bent = self.by(Binary::Add, bent, 1.0)?;
        let inner = self.times(x, bent)?;
        let inner = self.by(Binary::Mul, inner, factor)?;
        let t = self.unary_of(Unary::Tanh, inner)?;
        let half = self.by(Binary::Mul, t, 0.5)?;
        let first = self.by(Binary::Add, half, 0.5)?;
        let slope = self.by(Binary::Mul, square, 3.0 * bend)?;
        let slope = self.by(Binary::Add, slope, 1.0)?;
        let slope = self.by(Binary::Mul, slope, 0.5 * factor)?;
        let rest = self.one_minus_square(t)?;
        let second = self.times(x, rest)?;
        let second = self.times(second, slope)?;
        self.binary_of(Binary::Add, first, second)
    }

    /// 0 up to -3, 1 from 3 on, `(2 x + 3) / 6` between.
    fn of_hard_swish(&mut self, x: Value) -> Rule<Value> {
        let double = self.by(Binary::Mul, x, 2.0)?;
        let line = self.by(Binary::Add, double, 3.0)?;
        let line = self.by(Binary::Div, line, 6.0)?;
        let (above, below) = (self.by(Binary::Ge, x, 3.0)?, self.by(Binary::Gt, x, -3.0)?);
        let one = self.number(1.0)?;
        let high = self.push(Op::Select, &[above, one, line])?;
        self.where_(below, high)
    }

    /// `t + x (1 - t^2) sigmoid(x)` of `t = tanh(softplus(x))`
    fn of_mish(&mut self, x: Value) -> Rule<Value> {
        let soft = self.unary_of(Unary::Softplus, x)?;
        let t = self.unary_of(Unary::Tanh, soft)?;
        let rest = self.one_minus_square(t)?;
        let s = self.unary_of(Unary::Sigmoid, x)?;
        let moved = self.times(rest, s)?;
        let moved = self.times(x, moved)?;
        self.binary_of(Binary::Add, t, moved)
    }

    pub(super) fn binary(&mut self, op: Binary, a: Value, b: Value, d: Value) -> Rule {
        match op {
            Binary::Add => {
                self.give_sum(a, d)?;
                self.give_sum(b, d)
            }
            Binary::Sub => {
                self.give_sum(a, d)?;
                self.give_negative(b, d)
            }
            Binary::Mul => {
                for (to, other) in [(a, b), (b, a)] {
                    if self.wants(to) {
                        let back = self.times(d, other)?;
                        self.give_sum(to, back)?;
                    }
                }
                Ok(())
            }
            Binary::Div => {
                let back = self.binary_of(Binary::Div, d, b)?;
                self.give_sum(a, back)?;
                if self.wants(b) {
                    let quotient = self.binary_of(Binary::Div, a, b)?;
                    let back = self.times(back, quotient)?;
                    self.give_negative(b, back)?;
                }
                Ok(())
            }
            Binary::Max => self.larger(Binary::Gt, a, b, d),
            Binary::Min => self.larger(Binary::Lt, a, b, d),
            Binary::Rem => {
                self.give_sum(a, d)?;
                if self.wants(b) {
                    let quotient = self.binary_of(Binary::Div, a, b)?;
                    let whole = self.unary_of(Unary::Floor, quotient)?;
                    let back = self.times(d, whole)?;
                    self.give_negative(b, back)?;
                }
                Ok(())
            }
            Binary::Swiglu => {
                if self.wants(a) {
                    let slope = self.of_silu(a)?;
                    let slope = self.times(slope, b)?;
                    let back = self.times(d, slope)?;
                    self.give_sum(a, back)?;
                }
                if self.wants(b) {
                    let gate = self.unary_of(Unary::Silu, a)?;
                    let back = self.times(d, gate)?;
                    self.give_sum(b, back)?;
                }
                Ok(())
            }
            Binary::And | Binary::Or | Binary::Eq | Binary::Ne => Ok(()),
            Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge => Ok(()),
        }
    }

    fn give_negative(&mut self, v: Value, d: Value) -> Rule {
        if !self.wants(v) {
            return Ok(());
        }
        let minus = self.unary_of(Unary::Neg, d)?;
        self.give_sum(v, minus)
    }

    /// The gradient goes to the argument that is the result, and half of it to each of two equal ones.
    fn larger(&mut self, how: Binary, a: Value, b: Value, d: Value) -> Rule {
        let equal = self.binary_of(Binary::Eq, a, b)?;
        let half = self.by(Binary::Mul, d, 0.5)?;
        for (to, other) in [(a, b), (b, a)] {
            if self.wants(to) {
                let wins = self.binary_of(how, to, other)?;
                let won = self.where_(wins, d)?;
                let back = self.push(Op::Select, &[equal, half, won])?;
                self.give_sum(to, back)?;
            }
        }
        Ok(())
    }

    /// `exponent x^(exponent - 1)`
    pub(super) fn pow(&mut self, exponent: f64, x: Value, d: Value) -> Rule {
        if exponent == 0.0 {
            // All powers are 1, also that of 0, in front of which 1 / 0 would stand.
            let zero = self.number(0.0)?;
            let back = self.push(Op::Expand(self.shape(x)), &[zero])?;
            return self.give(x, back);
        }
        let power = self.push(Op::Pow(crate::op::Number(exponent - 1.0)), &[x])?;
        let slope = self.by(Binary::Mul, power, exponent)?;
        let back = self.times(d, slope)?;
        self.give(x, back)
    }

    pub(super) fn select(&mut self, args: &[Value], d: Value) -> Rule {
        let &[condition, a, b] = args else { return Ok(()) };
        if self.wants(a) {
            let back = self.where_(condition, d)?;
            self.give_sum(a, back)?;
        }
        if self.wants(b) {
            let zero = self.number(0.0)?;
            let back = self.push(Op::Select, &[condition, zero, d])?;
            self.give_sum(b, back)?;
        }
        Ok(())
    }
}
