//! Tensors to run networks with, and whether two are the same.

use crate::Rng;
use tancho::{AnyView, Tensor, bf16};

impl Rng {
    /// A tensor of floats in (-1, 1).
    pub fn floats(&mut self, shape: &[usize]) -> Tensor {
        let data: Vec<f32> = (0..shape.iter().product()).map(|_| self.float()).collect();
        Tensor::new(data, shape).expect("the data has the shape's size")
    }

    /// A tensor of ids below `n`.
    pub fn ids(&mut self, shape: &[usize], n: usize) -> Tensor {
        let data: Vec<i32> = (0..shape.iter().product()).map(|_| self.below(n) as i32).collect();
        Tensor::new(data, shape).expect("the data has the shape's size")
    }

    /// A tensor of flags, two of three true.
    pub fn flags(&mut self, shape: &[usize]) -> Tensor {
        let data: Vec<bool> = (0..shape.iter().product()).map(|_| self.below(3) > 0).collect();
        Tensor::new(data, shape).expect("the data has the shape's size")
    }
}

/// Numbers in (-1, 1) that follow from their place alone.
pub fn sample(n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// The inputs as a run takes them.
pub fn views(inputs: &[Tensor]) -> Vec<AnyView<'_>> {
    inputs.iter().map(AnyView::from).collect()
}

/// Whether two tensors are equal bit for bit; any NaN is any NaN.
pub fn same_bits(a: &Tensor, b: &Tensor) -> bool {
    fn same<T: Copy>(a: &[T], b: &[T], bits: impl Fn(T) -> u32, is_nan: impl Fn(T) -> bool) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| bits(*a) == bits(*b) || (is_nan(*a) && is_nan(*b)))
    }
    if a.shape() != b.shape() {
        return false;
    }
    if let (Some(a), Some(b)) = (a.as_f32(), b.as_f32()) {
        return same(a, b, f32::to_bits, f32::is_nan);
    }
    if let (Some(a), Some(b)) = (a.as_bf16(), b.as_bf16()) {
        return same(a, b, |x| x.to_bits().into(), bf16::is_nan);
    }
    a == b
}
