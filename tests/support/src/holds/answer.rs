//! What the interpreter answers, and how far an answer may be off, which depends on the conditioning of the
//! network.

use crate::{Rng, same_bits};
use tancho::inspect::Interpreter;
use tancho::{Compiled, Graph, Tensor};
use tancho_ir::op::Op;

/// How far each f32 result of an op is moved, relative to its scale, to find out what errors of ops lead to.
pub const NOISE: f64 = 1e-6;

/// How far an element may be off.
#[derive(Clone, Copy)]
pub struct Allowed {
    /// As a part of the largest number in its row.
    pub of_row: f64,
    /// And as a multiple of what noise changed in its row.
    pub of_noise: f64,
}

/// The results of a graph, exact and with noise.
pub struct Answer<'a> {
    weights: &'a Compiled,
    /// Every result.
    pub exact: Vec<Tensor>,
    /// The same three times, with every f32 value moved at random by up to [`NOISE`] of its scale.
    noisy: Vec<Vec<Tensor>>,
}

impl<'a> Answer<'a> {
    pub fn new(g: &Graph, inputs: &[Tensor], weights: &'a Compiled) -> Result<Answer<'a>, String> {
        let noisy = (0..3).map(|seed| interpret(g, inputs, weights, Some(seed))).collect::<Result<_, _>>()?;
        Ok(Answer { weights, exact: interpret(g, inputs, weights, None)?, noisy })
    }

    /// The results of another form of the graph.
    pub fn of(&self, g: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
        interpret(g, inputs, self.weights, None)
    }

    /// The first element of result `i` that is further from `want` than is allowed. What is not f32 must be
    /// equal.
    pub fn difference(&self, i: usize, got: &Tensor, want: &Tensor, allowed: Allowed) -> Option<String> {
        let (Some(x), Some(y)) = (got.as_f32(), want.as_f32()) else {
            return (!same_bits(want, got)).then(|| format!("it is\n{got}\nnot\n{want}"));
        };
        if got.shape() != want.shape() {
            return Some(format!("its shape is {:?}, not {:?}", got.shape(), want.shape()));
        }
        let exact = self.exact[i].as_f32().unwrap_or_default();
        let row = want.shape().last().copied().unwrap_or(1).max(1);
        for (j, (x, y)) in x.chunks(row).zip(y.chunks(row)).enumerate() {
            let finite = y.iter().filter(|v| v.is_finite());
            let largest = finite.fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
            let mut change = 0.0f64;
            for noisy in &self.noisy {
                let noisy = noisy[i].as_f32().unwrap_or_default();
                let rows = noisy[j * row..][..row].iter().zip(&exact[j * row..][..row]);
                let moved = rows.map(|(a, b)| f64::from(a - b).abs()).filter(|d| d.is_finite());
                change = moved.fold(change, f64::max);
            }
            let most = allowed.of_row * largest + allowed.of_noise * change + f64::from(f32::MIN_POSITIVE);
            let right =
                |x: f32, y: f32| x == y || (x.is_nan() && y.is_nan()) || f64::from(x - y).abs() <= most;
            if let Some((x, y)) = x.iter().zip(y).find(|(x, y)| !right(**x, **y)) {
                return Some(format!("in row {j} an element is {x:e}, not {y:e}; allowed is {most:e}"));
            }
        }
        None
    }
}

/// Whether an op computes nothing that may be off.
fn is_exact(op: &Op) -> bool {
    matches!(
        op,
        Op::Input(_)
            | Op::Weight(_)
            | Op::Const(_)
            | Op::Reshape(_)
            | Op::Transpose(_)
            | Op::Expand(_)
            | Op::Slice { .. }
            | Op::Concat { .. }
            | Op::Gather
            | Op::OptimizationBarrier
    )
}

/// The results of a graph by the interpreter, with noise of a seed if there is one.
fn interpret(
    g: &Graph,
    inputs: &[Tensor],
    weights: &Compiled,
    noise: Option<u64>,
) -> Result<Vec<Tensor>, String> {
    let err = |e: tancho::Error| e.to_string();
    let t = Interpreter::for_inputs(g, inputs).map_err(err)?;
    let mut all: Vec<Tensor> = Vec::with_capacity(g.nodes.len());
    let mut rng = noise.map(Rng::new);
    for v in g.values() {
        let node = g.node(v);
        let args: Vec<&Tensor> = node.args.iter().map(|a| &all[a.index()]).collect();
        let mut y = match node.op {
            Op::Input(i) => inputs[i].clone(),
            Op::Weight(i) => {
                weights.weights().at(i).ok_or("a weight is missing")?.to_tensor().map_err(err)?
            }
            _ => t.eval_node(v, &args).map_err(err)?,
        };
        if let (Some(rng), Some(data), false) = (&mut rng, y.as_f32(), is_exact(&node.op)) {
            let scale = t.error_scale(v, &args, &y).map_err(err)?;
            y = Tensor::new(moved(rng, data, y.shape(), scale.as_deref()), y.shape())
                .map_err(|e| e.to_string())?;
        }
        all.push(y);
    }
    Ok(g.outputs.iter().map(|o| all[o.index()].clone()).collect())
}

/// Elements moved at random by up to [`NOISE`] of their scale, which is that of their op, or the largest
/// number in their row.
fn moved(rng: &mut Rng, data: &[f32], shape: &[usize], scale: Option<&[f64]>) -> Vec<f32> {
    let row = shape.last().copied().unwrap_or(1).max(1);
    let of_row = |i: usize| {
        let row = data[i / row * row..][..row].iter().filter(|x| x.is_finite());
        f64::from(row.fold(0.0f32, |m, x| m.max(x.abs())))
    };
    let by = |i: usize| NOISE * scale.map_or_else(|| of_row(i), |s| s[i]);
    data.iter().enumerate().map(|(i, x)| x + by(i) as f32 * rng.float()).collect()
}
