//! The cache as Python's `huggingface_hub` lays it out:
//!
//! ```text
//! models--owner--name/refs/main                  the commit that `main` was at
//! models--owner--name/snapshots/COMMIT/FILE      a link to a blob
//! models--owner--name/blobs/ETAG                 the bytes; `ETAG.incomplete` while they come
//! .locks/models--owner--name/ETAG.lock           held by who downloads
//! ```

use super::{HubCause, names};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

/// A repository's folder in the cache.
pub(super) struct Folder {
    root: PathBuf,
    locks: PathBuf,
}

impl Folder {
    pub(super) fn new(cache: &Path, repository: &str) -> Folder {
        let name = format!("models--{}", repository.replace('/', "--"));
        Folder { locks: cache.join(".locks").join(&name), root: cache.join(name) }
    }

    fn pointer(&self, commit: &str, file: &str) -> PathBuf {
        self.root.join("snapshots").join(commit).join(file)
    }

    /// The file, if it is there. A ref that is no commit's name is as none: it may be just being written.
    pub(super) fn cached(&self, file: &str) -> Option<PathBuf> {
        let commit = fs::read_to_string(self.root.join("refs/main")).ok()?;
        let commit = Some(commit.trim()).filter(|c| names::is_version(c))?;
        Some(self.pointer(commit, file)).filter(|p| p.is_file())
    }

    /// Where the bytes of that name are.
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(etag)
    }

    /// Where they are while they come; its folder exists.
    pub(super) fn part(&self, etag: &str) -> Result<PathBuf, HubCause> {
        let path = self.root.join("blobs").join(format!("{etag}.incomplete"));
        parent_of(&path)?;
        Ok(path)
    }

    /// Waits until no other process is at that blob, however long a download takes: a process that ends gives
    /// its lock back.
    pub(super) fn lock(&self, etag: &str) -> Result<File, HubCause> {
        let path = self.locks.join(format!("{etag}.lock"));
        parent_of(&path)?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(HubCause::cache(&path))?;
        file.lock().map_err(HubCause::cache(&path))?;
        Ok(file)
    }

    /// Makes a blob the file of a commit, and that commit `main`; gives the file's path. Called by who holds
    /// the lock.
    pub(super) fn point(&self, file: &str, commit: &str, etag: &str) -> Result<PathBuf, HubCause> {
        let pointer = self.pointer(commit, file);
        parent_of(&pointer)?;
        // From the file's folder up to that of the repository, whose other folders are `blobs` and
        // `snapshots`.
        let up = "../".repeat(file.split('/').count() + 1);
        let target = PathBuf::from(format!("{up}blobs/{etag}"));
        if fs::read_link(&pointer).ok().as_ref() != Some(&target) {
            let old = fs::remove_file(&pointer);
            old.or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
                .map_err(HubCause::cache(&pointer))?;
            link(&target, &self.blob(etag), &pointer).map_err(HubCause::cache(&pointer))?;
        }
        // Renamed, so that half a name is never read; the lock makes the other name this process's own.
        let (main, new) = (self.root.join("refs/main"), self.root.join(format!("refs/.{etag}.new")));
        parent_of(&main)?;
        fs::write(&new, commit).map_err(HubCause::cache(&new))?;
        fs::rename(&new, &main).map_err(HubCause::cache(&main))?;
        Ok(pointer)
    }
}

fn parent_of(path: &Path) -> Result<(), HubCause> {
    path.parent().map_or(Ok(()), |p| fs::create_dir_all(p).map_err(HubCause::cache(p)))
}

#[cfg(unix)]
fn link(target: &Path, _: &Path, at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

/// Links need rights there that few users have.
#[cfg(not(unix))]
fn link(_: &Path, blob: &Path, at: &Path) -> std::io::Result<()> {
    fs::rename(blob, at)
}
