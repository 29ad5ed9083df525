//! Weights in memory and in files.
//!
//! * `formats`: weights in formats other than f32
//! * `fuzz`: files and texts damaged at random
//! * `gguf`: GGUF files
//! * `saving`: files that are saved whole or not at all

mod formats;
mod fuzz;
mod gguf;
#[cfg(unix)]
mod saving;
