//! The elementwise functions, each written once for every back end.
//!
//! Errors against the exact value, measured over all of their range by `tests/kernels/functions.rs`:
//! exp and log within 2 ulp (1.3 and 0.8), sin and cos within 2 ulp up to 2^22
//! (1.7, and 1e-7 absolute), tanh and erf within 5e-7 absolute and 1e-6
//! relative, sigmoid and silu within 4 ulp, gelu within 5e-7 of |x|, powers within 1e-5
//! relative. NaN stays NaN; the limits at infinity and at the ends of the range are
//! exact. Below -88.7 sigmoid and silu are 0, as in PyTorch: `exp(-x)` is infinite there.

use super::expr::Expr;
use super::{Bin, Cmp, Reg, Un};
use tancho_ir::op::{Binary, Unary};

const LN2_HI: f32 = 0.693_359_4;
const LN2_LO: f32 = -2.121_944_4e-4;

/// `e^x`: overflow to infinity and gradual underflow included (Cephes' polynomial).
pub fn exp(e: &mut Expr, x: Reg) -> Reg {
    let x = e.at_least(x, -104.0);
    let x = e.at_most(x, 89.0);
    let log2e = e.c(std::f32::consts::LOG2_E);
    let n = e.mul(x, log2e);
    let n = e.un(Un::Round, n);
    let (hi, lo) = (e.c(-LN2_HI), e.c(-LN2_LO));
    let r = e.fma(n, hi, x);
    let r = e.fma(n, lo, r);
    let p = e.poly(r, &[1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5]);
    let r2 = e.mul(r, r);
    let one = e.c(1.0);
    let t = e.add(r, one);
    let p = e.fma(p, r2, t);
    // 2^n in two factors: n reaches -150 and 128, outside of the exponents of one float.
    let n = e.un(Un::ToInt, n);
    let one = e.i(1);
    let half = e.bin(Bin::Shr, n, one);
    let remainder = e.bin(Bin::ISub, n, half);
    let a = power_of_two(e, half);
    let b = power_of_two(e, remainder);
    let p = e.mul(p, a);
    e.mul(p, b)
}

fn power_of_two(e: &mut Expr, n: Reg) -> Reg {
    let (bias, shift) = (e.i(127), e.i(23));
    let n = e.bin(Bin::IAdd, n, bias);
    let n = e.bin(Bin::Shl, n, shift);
    e.un(Un::FromBits, n)
}

/// Natural logarithm (the polynomial of FreeBSD's `logf`); subnormals are scaled up first.
pub fn log(e: &mut Expr, x: Reg) -> Reg {
    let (tiny, up, zero, one) = (e.c(f32::MIN_POSITIVE), e.c((1 << 23) as f32), e.c(0.0), e.c(1.0));
    let small = e.cmp(Cmp::Lt, x, tiny);
    let scaled = e.mul(x, up);
    let m = e.select(small, scaled, x);
    let bits = e.un(Un::Bits, m);
    let root_half = e.i(0x3f35_04f3);
    let shifted = e.bin(Bin::ISub, bits, root_half);
    let s23 = e.i(23);
    let k = e.bin(Bin::Shr, shifted, s23);
    let frac = e.i(0x007f_ffff);
    let m = e.bin(Bin::And, shifted, frac);
    let m = e.bin(Bin::IAdd, m, root_half);
    let m = e.un(Un::FromBits, m);
    let k = e.un(Un::ToFloat, k);
    let less = e.c(23.0);
    let k_small = e.sub(k, less);
    let k = e.select(small, k_small, k);
    let f = e.sub(m, one);
    let two = e.c(2.0);
    let den = e.add(f, two);
    let s = e.div(f, den);
    let z = e.mul(s, s);
    let w = e.mul(z, z);
    let t1 = e.poly(w, &[0.242_790_79, 0.400_009_72]);
    let t1 = e.mul(t1, w);
    let t2 = e.poly(w, &[0.284_987_87, 0.666_666_6]);
    let r = e.fma(t2, z, t1);
    let half = e.c(0.5);
    let hf = e.mul(f, half);
    let hfsq = e.mul(hf, f);
    let (hi, lo) = (e.c(0.693_138_1), e.c(9.058_001e-6));
    let t = e.add(hfsq, r);
    let klo = e.mul(k, lo);
    let y = e.fma(s, t, klo);
    let y = e.sub(y, hfsq);
    let y = e.add(y, f);
    let y = e.fma(k, hi, y);
    let inf = e.c(f32::INFINITY);
    let is_inf = e.cmp(Cmp::Ge, x, inf);
    let y = e.select(is_inf, x, y);
    let is_zero = e.cmp(Cmp::Eq, x, zero);
    let minus_inf = e.c(f32::NEG_INFINITY);
    let y = e.select(is_zero, minus_inf, y);
    let positive = e.cmp(Cmp::Ge, x, zero);
    let nan = e.c(f32::NAN);
    e.select(positive, y, nan)
}

/// Hyperbolic tangent: a rational approximation, which is exactly ±1 from this end of its range on.
pub fn tanh(e: &mut Expr, x: Reg) -> Reg {
    let x = e.at_least(x, -8.031_55);
    let x = e.at_most(x, 8.031_55);
    let x2 = e.mul(x, x);
    let p = e.poly(
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
    let p = e.mul(p, x);
    let q = e.poly(x2, &[1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3]);
    e.div(p, q)
}

/// Error function: a rational approximation, which is exactly ±1 from this end of its range on.
pub fn erf(e: &mut Expr, x: Reg) -> Reg {
    let x = e.at_least(x, -3.681_2);
    let x = e.at_most(x, 3.681_2);
    let x2 = e.mul(x, x);
    let p = e.poly(
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
    let p = e.mul(p, x);
    let q = e.poly(x2, &[-1.456_607_3e-5, -2.133_740_5e-4, -1.682_827e-3, -7.373_329e-3, -1.426_475_e-2]);
    e.div(p, q)
}

/// Sine, or cosine as the sine a quarter later; NaN beyond 2^22.
///
/// Cody and Waite's reduction: `x - n pi/2` with `pi/2` in three parts. The product with the first part is
/// exact before it is subtracted, and so is the difference, for all `n` that arise. A second step corrects an
/// `n` that the rounding of `x * 2/pi` made wrong by one. Then Cephes' polynomials.
fn sin_or_cos(e: &mut Expr, x: Reg, quarter: i32) -> Reg {
    const PARTS: [f32; 3] = [1.570_796_4, -4.371_139e-8, -1.715_124_5e-15];
    let per_quarter = e.c(std::f32::consts::FRAC_2_PI);
    let parts = PARTS.map(|p| e.c(-p));
    let n = e.mul(x, per_quarter);
    let n = e.un(Un::Round, n);
    let r = e.fma(n, parts[0], x);
    let nearer = e.fma(n, parts[1], r);
    let more = e.mul(nearer, per_quarter);
    let more = e.un(Un::Round, more);
    let r = e.fma(more, parts[0], r);
    let n = e.add(n, more);
    let r = e.fma(n, parts[1], r);
    let r = e.fma(n, parts[2], r);
    let r2 = e.mul(r, r);
    let s = e.poly(r2, &[-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1]);
    let s = e.mul(s, r2);
    let s = e.fma(s, r, r);
    let c = e.poly(r2, &[2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2, -0.5]);
    let one = e.c(1.0);
    let c = e.fma(c, r2, one);
    let (q, by, two) = (e.un(Un::ToInt, n), e.i(quarter), e.i(2));
    let (one, zero) = (e.i(1), e.i(0));
    let q = e.bin(Bin::IAdd, q, by);
    let odd = e.bin(Bin::And, q, one);
    let odd = e.cmp(Cmp::Ne, odd, zero);
    let y = e.select(odd, c, s);
    let turned = e.bin(Bin::And, q, two);
    let turned = e.cmp(Cmp::Ne, turned, zero);
    let minus = negate(e, y);
    let y = e.select(turned, minus, y);
    let (size, limit, nan) = (magnitude(e, x), e.c((1 << 22) as f32), e.c(f32::NAN));
    let is_angle = e.cmp(Cmp::Le, size, limit);
    e.select(is_angle, y, nan)
}

/// `ratio^i` by the binary digits of `i` below `len`, in two floats: the first is the float next to the
/// exact number. `ratio` is in (0, 1], so that no factor is infinite.
pub fn powers(e: &mut Expr, i: Reg, ratio: f64, len: Option<i64>) -> Reg {
    let digits = len.map_or(31, |n| 64 - (n - 1).max(0).leading_zeros()).min(31);
    let (one, zero, no) = (e.c(1.0), e.c(0.0), e.i(0));
    let (mut high, mut low, mut factor) = (one, zero, ratio);
    for digit in 0..digits {
        let bit = e.i(1 << digit);
        let set = e.bin(Bin::And, i, bit);
        let set = e.cmp(Cmp::Ne, set, no);
        let rounded = factor as f32;
        let remainder = (factor - f64::from(rounded)) as f32;
        let (c, d) = (e.c(rounded), e.c(remainder));
        let (c, d) = (e.select(set, c, one), e.select(set, d, zero));
        let p = e.mul(high, c);
        let minus = negate(e, p);
        let t = e.fma(high, c, minus);
        let t = e.fma(high, d, t);
        let t = e.fma(low, c, t);
        let sum = e.add(p, t);
        let back = e.sub(p, sum);
        (high, low) = (sum, e.add(back, t));
        factor *= factor;
    }
    high
}

fn negate(e: &mut Expr, x: Reg) -> Reg {
    let (bits, sign) = (e.un(Un::Bits, x), e.i(i32::MIN));
    let y = e.bin(Bin::Xor, bits, sign);
    e.un(Un::FromBits, y)
}

fn magnitude(e: &mut Expr, x: Reg) -> Reg {
    let (bits, all_but_sign) = (e.un(Un::Bits, x), e.i(i32::MAX));
    let y = e.bin(Bin::And, bits, all_but_sign);
    e.un(Un::FromBits, y)
}

/// An elementwise function of one argument.
pub fn unary(e: &mut Expr, op: Unary, x: Reg) -> Reg {
    if e.ty(x) == super::Ty::I {
        return unary_int(e, op, x);
    }
    let one = e.c(1.0);
    match op {
        Unary::Neg => negate(e, x),
        Unary::Abs => magnitude(e, x),
        Unary::Exp => exp(e, x),
        Unary::Log => log(e, x),
        Unary::Sqrt => e.un(Un::Sqrt, x),
        Unary::Rsqrt => {
            let s = e.un(Un::Sqrt, x);
            e.div(one, s)
        }
        Unary::Tanh => tanh(e, x),
        Unary::Erf => erf(e, x),
        Unary::Sin => sin_or_cos(e, x, 0),
        Unary::Cos => sin_or_cos(e, x, 1),
        Unary::Not => e.un(Un::Not, x),
        Unary::Relu => e.at_least(x, 0.0),
        Unary::Relu6 => {
            let y = e.at_least(x, 0.0);
            e.at_most(y, 6.0)
        }
        Unary::Sigmoid => {
            let d = one_plus_exp_minus(e, x);
            e.div(one, d)
        }
        Unary::Silu => {
            let d = one_plus_exp_minus(e, x);
            e.div(x, d)
        }
        Unary::Gelu => {
            let s = e.c(std::f32::consts::FRAC_1_SQRT_2);
            let t = e.mul(x, s);
            let t = erf(e, t);
            half_times_one_plus(e, x, t)
        }
        Unary::GeluTanh => {
            let root = (2.0 / std::f64::consts::PI).sqrt();
            let x2 = e.mul(x, x);
            let t = e.poly(x2, &[(0.044_715 * root) as f32, root as f32]);
            let t = e.mul(t, x);
            let t = tanh(e, t);
            half_times_one_plus(e, x, t)
        }
        Unary::HardSwish => {
            let three = e.c(3.0);
            let t = e.add(x, three);
            let t = e.at_least(t, 0.0);
            let t = e.at_most(t, 6.0);
            // The gate first, which is at most 1: the product with x does not overflow.
            let sixth = e.c(1.0 / 6.0);
            let gate = e.mul(t, sixth);
            e.mul(x, gate)
        }
        Unary::Softsign => {
            let size = magnitude(e, x);
            let d = e.add(size, one);
            e.div(x, d)
        }
    }
}

fn one_plus_exp_minus(e: &mut Expr, x: Reg) -> Reg {
    let m = negate(e, x);
    let t = exp(e, m);
    let one = e.c(1.0);
    e.add(t, one)
}

/// `x/2 * (1 + t)`
fn half_times_one_plus(e: &mut Expr, x: Reg, t: Reg) -> Reg {
    let h = e.c(0.5);
    let hx = e.mul(x, h);
    e.fma(hx, t, hx)
}

fn unary_int(e: &mut Expr, op: Unary, x: Reg) -> Reg {
    let zero = e.i(0);
    let minus = e.bin(Bin::ISub, zero, x);
    let positive = e.cmp(Cmp::Gt, x, zero);
    match op {
        Unary::Neg => minus,
        Unary::Abs => e.select(positive, x, minus),
        Unary::Relu => e.select(positive, x, zero),
        // A graph is verified before it is lowered, which includes the types of arguments.
        op => unreachable!("`{}` takes no i32: see `Unary::types`", op.name()),
    }
}

/// An elementwise function of two arguments.
pub fn binary(e: &mut Expr, op: Binary, a: Reg, b: Reg) -> Reg {
    let int = e.ty(a) == super::Ty::I;
    let mask = e.ty(a) == super::Ty::M;
    let pick = |f: Bin, i: Bin| if int { i } else { f };
    match op {
        Binary::Add => e.bin(pick(Bin::Add, Bin::IAdd), a, b),
        Binary::Sub => e.bin(pick(Bin::Sub, Bin::ISub), a, b),
        Binary::Mul => e.bin(pick(Bin::Mul, Bin::IMul), a, b),
        Binary::Div => e.div(a, b),
        Binary::Swiglu => {
            let gate = unary(e, Unary::Silu, a);
            e.mul(gate, b)
        }
        Binary::And => e.bin(Bin::And, a, b),
        Binary::Or => e.bin(Bin::Or, a, b),
        Binary::Max | Binary::Min => {
            let first = e.cmp(if op == Binary::Max { Cmp::Gt } else { Cmp::Lt }, a, b);
            let m = e.select(first, a, b);
            if int {
                return m;
            }
            // `b` is taken where either is NaN; an `a` that is NaN must win.
            let nan = e.is_nan(a);
            e.select(nan, a, m)
        }
        Binary::Eq | Binary::Ne if mask => {
            let d = e.bin(Bin::Xor, a, b);
            if op == Binary::Ne { d } else { e.un(Un::Not, d) }
        }
        Binary::Eq => e.cmp(Cmp::Eq, a, b),
        Binary::Ne => e.cmp(Cmp::Ne, a, b),
        Binary::Lt => e.cmp(Cmp::Lt, a, b),
        Binary::Le => e.cmp(Cmp::Le, a, b),
        Binary::Gt => e.cmp(Cmp::Gt, a, b),
        Binary::Ge => e.cmp(Cmp::Ge, a, b),
    }
}

/// `x ^ c`: products for small integers, else `exp(c * log|x|)` with the sign rules of C's `pow`.
pub fn pow(e: &mut Expr, x: Reg, c: f64) -> Reg {
    let one = e.c(1.0);
    // From 2^53 on every number is whole, and even.
    let integer = c.fract() == 0.0;
    if integer && c.abs() <= 16.0 {
        let mut n = c.abs() as u32;
        let (mut y, mut square) = (None, x);
        while n > 0 {
            if n & 1 == 1 {
                y = Some(y.map_or(square, |y| e.mul(y, square)));
            }
            square = e.mul(square, square);
            n >>= 1;
        }
        let y = y.unwrap_or(one);
        return if c < 0.0 { e.div(one, y) } else { y };
    }
    let size = magnitude(e, x);
    let l = log(e, size);
    let k = e.c(c as f32);
    let p = e.mul(k, l);
    let y = exp(e, p);
    let zero = e.c(0.0);
    if !integer {
        let finite_negative = {
            let neg = e.cmp(Cmp::Lt, x, zero);
            let low = e.c(f32::MIN);
            let ge = e.cmp(Cmp::Ge, x, low);
            e.bin(Bin::And, neg, ge)
        };
        let nan = e.c(f32::NAN);
        return e.select(finite_negative, nan, y);
    }
    if c % 2.0 == 0.0 {
        return y;
    }
    let bits = e.un(Un::Bits, x);
    let sign = e.i(i32::MIN);
    let sign = e.bin(Bin::And, bits, sign);
    let y = e.un(Un::Bits, y);
    let y = e.bin(Bin::Or, y, sign);
    e.un(Un::FromBits, y)
}
