//! The weights of a network: by name and by number, initialised, replaced and saved.

use super::blocks::Coded;
use super::data::WeightData;
use super::{Given, file, init, names};
use crate::error::Error;
use crate::tensor::Tensor;
use crate::tensor::shape::{TensorType, element_count};
use crate::tensor::view::View;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use tancho_ir::Graph;
use tancho_ir::graph::WeightDecl;
use tancho_jit::{Constant, Format};

/// The weights of a network, in the order of their declaration. Its constants are kept beside them, but they
/// are none of them: they have no name here, and are not saved.
#[derive(Clone)]
pub struct Weights {
    /// By the numbers of the graph, constants too.
    list: Vec<(String, WeightData)>,
    /// The numbers of weights, by their names.
    index: BTreeMap<String, usize>,
    constants: BTreeSet<usize>,
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements: usize = self.iter().map(|(_, w)| w.shape().iter().product::<usize>()).sum();
        f.debug_struct("Weights").field("tensors", &self.len()).field("elements", &elements).finish()
    }
}

impl Weights {
    /// All that the graph declares, in order.
    pub(crate) fn new(graph: &Graph, list: Vec<(String, WeightData)>) -> Weights {
        let constant = |i: &usize| graph.weights.get(*i).is_some_and(WeightDecl::is_constant);
        let (constants, weights): (BTreeSet<usize>, Vec<usize>) = {
            let (of, others): (Vec<usize>, Vec<usize>) = (0..list.len()).partition(constant);
            (of.into_iter().collect(), others)
        };
        let index = weights.into_iter().map(|i| (list[i].0.clone(), i)).collect();
        Weights { list, index, constants }
    }

    /// Weights with the initial values of the declaration. They follow from `seed` and each weight's name,
    /// and are the same on every machine.
    ///
    /// # Errors
    /// There is no memory for a weight ([`Error::WeightMemory`]), or a constant has to be given
    /// ([`Error::Constants`]).
    pub fn init(graph: &Graph, seed: u64) -> Result<Weights, Error> {
        Weights::init_with(graph, seed, &Given::default())
    }

    /// The same with the values of constants.
    pub(crate) fn init_with(graph: &Graph, seed: u64, given: &Given) -> Result<Weights, Error> {
        let one = |(decl, constant): (&WeightDecl, Option<WeightData>)| {
            if let Some(values) = constant {
                return Ok((decl.name.clone(), values));
            }
            let shape = shape_of(decl)?;
            let t = init::tensor(decl, &shape, seed).map_err(|e| e.of_weight(&weight_text(decl, &shape)))?;
            Ok((decl.name.clone(), t.into()))
        };
        let all = graph.weights.iter().zip(given.values(graph)?).map(one).collect::<Result<_, Error>>()?;
        Ok(Weights::new(graph, all))
    }

    /// A weight by its declared name, if it is f32 and there is memory to decode it ([`WeightData::floats`]).
    pub fn get(&self, name: &str) -> Option<View<'_, f32>> {
        let w = self.data(name)?;
        w.as_f32().map(|data| View::unchecked(data, w.shape()))
    }

    /// A weight by its declared name.
    pub fn data(&self, name: &str) -> Option<&WeightData> {
        self.index.get(name).map(|&i| &self.list[i].1)
    }

    /// The weight or constant of that number in the graph.
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
        self.iter().map(|(n, _)| n)
    }

    /// Names and weights, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &WeightData)> {
        let weights = self.list.iter().enumerate().filter(|(i, _)| !self.constants.contains(i));
        weights.map(|(_, (n, w))| (n.as_str(), w))
    }

    /// Number of weights.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Number of weights and constants: what [`Weights::at`] counts.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
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
        file::write(path, self.iter()).map_err(|error| Error::Save { path: path.into(), error })
    }

    /// The same of the weights with these names alone, in which `*` stands for any characters: adapters, for
    /// instance.
    ///
    /// # Errors
    /// As [`Weights::save`], or no weight has such a name.
    pub fn save_only(&self, names: &str, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let mut chosen = self.iter().filter(|(name, _)| names::matches(names, name)).peekable();
        if chosen.peek().is_none() {
            return Err(Error::NoWeight {
                name: names.into(),
                suggestion: names::nearest(names, self.names()),
            });
        }
        file::write(path, chosen).map_err(|error| Error::Save { path: path.into(), error })
    }

    /// The same with each f32 weight rounded to bf16, in a file of half the size.
    ///
    /// # Errors
    /// As [`Weights::save`], or memory is short.
    pub fn save_as_bf16(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        file::write_as_bf16(path, self.iter())?.map_err(|error| Error::Save { path: path.into(), error })
    }

    /// Gives the memory of mapped files back to the system, for use when the weights are packed. They
    /// can still be read: their pages come from the file again.
    pub fn release_pages(&self) {
        self.list.iter().for_each(|(_, w)| w.release_pages());
    }
}

/// The shape of a declared weight, whose dims are static.
pub fn shape_of(decl: &WeightDecl) -> Result<Vec<usize>, Error> {
    let axis = |x: &tancho_ir::Dim| {
        let n = x.as_const().and_then(|n| usize::try_from(n).ok());
        n.ok_or_else(|| Error::Dim {
            dim: x.to_string(),
            place: format!("weight `{}`", decl.name),
            why: "it is no length of an axis".into(),
        })
    };
    let shape: Vec<usize> = decl.ty.shape.iter().map(axis).collect::<Result<_, _>>()?;
    if element_count(&shape).is_some() {
        return Ok(shape);
    }
    let bytes = shape
        .iter()
        .try_fold(decl.ty.dtype.size() as u128, |b, &n| b.checked_mul(n as u128))
        .unwrap_or(u128::MAX);
    Err(Error::Memory { bytes }.of_weight(&weight_text(decl, &shape)))
}

/// How messages about memory call a weight.
pub fn weight_text(decl: &WeightDecl, shape: &[usize]) -> String {
    format!("weight `{}` {}", decl.name, TensorType { element: decl.ty.dtype.into(), shape })
}
