//! The Rust types that tensors are made of, and their elements where the type is known at run time only.

use crate::error::Error;
use crate::reserve::{collected, copied, with_capacity, zeros};
use crate::tensor::bf16;
use crate::tensor::input::InputElement;
use crate::tensor::shape::ViewError;
use tancho_ir::DType;

/// A Rust type that is an element type of tensors: `f32`, `i32`, `bool` or [`bf16`]. Results, weights and
/// constants have no others; inputs may also be given in those of [`InputElement`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no element type of tensors",
    label = "tensors have elements of f32, i32, bool or bf16",
    note = "convert the values first: `data.iter().map(|x| *x as f32).collect::<Vec<f32>>()`"
)]
pub trait Element: InputElement {
    /// The element type.
    const DTYPE: DType;

    #[doc(hidden)]
    fn output(data: &mut [Self]) -> OutputMut<'_>;

    #[doc(hidden)]
    fn wrap(data: Vec<Self>) -> TensorData;

    #[doc(hidden)]
    fn slice(data: &TensorData) -> Option<&[Self]>;

    /// Elements from memory of the right size and alignment.
    #[doc(hidden)]
    fn from_bytes(bytes: &[u8]) -> Option<&[Self]>;
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;

    fn output(data: &mut [f32]) -> OutputMut<'_> {
        OutputMut::F32(data)
    }

    fn wrap(data: Vec<f32>) -> TensorData {
        TensorData::F32(data)
    }

    fn slice(data: &TensorData) -> Option<&[f32]> {
        if let TensorData::F32(v) = data { Some(v) } else { None }
    }

    fn from_bytes(bytes: &[u8]) -> Option<&[f32]> {
        bytemuck::try_cast_slice(bytes).ok()
    }
}

impl Element for i32 {
    const DTYPE: DType = DType::I32;

    fn output(data: &mut [i32]) -> OutputMut<'_> {
        OutputMut::I32(data)
    }

    fn wrap(data: Vec<i32>) -> TensorData {
        TensorData::I32(data)
    }

    fn slice(data: &TensorData) -> Option<&[i32]> {
        if let TensorData::I32(v) = data { Some(v) } else { None }
    }

    fn from_bytes(bytes: &[u8]) -> Option<&[i32]> {
        bytemuck::try_cast_slice(bytes).ok()
    }
}

impl Element for bool {
    const DTYPE: DType = DType::Bool;

    fn output(data: &mut [bool]) -> OutputMut<'_> {
        OutputMut::Bool(data)
    }

    fn wrap(data: Vec<bool>) -> TensorData {
        TensorData::Bool(data)
    }

    fn slice(data: &TensorData) -> Option<&[bool]> {
        if let TensorData::Bool(v) = data { Some(v) } else { None }
    }

    fn from_bytes(bytes: &[u8]) -> Option<&[bool]> {
        bytemuck::checked::try_cast_slice(bytes).ok()
    }
}

impl Element for bf16 {
    const DTYPE: DType = DType::Bf16;

    fn output(data: &mut [bf16]) -> OutputMut<'_> {
        OutputMut::Bf16(data)
    }

    fn wrap(data: Vec<bf16>) -> TensorData {
        TensorData::Bf16(data)
    }

    fn slice(data: &TensorData) -> Option<&[bf16]> {
        if let TensorData::Bf16(v) = data { Some(v) } else { None }
    }

    fn from_bytes(bytes: &[u8]) -> Option<&[bf16]> {
        bytemuck::try_cast_slice(bytes).ok()
    }
}

/// The elements of a [`Tensor`](crate::Tensor): a variant for each [`DType`], and so as exhaustive.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum TensorData {
    F32(Vec<f32>),
    I32(Vec<i32>),
    Bool(Vec<bool>),
    Bf16(Vec<bf16>),
}

impl TensorData {
    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            TensorData::F32(_) => DType::F32,
            TensorData::I32(_) => DType::I32,
            TensorData::Bool(_) => DType::Bool,
            TensorData::Bf16(_) => DType::Bf16,
        }
    }

    /// The elements as bytes, in the machine's byte order.
    pub fn bytes(&self) -> &[u8] {
        match self {
            TensorData::F32(v) => bytemuck::cast_slice(v),
            TensorData::I32(v) => bytemuck::cast_slice(v),
            TensorData::Bool(v) => bytemuck::cast_slice(v),
            TensorData::Bf16(v) => bytemuck::cast_slice(v),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            TensorData::F32(v) => v.len(),
            TensorData::I32(v) => v.len(),
            TensorData::Bool(v) => v.len(),
            TensorData::Bf16(v) => v.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// That many zeros.
    ///
    /// # Errors
    /// They are more than memory can hold.
    pub fn zeros(dtype: DType, len: usize) -> Result<TensorData, ViewError> {
        TensorData::reserved_zeros(dtype, len).map_err(|_| ViewError::Overflow { shape: vec![len] })
    }

    pub(crate) fn reserved_zeros(dtype: DType, len: usize) -> Result<TensorData, Error> {
        Ok(match dtype {
            DType::F32 => TensorData::F32(zeros(len)?),
            DType::I32 => TensorData::I32(zeros(len)?),
            DType::Bool => TensorData::Bool(zeros(len)?),
            DType::Bf16 => TensorData::Bf16(zeros(len)?),
        })
    }

    /// No elements yet, and capacity for `len`.
    pub(crate) fn with_capacity(dtype: DType, len: usize) -> Result<TensorData, Error> {
        Ok(match dtype {
            DType::F32 => TensorData::F32(with_capacity(len)?),
            DType::I32 => TensorData::I32(with_capacity(len)?),
            DType::Bool => TensorData::Bool(with_capacity(len)?),
            DType::Bf16 => TensorData::Bf16(with_capacity(len)?),
        })
    }

    /// A copy, if there is memory for it.
    pub(crate) fn copied(&self) -> Result<TensorData, Error> {
        Ok(match self {
            TensorData::F32(v) => TensorData::F32(copied(v)?),
            TensorData::I32(v) => TensorData::I32(copied(v)?),
            TensorData::Bool(v) => TensorData::Bool(copied(v)?),
            TensorData::Bf16(v) => TensorData::Bf16(copied(v)?),
        })
    }

    /// The `n` elements at these places, in their order.
    pub(crate) fn pick(&self, n: usize, at: impl Iterator<Item = usize>) -> Result<TensorData, Error> {
        Ok(match self {
            TensorData::F32(v) => TensorData::F32(collected(n, at.map(|i| v[i]))?),
            TensorData::I32(v) => TensorData::I32(collected(n, at.map(|i| v[i]))?),
            TensorData::Bool(v) => TensorData::Bool(collected(n, at.map(|i| v[i]))?),
            TensorData::Bf16(v) => TensorData::Bf16(collected(n, at.map(|i| v[i]))?),
        })
    }

    /// Appends zeros, for which there is capacity.
    pub(crate) fn append_zeros(&mut self, n: usize) {
        match self {
            TensorData::F32(v) => v.resize(v.len() + n, 0.0),
            TensorData::I32(v) => v.resize(v.len() + n, 0),
            TensorData::Bool(v) => v.resize(v.len() + n, false),
            TensorData::Bf16(v) => v.resize(v.len() + n, bf16::ZERO),
        }
    }

    /// Appends a range of another tensor's elements, for which there is capacity; nothing happens between
    /// different types.
    pub(crate) fn append(&mut self, from: &TensorData, range: std::ops::Range<usize>) {
        match (self, from) {
            (TensorData::F32(to), TensorData::F32(v)) => to.extend_from_slice(&v[range]),
            (TensorData::I32(to), TensorData::I32(v)) => to.extend_from_slice(&v[range]),
            (TensorData::Bool(to), TensorData::Bool(v)) => to.extend_from_slice(&v[range]),
            (TensorData::Bf16(to), TensorData::Bf16(v)) => to.extend_from_slice(&v[range]),
            _ => debug_assert!(false, "appending between element types"),
        }
    }
}

impl<T: Element> From<Vec<T>> for TensorData {
    fn from(v: Vec<T>) -> TensorData {
        T::wrap(v)
    }
}

/// A buffer of the caller's that takes a result: a variant for each [`DType`], and so as exhaustive.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum OutputMut<'a> {
    F32(&'a mut [f32]),
    I32(&'a mut [i32]),
    Bool(&'a mut [bool]),
    Bf16(&'a mut [bf16]),
}

impl OutputMut<'_> {
    /// First byte and number of bytes, for kernels.
    pub(crate) fn raw(&mut self) -> (*mut u8, usize) {
        match self {
            OutputMut::F32(d) => (d.as_mut_ptr().cast(), d.len() * 4),
            OutputMut::I32(d) => (d.as_mut_ptr().cast(), d.len() * 4),
            OutputMut::Bool(d) => (d.as_mut_ptr().cast(), d.len()),
            OutputMut::Bf16(d) => (d.as_mut_ptr().cast(), d.len() * 2),
        }
    }

    /// Copies from a buffer of the same type and size.
    pub(crate) fn copy_from(&mut self, other: &OutputMut<'_>) {
        match (self, other) {
            (OutputMut::F32(a), OutputMut::F32(b)) => a.copy_from_slice(b),
            (OutputMut::I32(a), OutputMut::I32(b)) => a.copy_from_slice(b),
            (OutputMut::Bool(a), OutputMut::Bool(b)) => a.copy_from_slice(b),
            (OutputMut::Bf16(a), OutputMut::Bf16(b)) => a.copy_from_slice(b),
            _ => {}
        }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            OutputMut::F32(_) => DType::F32,
            OutputMut::I32(_) => DType::I32,
            OutputMut::Bool(_) => DType::Bool,
            OutputMut::Bf16(_) => DType::Bf16,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            OutputMut::F32(v) => v.len(),
            OutputMut::I32(v) => v.len(),
            OutputMut::Bool(v) => v.len(),
            OutputMut::Bf16(v) => v.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a, T: Element> From<&'a mut [T]> for OutputMut<'a> {
    fn from(data: &'a mut [T]) -> OutputMut<'a> {
        T::output(data)
    }
}

impl<'a, T: Element> From<&'a mut Vec<T>> for OutputMut<'a> {
    fn from(data: &'a mut Vec<T>) -> OutputMut<'a> {
        T::output(data)
    }
}

impl<'a, T: Element, const N: usize> From<&'a mut [T; N]> for OutputMut<'a> {
    fn from(data: &'a mut [T; N]) -> OutputMut<'a> {
        T::output(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_taken_from_slices_vecs_and_arrays() {
        let mut v = vec![0i32; 3];
        assert_eq!((OutputMut::from(&mut v).len(), OutputMut::from(&mut v[1..]).len()), (3, 2));
        assert_eq!(OutputMut::from(&mut [bf16::ZERO; 2]).dtype(), DType::Bf16);
    }
}
