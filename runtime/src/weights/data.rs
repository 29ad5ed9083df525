//! The elements of one weight: owned, or in a mapped file.

use super::blocks::Coded;
use super::mapping::Mapping;
use crate::error::Error;
use crate::reserve::copied;
use crate::tensor::element::Element;
use crate::tensor::shape::{TensorType, element_count};
use crate::tensor::{Tensor, TensorData};
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;
use tancho_ir::DType;

/// The elements of one weight: owned, or part of a mapped file.
#[derive(Clone, Debug)]
pub struct WeightData {
    shape: Vec<usize>,
    store: Store,
}

#[derive(Clone, Debug)]
enum Store {
    /// Shared by clones: elements never change, a weight is replaced as a whole.
    Owned(Arc<TensorData>),
    /// f32 elements in the file as the machine has them, aligned; [`WeightData::mapped`] sees to it.
    Mapped(Arc<Mapping>, Range<usize>),
    /// Blocks of a mapped file, f32 when decoded.
    Coded(Coded),
}

impl WeightData {
    /// Coded elements of a mapped file; `None` if they are not as many as the shape has.
    pub(super) fn of_blocks(shape: Vec<usize>, coded: Coded) -> Option<WeightData> {
        (element_count(&shape) == Some(coded.len())).then(|| WeightData { shape, store: Store::Coded(coded) })
    }

    /// The bytes of a mapped file as f32 without a copy, if their place and order allow it.
    pub(super) fn mapped(shape: Vec<usize>, file: &Arc<Mapping>, range: Range<usize>) -> Option<WeightData> {
        let bytes = file.bytes().get(range.clone())?;
        let fits = cfg!(target_endian = "little") && bytemuck::try_cast_slice::<u8, f32>(bytes).is_ok();
        fits.then(|| WeightData { shape, store: Store::Mapped(file.clone(), range) })
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match &self.store {
            Store::Owned(d) => d.dtype(),
            Store::Mapped(..) | Store::Coded(_) => DType::F32,
        }
    }

    /// Length of each axis, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Element type and shape.
    pub fn ty(&self) -> TensorType<'_> {
        TensorType { element: self.dtype().into(), shape: &self.shape }
    }

    /// The elements, if they are f32 and there is memory for them: see [`WeightData::floats`].
    pub fn as_f32(&self) -> Option<&[f32]> {
        self.floats().ok().flatten()
    }

    /// The elements; `None` if they are not f32. Coded ones are decoded for it, and stay in memory from then
    /// on.
    ///
    /// # Errors
    /// There is no memory to decode them.
    pub fn floats(&self) -> Result<Option<&[f32]>, Error> {
        Ok(match &self.store {
            Store::Owned(d) => f32::slice(d),
            Store::Coded(c) => Some(c.floats().map_err(|e| self.too_large(e))?),
            Store::Mapped(file, range) => {
                file.bytes().get(range.clone()).and_then(|b| bytemuck::try_cast_slice(b).ok())
            }
        })
    }

    /// An error of memory as one of this weight.
    fn too_large(&self, e: Error) -> Error {
        e.of_weight(&format!("a weight {}", self.ty()))
    }

    /// The elements whatever they are, if they are owned: only f32 is ever mapped.
    pub fn owned(&self) -> Option<&TensorData> {
        match &self.store {
            Store::Owned(d) => Some(d),
            Store::Mapped(..) | Store::Coded(_) => None,
        }
    }

    /// The elements, if they are coded.
    pub(crate) fn coded(&self) -> Option<&Coded> {
        if let Store::Coded(c) = &self.store { Some(c) } else { None }
    }

    /// Whether the elements are read from a mapped file.
    pub fn is_mapped(&self) -> bool {
        matches!(self.store, Store::Mapped(..) | Store::Coded(_))
    }

    /// Gives the memory of the elements back to the system if they are in a mapped file; they can still be
    /// read.
    pub fn release_pages(&self) {
        match &self.store {
            Store::Mapped(file, range) => file.release_pages(range.clone()),
            Store::Coded(c) => c.release(0..c.len()),
            Store::Owned(_) => {}
        }
    }

    /// The same for some of its elements.
    pub fn release_part(&self, elements: Range<usize>) {
        match &self.store {
            Store::Mapped(file, range) => {
                let at = |i: usize| range.start.saturating_add(i.saturating_mul(4)).min(range.end);
                file.release_pages(at(elements.start)..at(elements.end));
            }
            Store::Coded(c) => c.release(elements),
            Store::Owned(_) => {}
        }
    }

    /// An owned copy.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn to_tensor(&self) -> Result<Tensor, Error> {
        let data: Result<TensorData, Error> = match &self.store {
            Store::Owned(d) => d.copied(),
            Store::Mapped(..) => copied(self.as_f32().unwrap_or_default()).map(TensorData::F32),
            Store::Coded(c) => c.to_vec().map(TensorData::F32),
        };
        data.map(|d| Tensor::from_parts(d, &self.shape)).map_err(|e| self.too_large(e))
    }

    /// The elements as the machine has them; coded ones as [`WeightData::floats`] gives them.
    ///
    /// # Errors
    /// There is no memory to decode them.
    pub fn bytes(&self) -> Result<&[u8], Error> {
        Ok(match &self.store {
            Store::Mapped(file, range) => file.bytes().get(range.clone()).unwrap_or_default(),
            Store::Owned(d) => d.bytes(),
            Store::Coded(_) => bytemuck::cast_slice(self.floats()?.unwrap_or_default()),
        })
    }

    /// How many bytes [`WeightData::write`] writes.
    pub(super) fn file_len(&self) -> usize {
        let elements = match &self.store {
            Store::Owned(d) => d.len(),
            Store::Mapped(_, range) => return range.len(),
            Store::Coded(c) => c.len(),
        };
        elements * self.dtype().size()
    }

    /// Writes the elements as a file has them: little-endian bytes. Nothing as large as a weight is made for
    /// it.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        match &self.store {
            Store::Coded(c) => c.write(to),
            Store::Mapped(file, range) => to.write_all(file.bytes().get(range.clone()).unwrap_or_default()),
            Store::Owned(d) if cfg!(target_endian = "little") => to.write_all(d.bytes()),
            Store::Owned(d) => match &**d {
                TensorData::F32(v) => v.iter().try_for_each(|x| to.write_all(&x.to_le_bytes())),
                TensorData::I32(v) => v.iter().try_for_each(|x| to.write_all(&x.to_le_bytes())),
                TensorData::Bool(v) => v.iter().try_for_each(|&b| to.write_all(&[u8::from(b)])),
                TensorData::Bf16(v) => v.iter().try_for_each(|x| to.write_all(&x.to_le_bytes())),
            },
        }
    }
}

impl From<Tensor> for WeightData {
    fn from(t: Tensor) -> WeightData {
        WeightData { shape: t.shape().to_vec(), store: Store::Owned(Arc::new(t.into_data())) }
    }
}
