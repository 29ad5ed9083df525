//! The gradient of what all iterations read: the sum of what each iteration gives.
//!
//! The sum of the products `a^T b` of all iterations is one product of all rows of `a` and all rows of `b`.
//! So the gradient of a weight is computed behind the loop, by one large product, and the loop stacks what is
//! multiplied. All else is added up in the loop, as a carried value.

use super::joint::{Joint, new_input};
use crate::differentiate::{Backward, Rule};
use crate::dim::Dim;
use crate::emit::Emit;
use crate::graph::Value;
use crate::op::{Binary, Op, Reduction, Unary};
use std::collections::{BTreeSet, HashMap};

/// A sum over all iterations, of values of the joint graph.
pub(super) enum Total {
    /// It is carried: the number of its place among the sums.
    Carried(usize),
    /// What the op makes of other sums.
    Of(Op, Vec<Total>),
    /// Of products of two matrices, the first of which is read with its axes exchanged if `turned`.
    Product { a: Value, turned: bool, b: Value },
    /// Of sums over these axes, of a value that is stacked anyway. The op gives the sum its shape.
    Reduced { x: Value, axes: Vec<usize>, shape: Vec<Dim> },
}

/// A sum that is carried.
pub(super) struct Carried {
    /// The input of the body that it is before an iteration.
    pub before: Value,
    /// What it is behind one.
    pub after: Value,
}

/// The sums of a loop.
#[derive(Default)]
pub(super) struct Totals {
    /// Those that are carried.
    pub carried: Vec<Carried>,
    /// The values that are read stacked.
    pub elements: BTreeSet<Value>,
}

impl Totals {
    /// Notes what is read stacked for the products of a sum.
    pub fn note(&mut self, joint: &Joint, v: Value, changing: &[bool]) {
        let node = joint.graph.node(v);
        match product(joint, v, changing) {
            Some((a, _, b)) => self.elements.extend([a, b]),
            None if is_passed(joint, v) => node.args.iter().for_each(|a| self.note(joint, *a, changing)),
            None => {}
        }
    }

    /// The sum of a value. What is read stacked has been noted.
    pub fn plan(&mut self, joint: &mut Joint, v: Value, changing: &[bool]) -> Rule<Total> {
        if let Some((a, turned, b)) = product(joint, v, changing) {
            return Ok(Total::Product { a, turned, b });
        }
        let node = joint.graph.node(v).clone();
        if let Op::Reduce { kind: Reduction::Sum, axes, masked: false, .. } = &node.op {
            let x = node.args[0];
            if self.elements.contains(&x) {
                let axes = std::iter::once(0).chain(axes.iter().map(|axis| axis + 1)).collect();
                return Ok(Total::Reduced { x, axes, shape: node.ty.shape });
            }
        }
        if is_passed(joint, v) {
            let of = node.args.iter().map(|a| self.plan(joint, *a, changing)).collect::<Rule<_>>()?;
            return Ok(Total::Of(node.op, of));
        }
        let number = self.carried.len();
        let before = new_input(&mut joint.graph, &format!("sum_{number}"), node.ty);
        let after = joint.graph.push(Op::Binary(Binary::Add), &[before, v], node.source.clone())?;
        self.carried.push(Carried { before, after });
        Ok(Total::Carried(number))
    }
}

/// Whether the sum of what an op makes of values is what it makes of their sums.
fn is_passed(joint: &Joint, v: Value) -> bool {
    let node = joint.graph.node(v);
    let is_sum = matches!(node.op, Op::Reduce { kind: Reduction::Sum, masked: false, .. });
    let is_move = matches!(node.op, Op::Transpose(_) | Op::Reshape(_) | Op::Pad { .. } | Op::Concat { .. });
    let is_whole = |a: &Value| joint.graph.ty(*a) == &node.ty;
    let is_added = node.op == Op::Binary(Binary::Add) && node.args.iter().all(is_whole);
    is_sum || is_move || is_added || node.op == Op::Unary(Unary::Neg)
}

/// The operands of a product of two matrices that change with the iterations, and whether the first is read
/// with its axes exchanged.
fn product(joint: &Joint, v: Value, changing: &[bool]) -> Option<(Value, bool, Value)> {
    let graph = &joint.graph;
    let node = graph.node(v);
    let (Op::Matmul, &[a, b]) = (&node.op, node.args.as_slice()) else { return None };
    let is_stacked = |v: Value| graph.ty(v).rank() == 2 && changing[v.index()];
    if !is_stacked(a) || !is_stacked(b) {
        return None;
    }
    let is_turned = matches!(graph.node(a).op, Op::Transpose(_));
    Some(if is_turned { (graph.node(a).args[0], true, b) } else { (a, false, b) })
}

impl Backward {
    /// A sum over all iterations. `carried` are the sums that the loop carried, `stacked` the values of all
    /// iterations.
    pub(super) fn total(
        &mut self,
        total: &Total,
        carried: &[Value],
        stacked: &HashMap<Value, Value>,
    ) -> Rule<Value> {
        match total {
            Total::Carried(number) => Ok(carried[*number]),
            Total::Of(op, of) => {
                let of =
                    of.iter().map(|of| self.total(of, carried, stacked)).collect::<Rule<Vec<Value>>>()?;
                self.push(op.clone(), &of)
            }
            Total::Product { a, turned, b } => {
                let a = if *turned {
                    let rows = self.joined(stacked[a])?;
                    self.transposed(rows)?
                } else {
                    let columns = self.push(Op::Transpose(vec![1, 0, 2]), &[stacked[a]])?;
                    let shape = self.shape(columns);
                    let joined = vec![shape[0].clone(), shape[1].times(&shape[2])?];
                    self.push(Op::Reshape(joined), &[columns])?
                };
                let b = self.joined(stacked[b])?;
                self.push(Op::Matmul, &[a, b])
            }
            Total::Reduced { x, axes, shape } => {
                let sum = self.sum(stacked[x], axes.clone(), false)?;
                if self.shape(sum) == *shape {
                    Ok(sum)
                } else {
                    self.push(Op::Reshape(shape.clone()), &[sum])
                }
            }
        }
    }

    /// The rows of all matrices, one below the other.
    fn joined(&mut self, matrices: Value) -> Rule<Value> {
        let shape = self.shape(matrices);
        self.push(Op::Reshape(vec![shape[0].times(&shape[1])?, shape[2].clone()]), &[matrices])
    }
}
