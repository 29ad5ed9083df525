//! Gradients, and what is trained with them.
//!
//! * `batch_norm`: statistics of batches, and running ones
//! * `checkpoints`: resumed trainings, options of groups, accumulated gradients
//! * `declared`: `train fn`s, from the declaration to trained weights
//! * `dropout`: masks of training steps
//! * `gradients`: the gradient of each op against finite differences, and code against the interpreter
//! * `random`: the same for random networks
//! * `recompute`: the same results with less memory, and prices of steps
//! * `scans`: gradients of loops
//! * `steps`: training steps against PyTorch, and steps that do not count

mod batch_norm;
mod checkpoints;
mod declared;
mod dropout;
mod gradients;
mod random;
mod recompute;
mod scans;
mod steps;

use std::collections::HashMap;
use tancho::inspect::Interpreter;
use tancho::{DType, Graph, Tensor};
use tancho_ir::Value;
use tancho_ir::differentiate::{NoGradient, differentiate};
use tancho_ir::graph::{InputDecl, Source};
use tancho_ir::op::{Binary, Op, Reduction};
use tancho_support::{Rng, compile_for, targets, views};

/// A graph whose first result is multiplied by numbers that are given, and summed: its loss. The results of
/// the second graph are the loss and its gradients for the f32 inputs and the weights.
struct Case {
    /// The network, with the numbers as its last input.
    graph: Graph,
    /// The same with a loss and gradients.
    with: Graph,
    /// What is differentiated by: inputs and weights, with the number of the result that is its gradient.
    by: Vec<(Op, usize)>,
}

impl Case {
    /// # Panics
    /// The graph has no gradient.
    fn new(graph: &Graph) -> Case {
        Case::of(graph).unwrap_or_else(|e| panic!("{e}\n{graph}"))
    }

    /// # Errors
    /// The graph has no gradient.
    fn of(graph: &Graph) -> Result<Case, NoGradient> {
        let (mut graph, y) = (graph.clone(), graph.outputs[0]);
        graph.outputs.truncate(1);
        graph.inputs.push(InputDecl::new("r", graph.ty(y).clone()));
        let push = |graph: &mut Graph, op, args: &[Value]| graph.push(op, args, Source::default()).unwrap();
        let given = Op::Input(graph.inputs.len() - 1);
        let r = push(&mut graph, given, &[]);
        let is_number = |v: &Value| {
            let node = graph.node(*v);
            *v != r && node.ty.dtype == DType::F32 && matches!(node.op, Op::Input(_) | Op::Weight(_))
        };
        let by: Vec<Value> = graph.values().filter(is_number).collect();
        let mut with = graph.clone();
        let mut loss = push(&mut with, Op::Binary(Binary::Mul), &[y, r]);
        let axes: Vec<usize> = (0..with.ty(y).rank()).collect();
        if !axes.is_empty() {
            let sum = Op::Reduce { kind: Reduction::Sum, axes, keep: false, masked: false };
            loss = push(&mut with, sum, &[loss]);
        }
        let made = differentiate(&with, loss, &by)?;
        let mut with = made.graph;
        with.outputs = vec![made.of];
        let mut results = Vec::new();
        for (v, gradient) in by.iter().zip(made.gradients) {
            let Some(gradient) = gradient else { continue };
            assert_eq!(with.ty(gradient), graph.ty(*v), "the gradient has the shape of what it is for");
            results.push((graph.node(*v).op.clone(), with.outputs.len()));
            with.outputs.push(gradient);
        }
        tancho_ir::verify::verify(&with).unwrap_or_else(|e| panic!("{e}\n{with}"));
        Ok(Case { graph, with, by: results })
    }

    /// Holds the gradients against finite differences along random directions, and the machine code of each
    /// level against the interpreter.
    ///
    /// # Panics
    /// They differ.
    fn check(&self, inputs: &[Tensor], rng: &mut Rng) {
        let all = self.along_directions(inputs, rng, &mut |what, along| {
            // Two steps cancel the error of the third derivative (Richardson 1911).
            let (wide, narrow) = ((along.over)(STEP), (along.over)(STEP / 2.0));
            self.compare(what, &along, (4.0 * narrow - wide) / 3.0);
        });
        self.check_code(&all);
    }

    /// The same where a network may have a corner between two points that are compared: differences count
    /// where three steps agree. Gives how many did.
    ///
    /// # Panics
    /// They differ.
    fn check_steady(&self, inputs: &[Tensor], rng: &mut Rng) -> usize {
        let mut steady = 0;
        let all = self.along_directions(inputs, rng, &mut |what, along| {
            let [a, b, c] = [STEP, STEP / 2.0, STEP / 4.0].map(along.over);
            if (a - b).abs().max((b - c).abs()) <= 0.25 * BOUND * along.size.max(0.1) {
                steady += 1;
                self.compare(what, &along, (4.0 * b - a) / 3.0);
            }
        });
        self.check_code(&all);
        steady
    }

    /// Gives `each` what a gradient is for, and the gradient along a random direction. Returns all inputs.
    fn along_directions(
        &self,
        inputs: &[Tensor],
        rng: &mut Rng,
        each: &mut dyn FnMut(&Op, Along<'_>),
    ) -> Vec<Tensor> {
        let weights: Vec<Tensor> =
            self.graph.weights.iter().map(|w| rng.floats(&sizes(&w.ty.shape))).collect();
        let run = |graph: &Graph, inputs: &[Tensor], weights: &[Tensor]| {
            let interpreter =
                Interpreter::for_inputs(graph, inputs).unwrap_or_else(|e| panic!("{e}\n{graph}"));
            interpreter.run(inputs, &|i| Ok(weights[i].clone())).unwrap_or_else(|e| panic!("{e}\n{graph}"))
        };
        let mut all = inputs.to_vec();
        all.push(rng.floats(&self.result_shape(inputs)));
        let gradients = run(&self.with, &all, &weights);
        let loss = |inputs: &[Tensor], weights: &[Tensor]| -> f64 {
            let y = run(&self.graph, inputs, weights);
            let (y, r) = (y[0].as_f32().unwrap(), all.last().unwrap().as_f32().unwrap());
            y.iter().zip(r).map(|(y, r)| f64::from(*y) * f64::from(*r)).sum()
        };
        for (what, number) in &self.by {
            let gradient = gradients[*number].as_f32().unwrap();
            let (is_input, at) = match what {
                Op::Input(i) => (true, *i),
                Op::Weight(i) => (false, *i),
                op => unreachable!("{op:?} is no input"),
            };
            let start = if is_input { &all[at] } else { &weights[at] };
            let direction = rng.floats(start.shape());
            let direction = direction.as_f32().unwrap();
            let moved = |by: f64| {
                let data = start.as_f32().unwrap().iter().zip(direction);
                let data: Vec<f32> = data.map(|(x, u)| (f64::from(*x) + by * f64::from(*u)) as f32).collect();
                let tensor = Tensor::new(data, start.shape()).unwrap();
                let (mut inputs, mut weights) = (all.clone(), weights.clone());
                if is_input {
                    inputs[at] = tensor
                } else {
                    weights[at] = tensor
                }
                loss(&inputs, &weights)
            };
            let products = || gradient.iter().zip(direction).map(|(g, u)| f64::from(*g) * f64::from(*u));
            let (slope, size) = (products().sum(), products().map(f64::abs).sum());
            each(what, Along { slope, size, over: &|h| (moved(h) - moved(-h)) / (2.0 * h) });
        }
        all
    }

    /// # Panics
    /// The gradient along a direction is not what finite differences give.
    fn compare(&self, what: &Op, along: &Along<'_>, want: f64) {
        assert!(
            (along.slope - want).abs() <= BOUND * along.size.max(0.1),
            "the gradient for {what:?} along a direction is {}, and finite differences give {want}\n{}",
            along.slope,
            self.with
        );
    }

    /// The shape of the result for these inputs.
    fn result_shape(&self, inputs: &[Tensor]) -> Vec<usize> {
        let mut bare = self.graph.clone();
        bare.inputs.pop();
        bare.nodes.pop();
        let interpreter = Interpreter::for_inputs(&bare, inputs).unwrap_or_else(|e| panic!("{e}\n{bare}"));
        // The numbers that the result is multiplied with have its shape.
        interpreter.shape(bare.outputs[0]).to_vec()
    }

    fn check_code(&self, inputs: &[Tensor]) {
        for target in targets() {
            let compiled = compile_for(&self.with, target).unwrap_or_else(|e| panic!("{e}\n{}", self.with));
            let report = compiled.check_inputs(&views(inputs)).unwrap_or_else(|e| panic!("{target:?}: {e}"));
            assert!(report.is_ok(), "{target:?}\n{report}\n{}", self.with);
        }
    }
}

/// A gradient along a direction.
struct Along<'a> {
    /// The sum of their products, and that of the magnitudes.
    slope: f64,
    size: f64,
    /// The slope of the loss from a step before to a step behind.
    over: &'a dyn Fn(f64) -> f64,
}

/// How far finite differences look, and what part of the sum of magnitudes they may be off.
const STEP: f64 = 0.002;
const BOUND: f64 = 4e-3;

/// Static dims as numbers.
fn sizes(shape: &[tancho::Dim]) -> Vec<usize> {
    shape.iter().map(|d| d.as_const().unwrap() as usize).collect()
}

/// Inputs of a graph for these run-time dims. Ids are below 3. Numbers are in (-1, 1), and those of all
/// inputs lie apart from each other and from 0, so that no corner is between two that are compared.
fn inputs(graph: &Graph, dims: &HashMap<&str, i64>, rng: &mut Rng) -> Vec<Tensor> {
    let tensor = |(index, input): (usize, &InputDecl)| {
        let value = |d: &tancho::Dim| d.eval(&|name| dims.get(name).copied()).unwrap() as usize;
        let shape: Vec<usize> = input.ty.shape.iter().map(value).collect();
        match input.ty.dtype {
            DType::F32 | DType::Bf16 => apart(&shape, index, rng),
            DType::I32 => rng.ids(&shape, 3),
            DType::Bool => rng.flags(&shape),
        }
    };
    graph.inputs.iter().enumerate().map(tensor).collect()
}

/// `n` numbers at distances of `2 / n` in random order, each input's at another place between those
/// distances and none at 0.
fn apart(shape: &[usize], index: usize, rng: &mut Rng) -> Tensor {
    const PLACES: [f32; 6] = [1.0, 1.5, 0.7, 1.3, 0.2, 1.8];
    let n: usize = shape.iter().product();
    // An odd multiple of `1 / n` is 1 if `n` is odd.
    let place = if index == 0 && n % 2 == 1 { 0.6 } else { PLACES[index % PLACES.len()] };
    let mut data: Vec<f32> = (0..n).map(|k| (2.0 * k as f32 + place) / n as f32 - 1.0).collect();
    for i in (1..n).rev() {
        data.swap(i, rng.below(i + 1));
    }
    Tensor::new(data, shape).unwrap()
}
