//! The Rust types that tensors are made of.

use crate::tensor::TensorData;
use crate::tensor::view::{AnyView, OutputMut, View};
use half::bf16;
use std::fmt;
use tancho_ir::DType;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for i32 {}
    impl Sealed for bool {}
    impl Sealed for half::bf16 {}
}

/// A Rust type that is an element type of tensors: `f32`, `i32`, `bool` or [`bf16`].
pub trait Element: Copy + PartialEq + fmt::Debug + Send + Sync + sealed::Sealed + 'static {
    /// The element type.
    const DTYPE: DType;

    #[doc(hidden)]
    fn any(view: View<'_, Self>) -> AnyView<'_>;

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

    fn any(view: View<'_, f32>) -> AnyView<'_> {
        AnyView::F32(view)
    }

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

    fn any(view: View<'_, i32>) -> AnyView<'_> {
        AnyView::I32(view)
    }

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

    fn any(view: View<'_, bool>) -> AnyView<'_> {
        AnyView::Bool(view)
    }

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

    fn any(view: View<'_, bf16>) -> AnyView<'_> {
        AnyView::Bf16(view)
    }

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
