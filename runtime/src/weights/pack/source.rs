//! The constants that packs are made of: weights, and values that follow from weights.

use crate::error::Error;
use crate::interpreter::{Dims, Interpreter};
use crate::tensor::Tensor;
use crate::weights::{Coded, WeightData, Weights};
use tancho_ir::Graph;
use tancho_jit::{Constant, WeightPart};

/// The values that follow from weights.
pub fn prepare(graph: &Graph, weights: &Weights) -> Result<Vec<Tensor>, Error> {
    if graph.outputs.is_empty() {
        return Ok(Vec::new());
    }
    let of = |i: usize| weights.at(i).ok_or_else(|| weights.not_f32(i))?.to_tensor();
    Interpreter::new(graph, Dims::default())?.run(&[], &of)
}

/// The weights of a network, and the values that were computed from them.
pub struct Constants<'a> {
    pub weights: &'a Weights,
    pub prepared: &'a [Tensor],
}

impl<'a> Constants<'a> {
    pub fn weight(&self, c: Constant) -> Option<&'a WeightData> {
        if let Constant::Weight(i) = c { self.weights.at(i) } else { None }
    }

    pub fn scale(&self, part: &WeightPart) -> Result<Option<Factors<'a>>, Error> {
        part.scale.map(|s| Ok(Factors { by: self.floats(s.by)?, run: s.run as usize })).transpose()
    }

    /// The elements of a constant, decoded only where they are packed.
    pub fn elements(&self, c: Constant) -> Result<Elements<'a>, Error> {
        match self.weight(c).and_then(WeightData::coded) {
            Some(coded) => Ok(Elements::Coded(coded)),
            None => self.floats(c).map(Elements::Floats),
        }
    }

    pub fn floats(&self, c: Constant) -> Result<&'a [f32], Error> {
        match c {
            Constant::Weight(i) => {
                let floats = self.weights.at(i).map(WeightData::floats).transpose()?;
                floats.flatten().ok_or_else(|| self.weights.not_f32(i))
            }
            Constant::Prepared(i) => {
                let t = self.prepared.get(i).and_then(|t| t.as_f32());
                t.ok_or_else(|| Error::Graph(format!("there is no prepared value {i}")))
            }
        }
    }
}

/// The elements of a constant.
#[derive(Clone, Copy)]
pub enum Elements<'a> {
    Floats(&'a [f32]),
    Coded(&'a Coded),
}

/// Factors that elements are multiplied by.
#[derive(Clone, Copy)]
pub struct Factors<'a> {
    by: &'a [f32],
    /// How many elements, one after another, share a factor.
    run: usize,
}

impl Factors<'_> {
    /// The factor of the element at a place in its weight; 0 where there is none.
    pub fn at(self, place: usize) -> f32 {
        self.by.get(place / self.run.max(1)).copied().unwrap_or(0.0)
    }
}
