//! The elementwise functions, each written once for every back end.
//!
//! Errors against the exact value, measured over all of their range by `tests/kernels/functions.rs`: exp and
//! log are within 2 ulp (1.3 and 0.8), sin and cos within 2 ulp up to 2^22 (1.7, and 1e-7 absolute), tanh and
//! erf within 5e-7 absolute and 1e-6 relative, sigmoid, silu and softplus within 4 ulp, mish within 1e-6
//! relative, gelu within 5e-7 of |x|, and powers within 1e-5 relative. NaN stays NaN. The limits at infinity
//! and at the ends of the range are exact. Below -88.7 sigmoid and silu are 0, as in PyTorch: `exp(-x)` is
//! infinite there.

use super::expr::Expr;
use super::rounding;
use super::{Bin, Cmp, Reg, Un};
use tancho_ir::op::{Binary, Unary};

const LN2_HI: f32 = 0.693_359_4;
const LN2_LO: f32 = -2.121_944_4e-4;

/// `e^x`: overflow to infinity and gradual underflow included (Cephes' polynomial).
pub fn exp(expr: &mut Expr, x: Reg) -> Reg {
    let x = expr.at_least(x, -104.0);
    let x = expr.at_most(x, 89.0);
    let log2e = expr.float(std::f32::consts::LOG2_E);
    let n = expr.mul(x, log2e);
    let n = expr.un(Un::Round, n);
    let (hi, lo) = (expr.float(-LN2_HI), expr.float(-LN2_LO));
    let r = expr.fma(n, hi, x);
    let r = expr.fma(n, lo, r);
    let p = expr.poly(r, &[1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5]);
    let r2 = expr.mul(r, r);
    let one = expr.float(1.0);
    let t = expr.add(r, one);
    let p = expr.fma(p, r2, t);
    // 2^n in two factors: n reaches -150 and 128, outside of the exponents of one float.
    let n = expr.un(Un::ToInt, n);
    let one = expr.int(1);
    let half = expr.bin(Bin::Shr, n, one);
    let remainder = expr.bin(Bin::ISub, n, half);
    let a = power_of_two(expr, half);
    let b = power_of_two(expr, remainder);
    let p = expr.mul(p, a);
    expr.mul(p, b)
}

fn power_of_two(expr: &mut Expr, n: Reg) -> Reg {
    let (bias, shift) = (expr.int(127), expr.int(23));
    let n = expr.bin(Bin::IAdd, n, bias);
    let n = expr.bin(Bin::Shl, n, shift);
    expr.un(Un::FromBits, n)
}

/// Natural logarithm (the polynomial of FreeBSD's `logf`); subnormals are scaled up first.
pub fn log(expr: &mut Expr, x: Reg) -> Reg {
    let (tiny, up, zero, one) =
        (expr.float(f32::MIN_POSITIVE), expr.float((1 << 23) as f32), expr.float(0.0), expr.float(1.0));
    let small = expr.cmp(Cmp::Lt, x, tiny);
    let scaled = expr.mul(x, up);
    let m = expr.select(small, scaled, x);
    let bits = expr.un(Un::Bits, m);
    let root_half = expr.int(0x3f35_04f3);
    let shifted = expr.bin(Bin::ISub, bits, root_half);
    let s23 = expr.int(23);
    let k = expr.bin(Bin::Shr, shifted, s23);
    let frac = expr.int(0x007f_ffff);
    let m = expr.bin(Bin::And, shifted, frac);
    let m = expr.bin(Bin::IAdd, m, root_half);
    let m = expr.un(Un::FromBits, m);
    let k = expr.un(Un::ToFloat, k);
    let less = expr.float(23.0);
    let k_small = expr.sub(k, less);
    let k = expr.select(small, k_small, k);
    let f = expr.sub(m, one);
    let two = expr.float(2.0);
    let den = expr.add(f, two);
    let s = expr.div(f, den);
    let z = expr.mul(s, s);
    let w = expr.mul(z, z);
    let t1 = expr.poly(w, &[0.242_790_79, 0.400_009_72]);
    let t1 = expr.mul(t1, w);
    let t2 = expr.poly(w, &[0.284_987_87, 0.666_666_6]);
    let r = expr.fma(t2, z, t1);
    let half = expr.float(0.5);
    let hf = expr.mul(f, half);
    let hfsq = expr.mul(hf, f);
    let (hi, lo) = (expr.float(0.693_138_1), expr.float(9.058_001e-6));
    let t = expr.add(hfsq, r);
    let klo = expr.mul(k, lo);
    let y = expr.fma(s, t, klo);
    let y = expr.sub(y, hfsq);
    let y = expr.add(y, f);
    let y = expr.fma(k, hi, y);
    let inf = expr.float(f32::INFINITY);
    let is_inf = expr.cmp(Cmp::Ge, x, inf);
    let y = expr.select(is_inf, x, y);
    let is_zero = expr.cmp(Cmp::Eq, x, zero);
    let minus_inf = expr.float(f32::NEG_INFINITY);
    let y = expr.select(is_zero, minus_inf, y);
    let positive = expr.cmp(Cmp::Ge, x, zero);
    let nan = expr.float(f32::NAN);
    expr.select(positive, y, nan)
}

/// Hyperbolic tangent: a rational approximation, which is exactly ±1 from this end of its range on.
pub fn tanh(expr: &mut Expr, x: Reg) -> Reg {
    let x = expr.at_least(x, -8.031_55);
    let x = expr.at_most(x, 8.031_55);
    let x2 = expr.mul(x, x);
    let p = expr.poly(
        x2,
        &[
            -2.760_768_5e-16,
            2.000_188e-13,
            -8.604_672e-11,
            5.122_297e-8,
            1.485_722_4e-5,
            6.372_619_3e-4,
            4.893_524_6e-3,
        ],
    );
    let p = expr.mul(p, x);
    let q = expr.poly(x2, &[1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3]);
    expr.div(p, q)
}

/// `cap * tanh(x / cap)`
pub fn capped(expr: &mut Expr, x: Reg, cap: f32) -> Reg {
    let cap = expr.float(cap);
    let inner = expr.div(x, cap);
    let bent = tanh(expr, inner);
    expr.mul(bent, cap)
}

/// Error function: a rational approximation, which is exactly ±1 from this end of its range on.
pub fn erf(expr: &mut Expr, x: Reg) -> Reg {
    let x = expr.at_least(x, -3.681_2);
    let x = expr.at_most(x, 3.681_2);
    let x2 = expr.mul(x, x);
    let p = expr.poly(
        x2,
        &[
            -2.726_142_3e-10,
            2.770_681_5e-8,
            -2.101_024e-6,
            -5.692_506_6e-5,
            -7.349_906e-4,
            -2.954_6e-3,
            -1.609_603_9e-2,
        ],
    );
    let p = expr.mul(p, x);
    let q = expr.poly(x2, &[-1.456_607_3e-5, -2.133_740_5e-4, -1.682_827e-3, -7.373_329e-3, -1.426_475_e-2]);
    expr.div(p, q)
}

/// Sine, or cosine as the sine a quarter later; NaN beyond 2^22.
///
/// Cody and Waite's reduction: `x - n pi/2` with `pi/2` in three parts. The product with the first part is
/// exact before it is subtracted, and so is the difference, for all `n` that arise. A second step corrects an
/// `n` that the rounding of `x * 2/pi` made wrong by one. Then Cephes' polynomials.
fn sin_or_cos(expr: &mut Expr, x: Reg, quarter: i32) -> Reg {
    const PARTS: [f32; 3] = [1.570_796_4, -4.371_139e-8, -1.715_124_5e-15];
    let per_quarter = expr.float(std::f32::consts::FRAC_2_PI);
    let parts = PARTS.map(|p| expr.float(-p));
    let n = expr.mul(x, per_quarter);
    let n = expr.un(Un::Round, n);
    let r = expr.fma(n, parts[0], x);
    let nearer = expr.fma(n, parts[1], r);
    let more = expr.mul(nearer, per_quarter);
    let more = expr.un(Un::Round, more);
    let r = expr.fma(more, parts[0], r);
    let n = expr.add(n, more);
    let r = expr.fma(n, parts[1], r);
    let r = expr.fma(n, parts[2], r);
    let r2 = expr.mul(r, r);
    let s = expr.poly(r2, &[-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1]);
    let s = expr.mul(s, r2);
    let s = expr.fma(s, r, r);
    let c = expr.poly(r2, &[2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2, -0.5]);
    let one = expr.float(1.0);
    let c = expr.fma(c, r2, one);
    let (q, by, two) = (expr.un(Un::ToInt, n), expr.int(quarter), expr.int(2));
    let (one, zero) = (expr.int(1), expr.int(0));
    let q = expr.bin(Bin::IAdd, q, by);
    let odd = expr.bin(Bin::And, q, one);
    let odd = expr.cmp(Cmp::Ne, odd, zero);
    let y = expr.select(odd, c, s);
    let turned = expr.bin(Bin::And, q, two);
    let turned = expr.cmp(Cmp::Ne, turned, zero);
    let minus = negate(expr, y);
    let y = expr.select(turned, minus, y);
    let (size, limit, nan) = (magnitude(expr, x), expr.float((1 << 22) as f32), expr.float(f32::NAN));
    let is_angle = expr.cmp(Cmp::Le, size, limit);
    expr.select(is_angle, y, nan)
}

/// `ratio^i` by the binary digits of `i` below `len`, in two floats: the first is the float next to the
/// exact number. `ratio` is in (0, 1], so that no factor is infinite.
pub fn powers(expr: &mut Expr, i: Reg, ratio: f64, len: Option<i64>) -> Reg {
    let digits = len.map_or(31, |n| 64 - (n - 1).max(0).leading_zeros()).min(31);
    let (one, zero, no) = (expr.float(1.0), expr.float(0.0), expr.int(0));
    let (mut high, mut low, mut factor) = (one, zero, ratio);
    for digit in 0..digits {
        let bit = expr.int(1 << digit);
        let set = expr.bin(Bin::And, i, bit);
        let set = expr.cmp(Cmp::Ne, set, no);
        let rounded = factor as f32;
        let remainder = (factor - f64::from(rounded)) as f32;
        let (c, d) = (expr.float(rounded), expr.float(remainder));
        let (c, d) = (expr.select(set, c, one), expr.select(set, d, zero));
        let p = expr.mul(high, c);
        let minus = negate(expr, p);
        let t = expr.fma(high, c, minus);
        let t = expr.fma(high, d, t);
        let t = expr.fma(low, c, t);
        let sum = expr.add(p, t);
        let back = expr.sub(p, sum);
        (high, low) = (sum, expr.add(back, t));
        factor *= factor;
    }
    high
}

pub(super) fn negate(expr: &mut Expr, x: Reg) -> Reg {
    let (bits, sign) = (expr.un(Un::Bits, x), expr.int(i32::MIN));
    let y = expr.bin(Bin::Xor, bits, sign);
    expr.un(Un::FromBits, y)
}

pub(super) fn magnitude(expr: &mut Expr, x: Reg) -> Reg {
    let (bits, all_but_sign) = (expr.un(Un::Bits, x), expr.int(i32::MAX));
    let y = expr.bin(Bin::And, bits, all_but_sign);
    expr.un(Un::FromBits, y)
}

/// An elementwise function of one argument.
pub fn unary(expr: &mut Expr, op: Unary, x: Reg) -> Reg {
    if expr.ty(x) == super::Ty::I {
        return unary_int(expr, op, x);
    }
    let one = expr.float(1.0);
    match op {
        Unary::Neg => negate(expr, x),
        Unary::Abs => magnitude(expr, x),
        Unary::Exp => exp(expr, x),
        Unary::Log => log(expr, x),
        Unary::Sqrt => expr.un(Un::Sqrt, x),
        Unary::Rsqrt => {
            let s = expr.un(Un::Sqrt, x);
            expr.div(one, s)
        }
        Unary::Tanh => tanh(expr, x),
        Unary::Erf => erf(expr, x),
        Unary::Sin => sin_or_cos(expr, x, 0),
        Unary::Cos => sin_or_cos(expr, x, 1),
        Unary::Not => expr.un(Un::Not, x),
        Unary::Relu => expr.at_least(x, 0.0),
        Unary::Relu6 => {
            let y = expr.at_least(x, 0.0);
            expr.at_most(y, 6.0)
        }
        Unary::Sigmoid => {
            let d = one_plus_exp_minus(expr, x);
            expr.div(one, d)
        }
        Unary::Silu => {
            let d = one_plus_exp_minus(expr, x);
            expr.div(x, d)
        }
        Unary::Gelu => {
            let s = expr.float(std::f32::consts::FRAC_1_SQRT_2);
            let t = expr.mul(x, s);
            let t = erf(expr, t);
            half_times_one_plus(expr, x, t)
        }
        Unary::GeluTanh => {
            let root = (2.0 / std::f64::consts::PI).sqrt();
            let x2 = expr.mul(x, x);
            let t = expr.poly(x2, &[(0.044_715 * root) as f32, root as f32]);
            let t = expr.mul(t, x);
            let t = tanh(expr, t);
            half_times_one_plus(expr, x, t)
        }
        Unary::HardSwish => {
            // The gate first, which is at most 1: the product with x does not overflow.
            let gate = hard_sigmoid(expr, x);
            expr.mul(x, gate)
        }
        Unary::Softsign => {
            let size = magnitude(expr, x);
            let d = expr.add(size, one);
            expr.div(x, d)
        }
        Unary::Softplus => softplus(expr, x),
        Unary::Mish => mish(expr, x),
        Unary::HardSigmoid => hard_sigmoid(expr, x),
        Unary::Floor => rounding::floor(expr, x),
        Unary::Round => expr.un(Un::Round, x),
        Unary::Sign => rounding::sign(expr, x),
    }
}

/// `max(x, 0) + log(1 + u)` with `u = e^-|x|`, which is at most 1. The logarithm is `2 atanh(u / (2 + u))`: a
/// polynomial in the square of that quotient, which keeps all digits of a small `u`.
fn softplus(expr: &mut Expr, x: Reg) -> Reg {
    let size = magnitude(expr, x);
    let minus = negate(expr, size);
    let u = exp(expr, minus);
    let two = expr.float(2.0);
    let below = expr.add(u, two);
    let s = expr.div(u, below);
    let s2 = expr.mul(s, s);
    let p = expr.poly(s2, &[0.121_969_54, 0.106_992_8, 0.143_101_04, 0.199_993_56, 0.333_333_4, 1.0]);
    let twice = expr.add(s, s);
    let high = expr.at_least(x, 0.0);
    expr.fma(twice, p, high)
}

/// `x * n / (n + 2)` with `n = e^x (e^x + 2)`, which is `x * tanh(log(1 + e^x))`. The quotient is 1 long
/// before `n` is infinite.
fn mish(expr: &mut Expr, x: Reg) -> Reg {
    let low = expr.at_most(x, 20.0);
    let e = exp(expr, low);
    let two = expr.float(2.0);
    let more = expr.add(e, two);
    let n = expr.mul(e, more);
    let below = expr.add(n, two);
    let gate = expr.div(n, below);
    expr.mul(x, gate)
}

/// `relu6(x + 3) / 6`
fn hard_sigmoid(expr: &mut Expr, x: Reg) -> Reg {
    let three = expr.float(3.0);
    let t = expr.add(x, three);
    let t = expr.at_least(t, 0.0);
    let t = expr.at_most(t, 6.0);
    let sixth = expr.float(1.0 / 6.0);
    expr.mul(t, sixth)
}

fn one_plus_exp_minus(expr: &mut Expr, x: Reg) -> Reg {
    let m = negate(expr, x);
    let t = exp(expr, m);
    let one = expr.float(1.0);
    expr.add(t, one)
}

/// `x/2 * (1 + t)`
fn half_times_one_plus(expr: &mut Expr, x: Reg, t: Reg) -> Reg {
    let h = expr.float(0.5);
    let hx = expr.mul(x, h);
    expr.fma(hx, t, hx)
}

fn unary_int(expr: &mut Expr, op: Unary, x: Reg) -> Reg {
    let zero = expr.int(0);
    let minus = expr.bin(Bin::ISub, zero, x);
    let positive = expr.cmp(Cmp::Gt, x, zero);
    match op {
        Unary::Neg => minus,
        Unary::Abs => expr.select(positive, x, minus),
        Unary::Relu => expr.select(positive, x, zero),
        Unary::Sign => {
            let (one, below) = (expr.int(1), expr.int(-1));
            let negative = expr.cmp(Cmp::Lt, x, zero);
            let rest = expr.select(negative, below, zero);
            expr.select(positive, one, rest)
        }
        // A graph is verified before it is lowered, which includes the types of arguments.
        op => unreachable!("`{}` takes no i32: see `Unary::types`", op.name()),
    }
}

/// An elementwise function of two arguments.
pub fn binary(expr: &mut Expr, op: Binary, a: Reg, b: Reg) -> Reg {
    let int = expr.ty(a) == super::Ty::I;
    let mask = expr.ty(a) == super::Ty::M;
    let pick = |f: Bin, i: Bin| if int { i } else { f };
    match op {
        Binary::Add => expr.bin(pick(Bin::Add, Bin::IAdd), a, b),
        Binary::Sub => expr.bin(pick(Bin::Sub, Bin::ISub), a, b),
        Binary::Mul => expr.bin(pick(Bin::Mul, Bin::IMul), a, b),
        Binary::Div => expr.div(a, b),
        Binary::Rem if int => rounding::rem_int(expr, a, b),
        Binary::Rem => rounding::rem(expr, a, b),
        Binary::Swiglu => {
            let gate = unary(expr, Unary::Silu, a);
            expr.mul(gate, b)
        }
        Binary::And => expr.bin(Bin::And, a, b),
        Binary::Or => expr.bin(Bin::Or, a, b),
        Binary::Max | Binary::Min => {
            let first = expr.cmp(if op == Binary::Max { Cmp::Gt } else { Cmp::Lt }, a, b);
            let m = expr.select(first, a, b);
            if int {
                return m;
            }
            // `b` is taken where either is NaN; an `a` that is NaN must win.
            let nan = expr.is_nan(a);
            expr.select(nan, a, m)
        }
        Binary::Eq | Binary::Ne if mask => {
            let d = expr.bin(Bin::Xor, a, b);
            if op == Binary::Ne { d } else { expr.un(Un::Not, d) }
        }
        Binary::Eq => expr.cmp(Cmp::Eq, a, b),
        Binary::Ne => expr.cmp(Cmp::Ne, a, b),
        Binary::Lt => expr.cmp(Cmp::Lt, a, b),
        Binary::Le => expr.cmp(Cmp::Le, a, b),
        Binary::Gt => expr.cmp(Cmp::Gt, a, b),
        Binary::Ge => expr.cmp(Cmp::Ge, a, b),
    }
}

/// `x ^ c`: products for small integers, else `exp(c * log|x|)` with the sign rules of C's `pow`.
pub fn pow(expr: &mut Expr, x: Reg, c: f64) -> Reg {
    let one = expr.float(1.0);
    // From 2^53 on every number is whole, and even.
    let integer = c.fract() == 0.0;
    if integer && c.abs() <= 16.0 {
        let mut n = c.abs() as u32;
        let (mut y, mut square) = (None, x);
        while n > 0 {
            if n & 1 == 1 {
                y = Some(y.map_or(square, |y| expr.mul(y, square)));
            }
            square = expr.mul(square, square);
            n >>= 1;
        }
        let y = y.unwrap_or(one);
        return if c < 0.0 { expr.div(one, y) } else { y };
    }
    let size = magnitude(expr, x);
    let l = log(expr, size);
    let k = expr.float(c as f32);
    let p = expr.mul(k, l);
    let y = exp(expr, p);
    let zero = expr.float(0.0);
    if !integer {
        let finite_negative = {
            let neg = expr.cmp(Cmp::Lt, x, zero);
            let low = expr.float(f32::MIN);
            let ge = expr.cmp(Cmp::Ge, x, low);
            expr.bin(Bin::And, neg, ge)
        };
        let nan = expr.float(f32::NAN);
        return expr.select(finite_negative, nan, y);
    }
    if c % 2.0 == 0.0 {
        return y;
    }
    let bits = expr.un(Un::Bits, x);
    let sign = expr.int(i32::MIN);
    let sign = expr.bin(Bin::And, bits, sign);
    let y = expr.un(Un::Bits, y);
    let y = expr.bin(Bin::Or, y, sign);
    expr.un(Un::FromBits, y)
}
