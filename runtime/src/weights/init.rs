//! Weights as they start. Only `+ - * / sqrt` are used, which are exact on every
//! machine, so a seed gives the same bits everywhere.

use crate::error::Error;
use crate::reserve::collected;
use crate::tensor::bf16;
use crate::tensor::shape::element_count;
use crate::tensor::{Tensor, TensorData};
use tancho_ir::DType;
use tancho_ir::graph::{Init, WeightDecl};

/// SplitMix64 (Steele, Lea and Flood 2014): a counter and a mixer.
struct Rng(u64);

impl Rng {
    /// A stream of its own for each name, so that a new weight does not change the others.
    fn new(seed: u64, name: &str) -> Rng {
        let fnv = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        let mut r = Rng(seed ^ fnv);
        Rng(r.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `[0, 1)`.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal, by Marsaglia's polar method.
    fn normal(&mut self) -> f64 {
        loop {
            let (u, v) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                return u * (-2.0 * ln(s) / s).sqrt();
            }
        }
    }
}

/// The logarithm of a number in `(0, 1)`: that of a system's library may differ in the last bit.
fn ln(x: f64) -> f64 {
    const LN_2: f64 = std::f64::consts::LN_2;
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    // ln(m) = 2 atanh((m - 1) / (m + 1)), at most 1/3: 20 terms are more than enough.
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let series = (0..20).rev().fold(0.0, |sum, k| sum * t * t + 1.0 / f64::from(2 * k + 1));
    f64::from(exponent) * LN_2 + 2.0 * t * series
}

/// Inputs and outputs of a weight `[OUT, IN, ..]`; a vector counts as both.
fn fans(shape: &[usize]) -> (f64, f64) {
    match shape {
        [] => (1.0, 1.0),
        [n] => (*n as f64, *n as f64),
        [out, inner, rest @ ..] => {
            let field: f64 = rest.iter().map(|&n| n as f64).product();
            (*inner as f64 * field, *out as f64 * field)
        }
    }
}

/// A weight as it starts.
///
/// # Errors
/// There is no memory for it.
pub fn tensor(decl: &WeightDecl, shape: &[usize], seed: u64) -> Result<Tensor, Error> {
    let n = element_count(shape).unwrap_or(usize::MAX);
    if let Init::Table(table) = &decl.init {
        let data = match decl.ty.dtype {
            DType::I32 => TensorData::I32(collected(n, table.numbers().map(|x| x as i32))?),
            _ => TensorData::F32(collected(n, table.numbers().map(|x| x as f32))?),
        };
        return Ok(Tensor::from_parts(data, shape));
    }
    let mut rng = Rng::new(seed, &decl.name);
    let (fan_in, fan_out) = fans(shape);
    let glorot = (6.0 / (fan_in + fan_out)).sqrt();
    let mut one = || match &decl.init {
        // Constants do not start as anything: a table is above, and the others are given.
        Init::Zeros | Init::Table(_) | Init::Given => 0.0,
        Init::Ones => 1.0,
        Init::Normal(std) => rng.normal() * std,
        Init::Xavier => (2.0 * rng.uniform() - 1.0) * glorot,
        Init::Uniform(low, high) => low + rng.uniform() * (high - low),
    };
    let values = (0..n).map(|_| one());
    let data = match decl.ty.dtype {
        DType::F32 => TensorData::F32(collected(n, values.map(|x| x as f32))?),
        DType::I32 => TensorData::I32(collected(n, values.map(|x| x as i32))?),
        DType::Bool => TensorData::Bool(collected(n, values.map(|x| x != 0.0))?),
        DType::Bf16 => TensorData::Bf16(collected(n, values.map(bf16::from_f64))?),
    };
    Ok(Tensor::from_parts(data, shape))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tancho_ir::{Dim, Type};

    fn make(name: &str, init: Init, shape: &[usize], seed: u64) -> Vec<f32> {
        let ty = Type::f32(shape.iter().map(|&n| Dim::from(n)).collect());
        let t = tensor(&WeightDecl::new(name, ty, init), shape, seed).expect("memory");
        t.as_f32().expect("f32").to_vec()
    }

    #[test]
    fn the_bits_never_change() {
        let first: Vec<u32> = make("w", Init::Normal(1.0), &[3], 7).iter().map(|x| x.to_bits()).collect();
        assert_eq!(first, [0x3ebf_fd79, 0xbe21_4b23, 0xbf15_9d98]);
        assert_ne!(make("w", Init::Xavier, &[8], 7), make("w", Init::Xavier, &[8], 8));
        assert_ne!(make("w", Init::Xavier, &[8], 7), make("v", Init::Xavier, &[8], 7));
        for x in [1e-300, 0.1, 0.5, 0.999] {
            assert!((ln(x) - x.ln()).abs() <= 1e-15 * x.ln().abs().max(1.0));
        }
    }

    #[test]
    fn distributions_are_what_they_say() {
        let x = make("w", Init::Normal(0.5), &[20_000], 1);
        let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / 20_000.0;
        let var = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.015 && (var.sqrt() - 0.5).abs() < 0.015, "{mean} {var}");
        let x = make("w", Init::Xavier, &[100, 50, 2], 1);
        let limit = (6.0f32 / 300.0).sqrt();
        let top = x.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        assert!(top <= limit && top > 0.99 * limit);
        assert!(make("w", Init::Uniform(2.0, 3.0), &[99], 1).iter().all(|x| (2.0..3.0).contains(x)));
        assert_eq!(make("w", Init::Ones, &[2], 1), [1.0, 1.0]);
    }
}
