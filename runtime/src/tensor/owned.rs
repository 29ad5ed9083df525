//! Owned tensors.

use crate::error::Error;
use crate::reserve::copied;
use crate::tensor::bf16;
use crate::tensor::element::{Element, TensorData};
use crate::tensor::shape::{TensorType, ViewError, element_count};
use crate::tensor::view::{AnyView, View};
use std::fmt;
use tancho_ir::DType;

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

    /// Element type and shape.
    pub fn ty(&self) -> TensorType<'_> {
        TensorType { element: self.dtype().into(), shape: &self.shape }
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
    pub fn as_view<T: Element>(&self) -> Option<View<'_, T>> {
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

impl AnyView<'_> {
    /// An owned copy.
    ///
    /// # Errors
    /// The slice does not fit the shape, its elements are of a type that no tensor has, or there is no memory
    /// for a copy.
    pub fn to_tensor(&self) -> Result<Tensor, ViewError> {
        fn owned<T: Element>(v: &View<'_, T>) -> Result<Tensor, ViewError> {
            let shape = v.shape().to_vec();
            match copied(v.data()) {
                Ok(data) => Tensor::new(data, shape),
                Err(_) => Err(ViewError::Overflow { shape }),
            }
        }
        self.check()?;
        match self {
            AnyView::F32(v) => owned(v),
            AnyView::I32(v) => owned(v),
            AnyView::Bool(v) => owned(v),
            AnyView::Bf16(v) => owned(v),
            AnyView::U8(_) | AnyView::U32(_) | AnyView::I64(_) | AnyView::F16(_) => {
                Err(ViewError::Converted { given: self.element_type() })
            }
        }
    }
}

impl<'a> From<&'a Tensor> for AnyView<'a> {
    fn from(t: &'a Tensor) -> AnyView<'a> {
        t.any_view()
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
    use crate::tensor::view::AsView;

    #[test]
    fn the_shape_must_fit() {
        let t = Tensor::new(vec![1i32, 2, 3, 4], [2, 2]).expect("fits");
        assert_eq!((t.dtype(), t.shape(), t.as_i32()), (DType::I32, &[2, 2][..], Some(&[1, 2, 3, 4][..])));
        assert!(t.as_f32().is_none() && t.as_view::<bool>().is_none());
        assert_eq!(t.to_string(), "i32[2, 2] {1, 2, 3, 4}");
        assert!(Tensor::new(vec![1.0f32], [2]).is_err());
        assert!(Tensor::zeros(DType::F32, [usize::MAX, 2]).is_err());
        assert_eq!(Tensor::scalar(true).shape(), [0usize; 0]);
        assert!(AnyView::from([1.0f32, 2.0].view([7])).to_tensor().is_err());
    }
}
