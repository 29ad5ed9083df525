//! Windows, and systems that nothing is known of.

use memmap2::Mmap;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::path::Path;

/// New files have the access rights of their folder (Microsoft, "Access control inheritance").
pub fn hide(_options: &mut OpenOptions) {}

/// Whether the file is read-only.
pub fn inherit(file: &File, old: &Metadata) -> io::Result<()> {
    file.set_permissions(old.permissions())
}

/// A folder cannot be synced. NTFS keeps its own log of renames (Microsoft, "NTFS overview").
pub fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// The system takes pages of files back itself when memory is short.
pub fn release_pages(_map: &Mmap, _range: Range<usize>) {}
