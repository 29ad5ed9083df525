//! Elementwise ops and casts.

use super::{count, erf, f32s};
use crate::error::Error;
use crate::reserve::{collected, copied};
use crate::tensor::bf16;
use crate::tensor::{Tensor, TensorData};
use tancho_ir::DType;
use tancho_ir::op::{Binary, Unary};

/// The results of a function of each element.
fn map<A: Copy, T>(v: &[A], f: impl Fn(A) -> T) -> Result<Vec<T>, Error> {
    collected(v.len(), v.iter().map(|&x| f(x)))
}

pub fn unary(u: Unary, x: &Tensor) -> Result<Tensor, Error> {
    let data = match x.data() {
        TensorData::F32(v) => TensorData::F32(map(v, |x| unary_f64(u, f64::from(x)) as f32)?),
        TensorData::I32(v) => TensorData::I32(map(v, |x| unary_i32(u, x))?),
        TensorData::Bool(v) => TensorData::Bool(map(v, |x| !x)?),
        TensorData::Bf16(v) => TensorData::Bf16(copied(v)?),
    };
    Ok(Tensor::from_parts(data, x.shape()))
}

/// One f32 function; the formulas are those of the op table.
fn unary_f64(u: Unary, x: f64) -> f64 {
    match u {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Sqrt => x.sqrt(),
        Unary::Rsqrt => 1.0 / x.sqrt(),
        Unary::Tanh => x.tanh(),
        Unary::Erf => erf(x),
        Unary::Sin => angle(x).sin(),
        Unary::Cos => angle(x).cos(),
        Unary::Relu => max(x, 0.0),
        Unary::Relu6 => min(max(x, 0.0), 6.0),
        Unary::Sigmoid => sigmoid(x),
        Unary::Silu => x * sigmoid(x),
        Unary::Gelu => x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)) * 0.5,
        Unary::GeluTanh => {
            x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh()) * 0.5
        }
        Unary::HardSwish => x * min(max(x + 3.0, 0.0), 6.0) / 6.0,
        Unary::Softsign => x / (1.0 + x.abs()),
        Unary::Softplus => softplus(x),
        Unary::Mish => x * softplus(x).tanh(),
        Unary::HardSigmoid => min(max(x + 3.0, 0.0), 6.0) / 6.0,
        Unary::Floor => x.floor(),
        Unary::Round => x.round_ties_even(),
        Unary::Sign if x == 0.0 || x.is_nan() => x.abs(),
        Unary::Sign => x.signum(),
        // Of bool only; the shape rule lets no f32 come here.
        Unary::Not => f64::NAN,
    }
}

fn unary_i32(u: Unary, x: i32) -> i32 {
    match u {
        Unary::Neg => x.wrapping_neg(),
        Unary::Abs => x.wrapping_abs(),
        Unary::Relu => x.max(0),
        Unary::Sign => x.signum(),
        // The shape rules refuse the others.
        op => unreachable!("`{}` takes no i32: see `Unary::types`", op.name()),
    }
}

/// An f32 beyond 2^22 is no angle: its neighbours are half a radian away.
pub fn angle(x: f64) -> f64 {
    if x.abs() <= f64::from(1 << 22) { x } else { f64::NAN }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    max(x, 0.0) + (-x.abs()).exp().ln_1p()
}

/// The remainder with the sign of the divisor: Rust's, which has that of `a`, is exact.
fn rem(a: f64, b: f64) -> f64 {
    let r = a % b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r }
}

/// The same of integers; of a divisor of 0 it is `a`.
fn rem_i32(a: i32, b: i32) -> i32 {
    if b == 0 {
        return a;
    }
    let r = a.wrapping_rem(b);
    if r != 0 && (r < 0) != (b < 0) { r.wrapping_add(b) } else { r }
}

/// The larger; NaN if either is.
pub fn max(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// The smaller; NaN if either is.
pub fn min(a: f64, b: f64) -> f64 {
    if a.is_nan() || a < b { a } else { b }
}

/// The results of a function of pairs of elements, under a shape of which each argument's is a trailing part.
fn pairs<A: Copy, T>(a: &[A], b: &[A], out: &[usize], f: impl Fn(A, A) -> T) -> Result<Vec<T>, Error> {
    let n = count(out);
    collected(n, a.iter().cycle().zip(b.iter().cycle()).take(n).map(|(&a, &b)| f(a, b)))
}

pub fn binary(op: Binary, a: &Tensor, b: &Tensor, out: &[usize]) -> Result<Tensor, Error> {
    let data = match (a.data(), b.data()) {
        (TensorData::F32(a), TensorData::F32(b)) if op.is_comparison() => {
            TensorData::Bool(pairs(a, b, out, |a, b| compare(op, &a, &b))?)
        }
        (TensorData::I32(a), TensorData::I32(b)) if op.is_comparison() => {
            TensorData::Bool(pairs(a, b, out, |a, b| compare(op, &a, &b))?)
        }
        (TensorData::Bool(a), TensorData::Bool(b)) => {
            TensorData::Bool(pairs(a, b, out, |a, b| logic(op, a, b))?)
        }
        (TensorData::I32(a), TensorData::I32(b)) => {
            TensorData::I32(pairs(a, b, out, |a, b| binary_i32(op, a, b))?)
        }
        _ => TensorData::F32(pairs(f32s(a), f32s(b), out, |a, b| binary_f64(op, a.into(), b.into()) as f32)?),
    };
    Ok(Tensor::from_parts(data, out))
}

fn binary_f64(op: Binary, a: f64, b: f64) -> f64 {
    match op {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Rem => rem(a, b),
        Binary::Max => max(a, b),
        Binary::Min => min(a, b),
        // The gate is an f32 number, as between two ops.
        Binary::Swiglu => f64::from((a * sigmoid(a)) as f32) * b,
        _ => f64::NAN,
    }
}

fn binary_i32(op: Binary, a: i32, b: i32) -> i32 {
    match op {
        Binary::Add => a.wrapping_add(b),
        Binary::Sub => a.wrapping_sub(b),
        Binary::Mul => a.wrapping_mul(b),
        Binary::Max => a.max(b),
        Binary::Min => a.min(b),
        Binary::Rem => rem_i32(a, b),
        _ => 0,
    }
}

fn compare<T: PartialOrd>(op: Binary, a: &T, b: &T) -> bool {
    match op {
        Binary::Eq => a == b,
        Binary::Ne => a != b,
        Binary::Lt => a < b,
        Binary::Le => a <= b,
        Binary::Gt => a > b,
        _ => a >= b,
    }
}

fn logic(op: Binary, a: bool, b: bool) -> bool {
    match op {
        Binary::And => a && b,
        Binary::Or => a || b,
        other => compare(other, &a, &b),
    }
}

/// A function of each f32 element.
pub fn each(x: &Tensor, f: impl Fn(f64) -> f64) -> Result<Tensor, Error> {
    Ok(Tensor::from_parts(map(f32s(x), |x| f(f64::from(x)) as f32)?, x.shape()))
}

pub fn select(cond: &Tensor, a: &Tensor, b: &Tensor, out: &[usize]) -> Result<Tensor, Error> {
    fn choose<T: Copy>(cond: &[bool], a: &[T], b: &[T], out: &[usize]) -> Result<Vec<T>, Error> {
        let (n, both) = (count(out), a.iter().cycle().zip(b.iter().cycle()));
        collected(n, cond.iter().cycle().zip(both).take(n).map(|(c, (a, b))| if *c { *a } else { *b }))
    }
    let c = cond.as_bool().unwrap_or_default();
    let data: TensorData = match (a.data(), b.data()) {
        (TensorData::I32(a), TensorData::I32(b)) => choose(c, a, b, out)?.into(),
        (TensorData::Bool(a), TensorData::Bool(b)) => choose(c, a, b, out)?.into(),
        (TensorData::Bf16(a), TensorData::Bf16(b)) => choose(c, a, b, out)?.into(),
        _ => choose(c, f32s(a), f32s(b), out)?.into(),
    };
    Ok(Tensor::from_parts(data, out))
}

/// f32 to i32 truncates and saturates, NaN gives 0; everything but 0 is true, NaN too; bf16 takes
/// the nearest, of two the even one. Between bf16 and i32 the way is over f32.
pub fn cast(x: &Tensor, to: DType) -> Result<Tensor, Error> {
    fn of_f32<A: Copy>(v: &[A], wide: impl Fn(A) -> f32, to: DType) -> Result<TensorData, Error> {
        Ok(match to {
            DType::F32 => TensorData::F32(map(v, wide)?),
            DType::I32 => TensorData::I32(map(v, |x| wide(x) as i32)?),
            DType::Bool => TensorData::Bool(map(v, |x| wide(x) != 0.0)?),
            DType::Bf16 => TensorData::Bf16(map(v, |x| bf16::from_f32(wide(x)))?),
        })
    }
    if x.dtype() == to {
        return x.copied();
    }
    let data = match (x.data(), to) {
        (TensorData::I32(v), DType::Bool) => TensorData::Bool(map(v, |i| i != 0)?),
        (TensorData::Bool(v), DType::I32) => TensorData::I32(map(v, i32::from)?),
        (TensorData::F32(v), _) => of_f32(v, |x| x, to)?,
        (TensorData::I32(v), _) => of_f32(v, |i| i as f32, to)?,
        (TensorData::Bool(v), _) => of_f32(v, |b| f32::from(u8::from(b)), to)?,
        (TensorData::Bf16(v), _) => of_f32(v, bf16::to_f32, to)?,
    };
    Ok(Tensor::from_parts(data, x.shape()))
}
