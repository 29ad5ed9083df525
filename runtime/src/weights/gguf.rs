//! GGUF files, as llama.cpp writes them: what is said about a model, and its tensors.
//!
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. Every length is checked against the
//! bytes there are before anything is reserved or read, so that a damaged file is an error and nothing else.

use super::blocks::Coding;
use super::error::LoadError;
use super::file::{self, Entry, FileType, Mapping};
use safetensors::Dtype;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that tensors begin at a multiple of, if the file does not say.
const ALIGNMENT: usize = 32;
/// Axes of a tensor at most.
const MOST_AXES: u32 = 4;
/// Values of a list at most: each takes some tens of bytes in memory, and may take one in the file.
const MOST_VALUES: u64 = 1 << 24;

/// A value that a GGUF file says of its model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Metadata {
    /// An integer of any width.
    Integer(i64),
    /// A number.
    Float(f64),
    /// A flag.
    Bool(bool),
    /// A text.
    Text(String),
    /// Several values.
    List(Vec<Metadata>),
}

/// An open GGUF file: [`Weights::load`](super::Weights::load) reads its tensors, this what it says of them.
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
    /// The file cannot be read, is no GGUF file of version 2 or 3, is cut off, or has a tensor of a type that is not known.
    pub fn open(path: impl AsRef<Path>) -> Result<Gguf, LoadError> {
        let path = path.as_ref();
        let file = file::map(path)?;
        let (metadata, entries) = parse(&file, &Arc::new(path.to_path_buf())).map_err(|why| LoadError::Gguf { path: path.into(), why })?;
        Ok(Gguf { path: path.into(), metadata, entries })
    }

    /// What the file says under a key.
    pub fn get(&self, key: &str) -> Option<&Metadata> {
        self.metadata.get(key)
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.metadata.keys().map(String::as_str)
    }

    /// Names and shapes of the tensors, in the order of the file; the last axis is the one whose elements are neighbours.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.entries.iter().map(|(n, e)| (n.as_str(), e.shape.as_slice()))
    }

    fn as_a<'a, T>(&'a self, key: &str, what: &str, read: impl Fn(&'a Metadata) -> Option<T>) -> Result<T, LoadError> {
        let why = match self.metadata.get(key) {
            None => format!("it does not say `{key}`, which is needed"),
            Some(m) => match read(m) {
                Some(x) => return Ok(x),
                None => format!("`{key}` is not {what}"),
            },
        };
        Err(LoadError::Gguf { path: self.path.clone(), why })
    }

    /// An integer of at least 0.
    ///
    /// # Errors
    /// The file does not say it, or as something else.
    pub fn integer(&self, key: &str) -> Result<usize, LoadError> {
        self.as_a(key, "an integer", |m| if let Metadata::Integer(i) = m { usize::try_from(*i).ok() } else { None })
    }

    /// A number.
    ///
    /// # Errors
    /// As [`Gguf::integer`].
    pub fn number(&self, key: &str) -> Result<f64, LoadError> {
        self.as_a(key, "a number", |m| match m {
            Metadata::Float(x) => Some(*x),
            Metadata::Integer(i) => Some(*i as f64),
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
        self.as_a(key, "a list of texts", |m| match m {
            Metadata::List(all) => all.iter().map(|m| if let Metadata::Text(t) = m { Some(t.as_str()) } else { None }).collect(),
            _ => None,
        })
    }

    /// A list of integers.
    ///
    /// # Errors
    /// As [`Gguf::integer`].
    pub fn integers(&self, key: &str) -> Result<Vec<i64>, LoadError> {
        let integer = |m: &Metadata| if let Metadata::Integer(i) = m { Some(*i) } else { None };
        self.as_a(key, "a list of integers", |m| match m {
            Metadata::List(all) => all.iter().map(integer).collect(),
            _ => None,
        })
    }
}

/// The bytes that are left to read.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, String>;

impl<'a> Reader<'a> {
    fn take(&mut self, n: u64) -> Read<&'a [u8]> {
        let there = self.bytes.len() - self.at;
        let n = usize::try_from(n).ok().filter(|n| *n <= there);
        let n =
            n.ok_or_else(|| format!("its header ends in the middle of something, at byte {}: the file is cut off or damaged", self.at))?;
        self.at += n;
        Ok(&self.bytes[self.at - n..self.at])
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N as u64)?);
        Ok(out)
    }

    fn u32(&mut self) -> Read<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Read<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Read<String> {
        let n = self.u64()?;
        let at = self.at;
        String::from_utf8(self.take(n)?.to_vec()).map_err(|_| format!("the text at byte {at} is not UTF-8"))
    }

    fn value(&mut self, kind: u32, depth: usize) -> Read<Metadata> {
        Ok(match kind {
            0 => Metadata::Integer(self.array::<1>()?[0].into()),
            1 => Metadata::Integer(i8::from_le_bytes(self.array()?).into()),
            2 => Metadata::Integer(u16::from_le_bytes(self.array()?).into()),
            3 => Metadata::Integer(i16::from_le_bytes(self.array()?).into()),
            4 => Metadata::Integer(self.u32()?.into()),
            5 => Metadata::Integer(i32::from_le_bytes(self.array()?).into()),
            6 => Metadata::Float(f32::from_le_bytes(self.array()?).into()),
            7 => Metadata::Bool(self.array::<1>()?[0] != 0),
            8 => Metadata::Text(self.text()?),
            9 if depth < 2 => {
                let (kind, n) = (self.u32()?, self.u64()?);
                if n > MOST_VALUES && n <= (self.bytes.len() - self.at) as u64 {
                    return Err(format!("a list at byte {} has {n} values; {MOST_VALUES} is the most", self.at));
                }
                // Every value has a byte at least: more than those left there cannot be.
                let room = usize::try_from(n).unwrap_or(usize::MAX).min(self.bytes.len() - self.at);
                let mut all = Vec::with_capacity(room.min(1 << 16));
                for _ in 0..n {
                    all.push(self.value(kind, depth + 1)?);
                }
                Metadata::List(all)
            }
            9 => return Err(format!("the lists at byte {} lie too deep in each other", self.at)),
            10 => Metadata::Integer(i64::try_from(self.u64()?).map_err(|_| "an integer is beyond 63 bits")?),
            11 => Metadata::Integer(i64::from_le_bytes(self.array()?)),
            12 => Metadata::Float(f64::from_le_bytes(self.array()?)),
            _ => return Err(format!("a value at byte {} has the unknown type {kind}", self.at)),
        })
    }
}

/// Element type of a tensor by ggml's number.
fn element_type(number: u32) -> Option<FileType> {
    Some(match number {
        0 => FileType::Plain(Dtype::F32),
        1 => FileType::Coded(Coding::F16),
        2 => FileType::Coded(Coding::Q4_0),
        3 => FileType::Coded(Coding::Q4_1),
        8 => FileType::Coded(Coding::Q8_0),
        30 => FileType::Coded(Coding::Bf16),
        _ => return None,
    })
}

/// ggml's names of types that are not read.
fn unread(number: u32) -> String {
    const NAMES: [(u32, &str); 17] = [
        (6, "q5_0"),
        (7, "q5_1"),
        (9, "q8_1"),
        (10, "q2_k"),
        (11, "q3_k"),
        (12, "q4_k"),
        (13, "q5_k"),
        (14, "q6_k"),
        (15, "q8_k"),
        (16, "iq2_xxs"),
        (17, "iq2_xs"),
        (18, "iq3_xxs"),
        (19, "iq1_s"),
        (20, "iq4_nl"),
        (21, "iq3_s"),
        (22, "iq2_s"),
        (23, "iq4_xs"),
    ];
    NAMES.iter().find(|(n, _)| *n == number).map_or_else(|| format!("of the unknown type {number}"), |(_, name)| name.to_string())
}

type Parsed = (BTreeMap<String, Metadata>, Vec<(String, Entry)>);

fn parse(file: &Arc<Mapping>, path: &Arc<PathBuf>) -> Read<Parsed> {
    let bytes = file.bytes();
    let mut r = Reader { bytes, at: 0 };
    if bytes.get(..4) != Some(b"GGUF") {
        return Err("it does not begin with `GGUF`".into());
    }
    r.at = 4;
    match r.u32()? {
        2 | 3 => {}
        v if (1..=3).contains(&v.swap_bytes()) => return Err("it is big-endian; only little-endian files are read".into()),
        v => return Err(format!("it has version {v}; versions 2 and 3 are read")),
    }
    let (tensors, values) = (r.u64()?, r.u64()?);
    let mut metadata = BTreeMap::new();
    for _ in 0..values {
        let (key, kind) = (r.text()?, r.u32()?);
        let value = r.value(kind, 0)?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(format!("`{key}` is there twice"));
        }
    }
    let mut found: Vec<(String, FileType, Vec<usize>, u64)> = Vec::new();
    for _ in 0..tensors {
        let (name, axes) = (r.text()?, r.u32()?);
        if axes > MOST_AXES {
            return Err(format!("tensor `{name}` has {axes} axes; {MOST_AXES} is the most"));
        }
        let mut shape = Vec::new();
        for _ in 0..axes {
            shape.push(usize::try_from(r.u64()?).map_err(|_| format!("tensor `{name}` is too large"))?);
        }
        // The first is the axis of neighbours there, the last is here.
        shape.reverse();
        let (number, offset) = (r.u32()?, r.u64()?);
        let ty = element_type(number)
            .ok_or_else(|| format!("tensor `{name}` is {}; f32, f16, bf16, q4_0, q4_1 and q8_0 are read", unread(number)))?;
        found.push((name, ty, shape, offset));
    }
    let alignment = match metadata.get("general.alignment") {
        None => ALIGNMENT,
        Some(Metadata::Integer(n)) if (1..=1 << 20).contains(n) && n.count_ones() == 1 => *n as usize,
        Some(_) => return Err("`general.alignment` is no alignment".into()),
    };
    let start = r.at.next_multiple_of(alignment);
    let mut entries: Vec<(String, Entry)> = Vec::new();
    let mut names = BTreeSet::new();
    for (name, dtype, shape, offset) in found {
        let block = match dtype {
            FileType::Coded(c) => c.elements(),
            FileType::Plain(_) => 1,
        };
        let row = shape.last().copied().unwrap_or(1);
        if !row.is_multiple_of(block) {
            return Err(format!("tensor `{name}` {shape:?} is {dtype}: a row of {row} elements is no whole number of blocks of {block}"));
        }
        if !offset.is_multiple_of(alignment as u64) {
            return Err(format!(
                "tensor `{name}` begins at {offset}, which is no multiple of the alignment {alignment}: the file is damaged"
            ));
        }
        let range = place(&shape, dtype, start, offset).filter(|r| r.end <= bytes.len());
        let Some(range) = range else {
            return Err(format!(
                "tensor `{name}` {shape:?} is not inside the file, which has {} bytes: it is cut off or damaged",
                bytes.len()
            ));
        };
        if !names.insert(name.clone()) {
            return Err(format!("tensor `{name}` is there twice"));
        }
        entries.push((name, Entry { file: file.clone(), path: path.clone(), dtype, shape, range }));
    }
    Ok((metadata, entries))
}

/// Where a tensor of whole blocks lies; `None` where it cannot be counted.
fn place(shape: &[usize], ty: FileType, start: usize, offset: u64) -> Option<Range<usize>> {
    let (elements, bytes) = match ty {
        FileType::Plain(_) => (1, 4),
        FileType::Coded(c) => (c.elements(), c.bytes()),
    };
    let n = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d))?;
    let from = start.checked_add(usize::try_from(offset).ok()?)?;
    Some(from..from.checked_add((n / elements).checked_mul(bytes)?)?)
}
