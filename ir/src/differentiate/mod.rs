//! Reverse-mode differentiation of a graph: behind the ops of a network, the ops that compute the gradients
//! of one of its results.
//!
//! The result is an ordinary graph of ordinary ops, so that fusion, code generation, `check` and every view
//! of the stages serve gradients as they serve the network. Each op that has a gradient of its own has a rule
//! here, by which it stays as it is. A composite without one becomes what it is defined by
//! ([`decompose`](crate::decompose)), whose ops have rules.
//!
//! The rules are those of Griewank and Walther, *Evaluating Derivatives* (2008); where a function has a
//! corner, PyTorch's choice holds: `relu` has the gradient 0 at 0, and equal arguments of a maximum share it.

mod elementwise;
mod norms;
mod products;
mod reductions;
mod scan;
mod slices;
mod views;
mod windows;

use crate::decompose::decompose_to;
use crate::dim::{Dim, DimError};
use crate::emit::Emit;
use crate::graph::{Graph, Phase, Source, Value};
use crate::infer::ShapeError;
use crate::op::{Binary, Op, Pooling, Reduction};
use crate::passes::hoist_from_scans;
use crate::table::name_of;
use crate::types::{DType, Type};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

/// A graph with gradients.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// The graph. Its first ops compute what the graph before did.
    pub graph: Graph,
    /// What was asked to be differentiated, in this graph.
    pub of: Value,
    /// The gradient for each value that was asked for: of its shape; `None` if no path leads from it.
    pub gradients: Vec<Option<Value>>,
    /// The same for each of the first ops.
    pub of_all: Vec<Option<Value>>,
}

/// Why there is no gradient.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NoGradient {
    /// What is differentiated is no f32 scalar.
    NoScalar {
        /// What was to be differentiated.
        label: String,
        /// Its type.
        found: Type,
    },
    /// An op on the path has none.
    Op {
        /// The op.
        op: &'static str,
        /// Its result, as the user calls it.
        label: String,
        /// Where it is written.
        place: Source,
    },
    /// A shape of a gradient cannot be written down.
    Shape(ShapeError),
}

impl fmt::Display for NoGradient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoGradient::NoScalar { label, found } => {
                write!(f, "`{label}` is {found}: gradients are those of one f32 number")
            }
            NoGradient::Op { op, label, place } => {
                write!(f, "`{op}` has no gradient: `{label}`, {place}")
            }
            NoGradient::Shape(error) => write!(f, "a gradient has no shape: {error}"),
        }
    }
}

impl std::error::Error for NoGradient {}

impl From<ShapeError> for NoGradient {
    fn from(error: ShapeError) -> NoGradient {
        NoGradient::Shape(error)
    }
}

impl From<DimError> for NoGradient {
    fn from(error: DimError) -> NoGradient {
        NoGradient::Shape(ShapeError::new(error.to_string()))
    }
}

/// The result of a rule.
type Rule<T = ()> = Result<T, NoGradient>;

/// The graph with the gradients of `of`, an f32 scalar, for each of these values. What it returns and what
/// its states become is as before.
///
/// ```
/// use tancho_ir::{Graph, differentiate::differentiate, Value};
/// let graph = Graph::parse(
///     "network N<>\ninput x: f32[3]\n%0: f32[3] = input(index = 0)\n%1: f32[3] = mul(%0, %0)\n\
///      %2: f32[] = sum(%1, over = (0,))\nreturn %2",
/// ).unwrap();
/// let with = differentiate(&graph, Value(2), &[Value(0)]).unwrap();
/// let gradient = with.gradients[0].unwrap();
/// assert_eq!(with.graph.ty(gradient).to_string(), "f32[3]");
/// ```
///
/// # Errors
/// `of` is no f32 scalar, or an op between has no gradient.
pub fn differentiate(graph: &Graph, of: Value, by: &[Value]) -> Rule<Gradients> {
    differentiate_with(graph, of, by, Recomputed::default())
}

/// The paths of nets, as [`Source::scope`] has them, of which loops stack no results of products.
pub(crate) type Recomputed = BTreeSet<Arc<str>>;

/// The same where loops stack less than they would.
pub(crate) fn differentiate_with(
    graph: &Graph,
    of: Value,
    by: &[Value],
    recomputed: Recomputed,
) -> Rule<Gradients> {
    let ty = graph.ty(of);
    if ty.rank() > 0 || ty.dtype != DType::F32 {
        return Err(NoGradient::NoScalar { label: graph.label(of), found: ty.clone() });
    }
    let (graph, of, by) = hoisted(graph, of, by)?;
    let needed = depend_on(&graph, &by);
    let (expanded, map) = expand(&graph, &needed)?;
    let by: Vec<Value> = by.iter().map(|v| map[v.index()]).collect();
    let of = map[of.index()];
    let needed = depend_on(&expanded, &by);
    let mut backward = Backward::new(expanded, needed, of);
    backward.recomputed = recomputed;
    backward.gradients[of.index()] = Some(backward.number(1.0)?);
    backward.run()?;
    let gradients = by.iter().map(|v| backward.gradients[v.index()]).collect();
    Ok(Gradients { graph: backward.graph, of, gradients, of_all: backward.gradients })
}

/// The graph with work moved out of its loops, and where these values are there. What a loop computes of the
/// elements alone is then computed, and differentiated, for all of them at once.
fn hoisted(graph: &Graph, of: Value, by: &[Value]) -> Rule<(Graph, Value, Vec<Value>)> {
    if graph.bodies.is_empty() {
        return Ok((graph.clone(), of, by.to_vec()));
    }
    // The values are found again by their places among the results.
    let mut marked = graph.clone();
    let results = marked.outputs.len();
    marked.outputs.extend(by.iter().copied().chain([of]));
    let mut graph = hoist_from_scans::run(&marked)?;
    let mut by = graph.outputs.split_off(results);
    let of = by.pop().unwrap_or(of);
    Ok((graph, of, by))
}

/// Whether each value depends on one of these.
fn depend_on(graph: &Graph, on: &[Value]) -> Vec<bool> {
    let mut needed = vec![false; graph.nodes.len()];
    on.iter().for_each(|v| needed[v.index()] = true);
    for v in graph.values() {
        let node = graph.node(v);
        // Nothing is differentiated by whole numbers or by conditions.
        let counts = matches!(node.ty.dtype, DType::F32 | DType::Bf16) && node.op != Op::StopGradient;
        needed[v.index()] |= counts && node.args.iter().any(|a| needed[a.index()]);
    }
    needed
}

/// Whether an op has a rule of its own.
fn has_rule(op: &Op) -> bool {
    match op {
        Op::Unary(_) | Op::Binary(_) | Op::Pow(_) | Op::Select | Op::Cast(_) => true,
        Op::Reduce { kind, masked, .. } => !(*kind == Reduction::Mean && *masked),
        Op::Softmax { .. } | Op::Linear { .. } | Op::Matmul | Op::Cumsum { .. } | Op::Flip { .. } => true,
        Op::Reshape(_) | Op::Transpose(_) | Op::Expand(_) | Op::Slice { .. } | Op::Concat { .. } => true,
        // Its definition is that of a run: training would leave out what it is asked for.
        Op::Dropout { p } => p.0 > 0.0,
        Op::Gather | Op::ScatterAdd { .. } | Op::SumRows { .. } | Op::KeyedDropout { .. } => true,
        Op::Conv2d { .. } | Op::OptimizationBarrier => true,
        Op::Pool2d { kind, .. } => *kind != Pooling::Avg,
        Op::LayerNorm { .. } | Op::RmsNorm { .. } => true,
        Op::TopK { .. } | Op::TakeAlong { .. } => false,
        Op::L2Normalize { .. } | Op::GroupNorm { .. } | Op::BatchNorm { .. } | Op::Attention { .. } => false,
        Op::Conv1d { .. } | Op::ConvTranspose2d { .. } | Op::ConvTranspose1d { .. } => false,
        Op::GlobalMean | Op::Flatten { .. } | Op::UpsampleNearest { .. } | Op::Resize { .. } => false,
        Op::UpsampleBilinear { .. } | Op::Rope { .. } | Op::Pad { .. } | Op::CrossEntropy { .. } => false,
        Op::Mse | Op::Softcap { .. } | Op::LeakyRelu { .. } | Op::Elu { .. } | Op::StopGradient => false,
        // Core ops have no definition; the rule says what has no gradient.
        Op::Input(_) | Op::Weight(_) | Op::State(_) | Op::Const(_) | Op::DimValue(_) => true,
        Op::Arange { .. } | Op::Powers { .. } | Op::Argmax { .. } | Op::Push { .. } => true,
        Op::Threefry | Op::Uniform(_) => true,
        Op::Scan { .. } | Op::Experts { .. } => true,
    }
}

/// The graph with definitions in the place of composites without a rule that a gradient goes through, and
/// where each value is there.
fn expand(graph: &Graph, needed: &[bool]) -> Rule<(Graph, Vec<Value>)> {
    let mut new = graph.emptied();
    let mut map: Vec<Value> = Vec::with_capacity(graph.nodes.len());
    for v in graph.values() {
        let node = graph.node(v);
        let args: Vec<Value> = node.args.iter().map(|a| map[a.index()]).collect();
        let made = if needed[v.index()] && !has_rule(&node.op) {
            let types: Vec<Type> = args.iter().map(|a| new.ty(*a).clone()).collect();
            let unfit = || NoGradient::Op {
                op: name_of(&node.op),
                label: graph.label(v),
                place: node.source.clone(),
            };
            let definition = decompose_to(&node.op, &types, has_rule).ok_or_else(unfit)?;
            let mut inside: Vec<Value> = Vec::with_capacity(definition.nodes.len());
            for inner in &definition.nodes {
                inside.push(match inner.op {
                    Op::Input(i) => args[i],
                    _ => {
                        let args: Vec<Value> = inner.args.iter().map(|a| inside[a.index()]).collect();
                        new.push(inner.op.clone(), &args, node.source.clone())?
                    }
                });
            }
            inside[definition.outputs[0].index()]
        } else {
            new.push_typed(node.op.clone(), &args, node.ty.clone(), node.source.clone())
        };
        if new.node(made).name.is_none() {
            new.nodes[made.index()].name.clone_from(&node.name);
        }
        map.push(made);
    }
    new.set_results(graph, |v| map[v.index()]);
    Ok((new, map))
}

/// A graph while gradients are added behind it.
struct Backward {
    graph: Graph,
    /// Whether each value of the network depends on what is differentiated by.
    needed: Vec<bool>,
    /// The gradient of each value, as far as it is known: the sum of what the ops behind it gave.
    gradients: Vec<Option<Value>>,
    /// Of values that were cut, the gradients of the parts.
    parts: HashMap<Value, Vec<slices::Part>>,
    /// The op at hand, whose source its gradient has.
    at: Value,
    recomputed: Recomputed,
}

impl Emit for Backward {
    type Fault = NoGradient;

    fn push(&mut self, op: Op, args: &[Value]) -> Rule<Value> {
        let source = Source { phase: Phase::Backward, ..self.graph.node(self.at).source.clone() };
        Ok(self.graph.push(op, args, source)?)
    }
}

impl Backward {
    /// Before there are gradients.
    fn new(graph: Graph, needed: Vec<bool>, at: Value) -> Backward {
        let gradients = vec![None; graph.nodes.len()];
        let (parts, recomputed) = (HashMap::new(), Recomputed::new());
        Backward { graph, needed, gradients, parts, at, recomputed }
    }

    /// Goes through the ops from the last to the first.
    fn run(&mut self) -> Rule {
        for v in (0..self.gradients.len() as u32).rev().map(Value) {
            self.at = v;
            self.join_parts(v)?;
            if matches!(self.graph.node(v).op, Op::Scan { .. }) {
                self.scan(v)?;
            } else if let (Some(gradient), true) = (self.gradients[v.index()], self.needed[v.index()]) {
                self.rule(v, gradient)?;
            }
        }
        Ok(())
    }

    /// Gives the arguments of an op what they have of its gradient.
    fn rule(&mut self, v: Value, d: Value) -> Rule {
        let node = self.graph.node(v).clone();
        let (op, args) = (&node.op, &node.args[..]);
        match op {
            Op::Input(_) | Op::Weight(_) | Op::State(_) => Ok(()),
            Op::Unary(u) => self.unary(*u, args[0], v, d),
            Op::Binary(b) => self.binary(*b, args[0], args[1], d),
            Op::Pow(exponent) => self.pow(exponent.0, args[0], d),
            Op::Select => self.select(args, d),
            Op::Cast(_) => {
                let to = self.graph.ty(args[0]).dtype;
                let back = self.push(Op::Cast(to), &[d])?;
                self.give(args[0], back)
            }
            Op::Reduce { .. } => self.reduce(op, args, v, d),
            Op::Softmax { axis, log } => self.softmax(*axis, *log, args[0], v, d),
            Op::LayerNorm { .. } => self.layer_norm(op, args, d),
            Op::RmsNorm { .. } => self.rms_norm(op, args, d),
            Op::Cumsum { axis } => self.cumsum(*axis, args[0], d),
            Op::Matmul => self.matmul(args[0], args[1], d),
            Op::Linear { bias } => self.linear(*bias, args, d),
            Op::Reshape(_) => {
                let shape = self.shape(args[0]);
                let back = self.push(Op::Reshape(shape), &[d])?;
                self.give(args[0], back)
            }
            Op::Transpose(axes) => self.transpose(axes, args[0], d),
            Op::Expand(_) => self.expand(args[0], d),
            Op::Slice { .. } => self.slice(op, args[0], d),
            Op::OptimizationBarrier => self.give(args[0], d),
            Op::Concat { axis } => self.concat(*axis, args, d),
            Op::Flip { axis } => {
                let back = self.push(Op::Flip { axis: *axis }, &[d])?;
                self.give(args[0], back)
            }
            Op::Gather => self.gather(args[0], args[1], d),
            Op::ScatterAdd { .. } => {
                let back = self.push(Op::Gather, &[d, args[1]])?;
                self.give(args[0], back)
            }
            Op::SumRows { part } => self.sum_rows(*part, args[0], d),
            Op::KeyedDropout { .. } => {
                let back = self.push(op.clone(), &[d, args[1], args[2]])?;
                self.give(args[0], back)
            }
            Op::Conv2d { .. } => self.conv2d(op, args, d),
            Op::Pool2d { .. } => self.pool2d(op, args[0], v, d),
            // Nothing that is asked for goes through them, or they have none yet.
            Op::Const(_) | Op::DimValue(_) | Op::Arange { .. } | Op::Powers { .. } | Op::Argmax { .. } => {
                self.none(v)
            }
            Op::Push { .. } | Op::Experts { .. } | Op::Dropout { .. } => self.none(v),
            Op::Threefry | Op::Uniform(_) => self.none(v),
            // The first node of a loop is for all of them.
            Op::Scan { .. } => Ok(()),
            // They became what they are defined by.
            Op::TopK { .. } | Op::TakeAlong { .. } => self.none(v),
            Op::L2Normalize { .. } | Op::GroupNorm { .. } | Op::BatchNorm { .. } => self.none(v),
            Op::Attention { .. } | Op::Conv1d { .. } | Op::ConvTranspose2d { .. } => self.none(v),
            Op::ConvTranspose1d { .. } | Op::GlobalMean | Op::Flatten { .. } => self.none(v),
            Op::UpsampleNearest { .. } | Op::Resize { .. } | Op::UpsampleBilinear { .. } => self.none(v),
            Op::Rope { .. } | Op::Pad { .. } | Op::CrossEntropy { .. } | Op::Mse => self.none(v),
            Op::Softcap { .. } | Op::LeakyRelu { .. } | Op::Elu { .. } | Op::StopGradient => self.none(v),
        }
    }

    /// The error of an op without a gradient.
    fn none(&self, v: Value) -> Rule {
        let node = self.graph.node(v);
        let (op, label) = (name_of(&node.op), self.graph.label(v));
        Err(NoGradient::Op { op, label, place: node.source.clone() })
    }

    /// Adds to the gradient of a value, if one is asked for.
    fn give(&mut self, v: Value, gradient: Value) -> Rule {
        if !self.needed[v.index()] {
            return Ok(());
        }
        let sum = match self.gradients[v.index()] {
            Some(known) => self.binary_of(Binary::Add, known, gradient)?,
            None => gradient,
        };
        self.gradients[v.index()] = Some(sum);
        Ok(())
    }

    /// The same for an argument that was repeated along leading axes: the sum over them.
    fn give_sum(&mut self, v: Value, gradient: Value) -> Rule {
        if !self.needed[v.index()] {
            return Ok(());
        }
        let more = self.shape(gradient).len() - self.shape(v).len();
        let gradient = self.sum(gradient, (0..more).collect(), false)?;
        self.give(v, gradient)
    }

    fn wants(&self, v: Value) -> bool {
        self.needed[v.index()]
    }

    fn shape(&self, v: Value) -> Vec<Dim> {
        self.graph.ty(v).shape.clone()
    }

    fn times(&mut self, x: Value, y: Value) -> Rule<Value> {
        self.binary_of(Binary::Mul, x, y)
    }

    /// `x` where the condition holds, else 0.
    fn where_(&mut self, condition: Value, x: Value) -> Rule<Value> {
        let zero = self.number(0.0)?;
        self.push(Op::Select, &[condition, x, zero])
    }

    fn sum(&mut self, x: Value, axes: Vec<usize>, keep: bool) -> Rule<Value> {
        if axes.is_empty() {
            return Ok(x);
        }
        self.push(Op::Reduce { kind: Reduction::Sum, axes, keep, masked: false }, &[x])
    }

    /// The sum over all axes but these.
    fn sum_of_others(&mut self, x: Value, axes: &[usize]) -> Rule<Value> {
        let others = (0..self.shape(x).len()).filter(|axis| !axes.contains(axis)).collect();
        self.sum(x, others, false)
    }
}
