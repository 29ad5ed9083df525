//! The metadata of a GGUF file. Lists stay as they lie in the file, and are decoded when they are
//! asked for: in memory their values would take up to 32 times the bytes.

use super::mapping::Mapping;
use crate::reserve::{collected, copied};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Lists in each other at most.
const DEEPEST: usize = 2;
/// The number of the type of texts.
const TEXT: u32 = 8;
/// The number of the type of lists.
const LIST: u32 = 9;

/// A value of the metadata of a GGUF file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Metadata {
    /// An integer of any width.
    Integer(i64),
    /// An integer of 2^63 or more.
    Unsigned(u64),
    /// A number.
    Float(f64),
    /// A flag.
    Bool(bool),
    /// A text.
    Text(String),
    /// A text that is not UTF-8.
    Bytes(Vec<u8>),
    /// Several values.
    List(List),
}

/// Several values of one type. They are decoded one by one, as they are asked for.
///
/// ```no_run
/// use tancho_runtime::weights::{Gguf, Metadata};
///
/// let file = Gguf::open("model.gguf")?;
/// if let Some(Metadata::List(tokens)) = file.get("tokenizer.ggml.tokens") {
///     println!("{} tokens, the first is {:?}", tokens.len(), tokens.iter().next());
/// }
/// # Ok::<(), tancho_runtime::LoadError>(())
/// ```
#[derive(Clone)]
pub struct List {
    file: Arc<Mapping>,
    /// Where the values lie.
    range: Range<usize>,
    kind: u32,
    len: usize,
}

impl List {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values, in order.
    pub fn iter(&self) -> impl Iterator<Item = Metadata> {
        let mut r = self.reader();
        // That all of them can be read was seen when the file was opened.
        (0..self.len).map_while(move |_| r.value(self.kind, 1).ok())
    }

    fn reader(&self) -> Reader<'_> {
        Reader { file: &self.file, at: self.range.start, end: self.range.end }
    }

    /// The values, if they are texts and there is memory for the list of them.
    pub(super) fn texts(&self) -> Option<Vec<&str>> {
        let mut r = self.reader();
        let texts = (0..if self.kind == TEXT { self.len } else { return None })
            .map_while(|_| str::from_utf8(r.text().ok()?).ok());
        collected(self.len, texts).ok().filter(|all| all.len() == self.len)
    }

    /// The same of integers below 2^63.
    pub(super) fn integers(&self) -> Option<Vec<i64>> {
        let integers = self.iter().map_while(|m| if let Metadata::Integer(i) = m { Some(i) } else { None });
        collected(self.len, integers).ok().filter(|all| all.len() == self.len)
    }

    fn bytes(&self) -> &[u8] {
        &self.file.bytes()[self.range.clone()]
    }
}

impl PartialEq for List {
    fn eq(&self, other: &List) -> bool {
        (self.kind, self.len, self.bytes()) == (other.kind, other.len, other.bytes())
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values of the type {}", self.len, self.kind)
    }
}

/// A result, or why the file cannot be read, in words.
pub type Read<T> = Result<T, String>;

/// The bytes that are left to read.
pub struct Reader<'a> {
    file: &'a Arc<Mapping>,
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// From a byte of a file to its end.
    pub fn new(file: &'a Arc<Mapping>, at: usize) -> Reader<'a> {
        Reader { file, at, end: file.bytes().len() }
    }

    /// Where the next byte is.
    pub fn at(&self) -> usize {
        self.at
    }

    fn take(&mut self, n: u64) -> Read<&'a [u8]> {
        let cut = || {
            format!(
                "its header ends in the middle of something, at byte {}: the file is cut off or damaged",
                self.at
            )
        };
        let rest = self.file.bytes().get(self.at..self.end).unwrap_or_default();
        let taken = usize::try_from(n).ok().and_then(|n| rest.get(..n)).ok_or_else(cut)?;
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N as u64)?);
        Ok(out)
    }

    pub fn u32(&mut self) -> Read<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Read<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A text as it lies.
    fn text(&mut self) -> Read<&'a [u8]> {
        let n = self.u64()?;
        self.take(n)
    }

    /// The name of a key or a tensor.
    pub fn name(&mut self) -> Read<&'a str> {
        let at = self.at;
        str::from_utf8(self.text()?).map_err(|_| format!("the name at byte {at} is not UTF-8"))
    }

    /// A value of a type; `depth` is the number of lists around it.
    pub fn value(&mut self, kind: u32, depth: usize) -> Read<Metadata> {
        Ok(match kind {
            0 => Metadata::Integer(self.array::<1>()?[0].into()),
            1 => Metadata::Integer(i8::from_le_bytes(self.array()?).into()),
            2 => Metadata::Integer(u16::from_le_bytes(self.array()?).into()),
            3 => Metadata::Integer(i16::from_le_bytes(self.array()?).into()),
            4 => Metadata::Integer(self.u32()?.into()),
            5 => Metadata::Integer(i32::from_le_bytes(self.array()?).into()),
            6 => Metadata::Float(f32::from_le_bytes(self.array()?).into()),
            7 => Metadata::Bool(self.array::<1>()?[0] != 0),
            TEXT => {
                let at = self.at;
                let bytes = copied(self.text()?)
                    .map_err(|_| format!("there is no memory for the text at byte {at}"))?;
                String::from_utf8(bytes).map_or_else(|e| Metadata::Bytes(e.into_bytes()), Metadata::Text)
            }
            LIST => {
                let (kind, n, start) = self.skip_list(depth)?;
                Metadata::List(List { file: self.file.clone(), range: start..self.at, kind, len: n })
            }
            10 => self.u64().map(|n| i64::try_from(n).map_or(Metadata::Unsigned(n), Metadata::Integer))?,
            11 => Metadata::Integer(i64::from_le_bytes(self.array()?)),
            12 => Metadata::Float(f64::from_le_bytes(self.array()?)),
            _ => return Err(self.unknown(kind)),
        })
    }

    fn unknown(&self, kind: u32) -> String {
        format!("a value at byte {} has the unknown type {kind}", self.at)
    }

    /// Passes over a list; gives the type and the number of its values, and where they begin.
    fn skip_list(&mut self, depth: usize) -> Read<(u32, usize, usize)> {
        if depth >= DEEPEST {
            return Err(format!("the lists at byte {} lie too deep in each other", self.at));
        }
        let (kind, n) = (self.u32()?, self.u64()?);
        let start = self.at;
        match kind {
            // Each of them has bytes: the loop ends with the file, whatever number it states.
            TEXT => (0..n).try_for_each(|_| self.text().map(drop))?,
            LIST => (0..n).try_for_each(|_| self.skip_list(depth + 1).map(drop))?,
            _ => {
                let size = match kind {
                    0 | 1 | 7 => 1,
                    2 | 3 => 2,
                    4..=6 => 4,
                    10..=12 => 8,
                    _ => return Err(self.unknown(kind)),
                };
                self.take(n.saturating_mul(size))?;
            }
        }
        Ok((kind, n as usize, start))
    }
}
