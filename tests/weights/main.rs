//! Weights in memory and in files.
//!
//! * `formats`: weights in formats other than f32
//! * `fuzz`: files and texts damaged at random
//! * `gguf`: GGUF files
//! * `integers`: integers of other widths than 32 bits
//! * `saving`: files that are saved whole or not at all

mod formats;
mod fuzz;
mod gguf;
mod integers;
#[cfg(unix)]
mod saving;
