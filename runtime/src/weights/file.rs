//! Files of weights: safetensors files and GGUF files are opened and checked, safetensors files are written.

use super::data::WeightData;
use super::entry::{Entry, FileType};
use super::error::LoadError;
use super::gguf::Gguf;
use super::json::Header;
use super::mapping::map;
use super::names::{cut, listed};
use crate::error::Error;
use crate::replace::replace;
use crate::tensor::bf16;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use tancho_ir::DType;

/// Bytes of the header's length before the header.
const PREFIX: usize = 8;
/// The format's own limit of the header.
pub const MAX_HEADER: u64 = 100_000_000;

/// The tensors of a file.
pub struct Opened {
    /// In the order of the file.
    pub entries: Vec<(String, Entry)>,
    /// Which part of a split model it is, if it is one, and what to do.
    pub part: Option<String>,
    /// What a safetensors file says besides.
    pub metadata: HashMap<String, String>,
}

/// Maps a file and checks its header; every entry's range is inside the file and fits its type.
pub fn open(path: &Path) -> Result<Opened, LoadError> {
    let file = map(path)?;
    if file.bytes().starts_with(b"GGUF") {
        let gguf = Gguf::of(file, path)?;
        return Ok(Opened { part: gguf.part(), entries: gguf.entries, metadata: HashMap::new() });
    }
    let shared = Arc::new(path.to_path_buf());
    let (start, header) = header(file.bytes()).map_err(|why| LoadError::Format { path: path.into(), why })?;
    let entry = |(name, info): (String, TensorInfo)| {
        let (from, to) = info.data_offsets;
        let range = start + from..start + to;
        (
            name,
            Entry {
                file: file.clone(),
                path: shared.clone(),
                dtype: FileType::Plain(info.dtype),
                shape: info.shape,
                range,
            },
        )
    };
    let entries = header.tensors.into_iter().map(entry).collect();
    Ok(Opened { entries, part: None, metadata: header.metadata })
}

/// Where the data starts, and the header; the tensors lie one after another and end where the file ends.
fn header(bytes: &[u8]) -> Result<(usize, Header), String> {
    if let Some(what) = foreign(bytes) {
        return Err(what.into());
    }
    let Some((length, rest)) = bytes.split_first_chunk::<PREFIX>() else {
        return Err(format!("it has {} bytes, not even the {PREFIX} of the header's length", bytes.len()));
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER {
        return Err(format!(
            "its header would have {length} bytes, more than the {MAX_HEADER} that are allowed"
        ));
    }
    let n = length as usize;
    let Some(json) = rest.get(..n) else {
        return Err(format!(
            "its header should have {n} bytes, but only {} follow: the file is cut off",
            rest.len()
        ));
    };
    let header = Header::read(json).map_err(|e| format!("its header cannot be read: {}", cut(&e)))?;
    if !header.twice.is_empty() {
        let names: Vec<&String> = header.twice.iter().collect();
        return Err(format!("its header has more than one entry of a name: {}", listed(&names)));
    }
    let (said, there) = (header.data_len(), rest.len() - n);
    if said != there {
        let how = if said > there { "cut off" } else { "longer than its header says" };
        return Err(format!(
            "its tensors have {said} bytes, but {there} follow the header: the file is {how}"
        ));
    }
    Ok((PREFIX + n, header))
}

/// Files that are often taken for safetensors.
fn foreign(bytes: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 4] = [
        (b"version https://git-lfs", "it is a Git LFS pointer, not the file itself; run `git lfs pull`"),
        (
            b"PK\x03\x04",
            "it is a zip archive, as PyTorch's .pt and .bin files are; convert it with the Python package safetensors",
        ),
        (b"\x80\x02", "it is a Python pickle; convert it with the Python package safetensors"),
        (b"<", "it looks like a web page; was the download answered by an error page?"),
    ];
    // A header's length may begin with any byte, but a real one is followed by `{`.
    let real = bytes.get(PREFIX) == Some(&b'{');
    KNOWN.iter().find(|(magic, _)| !real && bytes.starts_with(magic)).map(|k| k.1)
}

/// A tensor that is written.
pub struct Written<'w> {
    pub name: String,
    pub dtype: Dtype,
    pub shape: &'w [usize],
    pub data: Data<'w>,
}

/// The elements of a tensor that is written.
pub enum Data<'w> {
    Weight(&'w WeightData),
    /// As files have them.
    Bytes(Vec<u8>),
}

impl<'w> Written<'w> {
    /// A weight under a name.
    pub fn weight(name: String, weight: &'w WeightData) -> Written<'w> {
        let dtype = match weight.dtype() {
            DType::F32 => Dtype::F32,
            DType::Bf16 => Dtype::BF16,
            DType::I32 => Dtype::I32,
            DType::Bool => Dtype::BOOL,
        };
        Written { name, dtype, shape: weight.shape(), data: Data::Weight(weight) }
    }

    fn len(&self) -> usize {
        match &self.data {
            Data::Weight(w) => w.file_len(),
            Data::Bytes(bytes) => bytes.len(),
        }
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        match &self.data {
            Data::Weight(w) => w.write(to),
            Data::Bytes(bytes) => to.write_all(bytes),
        }
    }
}

/// Writes weights to a file in the place of another, of which a mapping stays whole.
pub fn write<'w>(path: &Path, weights: impl Iterator<Item = (&'w str, &'w WeightData)>) -> io::Result<()> {
    let tensors = weights.map(|(name, weight)| Written::weight(name.into(), weight));
    // Python's `transformers` refuses files without this entry.
    write_tensors(path, tensors.collect(), vec![("format".into(), "pt".into())])
}

/// The same with f32 weights as bf16.
///
/// # Errors
/// Memory is short: then nothing is written.
pub fn write_as_bf16<'w>(
    path: &Path,
    weights: impl Iterator<Item = (&'w str, &'w WeightData)>,
) -> Result<io::Result<()>, Error> {
    let written = |(name, weight): (&str, &'w WeightData)| {
        let Some(floats) = weight.floats()? else { return Ok(Written::weight(name.into(), weight)) };
        let bytes = floats.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect();
        Ok(Written { name: name.into(), dtype: Dtype::BF16, shape: weight.shape(), data: Data::Bytes(bytes) })
    };
    let tensors = weights.map(written).collect::<Result<Vec<_>, Error>>()?;
    Ok(write_tensors(path, tensors, vec![("format".into(), "pt".into())]))
}

/// The same with tensors and what the file says besides.
pub fn write_tensors(
    path: &Path,
    mut tensors: Vec<Written<'_>>,
    metadata: Vec<(String, String)>,
) -> io::Result<()> {
    // Wide elements first: then each tensor is aligned.
    tensors.sort_by_key(|t| std::cmp::Reverse(t.dtype.bitsize()));
    let mut at = 0;
    let mut infos = Vec::new();
    for t in &tensors {
        let data_offsets = (at, at + t.len());
        at = data_offsets.1;
        infos.push((t.name.clone(), TensorInfo { dtype: t.dtype, shape: t.shape.to_vec(), data_offsets }));
    }
    let metadata = Metadata::new(Some(metadata.into_iter().collect()), infos).map_err(io::Error::other)?;
    let mut header = serde_json::to_vec(&metadata)?;
    header.resize(header.len().next_multiple_of(PREFIX), b' ');

    replace(path, |f| {
        f.write_all(&(header.len() as u64).to_le_bytes())?;
        f.write_all(&header)?;
        tensors.iter().try_for_each(|t| t.write(f))
    })
}
