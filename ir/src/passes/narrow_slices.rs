//! Computes only what is read: where all readers of a value read the same part of one axis, ops that work row
//! by row are given that part alone. The logits of the last position need one row of the last block but for
//! its keys and values.

use super::{Rewriter, remove_dead};
use crate::dim::Dim;
use crate::graph::{Graph, Value};
use crate::infer::ShapeError;
use crate::op::{Op, Parts};

/// Indices `start..end` of an axis.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    axis: usize,
    start: Dim,
    end: Dim,
}

/// What is read of a value.
#[derive(Clone, Debug, PartialEq)]
enum Read {
    Nothing,
    Part(Part),
    All,
}

/// Runs the pass.
pub fn run(old: &Graph) -> Result<Graph, ShapeError> {
    if !old.nodes.iter().any(|n| matches!(n.op, Op::Slice { .. })) {
        return Ok(old.clone());
    }
    // A value without readers has no influence on what is computed.
    let old = &remove_dead::run(old)?;
    let mut read = vec![Read::Nothing; old.nodes.len()];
    for r in old.results() {
        read[r.index()] = Read::All;
    }
    for v in old.values().collect::<Vec<_>>().into_iter().rev() {
        if matches!(&read[v.index()], Read::Part(p) if !can(old, v, p)) {
            read[v.index()] = Read::All;
        }
        for i in 0..old.node(v).args.len() {
            let wanted = wanted(old, v, i, &read[v.index()]);
            let a = &mut read[old.node(v).args[i].index()];
            *a = match std::mem::replace(a, Read::All) {
                Read::Nothing => wanted,
                before if before == wanted => wanted,
                _ => Read::All,
            };
        }
    }
    if !read.iter().any(|r| matches!(r, Read::Part(_))) {
        return Ok(old.clone());
    }
    Rewriter::run(old, |r, v, args| {
        let node = old.node(v);
        if let (Op::Slice { .. }, [a]) = (&node.op, node.args.as_slice()) {
            // Its argument may be the part already.
            return Ok(matches!(read[a.index()], Read::Part(_)).then(|| args[0]));
        }
        let mut args = args.to_vec();
        for (i, a) in node.args.iter().enumerate() {
            if let (Read::Part(p), Read::All) = (wanted(old, v, i, &read[v.index()]), &read[a.index()]) {
                let cut = Op::Slice { axis: p.axis, start: p.start, end: p.end, step: Dim::constant(1) };
                args[i] = r.push(cut, &[args[i]], v)?;
            }
        }
        r.push(node.op.clone(), &args, v).map(Some)
    })
}

/// What `v` reads of argument `i`, if `read` is read of its result.
fn wanted(graph: &Graph, v: Value, i: usize, read: &Read) -> Read {
    let node = graph.node(v);
    let shape = &graph.ty(node.args[i]).shape;
    let part = match (&node.op, read) {
        (Op::Slice { axis, start, end, step }, Read::All) if step.is(1) => {
            return Read::Part(Part { axis: *axis, start: start.clone(), end: end.clone() });
        }
        (_, Read::Part(p)) => p,
        (_, Read::Nothing | Read::All) => return read.clone(),
    };
    let whole = &node.ty.shape;
    let same = |axis: usize| Read::Part(Part { axis, ..part.clone() });
    match node.op.parts() {
        Parts::Elementwise => match (part.axis + shape.len()).checked_sub(whole.len()) {
            // Arguments of fewer axes are along the last ones.
            Some(axis) if shape[axis] == whole[part.axis] => same(axis),
            _ => Read::All,
        },
        Parts::Permuted(order) => same(order[part.axis]),
        Parts::Outside(_) | Parts::Rows | Parts::Queries { .. } if i == 0 => same(part.axis),
        Parts::Outside(_) | Parts::Rows | Parts::Queries { .. } | Parts::Whole => Read::All,
    }
}

/// Whether an op can compute a part of its result from parts of its arguments.
fn can(graph: &Graph, v: Value, part: &Part) -> bool {
    let node = graph.node(v);
    let (axis, rank) = (part.axis, node.ty.rank());
    match node.op.parts() {
        Parts::Elementwise => node.args.iter().any(|a| {
            let shape = &graph.ty(*a).shape;
            (axis + shape.len()).checked_sub(rank).is_some_and(|i| shape[i] == node.ty.shape[axis])
        }),
        Parts::Permuted(_) => true,
        Parts::Outside(axes) => !axes.contains(&axis),
        // The other operand of a matmul is one matrix for all rows.
        Parts::Rows => axis + 1 < rank && graph.ty(node.args[1]).rank() == 2,
        Parts::Queries { ordered } => axis + 2 == rank && (!ordered || part.end == node.ty.shape[axis]),
        Parts::Whole => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECODER: &str = "network N<B, S>
input x: f32[B, S, 8]
weight \"w\": f32[8, 8] = xavier
weight \"v\": f32[5, 8] = xavier
%0: f32[B, S, 8] = input(index = 0)
%1: f32[8, 8] = weight(index = 0)
%2: f32[5, 8] = weight(index = 1)
%3: f32[B, S, 8] = linear(%0, %1)
%4: f32[B, S, 8] = attention(%3, %0, %0, heads = 2, causal = true)
%5: f32[B, S, 8] = add(%0, %4)
%6: f32[B, S, 8] = layer_norm(%5, over = (2,))
%7: f32[B, 1, 8] = slice(%6, axis = (1,), start = S - 1, end = S)
%8: f32[B, 1, 5] = linear(%7, %2)
return %8";

    #[test]
    fn only_the_last_row_is_computed() {
        let g = Graph::parse(DECODER).unwrap();
        let n = run(&g).unwrap();
        assert_eq!(crate::verify::verify(&n), Ok(()), "{n}");
        let of = |name: &str| {
            n.nodes.iter().find(|n| crate::table::name_of(&n.op) == name).unwrap().ty.to_string()
        };
        for op in ["attention", "add", "layer_norm"] {
            assert_eq!(of(op), "f32[B, 1, 8]", "{n}");
        }
        // Another part than the end would stand elsewhere among the keys; a whole reader needs all.
        for changed in [
            DECODER.replace("start = S - 1, end = S)", "start = 0, end = 1)"),
            DECODER.replace("return %8", "return %8, %4"),
        ] {
            let n = run(&Graph::parse(&changed).unwrap()).unwrap();
            assert_eq!(
                n.nodes.iter().find(|n| matches!(n.op, Op::Attention { .. })).unwrap().ty.to_string(),
                "f32[B, S, 8]",
                "{n}"
            );
        }
    }
}
