//! Weights: loaded from safetensors and GGUF files, initialised, replaced, saved, and packed for kernels.

mod blocks;
mod constants;
mod convert;
mod data;
mod entry;
pub(crate) mod error;
mod file;
mod gguf;
mod index;
mod init;
mod json;
mod load;
mod mapping;
mod metadata;
mod names;
pub(crate) mod pack;
mod rows;
mod set;
#[cfg(test)]
mod tests;

pub(crate) use blocks::Coded;
pub use constants::{ConstantProblem, ConstantValues};
pub(crate) use constants::{Given, lines};
pub use data::WeightData;
pub use error::{LoadError, Problem};
pub use gguf::{Gguf, List, Metadata};
pub use load::{LoadOptions, LoadReport};
pub(crate) use rows::Rows;
pub use set::Weights;
