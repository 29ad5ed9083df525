//! The operations of a graph, as data.
//!
//! `list.rs` declares every op in one place: its fields, how a call states them, its names, parameters and
//! formula. `elementwise.rs` does the same for the functions of one and two elements. `class.rs` says what
//! sort of work each op is, which is all that most passes ask.
//!
//! The core ops are what the interpreter and the lowering must know. Composites
//! (`layer_norm`, `softmax`, `attention` ...) keep their name to the end and have a
//! [decomposition](crate::decompose) into the core that defines them.

mod class;
mod elementwise;
pub(crate) mod list;
mod values;

pub use class::{Class, Parts};
pub use elementwise::{Binary, Unary};
pub use list::Op;
pub use values::{
    EpsOn, Layout, Number, Padding, Pairs, Pooling, Reduction, Resampling, Scalar, Scaling, Window,
};
