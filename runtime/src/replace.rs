//! Files that are written whole or not at all: beside their place under a name of their own, and then moved
//! there.

use crate::system;
use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Links that may lead on from each other, as many as Linux follows.
const MOST_LINKS: usize = 40;
/// Names tried before all count as taken.
const TRIES: usize = 100;

/// Replaces the file at `path` by one with what `write` writes. Any process that opens the path, before,
/// during or after this, sees the old file or the new one, and a mapping of the old one stays whole. Several
/// threads or processes may do this to one path at a time: each of them succeeds, and the last one stays.
///
/// A symbolic link is followed: the file that it names is replaced. The new file has the permissions of the
/// old one, and its owner where the system allows it. The bytes are on the disk when this returns. A process
/// that is killed leaves a file `.tancho-*.tmp` in the folder, which is never read.
///
/// # Errors
/// Something other than a file is there, or the system refuses a step: then the old file is as it was, and
/// nothing else is left. Only if the folder cannot be written to the disk at the very end, the new file is
/// there already.
pub fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let place = followed(path)?;
    place.file_name().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the path names no file"))?;
    let old = match fs::symlink_metadata(&place) {
        Ok(old) if old.is_file() => Some(old),
        Ok(old) if old.is_dir() => return Err(io::Error::new(ErrorKind::IsADirectory, "it is a directory")),
        // A device or a pipe would be gone afterwards.
        Ok(_) => {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is there, and is not a regular file"));
        }
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    let (temporary, file) = Temporary::beside(&place, old.is_some())?;
    let mut buffered = BufWriter::new(file);
    write(&mut buffered)?;
    buffered.flush()?;
    let file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
    if let Some(old) = &old {
        system::inherit(&file, old)?;
    }
    file.sync_all()?;
    drop(file);
    temporary.become_file(&place)?;
    system::sync_folder(folder(&place))
}

/// The place that a chain of symbolic links leads to, whether or not there is something.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut place = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&place) {
            Ok(target) => place = folder(&place).join(target),
            Err(_) => return Ok(place),
        }
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "its symbolic links lead in a circle"))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file that is removed again, whatever goes wrong, a panic included.
struct Temporary(Option<PathBuf>);

impl Temporary {
    /// A new file in the folder of `place`. Its name is short, since that of `place` may have all the bytes
    /// there are, and random: other threads, processes, containers and machines write to the same folder.
    /// `hidden`: for its owner alone.
    fn beside(place: &Path, hidden: bool) -> io::Result<(Temporary, File)> {
        let mut options = OpenOptions::new();
        // `create_new` follows no link and opens nothing that is there.
        options.write(true).create_new(true);
        if hidden {
            system::hide(&mut options);
        }
        for _ in 0..TRIES {
            // The keys of a `RandomState` are the standard library's only random numbers.
            let mut random = RandomState::new().build_hasher();
            random.write_u32(std::process::id());
            let name = folder(place).join(format!(".tancho-{:016x}.tmp", random.finish()));
            match options.open(&name) {
                Ok(file) => return Ok((Temporary(Some(name)), file)),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, "no name for a temporary file is free"))
    }

    fn become_file(mut self, place: &Path) -> io::Result<()> {
        if let Some(name) = &self.0 {
            fs::rename(name, place)?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(name) = &self.0 {
            // The error that led here is the one to report.
            let _ = fs::remove_file(name);
        }
    }
}
