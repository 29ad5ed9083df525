//! The text form of graphs: read, compiled and run. Types are mended after a change, so that most of what is
//! changed is still a graph.

use super::limited::Target;
use super::mutate::{lines, tokens, words};
use std::collections::HashMap;
use tancho::{AnyView, DType, Error, Graph, Tensor};
use tancho_support::graphs::{Flavour, Random};
use tancho_support::{Given, Rng, compile};

/// What words are changed to besides those of the text.
const WORDS: &[&str] = &[
    "add",
    "sub",
    "mul",
    "div",
    "max",
    "min",
    "swiglu",
    "eq",
    "lt",
    "neg",
    "exp",
    "log",
    "sqrt",
    "tanh",
    "gelu",
    "relu",
    "sigmoid",
    "matmul",
    "linear",
    "sum",
    "mean",
    "softmax",
    "layer_norm",
    "rms_norm",
    "l2_normalize",
    "reshape",
    "transpose",
    "expand",
    "slice",
    "concat",
    "gather",
    "attention",
    "argmax",
    "conv2d",
    "max_pool2d",
    "avg_pool2d",
    "rope",
    "constant",
    "given",
    "pad",
    "select",
    "cast",
    "f32",
    "i32",
    "bool",
    "bf16",
    "u8",
    "u32",
    "i64",
    "f16",
    "B",
    "S",
    "over",
    "axis",
    "axes",
    "start",
    "end",
    "step",
    "keep",
    "true",
    "false",
    "heads",
    "floor(B / 2)",
    "S - 1",
];

/// Elements of a value that is run, and of all weights.
const MOST: i64 = 30_000;

pub struct Texts;

/// Ops that take the same arguments.
const ALIKE: &[&[&str]] = &[
    &[
        "neg",
        "abs",
        "exp",
        "log",
        "sqrt",
        "rsqrt",
        "tanh",
        "erf",
        "sin",
        "cos",
        "relu",
        "relu6",
        "sigmoid",
        "silu",
        "gelu",
        "gelu_tanh",
    ],
    &["add", "sub", "mul", "div", "max", "min", "swiglu"],
    &["eq", "ne", "lt", "le", "gt", "ge"],
    &["sum", "mean", "softmax", "log_softmax", "layer_norm", "rms_norm", "argmax"],
    &["max_pool2d", "avg_pool2d"],
];

/// A node's line with something else that fits as well: an op of the same kind, an earlier value, a small
/// number.
fn likely(rng: &mut Rng, line: &str) -> String {
    let Some((head, tail)) = line.split_once(" = ").filter(|_| line.starts_with('%')) else {
        return words(rng, line, WORDS);
    };
    let Some((op, rest)) = tail.split_once('(') else { return line.into() };
    let here = head[1..].split(':').next().and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
    if rng.chance(30)
        && let Some(like) = ALIKE.iter().find(|ops| ops.contains(&op))
    {
        return format!("{head} = {}({rest}", rng.pick(like));
    }
    let all = tokens(rest);
    let numbers: Vec<usize> =
        (0..all.len()).filter(|&i| all[i].starts_with(|c: char| c.is_ascii_digit())).collect();
    if numbers.is_empty() {
        return line.into();
    }
    let at = rng.pick(&numbers);
    let value = at > 0 && all[at - 1] == "%";
    let new = if value { rng.below(here) } else { rng.below(6) }.to_string();
    let changed: String =
        all.iter().enumerate().map(|(i, t)| if i == at { new.as_str() } else { t }).collect();
    format!("{head} = {op}({changed}")
}

/// The text with the types that the shape rules give, as far as a graph can be read of it.
fn mended(mut text: String) -> Option<(Graph, String)> {
    for _ in 0..40 {
        let e = match Graph::parse(&text) {
            Ok(g) => return Some((g, text)),
            Err(e) => e.message,
        };
        let (value, rest) = e.split_once(" is stated to be ")?;
        let (said, is) = rest.split_once(" but is ")?;
        text = text.replacen(&format!("\n{value}: {said} ="), &format!("\n{value}: {is} ="), 1);
    }
    None
}

/// Small values for the run-time dims that inputs have.
fn dims(g: &Graph, rng: &mut Rng) -> HashMap<String, i64> {
    let mut all: HashMap<String, i64> =
        g.dims.iter().map(|d| (d.name.clone(), rng.pick(&[0, 1, 2, 3, 5, 17]))).collect();
    for s in &g.states {
        all.extend(s.grown_dim().map(|d| (d.to_string(), 0)));
    }
    all
}

/// Inputs for these dims; `None` if some value is too large to be computed here.
fn inputs(g: &Graph, dims: &HashMap<String, i64>, rng: &mut Rng) -> Option<Vec<Tensor>> {
    let value = |name: &str| dims.get(name).copied();
    let elements = |shape: &[tancho::Dim]| {
        shape.iter().try_fold(1i64, |n, d| n.checked_mul(d.eval(&value).unwrap_or(0).max(0)))
    };
    let small = |shape: &[tancho::Dim]| elements(shape).is_some_and(|n| n <= MOST);
    if !g.nodes.iter().all(|n| small(&n.ty.shape))
        || g.nodes.iter().any(|n| n.args.iter().any(|a| !small(&g.ty(*a).shape)))
    {
        return None;
    }
    let shape = |ty: &tancho_ir::Type| -> Option<Vec<usize>> {
        ty.shape.iter().map(|d| usize::try_from(d.eval(&value).ok()?).ok()).collect()
    };
    g.inputs
        .iter()
        .map(|i| {
            let shape = shape(&i.ty)?;
            Some(match i.ty.dtype {
                DType::F32 => rng.floats(&shape),
                DType::I32 => rng.ids(&shape, 5),
                DType::Bool => rng.flags(&shape),
                DType::Bf16 => return None,
            })
        })
        .collect()
}

impl Target for Texts {
    fn case(&self, seed: u64) -> Result<bool, String> {
        let mut rng = Rng::new(seed);
        let flavours = [
            Flavour::Mixed,
            Flavour::Rows,
            Flavour::Products,
            Flavour::Attention,
            Flavour::Moves,
            Flavour::Images,
        ];
        let r = Random::new(seed, 2 + rng.below(8), rng.pick(&flavours));
        let mut text = r.graph.to_string();
        for _ in 0..1 + rng.below(3) {
            let all: Vec<&str> = text.lines().collect();
            let at = rng.below(all.len());
            let changed = match rng.below(8) {
                0 => {
                    text = lines(&mut rng, &text);
                    continue;
                }
                1 => words(&mut rng, all[at], WORDS),
                _ => likely(&mut rng, all[at]),
            };
            // One line is changed, so that the rest still fits.
            text = all
                .iter()
                .enumerate()
                .map(|(i, line)| if i == at { changed.as_str() } else { line })
                .collect::<Vec<_>>()
                .join("\n");
        }
        let Some((g, text)) = mended(text) else { return Ok(false) };
        let at = |what: &str, e: &dyn std::fmt::Display| format!("{what}: {e}\n{text}");
        let printed = g.to_string();
        let again = Graph::parse(&printed).map_err(|e| at("what is printed is not read", &e))?;
        if again.to_string() != printed {
            return Err(at("the text form is another graph", &again));
        }
        // Weights beyond this take long to make.
        if g.weights.iter().any(|w| {
            w.ty.shape.iter().try_fold(1i64, |n, d| n.checked_mul(d.as_const()?)).is_none_or(|n| n > MOST)
        }) {
            return Ok(true);
        }
        let fault =
            |e: &str| ["not well formed", "Cranelift refused", "is not sound"].iter().any(|f| e.contains(f));
        let compiled = match compile(&g) {
            Ok(c) => c,
            Err(e) if fault(&e) => return Err(at("compile", &e)),
            Err(_) => return Ok(true),
        };
        let dims = dims(&g, &mut rng);
        let Some(x) = inputs(&g, &dims, &mut rng) else { return Ok(true) };
        let x: Vec<Given> = x.iter().zip(&g.inputs).map(|(x, i)| Given::new(x, i.given)).collect();
        let x: Vec<AnyView<'_>> = x.iter().map(Given::view).collect();
        match compiled.session().run_inputs(&x) {
            Err(e @ (Error::OutOfBuffer { .. } | Error::Graph(_))) => {
                return Err(at(&format!("run with {dims:?}"), &e));
            }
            Err(_) => return Ok(true),
            Ok(()) => {}
        }
        match compiled.first_divergence(&x) {
            Ok(Some(op)) => Err(at(&format!("{} with {dims:?}", op.label), &op.report)),
            Ok(None) => Ok(true),
            Err(e) if fault(&e.to_string()) => Err(at("compile with every value as a result", &e)),
            Err(_) => Ok(true),
        }
    }
}
