//! How far the results of a right network may be from the reference.
//!
//! The error of an op is measured on a scale of its own; a result has the errors of all ops before it, each
//! multiplied by what came after. Where these cancel, or where `relu` leaves one small number of a row, they
//! are large beside the result without being a fault. So the reference is computed again a few times with
//! each op off at random, by some times what it was seen to be off by itself: how far the results move is how
//! far right ones may be from the reference. That holds for whatever the ops are, also for those that jump: a
//! comparison of two numbers that are equal but for rounding falls either way. What was seen counts, and not
//! what would be right, because in deep networks a hundred times the rounding of every op hides a fault.

use crate::error::Error;
use crate::inspect::compare::{largest_in_rows, wide};
use crate::inspect::report::BOUND;
use crate::interpreter::Interpreter;
use crate::interpreter::experts::experts;
use crate::interpreter::scan::{no_weights, scan};
use crate::tensor::bf16;
use crate::tensor::{Tensor, TensorData};
use tancho_ir::op::{Binary, Op, Pooling, Reduction, Unary};
use tancho_ir::{Graph, Value};

/// How often the reference is computed at most. Each error is at least half of what it may be, and its sign
/// is random: that errors which are not small in a kernel cancel in all of so many does not happen.
pub const TRIES: u64 = 16;

/// Ops are off by so many times the largest error that was seen of them alone: fused with others they may be
/// off by more.
const MORE: f64 = 8.0;

/// And by so much at least, a few units in the last place of what it is measured on: an op that was exact
/// alone need not be so with others.
const LEAST: f64 = 4.0 * f32::EPSILON as f64;

/// Results may be this many times as far from the reference as they were seen to move.
const MARGIN: f64 = 2.0;

/// Every value of a run in which each op is off, as much as its error by itself allows.
///
/// # Errors
/// An id that was computed is out of range.
pub fn run(
    graph: &Graph,
    interpreter: &Interpreter<'_>,
    right: &[Tensor],
    errors: &[f64],
    seed: u64,
) -> Result<Vec<Tensor>, Error> {
    let mut all: Vec<Tensor> = Vec::with_capacity(right.len());
    for v in graph.values() {
        let node = graph.node(v);
        let value = if node.args.is_empty() {
            right[v.index()].clone()
        } else {
            let args: Vec<&Tensor> = node.args.iter().map(|a| &all[a.index()]).collect();
            let value = interpreter.eval_node(v, &args)?;
            match is_exact(&node.op) {
                true => value,
                false => {
                    let scale =
                        interpreter.error_scale(v, &args, &value)?.unwrap_or_else(|| largest_in_rows(&value));
                    moved(value, &scale, (MORE * errors[v.index()]).clamp(LEAST, BOUND), Random::new(seed, v))
                }
            }
        };
        all.push(value);
    }
    Ok(all)
}

/// How often an op with a body is run to see how its errors grow.
const TRIES_OF_BODIES: u64 = 4;

/// The scale of the error of what is made by a body. An iteration of a loop has the errors of those before
/// it, so the op is run with each op of its body off at random, by an eighth of what an op may be off.
///
/// # Errors
/// As [`Interpreter::eval_node`].
pub fn scale_of_bodies(
    around: &Interpreter<'_>,
    v: Value,
    args: &[&Tensor],
    right: &Tensor,
) -> Result<Vec<f64>, Error> {
    let mut reach: Vec<f64> = largest_in_rows(right).into_iter().map(|largest| largest * BOUND).collect();
    for seed in 0..TRIES_OF_BODIES {
        let iteration = |inside: &Interpreter<'_>, inputs: &[Tensor], i: u64| {
            let exact = inside.run_all(inputs, &no_weights)?;
            let errors = vec![BOUND / (8.0 * MORE); exact.len()];
            let all = run(inside.graph(), inside, &exact, &errors, (i + 1) * TRIES_OF_BODIES + seed)?;
            Ok(inside.graph().outputs.iter().map(|o| all[o.index()].clone()).collect())
        };
        let node = around.graph().node(v);
        let seen = match node.op {
            Op::Experts { .. } => {
                experts(around, &node.op, args, right.shape(), &iteration, &|| node.source.to_string())?
            }
            _ => scan(around, &node.op, args, right.shape(), &iteration)?,
        };
        widen(&mut reach, &seen, right);
    }
    Ok(reach.into_iter().map(|reach| reach / BOUND).collect())
}

/// How far a tensor may be from the reference, as seen so far; infinite where it may be no number.
pub fn widen(reach: &mut [f64], seen: &Tensor, right: &Tensor) {
    for ((reach, seen), right) in reach.iter_mut().zip(wide(seen)).zip(wide(right)) {
        let same = seen == right || (seen.is_nan() && right.is_nan());
        let distance = if same { 0.0 } else { (seen - right).abs() * MARGIN };
        *reach = reach.max(if distance.is_nan() { f64::INFINITY } else { distance });
    }
}

/// Ops that only move or choose numbers, change their signs or make whole numbers of them.
fn is_exact(op: &Op) -> bool {
    matches!(
        op,
        Op::Unary(Unary::Neg | Unary::Abs | Unary::Relu | Unary::Relu6 | Unary::Not)
            | Op::Unary(Unary::Floor | Unary::Round | Unary::Sign)
            | Op::Binary(Binary::Max | Binary::Min)
            | Op::Reduce { kind: Reduction::Max | Reduction::Min, .. }
            | Op::Pool2d { kind: Pooling::Max, .. }
            | Op::Select
            | Op::Cast(_)
            | Op::Argmax { .. }
            | Op::Reshape(_)
            | Op::Transpose(_)
            | Op::Expand(_)
            | Op::Slice { .. }
            | Op::Concat { .. }
            | Op::Push { .. }
            | Op::Gather
            | Op::Flip { .. }
            | Op::TopK { .. }
            | Op::TakeAlong { .. }
            | Op::Flatten { .. }
            | Op::UpsampleNearest { .. }
            | Op::Pad { .. }
            | Op::Dropout { .. }
            | Op::StopGradient
            | Op::OptimizationBarrier
    )
}

/// Each element off by a half to all of `by` on its scale. Integers and bools are exact.
fn moved(t: Tensor, scale: &[f64], by: f64, mut random: Random) -> Tensor {
    let mut off = |x: f64, scale: f64| {
        let by = by * scale * random.sign_and_size();
        // Infinite arguments have no scale.
        if by.is_finite() { x + by } else { x }
    };
    let shape = t.shape().to_vec();
    let data = match t.into_data() {
        TensorData::F32(x) => {
            TensorData::F32(x.iter().zip(scale).map(|(x, s)| off(f64::from(*x), *s) as f32).collect())
        }
        TensorData::Bf16(x) => TensorData::Bf16(
            x.iter().zip(scale).map(|(x, s)| bf16::from_f64(off(f64::from(*x), *s))).collect(),
        ),
        exact => exact,
    };
    Tensor::from_parts(data, &shape)
}

/// Random numbers that depend on the try and the value (splitmix64).
struct Random(u64);

impl Random {
    fn new(seed: u64, v: Value) -> Random {
        Random((seed << 32) ^ v.index() as u64)
    }

    /// A number from 0.5 to 1, or its negative.
    fn sign_and_size(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        let size = 0.5 + (z >> 12) as f64 / (1u64 << 53) as f64;
        if z & 1 == 0 { size } else { -size }
    }
}
