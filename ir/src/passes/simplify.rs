//! Takes away ops that change nothing and joins chains of views: a reshape or
//! expand to the shape a value has, a slice of the whole axis, a transpose that
//! moves nothing, a cast to the same type, two reshapes or transposes in a row,
//! and one value computed twice. Random numbers that occur twice stay: a mask that the forward and the
//! backward pass of a training step need costs less than the memory that would keep it from one to the other.

use super::Rewriter;
use crate::graph::{Graph, Value};
use crate::infer::ShapeError;
use crate::op::Op;
use std::collections::HashMap;

/// Runs the pass.
pub fn run(old: &Graph) -> Result<Graph, ShapeError> {
    let mut seen: HashMap<(Op, Vec<Value>), Value> = HashMap::new();
    Rewriter::run(old, |r, v, args| {
        let node = old.node(v);
        let ty = &node.ty;
        if let [x] = args {
            let same = match &node.op {
                Op::Reshape(_) | Op::Expand(_) | Op::Slice { .. } => r.new.ty(*x).shape == ty.shape,
                Op::Transpose(p) => p.iter().enumerate().all(|(i, a)| i == *a),
                Op::Cast(d) => r.new.ty(*x).dtype == *d,
                Op::Concat { .. } => true,
                _ => false,
            };
            if same && keeps_slice(&node.op) {
                return Ok(Some(*x));
            }
        }
        let mut op = node.op.clone();
        let mut args = args.to_vec();
        if let [x] = args.as_slice() {
            // What has many arguments is not copied for each of its readers.
            let inner = r.new.node(*x);
            match (&op, &inner.op) {
                (Op::Reshape(_), Op::Reshape(_)) => args = inner.args.clone(),
                (Op::Transpose(outer), Op::Transpose(first)) => {
                    op = Op::Transpose(outer.iter().map(|&i| first[i]).collect());
                    args = inner.args.clone();
                }
                _ => {}
            }
        }
        if let Some(&same) = seen.get(&(op.clone(), args.clone())) {
            return Ok(Some(same));
        }
        let made = r.push(op.clone(), &args, v)?;
        if op != Op::Threefry {
            seen.insert((op, args), made);
        }
        Ok(Some(made))
    })
}

/// A slice keeps its bounds check unless it visibly starts at 0.
fn keeps_slice(op: &Op) -> bool {
    !matches!(op, Op::Slice { start, step, .. } if !start.is(0) || !step.is(1))
}
