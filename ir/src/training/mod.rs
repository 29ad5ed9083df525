//! A training step as a graph: the gradients of a loss, and what an optimiser makes of the weights with them.
//!
//! The step is an ordinary graph. Weights that are learned are states of it, and so is what the optimiser
//! keeps, so that a session changes them in place. Where the loss or the norm of all gradients is not finite,
//! every state stays as it is, to the last bit, but for the count of steps that masks of dropout follow from.
//!
//! A step is a pass of the network in training: dropouts have masks, and batch norms take the statistics of
//! the batch ([`batch_norm`]).

pub mod batch_norm;
mod dropout;
mod error;
mod optimizers;
mod recompute;
pub mod settings;

pub use dropout::{SEED, STEP};
pub use error::NoStep;
pub use recompute::nets;

use crate::differentiate::differentiate_with;
use crate::emit::Emit;
use crate::graph::{Graph, Phase, Source, StateDecl, Value, WeightDecl};
use crate::op::{Binary, Op, Reduction, Unary};
use crate::types::{DType, Type};
use std::collections::HashMap;

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

/// What a run of training changes of one weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adjustment {
    /// The learning rate is multiplied by it.
    pub rate: f64,
    /// The weight decay in the place of the optimiser's.
    pub weight_decay: Option<f64>,
    /// Whether it stays as it is.
    pub frozen: bool,
}

impl Default for Adjustment {
    fn default() -> Adjustment {
        Adjustment { rate: 1.0, weight_decay: None, frozen: false }
    }
}

/// What is done with the gradients of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Weights are updated by them.
    Update,
    /// They are added to those of earlier runs, which wait for an update.
    Add,
    /// Weights are updated by the mean of them and those that wait, of so many runs together.
    UpdateMean(u32),
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
    /// The running statistics of batch norms, each with the state that holds it.
    pub buffers: Vec<Buffer>,
    /// The weights that would be learned, but from which no path leads to this loss.
    pub unreached: Vec<usize>,
}

impl Step {
    /// The weights that the step changes, by number: each is a state of the same name.
    pub fn changed(&self) -> impl Iterator<Item = usize> {
        let learned = self.learned.iter().map(|learned| learned.weight);
        learned.chain(self.buffers.iter().map(|buffer| buffer.weight))
    }
}

/// A buffer that a step changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// The number of the weight.
    pub weight: usize,
    /// The number of the state of the same name.
    pub state: usize,
}

/// A weight that a step learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The number of the weight.
    pub weight: usize,
    /// The number of the state of the same name.
    pub state: usize,
    /// Its gradient, before it is clipped.
    pub gradient: Value,
}

type Result<T = ()> = std::result::Result<T, NoStep>;

/// The training step of a network.
///
/// # Errors
/// The loss has no gradient, no weight that is to be learned changes it, or a dropout has no place for a
/// mask.
pub fn step(graph: &Graph, minimize: &Minimize) -> Result<Step> {
    step_with(graph, minimize, Use::Update, &|_| Adjustment::default(), &|_| false)
}

/// The same with what a run of training changes of each weight, and what is done with the gradients. What
/// the backward pass reads inside of nets that `recomputes` holds of, by their paths, is computed again for
/// it ([`nets`] has the paths).
///
/// # Errors
/// As [`step`], or a weight is given a decay that its optimiser does not have.
pub fn step_with(
    graph: &Graph,
    minimize: &Minimize,
    use_: Use,
    adjust: &dyn Fn(&WeightDecl) -> Adjustment,
    recomputes: &dyn Fn(&str) -> bool,
) -> Result<Step> {
    let rate = graph.ty(minimize.rate);
    if rate.rank() > 0 || rate.dtype != DType::F32 {
        return Err(NoStep::Rate { found: rate.clone() });
    }
    let (masked, map) = dropout::with_masks(graph)?;
    let [loss, rate] = [minimize.loss, minimize.rate].map(|v| map[v.index()]);
    // The rate, the loss and the results are found again by their places among the results.
    let mut marked = masked;
    marked.outputs.extend([rate, loss]);
    let is_kept = |decl: &WeightDecl| decl.marks.frozen || adjust(decl).frozen;
    let (mut marked, running) = batch_norm::with_batch_statistics(&marked, &is_kept)?;
    let loss = marked.outputs.pop().unwrap_or(loss);
    marked.outputs.extend(running.values());
    let mut weights = learned(&marked, adjust);
    if weights.is_empty() {
        return Err(NoStep::NothingLearned);
    }
    let by: Vec<Value> = weights.iter().flat_map(|w| w.values.iter().copied()).collect();
    let made = differentiate_with(&marked, loss, &by, recompute::scopes(&marked, recomputes))?;
    let made = recompute::run(made, recomputes);
    let mut graph = made.graph;
    let after = graph.outputs.split_off(graph.outputs.len() - running.len());
    let rate = graph.outputs.pop().unwrap_or(made.of);

    let mut given = made.gradients.into_iter();
    let asked: Vec<usize> = weights.iter().map(|w| w.values.len()).collect();
    // Ops that became their definitions have moved what follows them.
    let mut now = values_of_weights(&graph);
    weights.iter_mut().for_each(|w| w.values = now.remove(&w.number).unwrap_or_default());
    let mut buffer = |number| {
        let values = now.remove(&number).unwrap_or_default();
        Weight { number, values, adjustment: Adjustment::default() }
    };
    let running: Vec<(Weight, Value)> = running.into_keys().map(&mut buffer).zip(after).collect();
    let prefix = if graph.entry.is_empty() { String::new() } else { format!("{}.", graph.entry) };
    let mut training = Training { graph, rate, ok: rate, prefix, learned: Vec::new(), known: HashMap::new() };
    let (mut gradients, mut reached, mut unreached) = (Vec::new(), Vec::new(), Vec::new());
    for (weight, asked) in weights.iter().zip(asked) {
        let all: Vec<Value> = given.by_ref().take(asked).flatten().collect();
        let Some((first, others)) = all.split_first() else {
            unreached.push(weight.number);
            continue;
        };
        let mut sum = *first;
        for other in others {
            sum = training.binary_of(Binary::Add, sum, *other)?;
        }
        gradients.push(sum);
        reached.push(weight);
    }
    if gradients.is_empty() {
        let names = unreached.iter().map(|i| training.graph.weights[*i].name.clone());
        return Err(NoStep::NoPath { weights: names.collect() });
    }
    training.finish(made.of, &reached, gradients, minimize, use_)?;
    let buffers = training.follow(&running)?;
    Ok(Step { graph: training.graph, learned: training.learned, buffers, unreached })
}

/// A weight that changes.
struct Weight {
    number: usize,
    values: Vec<Value>,
    adjustment: Adjustment,
}

/// The weights of a graph that are learned, each with its values.
fn learned(graph: &Graph, adjust: &dyn Fn(&WeightDecl) -> Adjustment) -> Vec<Weight> {
    let mut values = values_of_weights(graph);
    let learns = |(number, decl): (usize, &WeightDecl)| {
        let adjustment = adjust(decl);
        let learns = decl.marks.learns() && !decl.is_constant() && decl.ty.dtype == DType::F32;
        let values = values.remove(&number).unwrap_or_default();
        (learns && !adjustment.frozen).then_some(Weight { number, values, adjustment })
    };
    graph.weights.iter().enumerate().filter_map(learns).collect()
}

/// The values that are weights, by the numbers of those.
fn values_of_weights(graph: &Graph) -> HashMap<usize, Vec<Value>> {
    let mut values: HashMap<usize, Vec<Value>> = HashMap::new();
    for v in graph.values() {
        if let Op::Weight(i) = graph.node(v).op {
            values.entry(i).or_default().push(v);
        }
    }
    values
}

/// A step under construction.
struct Training {
    graph: Graph,
    /// The learning rate.
    rate: Value,
    /// Whether the step counts.
    ok: Value,
    /// What the names of the optimiser's states begin with: each `train fn` has its own.
    prefix: String,
    learned: Vec<Learned>,
    /// What is the same for many weights, by its name: what the optimiser keeps for all, after the step, and
    /// learning rates.
    known: HashMap<String, Value>,
}

impl Emit for Training {
    type Fault = NoStep;

    fn push(&mut self, op: Op, args: &[Value]) -> Result<Value> {
        let source = Source { phase: Phase::Update, ..Source::default() };
        Ok(self.graph.push(op, args, source)?)
    }
}

impl Training {
    /// Adds what is made of the gradients.
    fn finish(
        &mut self,
        loss: Value,
        weights: &[&Weight],
        gradients: Vec<Value>,
        minimize: &Minimize,
        use_: Use,
    ) -> Result {
        let mut states = Vec::new();
        for weight in weights {
            states.push(self.becomes_state(weight));
        }
        let own = gradients.clone();
        let (gradients, waiting) = self.gathered(weights, gradients, use_)?;
        let squares = self.squares(&gradients)?;
        let norm = self.norm(&squares)?;
        self.ok = self.are_finite(loss, norm)?;
        for (state, before, after) in waiting {
            self.becomes(state, before, after)?;
        }
        if use_ != Use::Add {
            let mut clipped = gradients;
            if let Some(most) = minimize.clip {
                self.clip(&mut clipped, norm, most)?;
            }
            for ((weight, (state, before)), gradient) in weights.iter().zip(&states).zip(clipped) {
                let after = self.updated(weight, *before, gradient, minimize.optimizer)?;
                self.becomes(*state, *before, after)?;
            }
        }
        for ((weight, (state, _)), gradient) in weights.iter().zip(states).zip(own) {
            self.learned.push(Learned { weight: weight.number, state, gradient });
        }
        self.graph.outputs.extend(squares);
        self.graph.outputs.extend([loss, norm]);
        Ok(())
    }

    /// Makes running statistics states, and says what they become.
    fn follow(&mut self, running: &[(Weight, Value)]) -> Result<Vec<Buffer>> {
        let mut buffers = Vec::new();
        for (weight, after) in running {
            let (state, before) = self.becomes_state(weight);
            self.becomes(state, before, *after)?;
            buffers.push(Buffer { weight: weight.number, state });
        }
        Ok(buffers)
    }

    /// The gradients that count, and the states of those that wait: what each is, and what it becomes.
    #[allow(clippy::type_complexity)]
    fn gathered(
        &mut self,
        weights: &[&Weight],
        gradients: Vec<Value>,
        use_: Use,
    ) -> Result<(Vec<Value>, Vec<(usize, Value, Value)>)> {
        if use_ == Use::Update {
            return Ok((gradients, Vec::new()));
        }
        let (mut counted, mut waiting) = (Vec::new(), Vec::new());
        for (weight, gradient) in weights.iter().zip(gradients) {
            let WeightDecl { name, ty, .. } = self.graph.weights[weight.number].clone();
            let (state, before) = self.state(format!("{}{name}.gradient", self.prefix), ty.clone())?;
            let sum = self.binary_of(Binary::Add, before, gradient)?;
            match use_ {
                Use::UpdateMean(runs) => {
                    counted.push(self.by(Binary::Mul, sum, 1.0 / f64::from(runs))?);
                    let zero = self.number(0.0)?;
                    let none = self.push(Op::Expand(ty.shape), &[zero])?;
                    waiting.push((state, before, none));
                }
                Use::Add | Use::Update => {
                    counted.push(gradient);
                    waiting.push((state, before, sum));
                }
            }
        }
        Ok((counted, waiting))
    }

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
            let mut sum = self.binary_of(Binary::Mul, *gradient, *gradient)?;
            // Rows first: they are summed as they lie, by all threads.
            let rank = self.graph.ty(sum).rank();
            for axes in
                [(0..rank).skip(rank.max(1) - 1).collect::<Vec<usize>>(), (0..rank.max(1) - 1).collect()]
            {
                if !axes.is_empty() {
                    sum = self.push(
                        Op::Reduce { kind: Reduction::Sum, axes, keep: false, masked: false },
                        &[sum],
                    )?;
                }
            }
            Ok(sum)
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

    /// Makes a weight a state of the same name: its number, and the value that it is before the step.
    fn becomes_state(&mut self, weight: &Weight) -> (usize, Value) {
        let WeightDecl { name, ty, .. } = self.graph.weights[weight.number].clone();
        let number = self.graph.states.len();
        self.graph.states.push(StateDecl { name, ty, grows: None, keeps_last: false, next: None });
        for v in &weight.values {
            self.graph.nodes[v.index()].op = Op::State(number);
        }
        (number, weight.values[0])
    }
}
