//! Softmax, norms and reductions over a row, each written once for every back end.

use super::expr::Expr;
use super::{Bin, Cmp, Len, Reduce, Reg, Ty, Un, math};
use tancho_ir::op::{EpsOn, Reduction};

/// The length of the row as a float.
fn length(e: &mut Expr, len: Len) -> Reg {
    match len {
        Len::Const(n) => e.c(n as f32),
        Len::Arg(_) | Len::Local(_) => {
            let n = e.push(super::Inst::ArgInt(len));
            e.un(Un::ToFloat, n)
        }
    }
}

/// Mean and variance by the corrected two-pass algorithm (Chan, Golub and LeVeque 1983):
/// the deviations from a rounded mean carry the rounding, so rows far from 0 lose nothing.
/// Gives the deviations, their own mean, and the biased variance.
fn moments(e: &mut Expr, x: Reg, len: Len) -> (Reg, Reg, Reg) {
    let n = length(e, len);
    let sum = e.reduce(Reduce::Sum, x);
    let rough = e.div(sum, n);
    let d = e.sub(x, rough);
    let d2 = e.mul(d, d);
    let (s1, s2) = (e.reduce(Reduce::Sum, d), e.reduce(Reduce::Sum, d2));
    let shift = e.div(s1, n);
    let square = e.mul(s1, shift);
    let s = e.sub(s2, square);
    // Rounding may leave the difference of the sums just below 0.
    let s = e.at_least(s, 0.0);
    let var = e.div(s, n);
    (d, shift, var)
}

/// Layer norm of a row; `gain` and `bias` are rows.
pub fn layer_norm(
    e: &mut Expr,
    x: Reg,
    len: Len,
    eps: f64,
    on: EpsOn,
    gain: Option<Reg>,
    bias: Option<Reg>,
) -> Reg {
    let (d, shift, var) = moments(e, x, len);
    let (eps, one) = (e.c(eps as f32), e.c(1.0));
    let scale = match on {
        EpsOn::Var => {
            let v = e.add(var, eps);
            e.un(Un::Sqrt, v)
        }
        EpsOn::Std => {
            let s = e.un(Un::Sqrt, var);
            e.add(s, eps)
        }
    };
    let scale = e.div(one, scale);
    let centred = e.sub(d, shift);
    let y = e.mul(centred, scale);
    match (gain, bias) {
        (Some(g), Some(b)) => e.fma(y, g, b),
        (Some(g), None) => e.mul(y, g),
        (None, Some(b)) => e.add(y, b),
        (None, None) => y,
    }
}

/// Root-mean-square norm of a row.
pub fn rms_norm(e: &mut Expr, x: Reg, len: Len, eps: f64, gain: Option<Reg>) -> Reg {
    let n = length(e, len);
    let x2 = e.mul(x, x);
    let s = e.reduce(Reduce::Sum, x2);
    let m = e.div(s, n);
    let (eps, one) = (e.c(eps as f32), e.c(1.0));
    let m = e.add(m, eps);
    let r = e.un(Un::Sqrt, m);
    let r = e.div(one, r);
    let y = e.mul(x, r);
    gain.map_or(y, |g| e.mul(y, g))
}

/// `x / max(|x|, eps)` with the Euclidean norm of the row.
pub fn l2_normalize(e: &mut Expr, x: Reg, eps: f64) -> Reg {
    let x2 = e.mul(x, x);
    let s = e.reduce(Reduce::Sum, x2);
    let n = e.un(Un::Sqrt, s);
    let n = e.at_least(n, eps as f32);
    e.div(x, n)
}

/// Softmax of a row, or its logarithm.
pub fn softmax(e: &mut Expr, x: Reg, log: bool) -> Reg {
    let m = e.reduce(Reduce::Max, x);
    let d = e.sub(x, m);
    let p = math::exp(e, d);
    let s = e.reduce(Reduce::Sum, p);
    if log {
        let l = math::log(e, s);
        return e.sub(d, l);
    }
    let one = e.c(1.0);
    let r = e.div(one, s);
    e.mul(p, r)
}

/// The exponentials of a row and the reciprocal of their sum, whose product is the softmax. Elements whose
/// mask is not set are 0; so is the reciprocal where there are no others.
pub fn softmax_parts(e: &mut Expr, x: Reg, keep: Option<Reg>) -> (Reg, Reg) {
    let (zero, one, low) = (e.c(0.0), e.c(1.0), e.c(f32::NEG_INFINITY));
    let seen = keep.map_or(x, |k| e.select(k, x, low));
    let m = e.reduce(Reduce::Max, seen);
    let d = e.sub(x, m);
    let p = math::exp(e, d);
    let p = keep.map_or(p, |k| e.select(k, p, zero));
    let s = e.reduce(Reduce::Sum, p);
    let r = e.div(one, s);
    // The largest element alone makes the sum 1; it is 0 only without any, and NaN shows in the exponentials.
    let some = e.cmp(Cmp::Gt, s, zero);
    (p, e.select(some, r, zero))
}

/// A reduction of a row; elements whose mask is not set do not count.
pub fn reduce(e: &mut Expr, kind: Reduction, x: Reg, len: Len, mask: Option<Reg>) -> Reg {
    let int = e.ty(x) == Ty::I;
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
            let none = if int { e.i(how.identity() as i32) } else { e.c(f32::from_bits(how.identity())) };
            e.select(m, x, none)
        }
    };
    let r = e.reduce(how, counted);
    if kind != Reduction::Mean {
        return r;
    }
    let Some(m) = mask else {
        let n = length(e, len);
        return e.div(r, n);
    };
    let (zero, one) = (e.c(0.0), e.c(1.0));
    let ones = e.select(m, one, zero);
    let n = e.reduce(Reduce::Sum, ones);
    let some = e.cmp(Cmp::Gt, n, zero);
    let mean = e.div(r, n);
    e.select(some, mean, zero)
}

/// Index of the first largest element; a NaN counts as largest; 0 for an empty row.
pub fn argmax(e: &mut Expr, x: Reg) -> Reg {
    let int = e.ty(x) == Ty::I;
    let m = e.reduce(if int { Reduce::IMax } else { Reduce::MaxNan }, x);
    let mut here = e.cmp(Cmp::Eq, x, m);
    if !int {
        let nan = e.is_nan(x);
        here = e.bin(Bin::Or, here, nan);
    }
    let (index, none, zero) = (e.push(super::Inst::Index), e.i(i32::MAX), e.i(0));
    let at = e.select(here, index, none);
    let first = e.reduce(Reduce::IMin, at);
    let found = e.cmp(Cmp::Ne, first, none);
    e.select(found, first, zero)
}
