//! The graph representation of `tancho`, shared by its macro, its code generator
//! and its runtime. Part of the crate `tancho`; it depends on nothing.
//!
//! A network is a [`Graph`]: nodes in the order they run, each with an
//! [`Op`](op::Op), the type of its result and the user's source. Shapes are
//! [`Dim`]s. The list of passes is [`passes::PASSES`].

#![forbid(unsafe_code)]

pub mod access;
pub mod bind;
pub mod bodies;
pub mod builder;
pub mod const_check;
pub mod decompose;
pub mod differentiate;
mod dim;
mod element;
mod emit;
pub mod experts;
mod fault;
pub mod fuse;
pub mod graph;
pub mod infer;
pub mod op;
pub mod passes;
pub mod path;
pub mod prelude;
pub mod scan;
pub mod table;
pub mod text;
pub mod training;
mod types;
pub mod verify;
mod window;
pub use window::Sight;

pub use dim::{Dim, DimError};
pub use element::ElementType;
pub use graph::{Graph, Node, Phase, Source, Value};
pub use types::{DType, Facts, MAX_RANK, Shape, Type};
