//! Part of `tancho`: tensors, weights, the reference interpreter, and comparison with it.

mod bind;
pub mod compare;
pub mod compiled;
pub mod element;
pub mod error;
mod gathered;
mod ids;
pub mod inspect;
pub mod interp;
mod layout;
pub mod limits;
mod memory;
pub mod model;
mod pack;
mod pool;
pub mod profile;
mod region;
pub mod session;
mod stages;
mod state;
pub mod tensor;
pub mod view;
pub mod weights;

pub use compare::Report;
pub use compiled::Compiled;
pub use element::Element;
pub use error::Error;
pub use half::bf16;
pub use inspect::Trace;
pub use model::{Blueprint, Declared, Model};
pub use profile::Profile;
pub use session::Session;
pub use tancho_jit::{CompileError, Dump, Format, Isa, Precision, Stats, Target};
pub use tensor::{Tensor, TensorData};
pub use view::{AnyView, AsView, OutputMut, View, ViewError};
pub use weights::{LoadError, LoadOptions, LoadReport, Weights};
