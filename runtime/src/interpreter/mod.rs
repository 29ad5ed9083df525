//! The reference interpreter: the specification of every op.
//!
//! Plain loops, one function per op, f64 arithmetic inside an op and f32 values
//! between ops. Nothing here knows of kernels or fusion; compiled code is compared
//! with it by [`compare`](crate::inspect::compare).
//!
//! Rules that are stated nowhere else: an element masked out of a reduction contributes
//! nothing, whatever it holds, NaN included. In `attention` a key that a query does not
//! see by its place (`causal`, `window`) does not count, NaN included. The score of a key
//! that the mask hides never matters either, but its value has the weight 0, so that a NaN
//! or an infinity there gives NaN (0 * NaN); a query with no key to attend weighs values
//! with 0 and gives zeros.

mod attention;
mod conv;
mod dims;
mod elementwise;
mod erf;
mod eval;
pub(crate) mod experts;
mod losses;
mod moves;
mod norms;
mod positions;
mod products;
mod random;
mod reduce;
mod resize;
pub(crate) mod scan;
#[cfg(test)]
mod tests;
mod transposed;

pub use dims::Dims;
pub use erf::erf;

use crate::error::Error;
use crate::inspect::compare::largest_in_rows;
use crate::inspect::report::BOUND;
use crate::inspect::spread;
use crate::reserve::{collected, short, with_capacity, zeros};
use crate::tensor::shape::{TensorType, element_count};
use crate::tensor::{Tensor, TensorData};
use tancho_ir::op::{Binary, Op, Pooling, Reduction, Unary};
use tancho_ir::table::name_of;
use tancho_ir::{Graph, Value, verify};

/// A graph with values for its run-time dims, ready to be evaluated.
#[derive(Debug)]
pub struct Interpreter<'g> {
    graph: &'g Graph,
    dims: Dims,
    shapes: Vec<Vec<usize>>,
    /// What each state is before the run.
    states: Vec<Tensor>,
}

impl<'g> Interpreter<'g> {
    /// The graph under these dims. Every shape is computed here.
    ///
    /// # Errors
    /// The graph is not valid, or the dims are missing, beyond their bounds or against a `where` clause.
    pub fn new(graph: &'g Graph, dims: Dims) -> Result<Interpreter<'g>, Error> {
        verify::verify(graph).map_err(Error::Graph)?;
        dims.check(graph)?;
        let shapes = graph
            .values()
            .map(|v| dims.shape(&graph.ty(v).shape, &|| place(graph, v)))
            .collect::<Result<_, _>>()?;
        let zeros = |s: &tancho_ir::graph::StateDecl| {
            let shape = dims.shape(&s.ty.shape, &|| format!("state `{}`", s.name))?;
            TensorData::reserved_zeros(s.ty.dtype, count(&shape)).map(|data| Tensor::from_parts(data, &shape))
        };
        let states = graph.states.iter().map(zeros).collect::<Result<_, _>>()?;
        Ok(Interpreter { graph, dims, shapes, states })
    }

    /// The graph under the dims that these inputs have; states are as in a new session. The interpreter takes
    /// the values of inputs: i32 and f32 of those that are declared u8, u32, i64 and f16.
    ///
    /// # Errors
    /// As [`Interpreter::new`], or an input does not fit its declaration.
    pub fn for_inputs(graph: &'g Graph, inputs: &[Tensor]) -> Result<Interpreter<'g>, Error> {
        Interpreter::new(graph, Dims::of_call(graph, inputs, &[])?)
    }

    /// The same with what the states are before the run, in the order of the graph; `None` is one that no run
    /// had yet. What is not read, but only replaced, may have another shape.
    ///
    /// # Errors
    /// As [`Interpreter::for_inputs`], or a state does not fit its declaration.
    pub fn for_call(
        graph: &'g Graph,
        inputs: &[Tensor],
        states: &[Option<Tensor>],
    ) -> Result<Interpreter<'g>, Error> {
        let mut made = Interpreter::new(graph, Dims::of_call(graph, inputs, states)?)?;
        let read = graph.read_states();
        for (i, (want, given)) in made.states.iter_mut().zip(states).enumerate() {
            let Some(given) = given.as_ref().filter(|_| read[i]) else { continue };
            if want.dtype() != given.dtype() || want.shape() != given.shape() {
                let (expected, found) = (want.ty().to_string(), given.ty().to_string());
                return Err(Error::Argument {
                    op: format!("state `{}`", graph.states[i].name),
                    index: i,
                    expected,
                    found,
                });
            }
            *want = given.copied()?;
        }
        Ok(made)
    }

    /// What the states are after a run that gave these values (see [`Interpreter::run_all`]).
    ///
    /// # Errors
    /// There is no memory for them.
    pub fn states_after(&self, all: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        let after = |(i, before): (usize, &Tensor)| {
            let s = &self.graph.states[i];
            let value = s.next.map_or(before, |v| &all[v.index()]);
            let kept = self.graph.kept_rows(i).and_then(|rows| usize::try_from(rows).ok());
            match kept.zip(s.grows) {
                Some((kept, axis)) if s.keeps_last => moves::last(value, axis, kept),
                _ => value.copied(),
            }
        };
        self.states.iter().enumerate().map(after).collect()
    }

    /// The graph.
    pub(crate) fn graph(&self) -> &'g Graph {
        self.graph
    }

    /// The values of the run-time dims.
    pub fn dims(&self) -> &Dims {
        &self.dims
    }

    /// The shape a value has under the dims.
    pub fn shape(&self, v: Value) -> &[usize] {
        &self.shapes[v.index()]
    }

    /// The results of the whole graph, in order.
    ///
    /// # Errors
    /// As [`Interpreter::run_all`].
    pub fn run(
        &self,
        inputs: &[Tensor],
        weights: &dyn Fn(usize) -> Result<Tensor, Error>,
    ) -> Result<Vec<Tensor>, Error> {
        let all = self.run_all(inputs, weights)?;
        self.graph.outputs.iter().map(|o| all[o.index()].copied()).collect()
    }

    /// Every value of the graph, in order. `weights` gives the weight of that number.
    ///
    /// # Errors
    /// An input or weight does not fit its declaration, an id is out of range, a slice is out of bounds, or
    /// there is no memory for the values.
    pub fn run_all(
        &self,
        inputs: &[Tensor],
        weights: &dyn Fn(usize) -> Result<Tensor, Error>,
    ) -> Result<Vec<Tensor>, Error> {
        if inputs.len() != self.graph.inputs.len() {
            return Err(Error::InputCount { expected: self.graph.inputs.len(), found: inputs.len() });
        }
        let mut all: Vec<Tensor> = Vec::with_capacity(self.graph.nodes.len());
        for v in self.graph.values() {
            let node = self.graph.node(v);
            let t = match node.op {
                Op::Input(i) => {
                    let t = &inputs[i];
                    self.fits(v, t).map_err(|expected| Error::Input {
                        name: self.graph.inputs[i].name.clone(),
                        expected,
                        found: t.ty().to_string(),
                        why: String::new(),
                    })?;
                    t.copied()?
                }
                Op::Weight(i) => {
                    let t = weights(i)?;
                    self.fits(v, &t).map_err(|expected| Error::Weight {
                        name: self.graph.weights[i].name.clone(),
                        expected,
                        found: t.ty().to_string(),
                    })?;
                    t
                }
                _ => {
                    let args: Vec<&Tensor> = node.args.iter().map(|a| &all[a.index()]).collect();
                    self.eval_node(v, &args)?
                }
            };
            all.push(t);
        }
        Ok(all)
    }

    fn fits(&self, v: Value, t: &Tensor) -> Result<(), String> {
        let dtype = self.graph.ty(v).dtype;
        if t.dtype() == dtype && t.shape() == self.shape(v) {
            Ok(())
        } else {
            Err(TensorType { element: dtype.into(), shape: self.shape(v) }.to_string())
        }
    }

    /// One op on arguments of the caller's; they must have the types the graph gives them.
    ///
    /// # Errors
    /// An argument has another type, an id is out of range, a slice is out of bounds, or there is no memory
    /// for the result. Inputs and weights are no ops of arguments.
    pub fn eval_node(&self, v: Value, args: &[&Tensor]) -> Result<Tensor, Error> {
        let node = self.graph.node(v);
        for (index, a) in node.args.iter().enumerate() {
            let wrong =
                |expected, found| Error::Argument { op: place(self.graph, v), index, expected, found };
            match args.get(index) {
                Some(t) => self.fits(*a, t).map_err(|expected| wrong(expected, t.ty().to_string()))?,
                None => {
                    let expected =
                        TensorType { element: self.graph.ty(*a).dtype.into(), shape: self.shape(*a) };
                    return Err(wrong(expected.to_string(), "missing".into()));
                }
            }
        }
        eval::eval(self, v, &args[..node.args.len()])
    }

    /// The scale that the error of each element of `result` is measured on, where that is not its row
    /// (see [`compare`](crate::inspect::compare)): the sum of the magnitudes of what is summed, or the
    /// magnitudes along the axes that the op works over.
    ///
    /// # Errors
    /// An argument has another type than the graph gives it, or there is no memory for the scales.
    pub fn error_scale(
        &self,
        v: Value,
        args: &[&Tensor],
        result: &Tensor,
    ) -> Result<Option<Vec<f64>>, Error> {
        let op = &self.graph.node(v).op;
        let abs =
            |t: &Tensor| if t.as_f32().is_some() { elementwise::unary(Unary::Abs, t) } else { t.copied() };
        let wide =
            |t: &Tensor| t.as_f32().map(|s| collected(s.len(), s.iter().map(|&x| f64::from(x)))).transpose();
        let axes = match op {
            Op::Matmul
            | Op::Linear { .. }
            | Op::Conv2d { .. }
            | Op::Conv1d { .. }
            | Op::ConvTranspose2d { .. }
            | Op::ConvTranspose1d { .. }
            | Op::Pool2d { kind: Pooling::Sum | Pooling::Avg, .. }
            | Op::GlobalMean
            | Op::Cumsum { .. }
            | Op::ScatterAdd { .. }
            | Op::SumRows { .. }
            | Op::Resize { .. }
            | Op::UpsampleBilinear { .. }
            | Op::Reduce { kind: Reduction::Sum | Reduction::Mean, .. } => {
                let args: Vec<Tensor> = args.iter().map(|t| abs(t)).collect::<Result<_, _>>()?;
                return wide(&self.eval_node(v, &args.iter().collect::<Vec<_>>())?);
            }
            Op::Attention { .. } => {
                let values = abs(args[2])?;
                let mut args = args.to_vec();
                args[2] = &values;
                return wide(&self.eval_node(v, &args)?);
            }
            op if op.has_body() => return spread::scale_of_bodies(self, v, args, result).map(Some),
            // What is subtracted from what: both may be large.
            Op::BatchNorm { .. } => {
                let mut all: Vec<Tensor> = args.iter().map(|t| abs(t)).collect::<Result<_, _>>()?;
                all[3] = elementwise::unary(Unary::Neg, &all[3])?;
                all[4] = args[4].copied()?;
                return wide(&self.eval_node(v, &all.iter().collect::<Vec<_>>())?);
            }
            Op::CrossEntropy { .. } => return largest_logarithms(args[0], result.len()),
            // `x * (1 + erf)`: for negative x the parenthesis cancels.
            Op::Unary(Unary::Gelu | Unary::GeluTanh) => return wide(&abs(args[0])?),
            // A gate below the smallest normal f32 may be flushed before it is multiplied.
            Op::Unary(Unary::Silu | Unary::Mish) | Op::Binary(Binary::Swiglu) => {
                let factors = match args {
                    [a, b] => elementwise::binary(Binary::Mul, &abs(a)?, &abs(b)?, result.shape())?,
                    _ => abs(args[0])?,
                };
                let flushed = |x: &f32| f64::from(x.min(f32::MAX)) * f64::from(f32::MIN_POSITIVE) / BOUND;
                let scale = largest_in_rows(result).into_iter().zip(f32s(&factors).iter().map(flushed));
                return Ok(Some(collected(result.len(), scale.map(|(row, flushed)| row.max(flushed)))?));
            }
            Op::LayerNorm { axes, .. } | Op::RmsNorm { axes, .. } => axes.clone(),
            Op::Softmax { axis, .. } | Op::L2Normalize { axis, .. } => vec![*axis],
            Op::GroupNorm { .. } => (1..result.shape().len()).collect(),
            _ => return Ok(None),
        };
        let y = f32s(result);
        let mut scale = zeros(y.len())?;
        let (rows, elements) = rows_and_elements(result.shape(), &axes)?;
        for row in rows {
            let places = || elements.iter().map(|e| row + e);
            let largest =
                places().map(|i| f64::from(y[i]).abs()).filter(|x| x.is_finite()).fold(0.0, f64::max);
            places().for_each(|i| scale[i] = largest);
        }
        Ok(Some(scale))
    }
}

/// The largest magnitude in each row of the logarithms that cross-entropies are some of; `None` if there are
/// not so many rows.
fn largest_logarithms(logits: &Tensor, rows: usize) -> Result<Option<Vec<f64>>, Error> {
    let log = norms::softmax(logits, logits.shape().len() - 1, true)?;
    let classes = logits.shape().last().copied().unwrap_or(1).max(1);
    let largest =
        |row: &[f32]| row.iter().map(|x| f64::from(x.abs())).filter(|x| x.is_finite()).fold(0.0, f64::max);
    let scales = collected(rows, f32s(&log).chunks(classes).take(rows).map(largest))?;
    Ok((scales.len() == rows).then_some(scales))
}

/// How messages call a node: its op and where it was written.
fn place(g: &Graph, v: Value) -> String {
    let node = g.node(v);
    if node.source.text.is_empty() { format!("{} {v}", name_of(&node.op)) } else { node.source.to_string() }
}

/// The elements of an f32 tensor; callers have checked the type against the graph.
fn f32s(t: &Tensor) -> &[f32] {
    t.as_f32().unwrap_or_default()
}

/// Elements of a shape that is known to fit; none if an axis has none, however long the others are.
fn count(shape: &[usize]) -> usize {
    element_count(shape).unwrap_or(0)
}

/// Distance between neighbours along each axis, in elements. They may be anything where there is no element.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut s = vec![1usize; shape.len()];
    for i in (1..shape.len()).rev() {
        s[i - 1] = s[i].wrapping_mul(shape[i]);
    }
    s
}

/// The offsets of all indices over `(length, stride)` axes, in row-major order.
fn offsets(axes: impl Iterator<Item = (usize, usize)> + Clone) -> Result<Vec<usize>, Error> {
    let mut out = with_capacity(1)?;
    if axes.clone().any(|(n, _)| n == 0) {
        return Ok(out);
    }
    out.push(0);
    for (n, stride) in axes {
        let all = out.len().checked_mul(n).ok_or_else(|| short::<usize>(usize::MAX))?;
        out = collected(all, out.iter().flat_map(|o| (0..n).map(move |i| o + i * stride)))?;
    }
    Ok(out)
}

/// Offsets of the rows and, within a row, of the elements along `axes`. Without elements there may be rows,
/// of nothing.
fn rows_and_elements(shape: &[usize], axes: &[usize]) -> Result<(Vec<usize>, Vec<usize>), Error> {
    let s = if count(shape) > 0 { strides(shape) } else { vec![0; shape.len()] };
    let rows = offsets((0..shape.len()).filter(|i| !axes.contains(i)).map(|i| (shape[i], s[i])))?;
    let none = axes.iter().any(|&i| shape[i] == 0) || rows.is_empty();
    Ok((rows, if none { Vec::new() } else { offsets(axes.iter().map(|&i| (shape[i], s[i])))? }))
}
