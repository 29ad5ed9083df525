//! Files and texts damaged at random: whatever is in them, there is an error or a network that runs right,
//! and neither a panic nor memory beyond a limit.
//!
//! Each target takes valid data, made here, and changes it by a seed. `TANCHO_SEED=n cargo test --workspace
//! --test weights fuzz::gguf` takes one seed alone; `TANCHO_FUZZ_SECONDS=n` goes on with new seeds for so
//! long, from `TANCHO_SEED` on if that is set too.

mod files;
mod limited;
mod mutate;
mod texts;

use limited::{fuzz, limited};

#[test]
fn safetensors() {
    limited(|| fuzz("safetensors", 10_000, 1500, files::Safetensors::new()));
}

#[test]
fn index() {
    limited(|| fuzz("index", 20_000, 1500, files::Index::new()));
}

#[test]
fn gguf() {
    limited(|| fuzz("gguf", 30_000, 3000, files::GgufFile::new()));
}

#[test]
fn ir_text() {
    limited(|| fuzz("ir_text", 40_000, 300, texts::Texts));
}
