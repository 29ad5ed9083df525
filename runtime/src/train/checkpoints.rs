//! The checkpoints of a training in a folder.

use super::Trainer;
use crate::error::Error;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A folder of checkpoints, of which the last ones are kept.
///
/// ```no_run
/// # use tancho_runtime::{Error, train::{Checkpoints, Trainer}};
/// # fn run(mut training: Trainer) -> Result<(), Error> {
/// let checkpoints = Checkpoints::new("checkpoints").keep_last(3);
/// if let Some(path) = checkpoints.resume(&mut training)? {
///     println!("goes on from {} at step {}", path.display(), training.steps());
/// }
/// // after some steps:
/// checkpoints.save(&training)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Checkpoints {
    folder: PathBuf,
    kept: usize,
}

impl Checkpoints {
    /// Those in a folder, which is made if it is not there. The last two are kept.
    pub fn new(folder: impl Into<PathBuf>) -> Checkpoints {
        Checkpoints { folder: folder.into(), kept: 2 }
    }

    /// Keeps so many, at least one. Older ones are removed after a new one is written.
    pub fn keep_last(mut self, count: usize) -> Checkpoints {
        self.kept = count.max(1);
        self
    }

    /// Writes a checkpoint, `step-000000100.safetensors`, and then removes those that are too old. Gives its
    /// path.
    ///
    /// # Errors
    /// A file cannot be written or removed. What was there before is as it was, unless it was too old.
    pub fn save(&self, training: &Trainer) -> Result<PathBuf, Error> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |error| Error::Save { path, error }
        };
        fs::create_dir_all(&self.folder).map_err(failed(&self.folder))?;
        let path = self.folder.join(format!("step-{:09}.safetensors", training.steps()));
        training.save(&path)?;
        let all = self.all().map_err(failed(&self.folder))?;
        for (_, old) in all.iter().rev().skip(self.kept) {
            match fs::remove_file(old) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed(old)(e)),
                _ => {}
            }
        }
        Ok(path)
    }

    /// The checkpoint with the most steps, if there is one.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn last(&self) -> Result<Option<PathBuf>, Error> {
        let all = self.all().map_err(|error| Error::ReadFolder { path: self.folder.clone(), error })?;
        Ok(all.into_iter().next_back().map(|(_, path)| path))
    }

    /// Goes on from the last checkpoint, if there is one, and gives its path.
    ///
    /// # Errors
    /// As [`Checkpoints::last`] and [`Trainer::load`].
    pub fn resume(&self, training: &mut Trainer) -> Result<Option<PathBuf>, Error> {
        let Some(path) = self.last()? else { return Ok(None) };
        training.load(&path)?;
        Ok(Some(path))
    }

    /// All, by their steps.
    fn all(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut all = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(all),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let steps = name.strip_prefix("step-").and_then(|s| s.strip_suffix(".safetensors"));
            if let Some(steps) = steps.and_then(|s| s.parse().ok()) {
                all.push((steps, path));
            }
        }
        all.sort();
        Ok(all)
    }
}
