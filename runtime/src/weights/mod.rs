//! Weights: loaded from safetensors files, initialised, replaced and saved.

mod blocks;
mod convert;
pub(crate) mod error;
mod file;
mod ggml;
mod gguf;
mod index;
mod init;
mod json;
mod load;
mod metadata;
mod names;
pub(crate) mod pack;
mod rows;
#[cfg(test)]
mod tests;

pub use error::{LoadError, Problem};
pub use gguf::{Gguf, List, Metadata};
pub use load::{LoadOptions, LoadReport};

use crate::error::Error;
use crate::reserve::copied;
use crate::tensor::element::Element;
use crate::tensor::shape::{TensorType, element_count};
use crate::tensor::view::View;
use crate::tensor::{Tensor, TensorData};
pub(crate) use blocks::Coded;
use file::Mapping;
pub(crate) use rows::Rows;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tancho_ir::graph::WeightDecl;
use tancho_ir::{DType, Graph};
use tancho_jit::{Constant, Format};

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
    fn of_blocks(shape: Vec<usize>, coded: Coded) -> Option<WeightData> {
        (element_count(&shape) == Some(coded.len())).then(|| WeightData { shape, store: Store::Coded(coded) })
    }

    /// The bytes of a mapped file as f32 without a copy, if their place and order allow it.
    fn mapped(shape: Vec<usize>, file: &Arc<Mapping>, range: Range<usize>) -> Option<WeightData> {
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
        TensorType { dtype: self.dtype(), shape: &self.shape }
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

    /// An error of memory, told as one of this weight.
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
    pub fn release_part(&self, elements: std::ops::Range<usize>) {
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
    fn file_len(&self) -> usize {
        let elements = match &self.store {
            Store::Owned(d) => d.len(),
            Store::Mapped(_, range) => return range.len(),
            Store::Coded(c) => c.len(),
        };
        elements * self.dtype().size()
    }

    /// Writes the elements as a file has them: little-endian bytes. Nothing as large as a weight is made for
    /// it.
    fn write(&self, to: &mut impl Write) -> io::Result<()> {
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

/// The weights of a network, in the order of their declaration.
#[derive(Clone, Debug)]
pub struct Weights {
    list: Vec<(String, WeightData)>,
    index: BTreeMap<String, usize>,
}

impl Weights {
    fn new(list: Vec<(String, WeightData)>) -> Weights {
        let index = list.iter().enumerate().map(|(i, (n, _))| (n.clone(), i)).collect();
        Weights { list, index }
    }

    /// Weights as the declaration says they start: deterministic in `seed` and each weight's name,
    /// the same on every machine.
    ///
    /// # Errors
    /// There is no memory for a weight ([`Error::WeightMemory`]).
    pub fn init(graph: &Graph, seed: u64) -> Result<Weights, Error> {
        let one = |d: &WeightDecl| {
            let shape = shape_of(d)?;
            let t = init::tensor(d, &shape, seed).map_err(|e| e.of_weight(&weight_text(d, &shape)))?;
            Ok((d.name.clone(), t.into()))
        };
        Ok(Weights::new(graph.weights.iter().map(one).collect::<Result<_, Error>>()?))
    }

    /// Reads the declared weights from a `.safetensors` or `.gguf` file, a sharded `.safetensors.index.json`,
    /// or a directory with `model.safetensors` or `model.safetensors.index.json`.
    ///
    /// f32 weights stay in the mapped file: it must not be changed or truncated while they are in use.
    ///
    /// # Errors
    /// The file cannot be read or is corrupt; or, all in one error, every weight that is missing, mis-shaped
    /// or of a wrong type, every tensor of the file that nothing declares, and every file of an index that
    /// cannot be read; or there is no memory for weights that are converted ([`Error::WeightMemory`]).
    pub fn load(
        graph: &Graph,
        path: impl AsRef<Path>,
        options: &LoadOptions,
    ) -> Result<(Weights, LoadReport), Error> {
        load::load(graph, path.as_ref(), options)
    }

    /// A weight by its declared name, if it is f32 and there is memory to decode it ([`WeightData::floats`]).
    pub fn get(&self, name: &str) -> Option<View<'_, f32>> {
        let w = self.data(name)?;
        w.as_f32().map(|data| View::unchecked(data, &w.shape))
    }

    /// A weight by its declared name.
    pub fn data(&self, name: &str) -> Option<&WeightData> {
        self.index.get(name).map(|&i| &self.list[i].1)
    }

    /// The weight of that number in the graph.
    pub fn at(&self, i: usize) -> Option<&WeightData> {
        self.list.get(i).map(|w| &w.1)
    }

    /// The error of a weight that kernels would have to read, but cannot.
    pub(crate) fn not_f32(&self, i: usize) -> Error {
        match self.list.get(i) {
            Some((name, w)) => Error::WeightType { name: name.clone(), found: w.dtype() },
            None => Error::Graph(format!("weight {i} is missing")),
        }
    }

    /// The error of a weight with elements that are no finite numbers.
    pub(crate) fn no_integers(&self, c: Constant) -> Error {
        let name =
            if let Constant::Weight(i) = c { self.list.get(i).map(|(name, _)| name.clone()) } else { None };
        Error::Integers { name: name.unwrap_or_else(|| "a value that follows from weights".into()) }
    }

    /// The coarsest format that each may take: what came in 8 bits is not cut to 4.
    pub(crate) fn coarsest(&self) -> Vec<Format> {
        self.list.iter().map(|(_, w)| w.coded().map_or(Format::Q4, Coded::coarsest)).collect()
    }

    /// The declared names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|(n, _)| n.as_str())
    }

    /// Names and weights, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &WeightData)> {
        self.list.iter().map(|(n, w)| (n.as_str(), w))
    }

    /// Number of weights.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Replaces one weight; element type and shape stay.
    ///
    /// # Errors
    /// There is no such weight, or it has another type.
    pub fn set(&mut self, name: &str, t: Tensor) -> Result<(), Error> {
        let Some(&i) = self.index.get(name) else {
            return Err(Error::NoWeight {
                name: name.into(),
                suggestion: names::nearest(name, self.names()),
            });
        };
        let w = &mut self.list[i].1;
        let (expected, found) = (w.ty().to_string(), t.ty().to_string());
        if expected != found {
            return Err(Error::Weight { name: name.into(), expected, found });
        }
        *w = t.into();
        Ok(())
    }

    /// Writes a safetensors file, whole or not at all: it is written beside its place under a name of its
    /// own, and then moved there. Several threads or processes may save to one path while others load it:
    /// each load sees one of the files, whole. A symbolic link is followed, and the permissions of a file
    /// that is there stay.
    ///
    /// # Errors
    /// The file cannot be written: what was there is as it was, and nothing is left beside it.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        file::write(path, &self.list).map_err(|error| Error::Save { path: path.into(), error })
    }

    /// Gives the memory of mapped files back to the system, for use once the weights are packed. They
    /// can still be read: their pages come from the file again.
    pub fn release_pages(&self) {
        self.list.iter().for_each(|(_, w)| w.release_pages());
    }
}

/// The shape of a declared weight, whose dims are static.
fn shape_of(d: &WeightDecl) -> Result<Vec<usize>, Error> {
    let axis = |x: &tancho_ir::Dim| {
        let n = x.as_const().and_then(|n| usize::try_from(n).ok());
        n.ok_or_else(|| Error::Dim {
            dim: x.to_string(),
            place: format!("weight `{}`", d.name),
            why: "it is no length of an axis".into(),
        })
    };
    let shape: Vec<usize> = d.ty.shape.iter().map(axis).collect::<Result<_, _>>()?;
    if element_count(&shape).is_some() {
        return Ok(shape);
    }
    let bytes = shape
        .iter()
        .try_fold(d.ty.dtype.size() as u128, |b, &n| b.checked_mul(n as u128))
        .unwrap_or(u128::MAX);
    Err(Error::Memory { bytes }.of_weight(&weight_text(d, &shape)))
}

/// How messages about memory call a weight.
fn weight_text(d: &WeightDecl, shape: &[usize]) -> String {
    format!("weight `{}` {}", d.name, TensorType { dtype: d.ty.dtype, shape })
}
