//! Loops over an axis whose length is known at run time: what holds of their bodies, and the graph that is
//! compiled for one.

use crate::bodies::{inside, is_inlined, same};
use crate::dim::Dim;
use crate::graph::{Graph, Value};
use crate::infer::{At, ShapeError};
use crate::op::Op;
use crate::passes::remove_dead;
use crate::types::Type;

/// The type of a node of a loop: that of the body's result, with the length of the loop before it if it is
/// stacked.
///
/// # Errors
/// An argument or a result does not fit the body.
pub(crate) fn infer(graph: &Graph, op: &Op, args: &[Value]) -> Result<Type, ShapeError> {
    let Op::Scan { body, result, sequences, carried, .. } = op else {
        return Err(ShapeError::new("this is no scan"));
    };
    let Some(inside) = graph.bodies.get(*body).filter(|body| body.rows.is_none()) else {
        return Err(ShapeError::new(format!("there is no body {body} of a loop")));
    };
    let (sequences, carried) = (*sequences, *carried);
    if sequences == 0 || sequences.saturating_add(carried) > args.len() || args.len() != inside.inputs.len() {
        return Err(ShapeError::new(format!(
            "a scan of {sequences} sequences and {carried} carried values has {} arguments, and its body {} inputs",
            args.len(),
            inside.inputs.len()
        )));
    }
    let facts = graph.facts();
    let first = graph.label(args[0]);
    let mut len: Option<&Dim> = None;
    for (i, (&a, input)) in args.iter().zip(&inside.inputs).enumerate() {
        let ty = graph.ty(a);
        let given = if i < sequences {
            let Some((n, element)) = ty.shape.split_first() else {
                let message = format!("`{}` has no axis that a scan could go along", graph.label(a));
                return Err(ShapeError::new(message).at(At::Arg(i)));
            };
            if let Some(len) = len.filter(|len| *len != n) {
                return Err(unequal(&first, len, &graph.label(a), n).at(At::Arg(i)));
            }
            len = Some(n);
            Type::new(ty.dtype, element.to_vec())
        } else {
            ty.clone()
        };
        if !same(&facts, &given, &input.ty) {
            let message = format!("an iteration takes {} for `{}`, not {given}", input.ty, input.name);
            return Err(ShapeError::new(message).at(At::Arg(i)));
        }
    }
    for (at, input) in (0..carried).zip(&inside.inputs[sequences..]) {
        let Some(becomes) = inside.outputs.get(at).map(|v| inside.ty(*v)) else {
            return Err(ShapeError::new(format!("the body does not say what `{}` becomes", input.name)));
        };
        if !same(&facts, becomes, &input.ty) {
            return Err(ShapeError::new(format!(
                "`{}` is carried from one iteration to the next as {}, but becomes {becomes}",
                input.name, input.ty
            )));
        }
    }
    let (Some(v), Some(len)) = (inside.outputs.get(*result), len) else {
        return Err(ShapeError::new(format!("the body has no result {result}")));
    };
    let mut ty = inside.ty(*v).clone();
    if *result >= carried {
        ty.shape.insert(0, len.clone());
    }
    Ok(facts.reduce_type(ty))
}

/// That sequences are not equally long.
pub(crate) fn unequal(first: &str, len: &Dim, other: &str, n: &Dim) -> ShapeError {
    ShapeError::new("the sequences of a scan are not equally long")
        .fact(format!("`{first}` has {len} elements along the axis"))
        .fact(format!("`{other}` has {n}"))
}

/// A loop as it is compiled.
#[derive(Clone, Debug)]
pub struct Loop {
    /// The body: it has the weights of the network, and those of its inputs that are no weights.
    pub body: Graph,
    /// The arguments that its inputs are, by number.
    pub inputs: Vec<usize>,
    /// How many of the inputs are sequences, and how many of those after them are carried.
    pub sequences: usize,
    /// See `sequences`.
    pub carried: usize,
    /// The last element of the sequences comes first.
    pub backwards: bool,
    /// The nodes that its results are: all that are carried, and stacked ones that anything reads.
    pub results: Vec<Option<Value>>,
}

/// The loop that this node is of.
///
/// # Errors
/// A shape of the body cannot be inferred again, which is a fault of this function.
pub fn of(graph: &Graph, v: Value) -> Result<Option<Loop>, ShapeError> {
    let node = graph.node(v);
    let Op::Scan { body, sequences, carried, backwards, .. } = node.op else { return Ok(None) };
    let Some(old) = graph.bodies.get(body) else { return Ok(None) };
    let given: Vec<usize> = (0..old.inputs.len()).filter(|i| !is_inlined(graph, v, *i)).collect();
    let (mut new, map) = inside(graph, old, &node.args, &given)?;
    let mut nodes: Vec<Option<Value>> = vec![None; old.outputs.len()];
    for u in graph.values() {
        if let Op::Scan { body: b, result, .. } = graph.node(u).op
            && b == body
            && let Some(slot) = nodes.get_mut(result)
        {
            *slot = Some(u);
        }
    }
    let mut results = Vec::new();
    for (i, (node, output)) in nodes.into_iter().zip(&old.outputs).enumerate() {
        if i < carried || node.is_some() {
            results.push(node);
            new.outputs.push(map[output.index()]);
        }
    }
    Ok(Some(Loop { body: remove_dead::run(&new)?, inputs: given, sequences, carried, backwards, results }))
}

/// Makes the named values of a graph's loops results of these loops, stacked along the first axis. Gives each
/// with the first node of its loop.
///
/// # Errors
/// A value has too many axes to be stacked.
pub fn stack_named(graph: &mut Graph) -> Result<Vec<(Value, Value)>, ShapeError> {
    let mut stacked = Vec::new();
    for number in 0..graph.bodies.len() {
        let of_body = |v: &Value| matches!(graph.node(*v).op, Op::Scan { body, .. } if body == number);
        let Some(first) = graph.values().find(of_body) else { continue };
        let mut body = graph.bodies[number].clone();
        let deeper: Vec<Value> = stack_named(&mut body)?.into_iter().map(|(_, v)| v).collect();
        let is_named = |v: &Value| body.node(*v).name.is_some() && !matches!(body.node(*v).op, Op::Input(_));
        let mut named: Vec<Value> = body.values().filter(is_named).collect();
        named.extend(deeper.iter().filter(|v| !is_named(v)));
        let results = body.outputs.len();
        body.outputs.extend(&named);
        let names: Vec<_> =
            named.iter().map(|v| body.node(*v)).map(|n| (n.name.clone(), n.source.clone())).collect();
        graph.bodies[number] = body;
        let (args, mut op) = (graph.node(first).args.clone(), graph.node(first).op.clone());
        for (i, (name, source)) in names.into_iter().enumerate() {
            if let Op::Scan { result, .. } = &mut op {
                *result = results + i;
            }
            let v = graph.push(op.clone(), &args, source)?;
            graph.nodes[v.index()].name = name;
            stacked.push((first, v));
        }
    }
    Ok(stacked)
}
