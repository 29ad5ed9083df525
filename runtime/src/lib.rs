//! Part of `tancho`: tensors, weights, the reference interpreter, and comparison with it.

mod codes;
mod compile;
mod compiled;
#[doc(hidden)]
pub mod dims;
mod error;
pub mod inspect;
pub mod interpreter;
mod model;
mod options;
mod page;
mod replace;
mod reserve;
mod run;
mod system;
mod tensor;
pub mod train;
pub mod weights;
mod window;

pub use compile::Stats;
pub use compiled::Compiled;
pub use error::Error;
pub use inspect::code::{CodeLine, Dump};
pub use inspect::profile::Profile;
pub use inspect::report::Report;
pub use inspect::trace::Trace;
pub use model::{Blueprint, Declared, Model};
#[doc(hidden)]
pub use options::Stages;
pub use run::session::Session;
#[doc(hidden)]
pub use serde;
pub use tancho_jit::{CompileError, Format, Isa, Precision, Target};
pub use tensor::element::{Element, OutputMut};
pub use tensor::input::InputElement;
pub use tensor::shape::{TensorType, ViewError};
pub use tensor::view::{AnyView, AsView, View};
pub use tensor::{Tensor, TensorData, bf16, f16};
#[doc(hidden)]
pub use weights::pack::Packs;
pub use weights::{ConstantProblem, ConstantValues, LoadError, LoadOptions, LoadReport, Weights};
