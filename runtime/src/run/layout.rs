//! What of a compiled network depends on its run-time dims. Each polynomial is kept once: a decoder binds
//! other dims for every token, and its hundreds of steps share a few dozen polynomials.

use crate::compile::Compilation;
use crate::error::Error;
use crate::run::bind::Env;
use crate::run::live::{self, Flow};
use std::collections::{HashMap, HashSet};
use tancho_ir::op::Op;
use tancho_ir::{Dim, Graph, Value};
use tancho_jit::sizes::MOST_BYTES;

/// The number of a polynomial.
#[derive(Clone, Copy, Debug)]
pub struct At(u32);

/// The polynomials of a step.
#[derive(Debug)]
pub struct StepDims {
    pub params: Vec<At>,
    pub scratch: At,
    pub units: At,
    pub columns: Option<At>,
    pub flops: At,
    pub bytes: At,
}

/// The polynomials of a network.
#[derive(Debug)]
pub struct Layout {
    dims: Vec<Dim>,
    pub steps: Vec<StepDims>,
    /// The sizes of the plan's blocks.
    pub blocks: Vec<At>,
    pub flows: Vec<Flow>,
    /// Nodes whose windows or slices may not fit.
    watched: Vec<Value>,
    /// Element size and shape of values, each once.
    shapes: Vec<(u128, Vec<At>)>,
}

/// Refuses more memory than any machine has: offsets in kernels are 63-bit.
///
/// # Errors
/// It is more.
pub fn may_be_had(bytes: u128) -> Result<(), Error> {
    if bytes > MOST_BYTES as u128 { Err(Error::Memory { bytes }) } else { Ok(()) }
}

#[derive(Default)]
struct Known {
    dims: Vec<Dim>,
    at: HashMap<Dim, At>,
}

impl Known {
    fn add(&mut self, d: &Dim) -> At {
        let next = At(self.dims.len() as u32);
        *self.at.entry(d.clone()).or_insert_with(|| {
            self.dims.push(d.clone());
            next
        })
    }
}

impl Layout {
    pub fn new(declared: &Graph, compilation: &Compilation) -> Layout {
        let mut k = Known::default();
        let steps = (compilation.schedule.steps.iter())
            .map(|s| StepDims {
                params: s.binding.params.iter().map(|d| k.add(d)).collect(),
                scratch: k.add(&s.scratch),
                units: k.add(&s.units),
                columns: s.columns.as_ref().map(|d| k.add(d)),
                flops: k.add(&s.flops),
                bytes: k.add(&s.bytes),
            })
            .collect();
        let blocks = compilation.plan.blocks.iter().map(|b| k.add(&b.size)).collect();
        let may_not_fit = |v: &Value| match &declared.node(*v).op {
            Op::Slice { axis, start, end, .. } => {
                let len = &declared.ty(declared.node(*v).args[0]).shape[*axis];
                let fits = start.as_const().zip(end.as_const()).zip(len.as_const());
                !fits.is_some_and(|((start, end), len)| 0 <= start && start <= end && end <= len)
            }
            _ => declared.sight(*v).is_some(),
        };
        let watched = declared.values().filter(may_not_fit).collect();
        let mut seen = HashSet::new();
        let types = declared
            .values()
            .map(|v| declared.ty(v))
            .filter(|t| seen.insert((t.dtype.size(), t.shape.clone())));
        let shapes =
            types.map(|t| (t.dtype.size() as u128, t.shape.iter().map(|d| k.add(d)).collect())).collect();
        Layout { dims: k.dims, steps, blocks, flows: live::flows(compilation), watched, shapes }
    }

    /// The value of each polynomial; those that have none are found when they are needed.
    pub fn bind(&self, env: &Env<'_>, values: &mut Vec<Option<i64>>) {
        values.clear();
        values.extend(self.dims.iter().map(|d| env.value(d).ok()));
    }

    /// The value of a polynomial under bound dims.
    ///
    /// # Errors
    /// It has none.
    pub fn value(&self, at: At, values: &[Option<i64>], env: &Env<'_>) -> Result<i64, Error> {
        values[at.0 as usize].map_or_else(|| env.value(&self.dims[at.0 as usize]), Ok)
    }

    /// The same of one that is a length.
    ///
    /// # Errors
    /// It has none, or is negative.
    pub fn length(&self, at: At, values: &[Option<i64>], env: &Env<'_>) -> Result<usize, Error> {
        match values[at.0 as usize].and_then(|n| usize::try_from(n).ok()) {
            Some(n) => Ok(n),
            None => env.length(&self.dims[at.0 as usize]),
        }
    }

    /// An estimate: too large is as good as very large.
    pub fn estimate(&self, at: At, values: &[Option<i64>]) -> i64 {
        values[at.0 as usize].unwrap_or(i64::MAX)
    }

    /// Bounds, `where` clauses, shapes, slices and windows.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self, env: &Env<'_>, values: &[Option<i64>]) -> Result<(), Error> {
        env.check_clauses()?;
        for v in &self.watched {
            env.check_node(*v)?;
        }
        for (size, shape) in &self.shapes {
            let mut bytes = *size;
            for d in shape {
                bytes = bytes.saturating_mul(self.length(*d, values, env)? as u128);
            }
            may_be_had(bytes)?;
        }
        Ok(())
    }
}
