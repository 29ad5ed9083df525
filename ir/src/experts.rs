//! Mixtures of experts: each row of values goes through the body of the expert that an id chooses for it,
//! with the weights of that expert. What holds of their bodies, and the graphs that are compiled for one.

use crate::bodies::{inside, is_inlined, same};
use crate::dim::Dim;
use crate::graph::{Graph, Value};
use crate::infer::{At, ShapeError};
use crate::op::Op;
use crate::passes::remove_dead;
use crate::types::{DType, MAX_RANK, Type};

/// The type of a mixture: `[N, K, ..]` for `[N, K]` ids, where `..` is what the body makes of a row.
///
/// # Errors
/// An argument or the result does not fit the body.
pub(crate) fn infer(graph: &Graph, op: &Op, args: &[Value]) -> Result<Type, ShapeError> {
    let Op::Experts { body, experts, routed } = *op else {
        return Err(ShapeError::new("this is no mixture of experts"));
    };
    let Some((inside, rows)) = graph.bodies.get(body).and_then(|b| Some((b, Dim::sym(b.rows.as_ref()?))))
    else {
        return Err(ShapeError::new(format!("there is no body {body} of experts")));
    };
    let own = inside.inputs.len().checked_sub(routed).filter(|_| routed > 0 && experts > 0);
    let wanted = own.and_then(|own| own.checked_mul(experts)?.checked_add(routed)?.checked_add(1));
    let (Some(own), true) = (own, wanted == Some(args.len())) else {
        return Err(ShapeError::new(format!(
            "{experts} experts for the rows of {routed} values have {} arguments, and their body {} inputs",
            args.len(),
            inside.inputs.len()
        )));
    };
    let ids = graph.ty(args[0]);
    let [n, k] = ids.shape.as_slice() else {
        return Err(ShapeError::new(format!("experts are chosen by i32 ids of two axes, not by {ids}"))
            .at(At::Arg(0)));
    };
    if ids.dtype != DType::I32 {
        return Err(ShapeError::new(format!("experts are chosen by i32 ids, not by {ids}")).at(At::Arg(0)));
    }
    let facts = graph.facts();
    let of_rows = |d: &Dim| d.syms().iter().any(|s| Some(s) == inside.rows.as_ref());
    for (i, &a) in args.iter().enumerate().skip(1) {
        let input = &inside.inputs[if i <= routed { i - 1 } else { routed + (i - 1 - routed) % own }];
        let mut given = graph.ty(a).clone();
        if i <= routed {
            if given.shape.first() != Some(n) {
                let message = format!("`{}` has not as many rows as there are ids", graph.label(a));
                let e = ShapeError::new(message)
                    .fact(format!("it is {given}"))
                    .fact(format!("the ids are {ids}"));
                return Err(e.at(At::Arg(i)));
            }
            given.shape[0] = rows.clone();
        }
        let apart = if i <= routed { &input.ty.shape[1.min(input.ty.rank())..] } else { &input.ty.shape[..] };
        if !same(&facts, &given, &input.ty) || apart.iter().any(of_rows) {
            let message = format!("an expert takes {} for `{}`, not {given}", input.ty, input.name);
            return Err(ShapeError::new(message).at(At::Arg(i)));
        }
    }
    let [result] = inside.outputs.as_slice() else {
        return Err(ShapeError::new("experts have one result"));
    };
    let made = inside.ty(*result);
    let Some((_, row)) =
        made.shape.split_first().filter(|(first, row)| **first == rows && !row.iter().any(of_rows))
    else {
        return Err(ShapeError::new(format!("an expert gives a row for each of its rows, and not {made}")));
    };
    if row.len() + 2 > MAX_RANK {
        return Err(ShapeError::new(format!(
            "experts that give {made} would make more than {MAX_RANK} axes"
        )));
    }
    let shape = [n, k].into_iter().chain(row).cloned().collect();
    Ok(facts.reduce_type(Type::new(made.dtype, shape)))
}

/// The graph that is compiled for each expert: the inputs are its rows, and the weights are inlined.
///
/// # Errors
/// A weight of an expert is none of the network, or a shape cannot be inferred again.
pub fn of(graph: &Graph, v: Value) -> Result<Vec<Graph>, ShapeError> {
    let node = graph.node(v);
    let Op::Experts { body, experts, routed } = node.op else { return Ok(Vec::new()) };
    let Some(body) = graph.bodies.get(body) else { return Ok(Vec::new()) };
    let given: Vec<usize> = (0..routed).collect();
    let own = body.inputs.len() - routed;
    if let Some(i) = (1 + routed..node.args.len()).find(|i| !is_inlined(graph, v, *i)) {
        let message =
            format!("`{}` is computed, but experts differ in their weights alone", graph.label(node.args[i]));
        return Err(ShapeError::new(message).at(At::Arg(i)));
    }
    let expert = |e: usize| {
        let first = 1 + routed + e * own;
        let args: Vec<Value> =
            node.args[1..=routed].iter().chain(&node.args[first..first + own]).copied().collect();
        let (mut new, map) = inside(graph, body, &args, &given)?;
        new.outputs = body.outputs.iter().map(|o| map[o.index()]).collect();
        remove_dead::run(&new)
    };
    (0..experts).map(expert).collect()
}
