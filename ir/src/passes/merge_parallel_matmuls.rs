//! Matmuls of one value with several weights become one: `x @ a`, `x @ b` .. are slices of
//! `x @ concat(a, b, ..)`, and biases are concatenated in the same way. The query, key and value of attention
//! are the usual case.
//!
//! Weights are put side by side when they are packed and slices are read through strides, so nothing is
//! copied when the network runs. Where a reader would need a copy, or would have been fused into its own
//! matmul, the matmul stays alone.

use super::Rewriter;
use crate::access::{Access, is_view, row_major, step};
use crate::dim::Dim;
use crate::fuse::PANEL;
use crate::graph::{Graph, Source, Value};
use crate::infer::ShapeError;
use crate::op::{Binary, Op};
use crate::types::DType;
use std::collections::HashMap;

/// A matmul that may be merged with others.
#[derive(Clone, Copy, Debug)]
struct Branch {
    /// The right operand, `[K, N]`.
    weight: Value,
    bias: Option<Value>,
    /// The matmul, with the bias added if there is one.
    result: Value,
    columns: i64,
}

/// Runs the pass.
pub fn run(old: &Graph) -> Result<Graph, ShapeError> {
    let groups = groups(old);
    // The group of each result, and its first column in the merged matmul.
    let mut place: HashMap<Value, (usize, i64)> = HashMap::new();
    for (i, (_, branches)) in groups.iter().enumerate() {
        let mut start = 0;
        for b in branches {
            place.insert(b.result, (i, start));
            start += b.columns;
        }
    }
    let mut merged: Vec<Option<Value>> = vec![None; groups.len()];
    Rewriter::run(old, |r, v, _| {
        let Some(&(g, start)) = place.get(&v) else { return Ok(None) };
        let (x, branches) = &groups[g];
        let whole = match merged[g] {
            Some(whole) => whole,
            None => *merged[g].insert(merge(r, *x, branches)?),
        };
        let columns = old.ty(v).shape.last().cloned().unwrap_or_default();
        let end = Dim::constant(start).plus(&columns)?;
        let slice = Op::Slice {
            axis: old.ty(v).rank() - 1,
            start: Dim::constant(start),
            end,
            step: Dim::constant(1),
        };
        Ok(Some(r.push(slice, &[whole], v)?))
    })
}

/// The matmuls to merge, by their left operand.
fn groups(graph: &Graph) -> Vec<(Value, Vec<Branch>)> {
    let (users, results) = (graph.users(), graph.are_results());
    let mut groups: Vec<(Value, Vec<Branch>)> = Vec::new();
    let mut known: HashMap<(Value, bool), usize> = HashMap::new();
    for v in graph.values() {
        let Some((x, branch)) = branch(graph, &users, &results, v) else { continue };
        let at = *known.entry((x, branch.bias.is_some())).or_insert_with(|| {
            groups.push((x, Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(branch);
    }
    groups.retain(|(_, list)| list.len() > 1);
    groups
}

/// A matmul with a weight whose readers may as well read a slice, and its left operand.
fn branch(graph: &Graph, users: &[Vec<Value>], results: &[bool], v: Value) -> Option<(Value, Branch)> {
    let (Op::Matmul, [x, weight]) = (&graph.node(v).op, graph.node(v).args.as_slice()) else { return None };
    let columns = graph.ty(*weight).shape.last()?.as_const().filter(|n| *n > 0 && n % PANEL == 0)?;
    let root = match &graph.node(*weight).op {
        Op::Transpose(_) => graph.node(*weight).args[0],
        _ => *weight,
    };
    if !is_weight(graph, root, 2) {
        return None;
    }
    let bias = match users[v.index()].as_slice() {
        [u] if !results[v.index()] && graph.node(*u).op == Op::Binary(Binary::Add) => {
            let bias = graph
                .node(*u)
                .args
                .iter()
                .copied()
                .find(|a| is_weight(graph, *a, 1) && graph.ty(*a).shape[0].is(columns));
            bias.map(|b| (b, *u))
        }
        _ => None,
    };
    let result = bias.map_or(v, |(_, sum)| sum);
    // Any other row stride than its own shows which views need the rows one after another.
    let mut wider = graph.ty(v).shape.clone();
    *wider.last_mut()? = Dim::constant(2 * columns);
    let access = Access { root: result, offset: Dim::constant(0), strides: row_major(&wider)? };
    let branch = Branch { weight: *weight, bias: bias.map(|b| b.0), result, columns };
    reads_slices(graph, users, results, result, access).then_some((*x, branch))
}

fn is_weight(graph: &Graph, v: Value, rank: usize) -> bool {
    matches!(graph.node(v).op, Op::Weight(_)) && graph.ty(v).dtype == DType::F32 && graph.ty(v).rank() == rank
}

/// Whether all readers of `v` read it as well where it lies like this: attention, matmuls and caches read
/// rows of any stride, through views or not. Others may gain more by fusion with the matmul, but after a
/// view they cannot be fused with it.
fn reads_slices(graph: &Graph, users: &[Vec<Value>], results: &[bool], v: Value, access: Access) -> bool {
    let mut todo = vec![(v, access, false)];
    while let Some((v, access, viewed)) = todo.pop() {
        if results[v.index()] {
            return false;
        }
        let rows = access.strides.last().is_some_and(|s| s.is(1));
        for &u in &users[v.index()] {
            let node = graph.node(u);
            let reads = match &node.op {
                // It waits for its second argument and reads none of it.
                Op::OptimizationBarrier if node.args[0] != v => true,
                op if is_view(op) => {
                    let view = step(op, access.clone(), &graph.ty(v).shape, &node.ty.shape);
                    view.map(|a| todo.push((u, a, true))).is_some()
                }
                Op::Push { .. } => true,
                op if op.is_elementwise() => viewed,
                Op::Attention { .. } => rows,
                Op::Matmul => rows && node.args[1] != v,
                _ => false,
            };
            if !reads {
                return false;
            }
        }
    }
    true
}

/// The merged matmul, in the place of the first.
fn merge(r: &mut Rewriter<'_>, x: Value, branches: &[Branch]) -> Result<Value, ShapeError> {
    let source = joined(branches.iter().map(|b| &r.old.node(b.result).source));
    let concat = |r: &mut Rewriter<'_>, parts: Vec<Value>, axis: usize| {
        let parts = parts.into_iter().map(|p| early(r, p)).collect::<Result<Vec<_>, _>>()?;
        r.new.push(Op::Concat { axis }, &parts, source.clone())
    };
    let weights = concat(r, branches.iter().map(|b| b.weight).collect(), 1)?;
    let biases: Vec<Value> = branches.iter().filter_map(|b| b.bias).collect();
    let bias = if biases.is_empty() { None } else { Some(concat(r, biases, 0)?) };
    let merged = r.new.push(Op::Matmul, &[r.map[x.index()], weights], source.clone())?;
    match bias {
        Some(b) => r.new.push(Op::Binary(Binary::Add), &[merged, b], source),
        None => Ok(merged),
    }
}

/// A weight or a view of one, which may stand after the merged matmul: then it is copied before it.
fn early(rewriter: &mut Rewriter<'_>, v: Value) -> Result<Value, ShapeError> {
    let (mut views, mut root) = (Vec::new(), v);
    while rewriter.map.get(root.index()).is_none()
        && let Some(&inner) = rewriter.old.node(root).args.first()
    {
        views.push(root);
        root = inner;
    }
    let mut copy = match rewriter.map.get(root.index()) {
        Some(&there) => there,
        None => copied(rewriter, root, &[])?,
    };
    for v in views.into_iter().rev() {
        copy = copied(rewriter, v, &[copy])?;
    }
    Ok(copy)
}

fn copied(rewriter: &mut Rewriter<'_>, v: Value, args: &[Value]) -> Result<Value, ShapeError> {
    let node = rewriter.old.node(v);
    let copy = rewriter.push(node.op.clone(), args, v)?;
    rewriter.new.nodes[copy.index()].name.clone_from(&node.name);
    Ok(copy)
}

/// The texts of all matmuls at the place of the first, in the net they have in common.
fn joined<'a>(sources: impl Iterator<Item = &'a Source>) -> Source {
    let all: Vec<&Source> = sources.collect();
    let Some(first) = all.first() else { return Source::default() };
    let path: Vec<&str> = first.scope.split('.').collect();
    let common = |s: &&Source| path.iter().zip(s.scope.split('.')).take_while(|(a, b)| **a == *b).count();
    let depth = all.iter().map(common).min().unwrap_or(0);
    let text = all.iter().map(|s| &*s.text).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
    Source { text: text.into(), scope: path[..depth].join(".").into(), ..(*first).clone() }
}
