//! Training steps: those of PyTorch, steps that do not count, and what each optimiser does.

use crate::sizes;
use safetensors::SafeTensors;
use tancho::inspect::Stage;
use tancho::{AsView, Graph, Session, Target, Tensor, network};
use tancho_ir::Value;
use tancho_ir::graph::{InputDecl, Source};
use tancho_ir::op::Op;
use tancho_ir::training::{Minimize, NoStep, Optimizer, Step, step};
use tancho_ir::{DType, Type};
use tancho_support::{Rng, compile_for, levels, targets, views};

network! {
    /// A classifier with a residual branch and a norm, and its loss.
    pub Classifier<B, D = 32, H = 48, C = 10>(x: [B, D], y: i32[B]) -> [] {
        net up:   Linear<D, H>;
        net norm: LayerNorm<H>;
        net mix:  Linear<H, H>;
        net head: Linear<H, C>;

        let h = gelu(up(x));
        mean(cross_entropy(head(norm(h + mix(h))), y), over = B)
    }
}

const ADAMW: Optimizer = Optimizer::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 };

/// The training step of a network whose first result is a loss; the learning rate is its last input.
pub fn step_of(graph: &Graph, optimizer: Optimizer, clip: Option<f64>) -> Result<Step, NoStep> {
    let mut graph = graph.clone();
    graph.inputs.push(InputDecl::new("rate", Type::new(DType::F32, Vec::new())));
    let rate = graph.push(Op::Input(graph.inputs.len() - 1), &[], Source::default()).unwrap();
    step(&graph, &Minimize { loss: graph.outputs[0], rate, optimizer, clip })
}

fn classifier() -> Graph {
    (*Classifier::init(1).unwrap().ir()).clone()
}

struct Golden(Vec<u8>);

impl Golden {
    fn new() -> Golden {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/torch/train_adamw_10_steps.safetensors");
        Golden(std::fs::read(path).unwrap())
    }

    fn tensor(&self, name: &str) -> Tensor {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        let words = tensor.data().as_chunks::<4>().0.iter();
        match tensor.dtype() {
            safetensors::Dtype::F32 => {
                Tensor::new(words.map(|b| f32::from_le_bytes(*b)).collect::<Vec<_>>(), tensor.shape())
                    .unwrap()
            }
            _ => Tensor::new(words.map(|b| i32::from_le_bytes(*b)).collect::<Vec<_>>(), tensor.shape())
                .unwrap(),
        }
    }
}

/// The largest distance of two tensors.
fn distance(a: &Tensor, b: &Tensor) -> f32 {
    let (a, b) = (a.as_f32().unwrap(), b.as_f32().unwrap());
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |most, d| if d > most || d.is_nan() { d } else { most })
}

fn largest(t: &Tensor) -> f32 {
    t.as_f32().unwrap().iter().fold(0.0f32, |most, x| most.max(x.abs()))
}

/// Runs a step on a part of the batches; gives the loss and the norm.
fn run(session: &mut Session, step: &Step, x: &[f32], y: &[i32], rate: f32) -> [f32; 2] {
    let n = y.len();
    session
        .run_inputs(&[x.view([n, x.len() / n]).into(), y.view([n]).into(), [rate].view([]).into()])
        .unwrap();
    let count = step.graph.outputs.len();
    [count - 2, count - 1].map(|i| session.tensor(i).unwrap().as_f32().unwrap()[0])
}

#[test]
fn ten_steps_of_adamw_are_those_of_pytorch_on_every_level() {
    let (golden, graph) = (Golden::new(), classifier());
    let step = step_of(&graph, ADAMW, None).unwrap();
    let (x, y, losses) = (golden.tensor("in.x"), golden.tensor("in.y"), golden.tensor("out.loss"));
    let (x, y) = (x.as_f32().unwrap(), y.as_i32().unwrap());
    for target in levels().map(|isa| Target::host().with_isa(isa).unwrap()) {
        let mut session = compile_for(&step.graph, target).unwrap().session();
        for learned in &step.learned {
            let name = &step.graph.states[learned.state].name;
            session.set_state(name, &golden.tensor(&format!("w.{name}"))).unwrap();
        }
        for (i, want) in losses.as_f32().unwrap().iter().enumerate() {
            let [loss, norm] = run(&mut session, &step, &x[i * 512..][..512], &y[i * 16..][..16], 3e-3);
            assert!((loss - want).abs() <= 1e-5, "step {i}: {loss}, not {want}, on {target:?}");
            assert!(norm.is_finite() && norm > 0.0);
        }
        for learned in &step.learned {
            let name = &step.graph.states[learned.state].name;
            let (got, want) =
                (session.state(name).unwrap().unwrap(), golden.tensor(&format!("out.after.{name}")));
            assert!(distance(&got, &want) <= 1e-4, "{name}: {} on {target:?}", distance(&got, &want));
        }
    }
}

#[test]
fn the_first_gradients_are_those_of_pytorch() {
    let (golden, graph) = (Golden::new(), classifier());
    // After a step of plain descent at rate 1 a weight has lost its gradient.
    let step = step_of(&graph, Optimizer::Sgd { momentum: 0.0, weight_decay: 0.0 }, None).unwrap();
    let (x, y) = (golden.tensor("in.x"), golden.tensor("in.y"));
    for target in targets() {
        let mut session = compile_for(&step.graph, target).unwrap().session();
        for learned in &step.learned {
            let name = &step.graph.states[learned.state].name;
            session.set_state(name, &golden.tensor(&format!("w.{name}"))).unwrap();
        }
        run(&mut session, &step, &x.as_f32().unwrap()[..512], &y.as_i32().unwrap()[..16], 1.0);
        for learned in &step.learned {
            let name = &step.graph.states[learned.state].name;
            let (before, after) =
                (golden.tensor(&format!("w.{name}")), session.state(name).unwrap().unwrap());
            let difference: Vec<f32> =
                before.as_f32().unwrap().iter().zip(after.as_f32().unwrap()).map(|(b, a)| b - a).collect();
            let (got, want) = (
                Tensor::new(difference, before.shape()).unwrap(),
                golden.tensor(&format!("out.grad.{name}")),
            );
            // The difference is rounded like the weight.
            let bound = 1e-5 * largest(&want) + f32::EPSILON * largest(&before);
            assert!(
                distance(&got, &want) <= bound,
                "{name}: {} beyond {bound} on {target:?}",
                distance(&got, &want)
            );
        }
    }
}

#[test]
fn a_step_that_is_not_finite_changes_nothing() {
    let step = step_of(&classifier(), ADAMW, Some(1.0)).unwrap();
    let mut session = compile_for(&step.graph, Target::host()).unwrap().session();
    let mut rng = Rng::new(3);
    for learned in &step.learned {
        let decl = &step.graph.states[learned.state];
        session.set_state(&decl.name, &rng.floats(&sizes(&decl.ty.shape))).unwrap();
    }
    let good = rng.floats(&[4, 32]).as_f32().unwrap().to_vec();
    run(&mut session, &step, &good, &[1, 2, 3, 4], 1e-3);
    let names: Vec<String> = step.graph.states.iter().map(|s| s.name.clone()).collect();
    let all =
        |session: &Session| names.iter().map(|n| session.state(n).unwrap().unwrap()).collect::<Vec<_>>();
    let before = all(&session);
    for bad in [f32::NAN, f32::INFINITY, f32::MAX] {
        let mut x = good.clone();
        x[40] = bad;
        let [loss, norm] = run(&mut session, &step, &x, &[1, 2, 3, 4], 1e-3);
        assert!(!(loss + norm).is_finite(), "{bad}: {loss} and {norm}");
        for ((name, was), is) in names.iter().zip(&before).zip(all(&session)) {
            assert!(tancho_support::same_bits(was, &is), "{name} after {bad}");
        }
    }
    let [loss, _] = run(&mut session, &step, &good, &[1, 2, 3, 4], 1e-3);
    assert!(loss.is_finite(), "training goes on");
    assert!(all(&session).iter().zip(&before).any(|(a, b)| !tancho_support::same_bits(a, b)));
}

#[test]
fn every_optimiser_learns_and_is_what_the_interpreter_has() {
    let mut rng = Rng::new(5);
    let x = rng.floats(&[16, 32]);
    let y: Vec<i32> = (0..16).map(|i| i % 10).collect();
    for (optimizer, rate) in [
        (Optimizer::Sgd { momentum: 0.0, weight_decay: 0.0 }, 0.5f32),
        (Optimizer::Sgd { momentum: 0.9, weight_decay: 0.01 }, 0.03),
        (Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 }, 0.01),
        (ADAMW, 0.01),
        (Optimizer::Lion { beta1: 0.9, beta2: 0.99, weight_decay: 0.1 }, 0.003),
    ] {
        let step = step_of(&classifier(), optimizer, Some(10.0)).unwrap();
        let compiled = compile_for(&step.graph, Target::host()).unwrap();
        let plan = compiled.stage(&Stage::Plan).unwrap();
        // Only single numbers that all updates need are not updated in place.
        let beside =
            plan.split("new state ").skip(1).filter_map(|rest| rest.lines().next()?.parse::<usize>().ok());
        for state in beside.map(|state| &step.graph.states[state]) {
            assert!(state.ty.shape.is_empty(), "{optimizer:?}: {}\n{plan}", state.name);
        }
        let (mut one, mut two) = (compiled.session(), compiled.session_with_threads(1).unwrap());
        for learned in &step.learned {
            let decl = &step.graph.states[learned.state];
            let start: Vec<f32> =
                rng.floats(&sizes(&decl.ty.shape)).as_f32().unwrap().iter().map(|x| x * 0.2).collect();
            let start = Tensor::new(start, &*sizes(&decl.ty.shape)).unwrap();
            one.set_state(&decl.name, &start).unwrap();
            two.set_state(&decl.name, &start).unwrap();
        }
        let inputs = [x.clone(), Tensor::new(y.clone(), [16]).unwrap(), Tensor::new(vec![rate], []).unwrap()];
        let report = one.check_inputs(&views(&inputs)).unwrap();
        assert!(report.is_ok(), "{optimizer:?}\n{report}");
        let mut losses = Vec::new();
        for _ in 0..40 {
            losses.push(run(&mut one, &step, x.as_f32().unwrap(), &y, rate)[0]);
            run(&mut two, &step, x.as_f32().unwrap(), &y, rate);
        }
        assert!(losses[39] < 0.5 * losses[0], "{optimizer:?}: {losses:?}");
        for state in &step.graph.states {
            let (a, b) = (one.state(&state.name).unwrap().unwrap(), two.state(&state.name).unwrap().unwrap());
            assert!(tancho_support::same_bits(&a, &b), "{} on one thread and on more", state.name);
        }
    }
}

#[test]
fn what_cannot_be_learned_is_an_error() {
    let text = |body: &str| {
        Graph::parse(&format!(
            "network N<B>\ninput x: f32[B, 4]\nweight \"w\": f32[4] = ones{body}\n%0: f32[B, 4] = input(index = 0)\n\
             %1: f32[4] = weight(index = 0)\n%2: f32[] = sum(%0, over = (0, 1))\nreturn %2"
        ))
        .unwrap()
    };
    let sgd = Optimizer::Sgd { momentum: 0.0, weight_decay: 0.0 };
    let error = step_of(&text(""), sgd, None).unwrap_err().to_string();
    assert!(error.contains("no path leads to the loss from `w`") && error.contains("#[frozen]"), "{error}");
    let error = step_of(&text(", frozen"), sgd, None).unwrap_err().to_string();
    assert_eq!(error, "the network has no weight that is learned");
    let mut graph = classifier();
    graph.outputs[0] = Value(0);
    let error = step_of(&graph, sgd, None).unwrap_err().to_string();
    assert!(error.contains("gradients are those of one f32 number"), "{error}");
}

#[test]
fn states_are_given_values_that_fit() {
    let step = step_of(&classifier(), ADAMW, None).unwrap();
    let mut session = compile_for(&step.graph, Target::host()).unwrap().session();
    let wrong = Tensor::new(vec![0.0f32; 4], [4]).unwrap();
    let error = session.set_state("up.weight", &wrong).unwrap_err().to_string();
    assert_eq!(error, "the state `up.weight` must be f32[48, 32], but is given f32[4]");
    let error = session.set_state("down", &wrong).unwrap_err().to_string();
    assert!(error.contains("`down`") && error.contains("up.weight"), "{error}");
}
