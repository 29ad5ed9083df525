//! Batch norm in training: it normalises by the statistics of the batch, and the running ones follow these.
//!
//! As in PyTorch, a batch is normalised by its own mean and its biased variance over all axes but the
//! channels, and what is kept becomes `(1 - 0.1) running + 0.1 batch`, where the variance of the batch is the
//! unbiased one. Where the batch has one element of a channel there is no unbiased variance: PyTorch refuses
//! it, and here the running variance stays as it is.
//!
//! This holds where the statistics are buffers that are not frozen. Others are taken as they are given, and
//! so are those of a batch norm in the body of a loop or of experts.

use crate::dim::Dim;
use crate::graph::{Graph, Value, WeightDecl};
use crate::infer::ShapeError;
use crate::op::{Binary, Number, Op, Reduction, Scalar};
use crate::passes::Rewriter;
use crate::types::DType;
use std::collections::BTreeMap;

/// The share of the batch in running statistics: PyTorch's default.
const MOMENTUM: f64 = 0.1;

/// The axis of the channels.
const CHANNELS: usize = 1;

/// The graph with the statistics of the batch in its batch norms, and what each running statistic becomes,
/// by the number of its weight. Buffers that `is_kept` holds of are frozen.
///
/// # Errors
/// A shape cannot be written down.
pub fn with_batch_statistics(
    old: &Graph,
    is_kept: &dyn Fn(&WeightDecl) -> bool,
) -> Result<(Graph, BTreeMap<usize, Value>), ShapeError> {
    let running_statistic = |v: Value| {
        let Op::Weight(i) = old.node(v).op else { return None };
        let weight = &old.weights[i];
        (weight.marks.buffer && weight.ty.dtype == DType::F32 && !is_kept(weight)).then_some(i)
    };
    let mut running: BTreeMap<usize, Value> = BTreeMap::new();
    let graph = Rewriter::run(old, |r, v, args| {
        let (Op::BatchNorm { eps }, &[x, gain, bias, mean, var]) = (&old.node(v).op, args) else {
            return Ok(None);
        };
        let buffers = [3, 4].map(|i| running_statistic(old.node(v).args[i]));
        let [Some(of_mean), Some(of_var)] = buffers else { return Ok(None) };
        let mut batch = Batch { r, at: v };
        let count = batch.count(x)?;
        let own_mean = batch.mean(x, count)?;
        // The variance is least at the mean, so that no gradient goes through the mean in it.
        let centre = batch.push(Op::StopGradient, &[own_mean])?;
        let centred = batch.along_channels(Binary::Sub, x, centre)?;
        let square = batch.binary(Binary::Mul, centred, centred)?;
        let own_var = batch.mean(square, count)?;
        // One that is used twice has followed the first batch already.
        let before = [(of_mean, mean), (of_var, var)].map(|(i, v)| running.get(&i).copied().unwrap_or(v));
        running.insert(of_mean, batch.followed(before[0], own_mean)?);
        running.insert(of_var, batch.followed_by_variance(before[1], own_var, count)?);
        batch.push(Op::BatchNorm { eps: *eps }, &[x, gain, bias, own_mean, own_var]).map(Some)
    })?;
    Ok((graph, running))
}

/// Ops in the place of a batch norm.
struct Batch<'r, 'g> {
    r: &'r mut Rewriter<'g>,
    /// The batch norm.
    at: Value,
}

impl Batch<'_, '_> {
    fn push(&mut self, op: Op, args: &[Value]) -> Result<Value, ShapeError> {
        self.r.push(op, args, self.at)
    }

    fn binary(&mut self, op: Binary, a: Value, b: Value) -> Result<Value, ShapeError> {
        self.push(Op::Binary(op), &[a, b])
    }

    fn number(&mut self, x: f64) -> Result<Value, ShapeError> {
        self.push(Op::Const(Scalar::F32(Number(x))), &[])
    }

    fn shape(&self, v: Value) -> Vec<Dim> {
        self.r.new.ty(v).shape.clone()
    }

    /// How many elements a channel has.
    fn count(&mut self, x: Value) -> Result<Value, ShapeError> {
        let mut shape = self.shape(x);
        shape.remove(CHANNELS);
        let count = Dim::product(&shape).map_err(|e| ShapeError::new(e.to_string()))?;
        self.push(Op::DimValue(count), &[])
    }

    /// The mean of each channel.
    fn mean(&mut self, x: Value, count: Value) -> Result<Value, ShapeError> {
        let axes = (0..self.shape(x).len()).filter(|axis| *axis != CHANNELS).collect();
        let sum = self.push(Op::Reduce { kind: Reduction::Sum, axes, keep: false, masked: false }, &[x])?;
        self.binary(Binary::Div, sum, count)
    }

    /// `x` and a number for each channel.
    fn along_channels(&mut self, op: Binary, x: Value, by: Value) -> Result<Value, ShapeError> {
        let shape = self.shape(x);
        let mut thin = vec![Dim::constant(1); shape.len()];
        thin[CHANNELS] = shape[CHANNELS].clone();
        let by = self.push(Op::Reshape(thin), &[by])?;
        let by = self.push(Op::Expand(shape), &[by])?;
        self.binary(op, x, by)
    }

    /// What a running statistic becomes.
    fn followed(&mut self, running: Value, batch: Value) -> Result<Value, ShapeError> {
        let (kept, share) = (self.number(1.0 - MOMENTUM)?, self.number(MOMENTUM)?);
        let kept = self.binary(Binary::Mul, running, kept)?;
        let new = self.binary(Binary::Mul, batch, share)?;
        self.binary(Binary::Add, kept, new)
    }

    /// What the running variance becomes by a biased variance of `count` elements.
    fn followed_by_variance(
        &mut self,
        running: Value,
        biased: Value,
        count: Value,
    ) -> Result<Value, ShapeError> {
        let one = self.number(1.0)?;
        let free = self.binary(Binary::Sub, count, one)?;
        let below = self.binary(Binary::Max, free, one)?;
        let factor = self.binary(Binary::Div, count, below)?;
        let unbiased = self.binary(Binary::Mul, biased, factor)?;
        let followed = self.followed(running, unbiased)?;
        let is_known = self.binary(Binary::Gt, count, one)?;
        self.push(Op::Select, &[is_known, followed, running])
    }
}
