//! The two floats of 16 bits: bfloat16, in which tensors and weights may be kept, and IEEE half precision,
//! which inputs may be given in, and files and factors of integer weights have.

use bytemuck::{Pod, Zeroable};
use std::cmp::Ordering;
use std::fmt;

/// bfloat16: the upper half of an f32, with 8 bits of mantissa.
///
/// It is a `u16` in memory. Slices of any other crate's bfloat16, such as `half::bf16`, can be viewed as this
/// type with `bytemuck::cast_slice`.
///
/// ```
/// use tancho_runtime::bf16;
/// assert_eq!(bf16::from_f32(1.0).to_bits(), 0x3f80);
/// assert_eq!(bf16::from_f32(1.00390625).to_f32(), 1.0); // half way: to the even neighbour
/// assert!(bf16::from_f32(f32::NAN).to_f32().is_nan());
/// ```
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct bf16(u16);

impl bf16 {
    /// 0.
    pub const ZERO: bf16 = bf16(0);
    /// 1.
    pub const ONE: bf16 = bf16(0x3f80);
    /// A NaN.
    pub const NAN: bf16 = bf16(0x7fc0);

    /// The number with these bits.
    pub const fn from_bits(bits: u16) -> bf16 {
        bf16(bits)
    }

    /// The bits of the number.
    pub const fn to_bits(self) -> u16 {
        self.0
    }

    /// The number of two bytes, the lower one first.
    pub const fn from_le_bytes(bytes: [u8; 2]) -> bf16 {
        bf16(u16::from_le_bytes(bytes))
    }

    /// The number of two bytes in the order of this machine.
    pub const fn from_ne_bytes(bytes: [u8; 2]) -> bf16 {
        bf16(u16::from_ne_bytes(bytes))
    }

    /// The nearest number, to even where two are equally near. NaN stays NaN; beyond the largest number is
    /// infinity.
    pub const fn from_f32(x: f32) -> bf16 {
        let bits = x.to_bits();
        if x.is_nan() {
            // A NaN whose payload is in the lower half alone would become an infinity.
            return bf16((bits >> 16) as u16 | 0x40);
        }
        // To even: what is cut off counts as more than half if the last bit that stays is set.
        let odd = bits >> 16 & 1;
        bf16(((bits + 0x7fff + odd) >> 16) as u16)
    }

    /// The nearest number, to even where two are equally near.
    pub const fn from_f64(x: f64) -> bf16 {
        let nearest = x as f32;
        let inexact = nearest as f64 != x && !x.is_nan();
        // Rounded towards 0 with the last bit set, an f32 is on the same side of every middle of two bf16 as
        // `x`: rounding it again is rounding once.
        let bits = nearest.to_bits() - (inexact && (nearest as f64).abs() > x.abs()) as u32;
        bf16::from_f32(f32::from_bits(bits | inexact as u32))
    }

    /// The two bytes of the number, the lower one first.
    pub const fn to_le_bytes(self) -> [u8; 2] {
        self.0.to_le_bytes()
    }

    /// The number as f32, which is exact.
    pub const fn to_f32(self) -> f32 {
        f32::from_bits((self.0 as u32) << 16)
    }

    /// Whether it is a NaN.
    pub const fn is_nan(self) -> bool {
        self.to_f32().is_nan()
    }

    /// The number as f64, which is exact.
    pub const fn to_f64(self) -> f64 {
        self.to_f32() as f64
    }
}

impl PartialEq for bf16 {
    fn eq(&self, other: &bf16) -> bool {
        self.to_f32() == other.to_f32()
    }
}

impl PartialOrd for bf16 {
    fn partial_cmp(&self, other: &bf16) -> Option<Ordering> {
        self.to_f32().partial_cmp(&other.to_f32())
    }
}

impl From<bf16> for f32 {
    fn from(x: bf16) -> f32 {
        x.to_f32()
    }
}

impl From<bf16> for f64 {
    fn from(x: bf16) -> f64 {
        x.to_f64()
    }
}

impl fmt::Debug for bf16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_f32(), f)
    }
}

impl fmt::Display for bf16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_f32(), f)
    }
}

/// IEEE 754 half precision, which inputs may be given in.
///
/// It is a `u16` in memory. Slices of any other crate's half precision, such as `half::f16`, can be viewed as
/// this type with `bytemuck::cast_slice`.
///
/// ```
/// use tancho_runtime::f16;
/// assert_eq!(f16::from_f32(1.0).to_bits(), 0x3c00);
/// assert_eq!(f16::from_bits(0x7bff).to_f32(), 65504.0);
/// ```
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct f16(u16);

impl f16 {
    /// The number with these bits.
    pub const fn from_bits(bits: u16) -> f16 {
        f16(bits)
    }

    /// The bits of the number.
    pub const fn to_bits(self) -> u16 {
        self.0
    }

    /// Whether it is neither infinite nor a NaN.
    pub const fn is_finite(self) -> bool {
        self.0 & 0x7c00 != 0x7c00
    }

    /// The number of two bytes, the lower one first.
    pub const fn from_le_bytes(bytes: [u8; 2]) -> f16 {
        f16(u16::from_le_bytes(bytes))
    }

    /// The number as f32, which is exact.
    pub const fn to_f32(self) -> f32 {
        let sign = (self.0 as u32 & 0x8000) << 16;
        let (exponent, mantissa) = (self.0 as u32 >> 10 & 0x1f, self.0 as u32 & 0x3ff);
        let magnitude = match exponent {
            // Multiples of 2^-24.
            0 => (mantissa as f32 * (1.0 / (1 << 24) as f32)).to_bits(),
            0x1f => 0x7f80_0000 | mantissa << 13,
            _ => (exponent + 127 - 15) << 23 | mantissa << 13,
        };
        f32::from_bits(sign | magnitude)
    }

    /// The nearest number, to even where two are equally near. NaN stays NaN; beyond the largest number is
    /// infinity.
    pub const fn from_f32(x: f32) -> f16 {
        let bits = x.to_bits();
        let (sign, magnitude) = ((bits >> 16 & 0x8000) as u16, bits & 0x7fff_ffff);
        let rounded = match magnitude {
            // NaN: quiet, with the upper bits of its payload.
            0x7f80_0001.. => 0x7e00 | (magnitude >> 13 & 0x3ff) as u16,
            // 65520 and above are nearer to infinity than to 65504.
            0x477f_f000.. => 0x7c00,
            // Normal numbers, from 2^-14 on.
            0x3880_0000.. => {
                let odd = magnitude >> 13 & 1;
                ((magnitude - ((127 - 15) << 23) + 0xfff + odd) >> 13) as u16
            }
            // Subnormal numbers are multiples of 2^-24: an addition rounds to them, since an f32 near 0.75
            // has that distance to its neighbours.
            _ => ((f32::from_bits(magnitude) + 0.5).to_bits() - 0.5f32.to_bits()) as u16,
        };
        f16(sign | rounded)
    }
}

impl PartialEq for f16 {
    fn eq(&self, other: &f16) -> bool {
        self.to_f32() == other.to_f32()
    }
}

impl PartialOrd for f16 {
    fn partial_cmp(&self, other: &f16) -> Option<Ordering> {
        self.to_f32().partial_cmp(&other.to_f32())
    }
}

impl From<f16> for f32 {
    fn from(x: f16) -> f32 {
        x.to_f32()
    }
}

impl From<f16> for f64 {
    fn from(x: f16) -> f64 {
        f64::from(x.to_f32())
    }
}

impl fmt::Debug for f16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_f32(), f)
    }
}

impl fmt::Display for f16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_f32(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// f32 at and beside every number of 16 bits and every middle of two, and random ones.
    fn numbers() -> impl Iterator<Item = f32> {
        let near = |x: f32| {
            let bits = x.to_bits();
            [bits.wrapping_sub(1), bits, bits.wrapping_add(1)].map(f32::from_bits)
        };
        let all = (0..=u16::MAX).flat_map(move |bits| {
            let (a, b) = (half::f16::from_bits(bits).to_f32(), half::f16::from_bits(bits ^ 1).to_f32());
            let c = (u32::from(bits) << 16) | 0x8000;
            near(a)
                .into_iter()
                .chain(near((a + b) / 2.0))
                .chain(near(f32::from_bits(c)))
                .chain(near(f32::from_bits(c - 0x8000)))
        });
        let random = (0..1u32 << 20).map(|i| f32::from_bits(i.wrapping_mul(2_654_435_761)));
        all.chain(random)
    }

    fn same(ours: u16, other: u16, nan: bool) -> bool {
        if nan { ours & 0x7fff == other & 0x7fff } else { ours == other }
    }

    #[test]
    fn every_number_of_16_bits_is_that_of_half() {
        for bits in 0..=u16::MAX {
            let (a, b) = (bf16::from_bits(bits).to_f32(), half::bf16::from_bits(bits).to_f32());
            assert!(a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()), "bf16 {bits:#x}: {a}, not {b}");
            let (a, b) = (f16::from_bits(bits).to_f32(), half::f16::from_bits(bits).to_f32());
            assert!(a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()), "f16 {bits:#x}: {a}, not {b}");
        }
    }

    /// Numbers that are no f32 are rounded once: beside a middle of two bf16 they go to the nearer one.
    #[test]
    fn f64_are_rounded_once() {
        for x in numbers() {
            let (a, b) = (bf16::from_f64(f64::from(x)).to_bits(), bf16::from_f32(x).to_bits());
            assert!(same(a, b, x.is_nan()), "{x:e}: {a:#x}, not {b:#x}");
        }
        for bits in (0..0x7f80u16).chain(0x8000..0xff80) {
            let (a, b) = (bf16::from_bits(bits), bf16::from_bits(bits + 1));
            // Beyond the largest number the next one would be 2^128.
            let next = if b.to_f32().is_finite() { b.to_f64() } else { 2f64.powi(128).copysign(a.to_f64()) };
            let middle = (a.to_f64() + next) / 2.0;
            let beside = [middle.to_bits() - 1, middle.to_bits(), middle.to_bits() + 1].map(f64::from_bits);
            let even = if bits % 2 == 0 { a } else { b };
            assert_eq!(
                beside.map(|x| bf16::from_f64(x).to_bits()),
                [a, even, b].map(bf16::to_bits),
                "{bits:#x}"
            );
        }
        let far = [f64::MAX, f64::INFINITY, 1e-300, -1e-300, 0.0].map(|x| bf16::from_f64(x).to_bits());
        assert_eq!(far, [0x7f80, 0x7f80, 0, 0x8000, 0]);
        assert!(bf16::from_f64(f64::NAN).to_f32().is_nan());
    }

    #[test]
    fn f32_are_rounded_as_half_rounds_them() {
        for x in numbers() {
            let (a, b) = (bf16::from_f32(x).to_bits(), half::bf16::from_f32(x).to_bits());
            assert!(same(a, b, x.is_nan()), "bf16 of {x:e} ({:#x}): {a:#x}, not {b:#x}", x.to_bits());
            let (a, b) = (f16::from_f32(x).to_bits(), half::f16::from_f32(x).to_bits());
            assert!(same(a, b, x.is_nan()), "f16 of {x:e} ({:#x}): {a:#x}, not {b:#x}", x.to_bits());
        }
    }
}
