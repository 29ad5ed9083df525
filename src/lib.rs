//! Neural networks declared in Rust, checked at compile time, compiled to native code.

pub use tancho_ir::build::OptionValue;
pub use tancho_ir::{DType, Dim, Graph};
pub use tancho_runtime::{
    AnyView, AsView, Blueprint, Compiled, Dump, Element, Error, LoadOptions, LoadReport, Model, OutputMut, Report, Session, Stats, Target,
    Tensor, TensorData, Trace, View, ViewError, Weights, bf16,
};
pub use tancho_runtime::{compare, interp, model, weights};

/// Fusion: which ops share a kernel, and why others do not.
pub use tancho_ir::fuse;
/// The passes between the declared graph and fusion.
pub use tancho_ir::passes;

#[doc(hidden)]
pub mod __private {
    pub use tancho_ir::build::*;
    pub use tancho_ir::graph::*;
    pub use tancho_ir::op::Scalar;
    pub use tancho_runtime::{Declared, Model, OutputMut};
}
