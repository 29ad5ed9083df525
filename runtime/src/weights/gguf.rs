//! GGUF files, as llama.cpp writes them: metadata of a model, and its tensors.
//!
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. Every length is checked against
//! the bytes there are before anything is reserved or read, so that a damaged file is an error and nothing
//! else. What is only not supported, such as a type of a tensor, is an error when it is asked for.

use super::entry::{Entry, FileType, file_type};
use super::error::LoadError;
use super::mapping::{Mapping, map};
pub use super::metadata::{List, Metadata};
use super::metadata::{Read, Reader};
use super::names::cut;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Tensors begin at a multiple of so many bytes unless the file states another number.
const ALIGNMENT: usize = 32;
/// Axes of a tensor at most.
const MOST_AXES: u32 = 4;
/// Keys, and tensors, at most: each takes some hundred bytes in memory, and few in the file.
const MOST: u64 = 1 << 20;

/// An open GGUF file: [`Weights::load`](super::Weights::load) reads its tensors, this its metadata.
///
/// ```no_run
/// let file = tancho_runtime::weights::Gguf::open("model.gguf")?;
/// println!("{} blocks", file.integer("llama.block_count")?);
/// # Ok::<(), tancho_runtime::LoadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gguf {
    path: PathBuf,
    metadata: BTreeMap<String, Metadata>,
    pub(super) entries: Vec<(String, Entry)>,
}

impl Gguf {
    /// Maps a file and reads its header; the file must not be changed or truncated while it is in use.
    ///
    /// # Errors
    /// The file cannot be read, is no GGUF file of version 2 or 3, or is cut off. Tensors may be of types
    /// that are not read: only to load one of those is an error.
    pub fn open(path: impl AsRef<Path>) -> Result<Gguf, LoadError> {
        let path = path.as_ref();
        Gguf::of(map(path)?, path)
    }

    /// A file that is mapped.
    pub(super) fn of(file: Arc<Mapping>, path: &Path) -> Result<Gguf, LoadError> {
        let (metadata, entries) = parse(&file, &Arc::new(path.to_path_buf()))
            .map_err(|why| LoadError::Gguf { path: path.into(), why })?;
        Ok(Gguf { path: path.into(), metadata, entries })
    }

    /// Which part of a split model the file is, if it is one, and what to do about it.
    pub(super) fn part(&self) -> Option<String> {
        let count = self.integer("split.count").ok().filter(|n| *n > 1)?;
        let number = self.integer("split.no").ok()?.saturating_add(1);
        Some(format!(
            "the file is part {number} of {count} of a model; join the parts: `llama-gguf-split --merge`"
        ))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Metadata> {
        self.metadata.get(key)
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.metadata.keys().map(String::as_str)
    }

    /// Names and shapes of the tensors, in the order of the file; the last axis is the one whose elements are
    /// neighbours.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.entries.iter().map(|(n, e)| (n.as_str(), e.shape.as_slice()))
    }

    fn as_a<'a, T>(
        &'a self,
        key: &str,
        what: &str,
        read: impl Fn(&'a Metadata) -> Option<T>,
    ) -> Result<T, LoadError> {
        let why = match self.metadata.get(key) {
            None => format!("it does not say `{}`, which is needed", cut(key)),
            Some(m) => match read(m) {
                Some(x) => return Ok(x),
                None => format!("`{}` is not {what}", cut(key)),
            },
        };
        Err(LoadError::Gguf { path: self.path.clone(), why })
    }

    /// An integer of at least 0.
    ///
    /// # Errors
    /// The file does not have the key, or its value is of another kind.
    pub fn integer(&self, key: &str) -> Result<usize, LoadError> {
        self.as_a(key, "an integer", |m| match m {
            Metadata::Integer(i) => usize::try_from(*i).ok(),
            Metadata::Unsigned(n) => usize::try_from(*n).ok(),
            _ => None,
        })
    }

    /// A number.
    ///
    /// # Errors
    /// As [`Gguf::integer`].
    pub fn number(&self, key: &str) -> Result<f64, LoadError> {
        self.as_a(key, "a number", |m| match m {
            Metadata::Float(x) => Some(*x),
            Metadata::Integer(i) => Some(*i as f64),
            Metadata::Unsigned(n) => Some(*n as f64),
            _ => None,
        })
    }

    /// A text.
    ///
    /// # Errors
    /// As [`Gguf::integer`].
    pub fn text(&self, key: &str) -> Result<&str, LoadError> {
        self.as_a(key, "a text", |m| if let Metadata::Text(t) = m { Some(t.as_str()) } else { None })
    }

    /// A list of texts.
    ///
    /// # Errors
    /// As [`Gguf::integer`].
    pub fn texts(&self, key: &str) -> Result<Vec<&str>, LoadError> {
        self.as_a(key, "a list of texts, or too long for memory", |m| {
            if let Metadata::List(all) = m { all.texts() } else { None }
        })
    }

    /// A list of integers.
    ///
    /// # Errors
    /// As [`Gguf::integer`].
    pub fn integers(&self, key: &str) -> Result<Vec<i64>, LoadError> {
        let what = "a list of integers below 2^63, or too long for memory";
        self.as_a(key, what, |m| if let Metadata::List(all) = m { all.integers() } else { None })
    }
}

type Parsed = (BTreeMap<String, Metadata>, Vec<(String, Entry)>);

fn parse(file: &Arc<Mapping>, path: &Arc<PathBuf>) -> Read<Parsed> {
    let bytes = file.bytes();
    if bytes.get(..4) != Some(b"GGUF") {
        return Err("it does not begin with `GGUF`".into());
    }
    let mut r = Reader::new(file, 4);
    match r.u32()? {
        2 | 3 => {}
        v if (1..=3).contains(&v.swap_bytes()) => {
            return Err("it is big-endian; only little-endian files are read".into());
        }
        v => return Err(format!("it has version {v}; versions 2 and 3 are read")),
    }
    let (tensors, values) = (r.u64()?, r.u64()?);
    // A file that states more than it has bytes for is cut off, and reported as that.
    for (n, what) in [(tensors, "tensors"), (values, "keys")] {
        if n > MOST && n <= bytes.len() as u64 {
            return Err(format!("it has {n} {what}; {MOST} is the most"));
        }
    }
    let mut metadata = BTreeMap::new();
    for _ in 0..values {
        let (key, kind) = (r.name()?, r.u32()?);
        if metadata.insert(key.to_string(), r.value(kind, 0)?).is_some() {
            return Err(format!("`{}` is there twice", cut(key)));
        }
    }
    let mut found: Vec<(&str, FileType, Vec<usize>, u64)> = Vec::new();
    for _ in 0..tensors {
        let (name, axes) = (r.name()?, r.u32()?);
        if axes > MOST_AXES {
            return Err(format!("tensor `{}` has {axes} axes; {MOST_AXES} is the most", cut(name)));
        }
        let mut shape = Vec::new();
        for _ in 0..axes {
            shape
                .push(usize::try_from(r.u64()?).map_err(|_| format!("tensor `{}` is too large", cut(name)))?);
        }
        // The first is the axis of neighbours there, the last is here.
        shape.reverse();
        let (number, offset) = (r.u32()?, r.u64()?);
        found.push((name, file_type(number), shape, offset));
    }
    let alignment = match metadata.get("general.alignment") {
        None => ALIGNMENT,
        Some(Metadata::Integer(n)) if (1..=1 << 20).contains(n) && n.count_ones() == 1 => *n as usize,
        Some(_) => return Err("`general.alignment` is no alignment".into()),
    };
    let mut names: Vec<&str> = found.iter().map(|f| f.0).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|p| p[0] == p[1]) {
        return Err(format!("tensor `{}` is there twice", cut(pair[0])));
    }
    let start = r.at().next_multiple_of(alignment);
    let mut entries: Vec<(String, Entry)> = Vec::new();
    for (name, dtype, shape, offset) in found {
        let range = place(&shape, dtype, start, offset, alignment, bytes.len())
            .map_err(|why| format!("tensor `{}` {why}", cut(name)))?;
        entries
            .push((name.to_string(), Entry { file: file.clone(), path: path.clone(), dtype, shape, range }));
    }
    Ok((metadata, entries))
}

/// Where a tensor lies. For a type that is not read the size is unknown. It is not needed: loading such a
/// tensor is an error that names the type.
fn place(
    shape: &[usize],
    dtype: FileType,
    start: usize,
    offset: u64,
    alignment: usize,
    len: usize,
) -> Read<Range<usize>> {
    let (block, bytes) = match dtype {
        FileType::Plain(d) => (1, d.bitsize() / 8),
        FileType::Coded(c) => (c.elements(), c.bytes()),
        FileType::Unread(_) => return Ok(start..start),
    };
    let row = shape.last().copied().unwrap_or(1);
    if !row.is_multiple_of(block) {
        return Err(format!(
            "{shape:?} is {dtype}: a row of {row} elements is no whole number of blocks of {block}"
        ));
    }
    if !offset.is_multiple_of(alignment as u64) {
        return Err(format!(
            "begins at {offset}, which is no multiple of the alignment {alignment}: the file is damaged"
        ));
    }
    let range = || {
        let n = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d))?;
        let from = start.checked_add(usize::try_from(offset).ok()?)?;
        Some(from..from.checked_add((n / block).checked_mul(bytes)?)?)
    };
    let outside =
        || format!("{shape:?} is not inside the file, which has {len} bytes: it is cut off or damaged");
    range().filter(|r| r.end <= len).ok_or_else(outside)
}
