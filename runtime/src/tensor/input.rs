//! The Rust types that inputs are given in: those of tensors, and those that are converted where they enter.

use crate::tensor::{bf16, f16};
use std::fmt;
use tancho_ir::ElementType;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for i32 {}
    impl Sealed for bool {}
    impl Sealed for u8 {}
    impl Sealed for u32 {}
    impl Sealed for i64 {}
    impl Sealed for crate::tensor::bf16 {}
    impl Sealed for crate::tensor::f16 {}
}

/// A Rust type that inputs may be given in: an [`Element`](crate::Element) of tensors (`f32`, `i32`, `bool`
/// or [`bf16`]), or `u8`, `u32`, `i64` or [`f16`](struct@crate::f16), which inputs are declared with and
/// which are converted where they enter.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no element type of inputs",
    label = "inputs have elements of f32, i32, bool or bf16, or of u8, u32, i64 or f16, which are converted",
    note = "convert the values first: `data.iter().map(|x| *x as f32).collect::<Vec<f32>>()`"
)]
pub trait InputElement: Copy + PartialEq + fmt::Debug + Send + Sync + sealed::Sealed + 'static {
    /// The element type.
    const ELEMENT_TYPE: ElementType;

    #[doc(hidden)]
    fn borrowed(data: &[Self]) -> Elements<'_>;
}

/// A slice of any element type.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
#[allow(missing_docs)]
pub enum Elements<'a> {
    F32(&'a [f32]),
    I32(&'a [i32]),
    Bool(&'a [bool]),
    Bf16(&'a [bf16]),
    U8(&'a [u8]),
    U32(&'a [u32]),
    I64(&'a [i64]),
    F16(&'a [f16]),
}

macro_rules! input_elements {
    ($($rust:ty: $name:ident),*) => {
        $(impl InputElement for $rust {
            const ELEMENT_TYPE: ElementType = ElementType::$name;

            fn borrowed(data: &[$rust]) -> Elements<'_> {
                Elements::$name(data)
            }
        })*
    };
}

input_elements!(f32: F32, i32: I32, bool: Bool, bf16: Bf16, u8: U8, u32: U32, i64: I64, f16: F16);
