//! A training step as a graph: the gradients of a loss, and what an optimiser makes of the weights with them.
//!
//! The step is an ordinary graph. Weights that are learned are states of it, and so is what the optimiser
//! keeps, so that a session changes them in place. Where the loss or the norm of all gradients is not finite,
//! every state stays as it is, to the last bit.

mod optimizers;
pub mod settings;

use crate::differentiate::{NoGradient, differentiate};
use crate::emit::Emit;
use crate::graph::{Graph, Source, StateDecl, Value};
use crate::infer::ShapeError;
use crate::op::{Binary, Op, Reduction, Unary};
use crate::types::{DType, Type};
use std::collections::HashMap;
use std::fmt;

/// How weights follow from gradients, with PyTorch's names and defaults of the settings.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Optimizer {
    /// Gradient descent: `torch.optim.SGD`.
    Sgd {
        /// The share of the last update that is kept.
        momentum: f64,
        /// Added to the gradient for each unit of the weight.
        weight_decay: f64,
    },
    /// Kingma and Ba 2015: `torch.optim.Adam`.
    Adam {
        /// The share of the mean of gradients that is kept.
        beta1: f64,
        /// The share of the mean of their squares that is kept.
        beta2: f64,
        /// Added to the root of that mean.
        eps: f64,
    },
    /// Loshchilov and Hutter 2019: `torch.optim.AdamW`.
    AdamW {
        /// As of Adam.
        beta1: f64,
        /// As of Adam.
        beta2: f64,
        /// As of Adam.
        eps: f64,
        /// The share of a weight that is taken away, times the learning rate.
        weight_decay: f64,
    },
    /// Chen et al. 2023.
    Lion {
        /// The share of the mean of gradients in the direction of an update.
        beta1: f64,
        /// The share of that mean that is kept.
        beta2: f64,
        /// As of AdamW.
        weight_decay: f64,
    },
}

/// What is minimised, and how.
#[derive(Clone, Copy, Debug)]
pub struct Minimize {
    /// The loss, an f32 scalar of the graph.
    pub loss: Value,
    /// The learning rate, an f32 scalar of the graph.
    pub rate: Value,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Gradients whose norm together is larger are made as much smaller.
    pub clip: Option<f64>,
}

/// A network with what is to be minimised: what a `train fn` declares.
#[derive(Clone, Debug)]
pub struct Objective {
    /// The network.
    pub graph: Graph,
    /// What is minimised, in this graph.
    pub minimize: Minimize,
}

/// A training step.
#[derive(Clone, Debug)]
pub struct Step {
    /// The graph. Behind the results of the network come, for each weight that is learned, the sum of the
    /// squares of its gradient, and then the loss and the norm of all gradients together. Norms are those of
    /// gradients before they are clipped.
    pub graph: Graph,
    /// The weights that are learned, each with the state that holds it.
    pub learned: Vec<Learned>,
}

/// A weight that a step changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The number of the weight.
    pub weight: usize,
    /// The number of the state of the same name.
    pub state: usize,
    /// Its gradient, before it is clipped.
    pub gradient: Value,
}

/// Why there is no training step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NoStep {
    /// The loss has no gradient.
    Gradient(NoGradient),
    /// No path leads from a weight that is to be learned to the loss.
    NoPath {
        /// The weight.
        weight: String,
    },
    /// The network has no weight that is learned.
    NothingLearned,
    /// The learning rate is no f32 scalar.
    Rate {
        /// Its type.
        found: Type,
    },
}

impl fmt::Display for NoStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoStep::Gradient(error) => error.fmt(f),
            NoStep::NoPath { weight } => write!(
                f,
                "no path leads from `{weight}` to the loss, so nothing would be learned of it; mark it `#[frozen]` if that is meant"
            ),
            NoStep::NothingLearned => f.write_str("the network has no weight that is learned"),
            NoStep::Rate { found } => write!(f, "the learning rate is {found}, and must be one f32 number"),
        }
    }
}

impl std::error::Error for NoStep {}

impl From<NoGradient> for NoStep {
    fn from(error: NoGradient) -> NoStep {
        NoStep::Gradient(error)
    }
}

impl From<ShapeError> for NoStep {
    fn from(error: ShapeError) -> NoStep {
        NoStep::Gradient(NoGradient::Shape(error))
    }
}

type Result<T = ()> = std::result::Result<T, NoStep>;

/// The training step of a network.
///
/// # Errors
/// The loss has no gradient, or a weight that is to be learned does not change it.
pub fn step(graph: &Graph, minimize: &Minimize) -> Result<Step> {
    let rate = graph.ty(minimize.rate);
    if rate.rank() > 0 || rate.dtype != DType::F32 {
        return Err(NoStep::Rate { found: rate.clone() });
    }
    let weights: Vec<(usize, Vec<Value>)> = learned(graph);
    if weights.is_empty() {
        return Err(NoStep::NothingLearned);
    }
    // The rate and the results are found again by their places among the results.
    let mut marked = graph.clone();
    marked.outputs.push(minimize.rate);
    let by: Vec<Value> = weights.iter().flat_map(|(_, values)| values.iter().copied()).collect();
    let made = differentiate(&marked, minimize.loss, &by)?;
    let mut graph = made.graph;
    let rate = graph.outputs.pop().unwrap_or(made.of);

    let mut given = made.gradients.into_iter();
    let mut training = Training { graph, rate, ok: rate, learned: Vec::new(), known: HashMap::new() };
    let mut gradients = Vec::new();
    for (weight, values) in &weights {
        let all: Vec<Value> = given.by_ref().take(values.len()).flatten().collect();
        let Some((first, others)) = all.split_first() else {
            return Err(NoStep::NoPath { weight: training.graph.weights[*weight].name.clone() });
        };
        let mut sum = *first;
        for other in others {
            sum = training.binary_of(Binary::Add, sum, *other)?;
        }
        gradients.push(sum);
    }
    let squares = training.squares(&gradients)?;
    let norm = training.norm(&squares)?;
    training.ok = training.are_finite(made.of, norm)?;
    let mut clipped = gradients.clone();
    if let Some(most) = minimize.clip {
        training.clip(&mut clipped, norm, most)?;
    }
    for (i, (weight, _)) in weights.iter().enumerate() {
        training.learn(*weight, (gradients[i], clipped[i]), minimize.optimizer)?;
    }
    training.graph.outputs.extend(squares);
    training.graph.outputs.extend([made.of, norm]);
    Ok(Step { graph: training.graph, learned: training.learned })
}

/// The weights of a graph that are learned, each with its values.
fn learned(graph: &Graph) -> Vec<(usize, Vec<Value>)> {
    let learns = |i: &usize| {
        let weight = &graph.weights[*i];
        weight.marks.learns() && !weight.is_constant() && weight.ty.dtype == DType::F32
    };
    let values = |i| graph.values().filter(|v| graph.node(*v).op == Op::Weight(i)).collect();
    (0..graph.weights.len()).filter(learns).map(|i| (i, values(i))).collect()
}

/// A step under construction.
struct Training {
    graph: Graph,
    /// The learning rate.
    rate: Value,
    /// Whether the step counts.
    ok: Value,
    learned: Vec<Learned>,
    /// What the optimiser keeps for all weights together, after the step, by its name.
    known: HashMap<&'static str, Value>,
}

impl Emit for Training {
    type Fault = NoStep;

    fn push(&mut self, op: Op, args: &[Value]) -> Result<Value> {
        Ok(self.graph.push(op, args, Source::default())?)
    }
}

impl Training {
    /// `a + factor b`
    fn plus(&mut self, a: Value, factor: f64, b: Value) -> Result<Value> {
        let more = self.by(Binary::Mul, b, factor)?;
        self.binary_of(Binary::Add, a, more)
    }

    /// `share old + (1 - share) new`
    fn mixed(&mut self, share: f64, old: Value, new: Value) -> Result<Value> {
        let kept = self.by(Binary::Mul, old, share)?;
        self.plus(kept, 1.0 - share, new)
    }

    /// The sum of the squares of each gradient.
    fn squares(&mut self, gradients: &[Value]) -> Result<Vec<Value>> {
        let one = |gradient: &Value| {
            let square = self.binary_of(Binary::Mul, *gradient, *gradient)?;
            let axes: Vec<usize> = (0..self.graph.ty(square).rank()).collect();
            if axes.is_empty() {
                return Ok(square);
            }
            self.push(Op::Reduce { kind: Reduction::Sum, axes, keep: false, masked: false }, &[square])
        };
        gradients.iter().map(one).collect()
    }

    /// The root of a sum of squares.
    fn norm(&mut self, squares: &[Value]) -> Result<Value> {
        let mut sum = self.number(0.0)?;
        for square in squares {
            sum = self.binary_of(Binary::Add, sum, *square)?;
        }
        self.unary_of(Unary::Sqrt, sum)
    }

    /// Whether both are finite: only then a number less itself is 0.
    fn are_finite(&mut self, a: Value, b: Value) -> Result<Value> {
        let sum = self.binary_of(Binary::Add, a, b)?;
        let nothing = self.binary_of(Binary::Sub, sum, sum)?;
        self.by(Binary::Eq, nothing, 0.0)
    }

    /// Gradients as much smaller as their norm is too large.
    fn clip(&mut self, gradients: &mut [Value], norm: Value, most: f64) -> Result {
        let most = self.number(most)?;
        let share = self.binary_of(Binary::Div, most, norm)?;
        let share = self.by(Binary::Min, share, 1.0)?;
        for gradient in gradients {
            *gradient = self.binary_of(Binary::Mul, *gradient, share)?;
        }
        Ok(())
    }

    /// A state that starts as zeros.
    fn state(&mut self, name: String, ty: Type) -> Result<(usize, Value)> {
        let number = self.graph.states.len();
        self.graph.states.push(StateDecl { name, ty, grows: None, keeps_last: false, next: None });
        let value = self.push(Op::State(number), &[])?;
        Ok((number, value))
    }

    /// Says what a state becomes if the step counts.
    fn becomes(&mut self, state: usize, before: Value, after: Value) -> Result {
        let next = self.push(Op::Select, &[self.ok, after, before])?;
        self.graph.states[state].next = Some(next);
        Ok(())
    }

    /// Makes a weight a state, and says what the step makes of it by its gradient, before and after it is
    /// clipped.
    fn learn(&mut self, weight: usize, (gradient, clipped): (Value, Value), optimizer: Optimizer) -> Result {
        let decl = self.graph.weights[weight].clone();
        let number = self.graph.states.len();
        let (name, ty) = (decl.name.clone(), decl.ty.clone());
        self.graph.states.push(StateDecl { name, ty, grows: None, keeps_last: false, next: None });
        let mut value = None;
        for (i, node) in self.graph.nodes.iter_mut().enumerate() {
            if node.op == Op::Weight(weight) {
                node.op = Op::State(number);
                value.get_or_insert(Value(i as u32));
            }
        }
        let Some(value) = value else { return Ok(()) };
        let after = self.updated(&decl.name, value, clipped, optimizer, !decl.marks.no_decay)?;
        self.becomes(number, value, after)?;
        self.learned.push(Learned { weight, state: number, gradient });
        Ok(())
    }
}
