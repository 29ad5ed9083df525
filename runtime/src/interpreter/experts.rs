//! Mixtures of experts: the body of each expert for the rows whose ids name it.

use super::moves::checked_id;
use super::scan::Iteration;
use super::{Interpreter, count};
use crate::error::Error;
use crate::reserve::{collected, with_capacity};
use crate::tensor::{Tensor, TensorData};
use tancho_ir::op::Op;

/// What experts make of the rows that chose them. `out` is the shape of the result; `run` gives the result of
/// a body.
pub fn experts(
    around: &Interpreter<'_>,
    op: &Op,
    args: &[&Tensor],
    out: &[usize],
    run: Iteration<'_>,
    place: &dyn Fn() -> String,
) -> Result<Tensor, Error> {
    let Op::Experts { body, experts, routed } = *op else {
        return Err(Error::Graph("this is no mixture of experts".into()));
    };
    let graph = &around.graph.bodies[body];
    let own = graph.inputs.len() - routed;
    let mut chosen: Vec<usize> = with_capacity(args[0].len())?;
    for (at, &id) in args[0].as_i32().unwrap_or_default().iter().enumerate() {
        chosen.push(checked_id(id, at, experts, args[0].shape(), place)?);
    }
    let (each, width) = (out[1].max(1), count(&out[2..]));
    let dtype = graph.ty(graph.outputs[0]).dtype;
    // Results in the order of experts, and where the result of each place is among them.
    let mut results = TensorData::with_capacity(dtype, count(out))?;
    let (mut at, mut done) = (collected(chosen.len(), chosen.iter().map(|_| 0))?, 0);
    for e in 0..experts {
        let places: Vec<usize> = (0..chosen.len()).filter(|i| chosen[*i] == e).collect();
        if places.is_empty() {
            continue;
        }
        let rows = graph.rows.as_deref().unwrap_or_default();
        let inside = Interpreter::new(graph, around.dims.clone().with(rows, places.len() as i64))?;
        let mut inputs = Vec::new();
        for x in &args[1..=routed] {
            let n = count(&x.shape()[1..]);
            let elements = places.iter().flat_map(|p| p / each * n..(p / each + 1) * n);
            let shape: Vec<usize> =
                std::iter::once(places.len()).chain(x.shape()[1..].iter().copied()).collect();
            inputs.push(Tensor::from_parts(x.data().pick(places.len() * n, elements)?, &shape));
        }
        let first = 1 + routed + e * own;
        inputs.extend(args[first..first + own].iter().map(|w| w.copied()).collect::<Result<Vec<_>, _>>()?);
        for made in run(&inside, &inputs, e as u64)? {
            results.append(made.data(), 0..made.len());
        }
        for place in places {
            at[place] = done;
            done += 1;
        }
    }
    let elements = at.iter().flat_map(|row| row * width..(row + 1) * width);
    Ok(Tensor::from_parts(results.pick(count(out), elements)?, out))
}
