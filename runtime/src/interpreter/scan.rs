//! Loops: the body for one element of the sequences after the other.

use super::{Interpreter, count};
use crate::error::Error;
use crate::reserve::collected;
use crate::tensor::{Tensor, TensorData};
use tancho_ir::op::Op;

/// One iteration: the body, its inputs and the number of the iteration give its results.
pub type Iteration<'i> = &'i dyn Fn(&Interpreter<'_>, &[Tensor], u64) -> Result<Vec<Tensor>, Error>;

/// One result of a loop: a carried value as the last iteration leaves it, or what is stacked. `out` is its
/// shape.
pub fn scan(
    around: &Interpreter<'_>,
    op: &Op,
    args: &[&Tensor],
    out: &[usize],
    iteration: Iteration<'_>,
) -> Result<Tensor, Error> {
    let Op::Scan { body, result, sequences, carried, backwards } = *op else {
        return Err(Error::Graph("this is no scan".into()));
    };
    let graph = &around.graph.bodies[body];
    let inside = Interpreter::new(graph, around.dims.clone())?;
    let len = args[0].shape()[0];
    let mut values: Vec<Tensor> = args[sequences..].iter().map(|t| t.copied()).collect::<Result<_, _>>()?;
    let mut elements: Vec<Tensor> = Vec::new();
    for i in 0..len {
        let at = if backwards { len - 1 - i } else { i };
        let mut inputs: Vec<Tensor> =
            args[..sequences].iter().map(|t| element(t, at)).collect::<Result<_, _>>()?;
        inputs.extend(values.iter().map(Tensor::copied).collect::<Result<Vec<_>, _>>()?);
        let mut results = iteration(&inside, &inputs, i as u64)?.into_iter();
        values.iter_mut().take(carried).zip(results.by_ref()).for_each(|(value, next)| *value = next);
        if let Some(stacked) = result.checked_sub(carried) {
            elements.extend(results.nth(stacked));
        }
    }
    if result < carried {
        return Ok(values.swap_remove(result));
    }
    if backwards {
        elements.reverse();
    }
    let dtype = graph.ty(graph.outputs[result]).dtype;
    let mut data = TensorData::with_capacity(dtype, count(out))?;
    elements.iter().for_each(|e| data.append(e.data(), 0..e.len()));
    Ok(Tensor::from_parts(data, out))
}

/// An iteration as the interpreter runs it.
pub fn exact(inside: &Interpreter<'_>, inputs: &[Tensor], _: u64) -> Result<Vec<Tensor>, Error> {
    inside.run(inputs, &no_weights)
}

/// A body has no weights: they are inputs of it.
pub fn no_weights(_: usize) -> Result<Tensor, Error> {
    Err(Error::Graph("the body of a loop has no weights".into()))
}

/// The element of that number along the first axis.
fn element(t: &Tensor, at: usize) -> Result<Tensor, Error> {
    let shape = &t.shape()[1..];
    let n = count(shape);
    let places: Vec<usize> = collected(n, at * n..(at + 1) * n)?;
    Ok(Tensor::from_parts(t.data().pick(n, places.into_iter())?, shape))
}
