//! Systems that nothing is known of but that they have mappings.

use super::Caches;
pub(crate) use super::mapped::{Code, CodeRange};
use memmap2::MmapMut;

/// Why a mapping may not become executable.
pub const REFUSED: &str = "this process may not execute what it has written";

/// What a core has of each cache is not known.
pub fn caches() -> Caches {
    Caches::default()
}

/// The kinds of cores are not known.
pub fn fast_cores() -> Option<usize> {
    None
}

/// Pages stay ordinary ones.
pub fn use_large_pages(_map: &MmapMut) {}
