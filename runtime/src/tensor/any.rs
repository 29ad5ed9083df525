//! Tensors of any element type that inputs are given in.

use super::shape::{ViewError, element_count};
use super::view::{AnyView, View};
use super::{bf16, f16};
use crate::error::Error;
use crate::reserve::zeros;
use std::fmt;
use tancho_ir::ElementType;

/// A tensor of any element type that inputs are given in, in memory of its own. A
/// [`Tensor`](crate::Tensor) has values alone, and so neither u8, u32, i64 nor f16.
///
/// ```
/// use tancho_ir::ElementType;
/// use tancho_runtime::{AsView, inspect::reproduction::AnyTensor};
/// let bytes = AnyTensor::of(&[1u8, 2, 3].view([3]).into()).unwrap();
/// assert_eq!((bytes.view().ty().to_string(), bytes.to_bytes()), ("u8[3]".into(), vec![1, 2, 3]));
/// assert!(AnyTensor::from_bytes(ElementType::I64, &[2], &[0; 15]).is_err());
/// ```
#[derive(Clone, PartialEq)]
pub struct AnyTensor {
    element: ElementType,
    shape: Vec<usize>,
    /// The elements as the machine has them, on a boundary that suits all of them.
    words: Vec<u64>,
}

impl fmt::Debug for AnyTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.view(), f)
    }
}

impl AnyTensor {
    /// A copy of what a view shows.
    ///
    /// # Errors
    /// The view's slice does not fit its shape, or there is no memory for a copy.
    pub fn of(view: &AnyView<'_>) -> Result<AnyTensor, Error> {
        view.check()?;
        let bytes = view.bytes();
        let mut words = zeros(bytes.len().div_ceil(size_of::<u64>()))?;
        bytemuck::cast_slice_mut::<u64, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Ok(AnyTensor { element: view.element_type(), shape: view.shape().to_vec(), words })
    }

    /// A tensor from the bytes of its elements in the order of files, the least significant first.
    ///
    /// # Errors
    /// There are not as many bytes as the shape has elements, a flag is neither 0 nor 1, or there is no
    /// memory for a copy.
    pub fn from_bytes(element: ElementType, shape: &[usize], bytes: &[u8]) -> Result<AnyTensor, Error> {
        let overflow = || ViewError::Overflow { shape: shape.to_vec() };
        let expected = element_count(shape).ok_or_else(overflow)?;
        let (size, found) = (size_of_element(element), bytes.len());
        if expected * size != found {
            let shape = shape.to_vec();
            return Err(ViewError::Length { shape, expected, found: found / size }.into());
        }
        if element == ElementType::Bool && bytes.iter().any(|b| *b > 1) {
            return Err(ViewError::Flags.into());
        }
        let mut words: Vec<u64> = zeros(found.div_ceil(size_of::<u64>()))?;
        let own: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        own[..found].copy_from_slice(bytes);
        if cfg!(target_endian = "big") {
            own[..found].chunks_mut(size).for_each(<[u8]>::reverse);
        }
        let made = AnyTensor { element, shape: shape.to_vec(), words };
        made.view().check()?;
        Ok(made)
    }

    /// The elements as bytes in the order of files, the least significant first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.view().bytes().to_vec();
        if cfg!(target_endian = "big") {
            bytes.chunks_mut(size_of_element(self.element)).for_each(<[u8]>::reverse);
        }
        bytes
    }

    /// It as a run takes it.
    pub fn view(&self) -> AnyView<'_> {
        let bytes: &[u8] = bytemuck::cast_slice(&self.words);
        let len = element_count(&self.shape).unwrap_or_default() * size_of_element(self.element);
        let (bytes, shape) = (&bytes[..len.min(bytes.len())], self.shape.as_slice());
        match self.element {
            ElementType::F32 => View::unchecked(bytemuck::cast_slice::<u8, f32>(bytes), shape).into(),
            ElementType::I32 => View::unchecked(bytemuck::cast_slice::<u8, i32>(bytes), shape).into(),
            ElementType::Bf16 => View::unchecked(bytemuck::cast_slice::<u8, bf16>(bytes), shape).into(),
            ElementType::F16 => View::unchecked(bytemuck::cast_slice::<u8, f16>(bytes), shape).into(),
            ElementType::U8 => View::unchecked(bytes, shape).into(),
            ElementType::U32 => View::unchecked(bytemuck::cast_slice::<u8, u32>(bytes), shape).into(),
            ElementType::I64 => View::unchecked(bytemuck::cast_slice::<u8, i64>(bytes), shape).into(),
            ElementType::Bool => {
                // Both constructors take flags that are 0 or 1.
                let flags = bytemuck::checked::try_cast_slice::<u8, bool>(bytes).unwrap_or_default();
                View::unchecked(flags, shape).into()
            }
        }
    }
}

/// Bytes of an element.
pub(crate) fn size_of_element(element: ElementType) -> usize {
    match element {
        ElementType::Bool | ElementType::U8 => 1,
        ElementType::Bf16 | ElementType::F16 => 2,
        ElementType::F32 | ElementType::I32 | ElementType::U32 => 4,
        ElementType::I64 => 8,
    }
}
