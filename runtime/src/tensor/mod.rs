//! Tensors: element types, shapes, borrowed views and owned tensors, each file above the ones before.

pub mod any;
pub(crate) mod convert;
pub mod element;
pub mod float16;
pub mod input;
pub mod owned;
pub mod shape;
pub mod view;

pub use element::TensorData;
pub use float16::{bf16, f16};
pub use owned::Tensor;
