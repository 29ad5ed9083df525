//! Files mapped into memory.

// Maps files, which others could change.
#![allow(unsafe_code)]

use super::error::LoadError;
use super::names::path as at;
use crate::system;
use memmap2::Mmap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A file in memory.
#[derive(Debug)]
pub struct Mapping {
    map: Mmap,
}

impl Mapping {
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Lets the system forget the pages of a range; they are read from the file when they are used again.
    pub fn release_pages(&self, range: std::ops::Range<usize>) {
        system::release_pages(&self.map, range);
    }
}

/// What is at a path; a link that leads to nothing is an error of its own.
pub fn stat(path: &Path) -> Result<fs::Metadata, LoadError> {
    let error = match fs::metadata(path) {
        Ok(about) => return Ok(about),
        Err(error) => error,
    };
    let dangling =
        |p: &Path| Some((p.to_path_buf(), fs::read_link(p).ok().filter(|_| fs::metadata(p).is_err())?));
    match path.ancestors().find_map(dangling) {
        Some((link, to)) if error.kind() == io::ErrorKind::NotFound => {
            let link = if link == path { "it".into() } else { format!("`{}`", at(&link)) };
            Err(LoadError::NoFile {
                path: path.into(),
                why: format!("{link} is a link to `{}`, which leads to nothing", at(&to)),
            })
        }
        _ => Err(LoadError::Io { path: path.into(), error }),
    }
}

/// Maps a file.
pub fn map(path: &Path) -> Result<Arc<Mapping>, LoadError> {
    let io = |error| LoadError::Io { path: path.into(), error };
    let meta = stat(path)?;
    // Opening a pipe or device could wait for ever.
    if !meta.is_file() {
        return Err(LoadError::NoFile { path: path.into(), why: "it is not a regular file".into() });
    }
    if meta.len() == 0 {
        return Err(LoadError::Format { path: path.into(), why: "it is empty".into() });
    }
    let file = File::open(path).map_err(io)?;
    // SAFETY: the mapping is read-only; that nobody changes the file while it is in use is demanded of
    // the caller by `Weights::load`, and `write` never changes a file in place.
    let map = unsafe { Mmap::map(&file) }.map_err(io)?;
    Ok(Arc::new(Mapping { map }))
}
