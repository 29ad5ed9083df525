//! Values of bool: comparisons, `&&`, `||` and `!`.

use super::checker::Checker;
use super::scope::{Hint, Number, Shaped};
use crate::ast::Expr;
use crate::messages;
use tancho_ir::DType;
use tancho_ir::op::{Binary, Op, Unary};

impl Checker<'_> {
    /// `x > 0`, `a && b`: what the op of that meaning gives.
    pub fn logic(&mut self, expr: &Expr, op: Binary, a: &Expr, b: &Expr) -> Shaped {
        let Some((x, y)) = self.sides(a, b) else { return Shaped::Poison };
        self.apply(Op::Binary(op), &[(&x, a.place), (&y, b.place)], expr)
    }

    /// `!m`
    pub fn not(&mut self, expr: &Expr, x: &Expr) -> Shaped {
        let v = self.eval(x, Hint::default());
        let Some(t) = self.tensor(v, x, DType::Bool) else { return Shaped::Poison };
        self.apply(Op::Unary(Unary::Not), &[(&t, x.place)], expr)
    }

    /// `2^i` of dims is a number; tensors have `pow`.
    pub fn power(&mut self, expr: &Expr, base: &Expr, exponent: &Expr) -> Shaped {
        if self.is_tensor(base) || self.is_tensor(exponent) {
            return self.refuse(expr.place, messages::power("^", &base.text, &exponent.text));
        }
        self.poly(expr).map_or(Shaped::Poison, |d| Shaped::Number(Number::Dim(d)))
    }
}
