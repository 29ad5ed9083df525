//! Tensors of files as weights: mapped where they are what is declared, else converted.

use super::blocks::Coded;
use super::data::WeightData;
use super::entry::{Entry, FileType};
use crate::error::Error;
use crate::reserve::collected;
use crate::tensor::float16::{bf16, f16};
use crate::tensor::{Tensor, TensorData};
use safetensors::Dtype;
use std::ops::Range;
use tancho_ir::DType;
use tancho_ir::graph::Part;

/// Whether elements of a file are what a weight's elements are in memory.
pub fn is_same(from: FileType, to: DType) -> bool {
    let FileType::Plain(from) = from else { return false };
    matches!(
        (from, to),
        (Dtype::F32, DType::F32)
            | (Dtype::BF16, DType::Bf16)
            | (Dtype::I32, DType::I32)
            | (Dtype::BOOL, DType::Bool)
    )
}

/// A tensor of a file, or the part of it that a weight is.
pub struct Stored<'a> {
    entry: &'a Entry,
    pub shape: Vec<usize>,
    bytes: Bytes,
}

enum Bytes {
    /// They lie together in the file.
    Range(Range<usize>),
    /// A part of every row: the bytes of a row, and the range of them that is meant.
    Parts(usize, Range<usize>),
}

impl Stored<'_> {
    /// Nothing if the part is not inside the tensor.
    pub fn of<'a>(entry: &'a Entry, part: Option<&Part>) -> Option<Stored<'a>> {
        let Some(Part { axis, start, end }) = part.cloned() else {
            return Some(Stored {
                entry,
                shape: entry.shape.clone(),
                bytes: Bytes::Range(entry.range.clone()),
            });
        };
        let len = *entry.shape.get(axis)?;
        if start > end || end > len {
            return None;
        }
        let mut shape = entry.shape.clone();
        shape[axis] = end - start;
        // Bytes of one index of the axis, and of all of them.
        let rows: usize = entry.shape[..axis].iter().product();
        let all = entry.range.len().checked_div(rows).unwrap_or(0);
        let one = all.checked_div(len).unwrap_or(0);
        if axis == 0 {
            let from = entry.range.start;
            return Some(Stored { entry, shape, bytes: Bytes::Range(from + start * one..from + end * one) });
        }
        Some(Stored { entry, shape, bytes: Bytes::Parts(all, start * one..end * one) })
    }

    /// Its bytes in the file.
    pub fn len(&self) -> usize {
        match &self.bytes {
            Bytes::Range(r) => r.len(),
            Bytes::Parts(all, part) => self.entry.range.len().checked_div(*all).unwrap_or(0) * part.len(),
        }
    }
}

/// The elements as the declared type. Floats become floats, and integers become i32 where all of them fit.
/// Anything else must be what it is declared: `None`.
///
/// # Errors
/// There is no memory for elements that cannot stay in the file.
pub fn convert(stored: &Stored<'_>, to: DType) -> Result<Option<WeightData>, Error> {
    let (entry, shape) = (stored.entry, stored.shape.clone());
    let dtype = match (entry.dtype, &stored.bytes) {
        (FileType::Plain(d), _) => d,
        (FileType::Coded(coding), Bytes::Range(range)) if to == DType::F32 => {
            return Ok(Coded::new(entry.file.clone(), range.clone(), coding)
                .and_then(|c| WeightData::of_blocks(shape, c)));
        }
        (FileType::Coded(coding), _) => match coding.plain() {
            Some(d) => d,
            None => return Ok(None),
        },
        (FileType::Unread(_), _) => return Ok(None),
    };
    let together;
    let bytes = match &stored.bytes {
        Bytes::Range(range) => {
            if (dtype, to) == (Dtype::F32, DType::F32)
                && let Some(w) = WeightData::mapped(shape.clone(), &entry.file, range.clone())
            {
                return Ok(Some(w));
            }
            entry.file.bytes().get(range.clone()).unwrap_or_default()
        }
        Bytes::Parts(all, part) => {
            let whole = entry.file.bytes().get(entry.range.clone()).unwrap_or_default();
            together = collected(
                stored.len(),
                whole.chunks_exact((*all).max(1)).flat_map(|row| &row[part.clone()]).copied(),
            )?;
            &together
        }
    };
    let data: TensorData = match (dtype, to) {
        (Dtype::I32, DType::I32) => chunks(bytes, i32::from_le_bytes)?.into(),
        (Dtype::I64, DType::I32) => {
            let number = |b: &[u8; 8]| i32::try_from(i64::from_le_bytes(*b)).ok();
            let all = bytes.as_chunks::<8>().0;
            if all.iter().any(|b| number(b).is_none()) {
                return Ok(None);
            }
            collected(all.len(), all.iter().filter_map(number))?.into()
        }
        (Dtype::I16, DType::I32) => chunks(bytes, |b| i32::from(i16::from_le_bytes(b)))?.into(),
        (Dtype::I8, DType::I32) => chunks(bytes, |b| i32::from(i8::from_le_bytes(b)))?.into(),
        (Dtype::U8, DType::I32) => chunks(bytes, |[b]| i32::from(b))?.into(),
        (Dtype::BOOL, DType::Bool) => chunks(bytes, |[b]| b != 0)?.into(),
        (Dtype::BF16, DType::Bf16) => chunks(bytes, bf16::from_le_bytes)?.into(),
        (Dtype::F32, DType::F32) => chunks(bytes, f32::from_le_bytes)?.into(),
        (Dtype::F16, DType::F32) => chunks(bytes, |b| f16::from_le_bytes(b).to_f32())?.into(),
        (Dtype::BF16, DType::F32) => chunks(bytes, |b| bf16::from_le_bytes(b).to_f32())?.into(),
        (Dtype::F64, DType::F32) => chunks(bytes, |b| f64::from_le_bytes(b) as f32)?.into(),
        (Dtype::F32, DType::Bf16) => chunks(bytes, |b| bf16::from_f32(f32::from_le_bytes(b)))?.into(),
        (Dtype::F16, DType::Bf16) => {
            chunks(bytes, |b| bf16::from_f32(f16::from_le_bytes(b).to_f32()))?.into()
        }
        (Dtype::F64, DType::Bf16) => chunks(bytes, |b| bf16::from_f64(f64::from_le_bytes(b)))?.into(),
        _ => return Ok(None),
    };
    Ok(Tensor::new(data, shape).ok().map(WeightData::from))
}

fn chunks<const N: usize, T>(bytes: &[u8], f: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Error> {
    collected(bytes.len() / N, bytes.as_chunks::<N>().0.iter().map(|b| f(*b)))
}
