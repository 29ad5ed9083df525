//! Linux, macOS and other Unix systems.

// Tells the system about pages.
#![allow(unsafe_code)]

use memmap2::Mmap;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

/// New files are for their owner alone (chmod(2)).
pub fn hide(options: &mut OpenOptions) {
    options.mode(0o600);
}

/// Permissions, and the owner where the system allows it.
pub fn inherit(file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        // Only the superuser gives files away; to save a file of somebody else's is no mistake.
        let _ = fchown(file, Some(old.uid()), Some(old.gid()));
    }
    // To run as its owner is nothing that weights do, and would be another right under another owner.
    file.set_permissions(Permissions::from_mode(old.mode() & 0o777))
}

/// Makes a rename last (fsync(2) of the folder). Where a folder cannot be opened or synced there is nothing
/// to do.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let Ok(opened) = File::open(folder) else { return Ok(()) };
    match opened.sync_all() {
        Err(e) if !matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Err(e),
        _ => Ok(()),
    }
}

/// Lets the system forget the pages of a range (madvise(2)); they are read from the file when they are used
/// again.
pub fn release_pages(map: &Mmap, range: Range<usize>) {
    // SAFETY: the mapping is a shared read-only one of a file, which must not change while it is in use, so
    // pages that come back hold the same bytes. Where the system refuses, nothing is lost but memory.
    let _ =
        unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len()) };
}
