//! Expressions of dims to polynomials.

use crate::ast::{BinOp, Expr, ExprKind};
use crate::errors::Errors;
use crate::messages;
use tancho_ir::bind::DimDecl;
use tancho_ir::{Dim, DimError, Facts};

/// What a polynomial may name, and what is promised about it.
pub struct Dims<'a> {
    /// The dims of the network.
    pub known: &'a [DimDecl],
    /// Exact divisions that are allowed, and default numbers.
    pub facts: &'a Facts,
    /// Where errors go.
    pub errors: &'a Errors,
    /// What a name is that is no dim: "an option", "a tensor".
    pub other: &'a dyn Fn(&str) -> Option<&'static str>,
}

impl Dims<'_> {
    /// The polynomial, or nothing after reporting what is wrong with it. What is promised to be equal is
    /// written alike.
    pub fn poly(&self, expr: &Expr) -> Option<Dim> {
        let d = self.as_written(expr)?;
        self.checked(expr, self.facts.reduce(&d))
    }

    fn checked(&self, expr: &Expr, d: Result<Dim, DimError>) -> Option<Dim> {
        match d {
            Ok(d) => Some(d),
            Err(err) => {
                self.errors.push(expr.place, messages::dim_error(&expr.text, &err));
                None
            }
        }
    }

    fn as_written(&self, expr: &Expr) -> Option<Dim> {
        let checked = |d| self.checked(expr, d);
        match &expr.kind {
            ExprKind::Poison => None,
            ExprKind::Number(_, Some(n)) => Some(Dim::constant(*n)),
            ExprKind::Name(name) => self.named(&name.to_string(), expr),
            ExprKind::Neg(x) => checked(self.as_written(x)?.times(&Dim::constant(-1))),
            ExprKind::Binary(op, a, b) => {
                let (x, y) = (self.as_written(a), self.as_written(b));
                let (x, y) = (x?, y?);
                match op {
                    BinOp::Add => checked(x.plus(&y)),
                    BinOp::Sub => checked(x.minus(&y)),
                    BinOp::Mul => checked(x.times(&y)),
                    BinOp::Div => self.exact(expr, &x, &y),
                    BinOp::Matmul => {
                        self.errors.push(expr.place, messages::not_a_poly(&expr.text));
                        None
                    }
                }
            }
            ExprKind::Power(a, b) => {
                let (base, exponent) = (self.as_written(a), self.as_written(b));
                self.power(expr, &base?, &exponent?)
            }
            ExprKind::Call(callee, args) if matches!(callee.text.as_str(), "floor" | "ceil") => {
                let [arg] = args.as_slice() else { return self.no_poly(expr) };
                let ExprKind::Binary(BinOp::Div, p, c) = &arg.value.kind else { return self.no_poly(expr) };
                let (p, c) = (self.as_written(p), self.as_written(c));
                let (p, c) = (p?, c?);
                checked(if callee.text == "floor" { p.floor_div(&c) } else { p.ceil_div(&c) })
            }
            _ => self.no_poly(expr),
        }
    }

    fn no_poly(&self, expr: &Expr) -> Option<Dim> {
        self.errors.push(expr.place, messages::not_a_poly(&expr.text));
        None
    }

    fn named(&self, name: &str, expr: &Expr) -> Option<Dim> {
        if self.known.iter().any(|d| d.name == name) {
            return Some(Dim::sym(name));
        }
        let message = match (self.other)(name) {
            Some(what) => messages::not_a_dim(name, what),
            None => messages::unknown_dim(name, self.known.iter().map(|d| d.name.as_str())),
        };
        self.errors.push(expr.place, message);
        None
    }

    /// `p^n`: where the exponent is no number, both are static.
    fn power(&self, expr: &Expr, base: &Dim, exponent: &Dim) -> Option<Dim> {
        let run =
            self.run_time(exponent).or_else(|| self.run_time(base).filter(|_| exponent.as_const().is_none()));
        if let Some(run) = run {
            let d = if self.run_time(exponent).is_some() { exponent } else { base };
            self.errors.push(expr.place, messages::not_static("a power", d, run));
            return None;
        }
        self.checked(expr, base.power(exponent))
    }

    /// `p / c`, allowed by its form or by a `where` clause.
    fn exact(&self, expr: &Expr, p: &Dim, c: &Dim) -> Option<Dim> {
        match p.exact_div(c) {
            Ok(d) if self.facts.divides(p, c) => Some(d),
            Ok(_) => {
                self.errors.push(expr.place, messages::no_licence(p, c, self.facts));
                None
            }
            Err(err) => {
                self.errors.push(expr.place, messages::dim_error(&expr.text, &err));
                None
            }
        }
    }

    /// The first run-time dim in a polynomial.
    pub fn run_time<'d>(&'d self, d: &Dim) -> Option<&'d str> {
        let syms = d.syms();
        self.known.iter().find(|k| !k.is_static() && syms.contains(&k.name)).map(|k| k.name.as_str())
    }
}

/// Whether a polynomial is a mere number or name: what an index or option may be without more.
pub fn looks_like_poly(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Poison | ExprKind::Number(_, Some(_)) | ExprKind::Name(_) => true,
        ExprKind::Neg(x) => looks_like_poly(x),
        ExprKind::Power(a, b) => looks_like_poly(a) && looks_like_poly(b),
        ExprKind::Binary(op, a, b) => *op != BinOp::Matmul && looks_like_poly(a) && looks_like_poly(b),
        ExprKind::Call(callee, _) => matches!(callee.text.as_str(), "floor" | "ceil"),
        _ => false,
    }
}
