//! Tensors: element types, shapes, borrowed views and owned tensors, each file above the ones before.

pub mod element;
pub mod float16;
pub mod owned;
pub mod shape;
pub mod view;

pub use element::TensorData;
pub use float16::bf16;
pub use owned::Tensor;
