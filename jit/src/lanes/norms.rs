//! Softmax, norms and reductions over a row, each written once for every back end.

use super::expr::Expr;
use super::{Bin, Cmp, Len, Reduce, Reg, Ty, Un, math};
use tancho_ir::op::{EpsOn, Reduction};

/// The length of the row as a float.
fn length(expr: &mut Expr, len: Len) -> Reg {
    match len {
        Len::Const(n) => expr.float(n as f32),
        Len::Arg(_) | Len::Local(_) => {
            let n = expr.push(super::Inst::ArgInt(len));
            expr.un(Un::ToFloat, n)
        }
    }
}

/// Mean and variance by the corrected two-pass algorithm (Chan, Golub and LeVeque 1983). The mean of the
/// deviations corrects the rounding of the mean, so that rows far from 0 lose nothing. Gives the deviations,
/// their own mean, and the biased variance.
fn moments(expr: &mut Expr, x: Reg, len: Len) -> (Reg, Reg, Reg) {
    let n = length(expr, len);
    let sum = expr.reduce(Reduce::Sum, x);
    let rough = expr.div(sum, n);
    let d = expr.sub(x, rough);
    let d2 = expr.mul(d, d);
    let (s1, s2) = (expr.reduce(Reduce::Sum, d), expr.reduce(Reduce::Sum, d2));
    let shift = expr.div(s1, n);
    let square = expr.mul(s1, shift);
    let s = expr.sub(s2, square);
    // Rounding may leave the difference of the sums just below 0.
    let s = expr.at_least(s, 0.0);
    let var = expr.div(s, n);
    (d, shift, var)
}

/// Layer norm of a row; `gain` and `bias` are rows.
pub fn layer_norm(
    expr: &mut Expr,
    x: Reg,
    len: Len,
    eps: f64,
    on: EpsOn,
    gain: Option<Reg>,
    bias: Option<Reg>,
) -> Reg {
    let (d, shift, var) = moments(expr, x, len);
    let (eps, one) = (expr.float(eps as f32), expr.float(1.0));
    let scale = match on {
        EpsOn::Var => {
            let v = expr.add(var, eps);
            expr.un(Un::Sqrt, v)
        }
        EpsOn::Std => {
            let s = expr.un(Un::Sqrt, var);
            expr.add(s, eps)
        }
    };
    let scale = expr.div(one, scale);
    let centred = expr.sub(d, shift);
    let y = expr.mul(centred, scale);
    match (gain, bias) {
        (Some(g), Some(b)) => expr.fma(y, g, b),
        (Some(g), None) => expr.mul(y, g),
        (None, Some(b)) => expr.add(y, b),
        (None, None) => y,
    }
}

/// Root-mean-square norm of a row.
pub fn rms_norm(expr: &mut Expr, x: Reg, len: Len, eps: f64, gain: Option<Reg>) -> Reg {
    let n = length(expr, len);
    let x2 = expr.mul(x, x);
    let s = expr.reduce(Reduce::Sum, x2);
    let m = expr.div(s, n);
    let (eps, one) = (expr.float(eps as f32), expr.float(1.0));
    let m = expr.add(m, eps);
    let r = expr.un(Un::Sqrt, m);
    let r = expr.div(one, r);
    let y = expr.mul(x, r);
    gain.map_or(y, |g| expr.mul(y, g))
}

/// `x / max(|x|, eps)` with the Euclidean norm of the row.
pub fn l2_normalize(expr: &mut Expr, x: Reg, eps: f64) -> Reg {
    let x2 = expr.mul(x, x);
    let s = expr.reduce(Reduce::Sum, x2);
    let n = expr.un(Un::Sqrt, s);
    let n = expr.at_least(n, eps as f32);
    expr.div(x, n)
}

/// Softmax of a row, or its logarithm.
pub fn softmax(expr: &mut Expr, x: Reg, log: bool) -> Reg {
    let m = expr.reduce(Reduce::Max, x);
    let d = expr.sub(x, m);
    let p = math::exp(expr, d);
    let s = expr.reduce(Reduce::Sum, p);
    if log {
        let l = math::log(expr, s);
        return expr.sub(d, l);
    }
    let one = expr.float(1.0);
    let r = expr.div(one, s);
    expr.mul(p, r)
}

/// The exponentials of a row and the reciprocal of their sum, whose product is the softmax. Elements whose
/// mask is not set are 0; so is the reciprocal where there are no others.
pub fn softmax_parts(expr: &mut Expr, x: Reg, keep: Option<Reg>) -> (Reg, Reg) {
    let (zero, one, low) = (expr.float(0.0), expr.float(1.0), expr.float(f32::NEG_INFINITY));
    let seen = keep.map_or(x, |k| expr.select(k, x, low));
    let m = expr.reduce(Reduce::Max, seen);
    let d = expr.sub(x, m);
    let p = math::exp(expr, d);
    let p = keep.map_or(p, |k| expr.select(k, p, zero));
    let s = expr.reduce(Reduce::Sum, p);
    let r = expr.div(one, s);
    // The largest element alone makes the sum 1, so the sum is 0 only if no element counts. A NaN shows in
    // the exponentials.
    let some = expr.cmp(Cmp::Gt, s, zero);
    (p, expr.select(some, r, zero))
}

/// A reduction of a row; elements whose mask is not set do not count.
pub fn reduce(expr: &mut Expr, kind: Reduction, x: Reg, len: Len, mask: Option<Reg>) -> Reg {
    let int = expr.ty(x) == Ty::I;
    let how = match (kind, int) {
        (Reduction::Sum | Reduction::Mean, false) => Reduce::Sum,
        (Reduction::Sum | Reduction::Mean, true) => Reduce::ISum,
        (Reduction::Max, false) => Reduce::MaxNan,
        (Reduction::Max, true) => Reduce::IMax,
        (Reduction::Min, false) => Reduce::MinNan,
        (Reduction::Min, true) => Reduce::IMin,
    };
    let counted = match mask {
        None => x,
        Some(m) => {
            let none = if int {
                expr.int(how.identity() as i32)
            } else {
                expr.float(f32::from_bits(how.identity()))
            };
            expr.select(m, x, none)
        }
    };
    let r = expr.reduce(how, counted);
    if kind != Reduction::Mean {
        return r;
    }
    let Some(m) = mask else {
        let n = length(expr, len);
        return expr.div(r, n);
    };
    let (zero, one) = (expr.float(0.0), expr.float(1.0));
    let ones = expr.select(m, one, zero);
    let n = expr.reduce(Reduce::Sum, ones);
    let some = expr.cmp(Cmp::Gt, n, zero);
    let mean = expr.div(r, n);
    expr.select(some, mean, zero)
}

/// Index of the first largest element; a NaN counts as largest; 0 for an empty row.
pub fn argmax(expr: &mut Expr, x: Reg) -> Reg {
    let int = expr.ty(x) == Ty::I;
    let m = expr.reduce(if int { Reduce::IMax } else { Reduce::MaxNan }, x);
    let mut here = expr.cmp(Cmp::Eq, x, m);
    if !int {
        let nan = expr.is_nan(x);
        here = expr.bin(Bin::Or, here, nan);
    }
    let (index, none, zero) = (expr.push(super::Inst::Index), expr.int(i32::MAX), expr.int(0));
    let at = expr.select(here, index, none);
    let first = expr.reduce(Reduce::IMin, at);
    let found = expr.cmp(Cmp::Ne, first, none);
    expr.select(found, first, zero)
}
