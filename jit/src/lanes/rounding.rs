//! Whole numbers and remainders.

use super::expr::Expr;
use super::math::{magnitude, negate};
use super::{Bin, Cmp, Inst, Reg, Un};

/// The largest whole number that is not above `x`: the nearest one, or the one below it.
pub fn floor(expr: &mut Expr, x: Reg) -> Reg {
    let near = expr.un(Un::Round, x);
    let one = expr.float(1.0);
    let below = expr.sub(near, one);
    let above = expr.cmp(Cmp::Gt, near, x);
    expr.select(above, below, near)
}

/// 1, 0 or -1; NaN stays.
pub fn sign(expr: &mut Expr, x: Reg) -> Reg {
    let (zero, one, minus) = (expr.float(0.0), expr.float(1.0), expr.float(-1.0));
    let nan = expr.is_nan(x);
    let y = expr.select(nan, x, zero);
    let negative = expr.cmp(Cmp::Lt, x, zero);
    let y = expr.select(negative, minus, y);
    let positive = expr.cmp(Cmp::Gt, x, zero);
    expr.select(positive, one, y)
}

/// The bits of a quotient that one step of a division leaves right.
const STEP: i32 = 24;
/// The exponent that no float reaches.
const LIMIT: i32 = 128;
/// The power of two that a small divisor is multiplied by.
const SCALE: i32 = 75;

/// The remainder of floats with the sign of the divisor, exactly, as `torch.remainder` has it.
///
/// The remainder `a - q b` of a rounded quotient `q` is a float, which a fused multiplication gives without
/// an error. It is `2^-24` times as large as `a` at most, so that a few steps leave less than `b`, whatever
/// the quotient is. Where the quotient might be infinite, the remainder by `2^75 b` and by `2^150 b` is taken
/// first, which leaves the remainder by `b` as it is.
pub fn rem(expr: &mut Expr, a: Reg, b: Reg) -> Reg {
    let (size, by) = (magnitude(expr, a), magnitude(expr, b));
    let r = match exponent(expr, b) {
        Some(e) if e >= 0 => reduced(expr, size, by, LIMIT - e),
        _ => {
            let once = scaled(expr, by);
            let twice = scaled(expr, once);
            let r = reduced(expr, size, twice, LIMIT);
            let r = reduced(expr, r, once, SCALE);
            reduced(expr, r, by, SCALE)
        }
    };
    // The nearest quotient may be one too large.
    let zero = expr.float(0.0);
    let lower = expr.cmp(Cmp::Lt, r, zero);
    let raised = expr.add(r, by);
    let r = expr.select(lower, raised, r);
    // An infinite divisor leaves what is finite as it is.
    let infinity = expr.float(f32::INFINITY);
    let infinite = expr.cmp(Cmp::Eq, by, infinity);
    let nan_of_infinity = expr.sub(size, size);
    let whole = expr.add(size, nan_of_infinity);
    let r = expr.select(infinite, whole, r);
    with_sign_of_divisor(expr, r, a, b)
}

/// The exponent of a divisor that is a constant of ordinary size.
fn exponent(expr: &Expr, b: Reg) -> Option<i32> {
    let Inst::Float(bits) = expr.insts[b as usize] else { return None };
    let c = f32::from_bits(bits);
    c.is_normal().then(|| (c.to_bits() >> 23 & 0xff) as i32 - 127)
}

/// `2^75 b` where that is a float with room above, else `b`.
fn scaled(expr: &mut Expr, b: Reg) -> Reg {
    let (limit, factor) = (expr.float(2f32.powi(LIMIT - SCALE - 1)), expr.float(2f32.powi(SCALE)));
    let small = expr.cmp(Cmp::Lt, b, limit);
    let large = expr.mul(b, factor);
    expr.select(small, large, b)
}

/// What steps by the nearest quotient leave of `a`, which is below `2^bits b`: at most half of `b`, or a
/// little more.
fn reduced(expr: &mut Expr, a: Reg, b: Reg, bits: i32) -> Reg {
    let mut r = a;
    // The last step has a quotient that is rounded to a whole number.
    for _ in 0..(bits + STEP - 1) / STEP + 1 {
        let q = expr.div(r, b);
        let q = expr.un(Un::Round, q);
        let minus = negate(expr, q);
        r = expr.fma(minus, b, r);
    }
    r
}

/// The remainder of `a` by `b` from that of their magnitudes.
fn with_sign_of_divisor(expr: &mut Expr, r: Reg, a: Reg, b: Reg) -> Reg {
    let sign = expr.int(i32::MIN);
    let bits = expr.un(Un::Bits, a);
    let sign = expr.bin(Bin::And, bits, sign);
    let r = expr.un(Un::Bits, r);
    let r = expr.bin(Bin::Xor, r, sign);
    let r = expr.un(Un::FromBits, r);
    let zero = expr.float(0.0);
    let [below, divisor_below] = [r, b].map(|x| expr.cmp(Cmp::Lt, x, zero));
    let differ = expr.bin(Bin::Xor, below, divisor_below);
    let some = expr.cmp(Cmp::Ne, r, zero);
    let other = expr.bin(Bin::And, differ, some);
    let raised = expr.add(r, b);
    expr.select(other, raised, r)
}

/// The remainder of integers with the sign of the divisor; `a` where that is 0.
///
/// The quotient is estimated in floats: the first is wrong by less than `2^9`, the second, of what the first
/// left, by less than one. All is right modulo `2^32`, also where a quotient is `2^31`.
pub fn rem_int(expr: &mut Expr, a: Reg, b: Reg) -> Reg {
    let by = expr.un(Un::ToFloat, b);
    let mut r = a;
    for _ in 0..2 {
        let size = expr.un(Un::ToFloat, r);
        let q = expr.div(size, by);
        let q = expr.un(Un::Round, q);
        let q = expr.un(Un::ToInt, q);
        let whole = expr.bin(Bin::IMul, q, b);
        r = expr.bin(Bin::ISub, r, whole);
    }
    let zero = expr.int(0);
    let [below, divisor_below] = [r, b].map(|x| expr.cmp(Cmp::Lt, x, zero));
    let differ = expr.bin(Bin::Xor, below, divisor_below);
    let some = expr.cmp(Cmp::Ne, r, zero);
    let other = expr.bin(Bin::And, differ, some);
    let raised = expr.bin(Bin::IAdd, r, b);
    expr.select(other, raised, r)
}
