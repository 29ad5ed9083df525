//! Matrix products with very long sums become products of parts, which are added at the end.
//!
//! A product reads its right operand once for each block of rows, and a block is what the L2 cache holds of
//! the left one. Where a row alone nearly fills it, as one of logits does in the gradient of what they are
//! made of, the right operand comes from main memory for every few rows. Parts of the sums are batches, whose
//! operands are views of these.

use super::Rewriter;
use crate::access::resolve;
use crate::dim::Dim;
use crate::graph::{Graph, Value};
use crate::infer::ShapeError;
use crate::op::{Binary, Op, Reduction};

/// Terms from which on a sum is long.
const LONG: i64 = 16_384;
/// Terms of a part.
const PART: i64 = 1024;
/// So few rows read the right operand once or twice.
const FEW: i64 = 64;

/// The first terms of a sum and those after them, along an axis of an operand.
fn cut(
    r: &mut Rewriter<'_>,
    x: Value,
    axis: usize,
    from: i64,
    to: i64,
    at: Value,
) -> Result<Value, ShapeError> {
    let [start, end, step] = [from, to, 1].map(Dim::constant);
    r.push(Op::Slice { axis, start, end, step }, &[x], at)
}

/// A sum of products of parts.
fn in_parts(r: &mut Rewriter<'_>, x: Value, w: Value, k: i64, at: Value) -> Result<Value, ShapeError> {
    let (rows, columns) = (r.new.ty(x).shape[0].clone(), r.new.ty(w).shape[1].clone());
    let (parts, terms) = (Dim::constant(k / PART), Dim::constant(PART));
    let whole = k / PART * PART;
    let left = cut(r, x, 1, 0, whole, at)?;
    let left = r.push(Op::Reshape(vec![rows, parts.clone(), terms.clone()]), &[left], at)?;
    let left = r.push(Op::Transpose(vec![1, 0, 2]), &[left], at)?;
    let right = cut(r, w, 0, 0, whole, at)?;
    let right = r.push(Op::Reshape(vec![parts, terms, columns]), &[right], at)?;
    let products = r.push(Op::Matmul, &[left, right], at)?;
    let add = Op::Reduce { kind: Reduction::Sum, axes: vec![0], keep: false, masked: false };
    let sum = r.push(add, &[products], at)?;
    if whole == k {
        return Ok(sum);
    }
    let (left, right) = (cut(r, x, 1, whole, k, at)?, cut(r, w, 0, whole, k, at)?);
    let last = r.push(Op::Matmul, &[left, right], at)?;
    r.push(Op::Binary(Binary::Add), &[last, sum], at)
}

/// Runs the pass.
pub fn run(old: &Graph) -> Result<Graph, ShapeError> {
    Rewriter::run(old, |r, v, args| {
        let (Op::Matmul, &[x, w]) = (&old.node(v).op, args) else { return Ok(None) };
        let (left, right) = (r.new.ty(x).shape.clone(), r.new.ty(w).shape.clone());
        let (Some((depth, rows)), 2) = (left.split_last(), right.len()) else { return Ok(None) };
        let rows = Dim::product(rows)?;
        let Some(k) = depth.as_const().filter(|k| *k >= LONG) else { return Ok(None) };
        // Weights that are known when the network is compiled are packed in their own formats.
        let is_weight = resolve(&r.new, w, &|_| false)
            .is_some_and(|read| matches!(r.new.node(read.root).op, Op::Weight(_)));
        if is_weight || rows.as_const().is_some_and(|rows| rows < FEW) {
            return Ok(None);
        }
        let flat = match left.len() {
            2 => x,
            _ => r.push(Op::Reshape(vec![rows, depth.clone()]), &[x], v)?,
        };
        let sum = in_parts(r, flat, w, k, v)?;
        r.push(Op::Reshape(old.node(v).ty.shape.clone()), &[sum], v).map(Some)
    })
}
