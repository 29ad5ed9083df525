//! Owned tensors.

pub mod element;
pub mod view;

use crate::error::Error;
use crate::reserve::{collected, copied, room, zeros};
use crate::tensor::element::Element;
use crate::tensor::view::{AnyView, View, ViewError, element_count};
use half::bf16;
use std::fmt;
use tancho_ir::DType;

/// The elements of a [`Tensor`].
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

    /// No elements yet, and room for so many.
    pub(crate) fn room(dtype: DType, len: usize) -> Result<TensorData, Error> {
        Ok(match dtype {
            DType::F32 => TensorData::F32(room(len)?),
            DType::I32 => TensorData::I32(room(len)?),
            DType::Bool => TensorData::Bool(room(len)?),
            DType::Bf16 => TensorData::Bf16(room(len)?),
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

    /// Appends zeros, for which there is room.
    pub(crate) fn append_zeros(&mut self, n: usize) {
        match self {
            TensorData::F32(v) => v.resize(v.len() + n, 0.0),
            TensorData::I32(v) => v.resize(v.len() + n, 0),
            TensorData::Bool(v) => v.resize(v.len() + n, false),
            TensorData::Bf16(v) => v.resize(v.len() + n, bf16::ZERO),
        }
    }

    /// Appends a range of another tensor's elements, for which there is room; nothing happens between
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

/// An owned tensor: elements in row-major order, and a shape.
#[derive(Clone, PartialEq)]
pub struct Tensor {
    data: TensorData,
    shape: Vec<usize>,
}

impl Tensor {
    /// A tensor of these elements: `Tensor::new(vec![0.0f32; 6], [2, 3])?`.
    ///
    /// # Errors
    /// The number of elements is not the shape's.
    pub fn new(data: impl Into<TensorData>, shape: impl Into<Vec<usize>>) -> Result<Tensor, ViewError> {
        let (data, shape) = (data.into(), shape.into());
        match element_count(&shape) {
            Some(n) if n == data.len() => Ok(Tensor { data, shape }),
            Some(n) => Err(ViewError::Length { expected: n, found: data.len(), shape }),
            None => Err(ViewError::Overflow { shape }),
        }
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// The shape has more elements than memory can hold.
    pub fn zeros(dtype: DType, shape: impl Into<Vec<usize>>) -> Result<Tensor, ViewError> {
        let shape = shape.into();
        match element_count(&shape).map(|n| TensorData::reserved_zeros(dtype, n)) {
            Some(Ok(data)) => Ok(Tensor { data, shape }),
            _ => Err(ViewError::Overflow { shape }),
        }
    }

    /// A tensor of no axes.
    pub fn scalar<T: Element>(x: T) -> Tensor {
        Tensor { data: T::wrap(vec![x]), shape: Vec::new() }
    }

    /// A tensor whose shape is known to fit.
    pub(crate) fn from_parts(data: impl Into<TensorData>, shape: &[usize]) -> Tensor {
        let data = data.into();
        debug_assert_eq!(element_count(shape), Some(data.len()));
        Tensor { data, shape: shape.to_vec() }
    }

    /// A copy, if there is memory for it.
    pub(crate) fn copied(&self) -> Result<Tensor, Error> {
        Ok(Tensor { data: self.data.copied()?, shape: self.shape.clone() })
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.data.dtype()
    }

    /// Length of each axis, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The elements.
    pub fn data(&self) -> &TensorData {
        &self.data
    }

    /// The elements, without the shape.
    pub fn into_data(self) -> TensorData {
        self.data
    }

    /// The elements as a slice of `T`, if they are of that type.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        T::slice(&self.data)
    }

    /// The elements, if they are f32.
    pub fn as_f32(&self) -> Option<&[f32]> {
        self.as_slice()
    }

    /// The elements, if they are i32.
    pub fn as_i32(&self) -> Option<&[i32]> {
        self.as_slice()
    }

    /// The elements, if they are bool.
    pub fn as_bool(&self) -> Option<&[bool]> {
        self.as_slice()
    }

    /// The elements, if they are bf16.
    pub fn as_bf16(&self) -> Option<&[bf16]> {
        self.as_slice()
    }

    /// A view, if the elements are of that type.
    pub fn view<T: Element>(&self) -> Option<View<'_, T>> {
        self.as_slice().map(|data| View::unchecked(data, &self.shape))
    }

    /// A view whatever the elements are.
    pub fn any_view(&self) -> AnyView<'_> {
        match &self.data {
            TensorData::F32(v) => View::unchecked(v, &self.shape).into(),
            TensorData::I32(v) => View::unchecked(v, &self.shape).into(),
            TensorData::Bool(v) => View::unchecked(v, &self.shape).into(),
            TensorData::Bf16(v) => View::unchecked(v, &self.shape).into(),
        }
    }
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.any_view().fmt(f)
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_must_fit() {
        let t = Tensor::new(vec![1i32, 2, 3, 4], [2, 2]).expect("fits");
        assert_eq!((t.dtype(), t.shape(), t.as_i32()), (DType::I32, &[2, 2][..], Some(&[1, 2, 3, 4][..])));
        assert!(t.as_f32().is_none() && t.view::<bool>().is_none());
        assert_eq!(t.to_string(), "i32[2, 2] {1, 2, 3, 4}");
        assert!(Tensor::new(vec![1.0f32], [2]).is_err());
        assert!(Tensor::zeros(DType::F32, [usize::MAX, 2]).is_err());
        assert_eq!(Tensor::scalar(true).shape(), [0usize; 0]);
    }
}
