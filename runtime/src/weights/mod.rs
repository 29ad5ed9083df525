//! Weights: loaded from safetensors and GGUF files, initialised, replaced, saved, and packed for kernels.

mod blocks;
mod constants;
mod convert;
mod data;
mod entry;
pub(crate) mod error;
pub(crate) mod file;
mod gguf;
mod index;
mod init;
mod json;
mod load;
mod mapping;
mod metadata;
pub(crate) mod names;
pub(crate) mod pack;
mod rows;
mod set;
#[cfg(test)]
mod tests;

use crate::error::Error;
use crate::tensor::Tensor;
use std::path::Path;
use tancho_ir::DType;

pub(crate) use blocks::Coded;
pub use constants::{ConstantProblem, ConstantValues};
pub(crate) use constants::{Given, lines};
pub use data::WeightData;
pub(crate) use entry::{Entry, FileType};
pub use error::{LoadError, Problem};
pub use gguf::{Gguf, List, Metadata};
pub use load::{LoadOptions, LoadReport};
pub(crate) use names::nearest;
pub(crate) use rows::Rows;
pub use set::Weights;

/// All tensors of a file: floats as f32, integers as i32 where they fit. Those of other types are left out.
///
/// # Errors
/// The file cannot be read, or there is no memory for its tensors.
pub(crate) fn tensors_of(path: &Path) -> Result<Vec<(String, Tensor)>, Error> {
    let opened = file::open(path).map_err(Box::new)?;
    let mut all = Vec::new();
    for (name, entry) in &opened.entries {
        let Some(stored) = convert::Stored::of(entry, None) else { continue };
        for to in [DType::F32, DType::I32, DType::Bool] {
            if let Some(data) = convert::convert(&stored, to)? {
                all.push((name.clone(), data.to_tensor()?));
                break;
            }
        }
    }
    Ok(all)
}
