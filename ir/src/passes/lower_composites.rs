//! Composites without kernels of their own become what they are defined by: core ops, and composites that
//! have kernels.

use super::Rewriter;
use crate::decompose::decompose_to;
use crate::graph::{Graph, Value};
use crate::infer::ShapeError;
use crate::op::Op;
use crate::table::name_of;
use crate::types::Type;

/// Runs the pass.
pub fn run(old: &Graph) -> Result<Graph, ShapeError> {
    Rewriter::run(old, |r, v, args| {
        let op = &old.node(v).op;
        if op.has_kernel() {
            return Ok(None);
        }
        let types: Vec<Type> = args.iter().map(|a| r.new.ty(*a).clone()).collect();
        let unfit = || ShapeError::new(format!("`{}` has no definition for these arguments", name_of(op)));
        let definition = decompose_to(op, &types, Op::has_kernel).ok_or_else(unfit)?;
        let mut map: Vec<Value> = Vec::with_capacity(definition.nodes.len());
        for node in &definition.nodes {
            let value = match node.op {
                Op::Input(i) => args.get(i).copied().ok_or_else(unfit)?,
                _ => {
                    let inner: Vec<Value> = node.args.iter().map(|a| map[a.index()]).collect();
                    r.push(node.op.clone(), &inner, v)?
                }
            };
            map.push(value);
        }
        definition.outputs.first().map(|o| Some(map[o.index()])).ok_or_else(unfit)
    })
}
