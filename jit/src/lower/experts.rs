//! Mixtures of experts: what the bodies are given, and where their results go. There is a body for each
//! expert, which has the weights of that expert and is compiled as a graph of its own.

use super::Lower;
use crate::CompileError;
use crate::spec::{Binding, Buffer, ExpertsSpec, Part, StepSpec};
use tancho_ir::op::Op;
use tancho_ir::{Dim, Value, experts};

/// Lowers a mixture.
pub fn lower(lower: &mut Lower<'_>, v: Value) -> Result<(), CompileError> {
    let bodies = experts::of(lower.graph, v).map_err(|e| CompileError::Shape(Box::new(e)))?;
    let node = lower.graph.node(v);
    let (&Op::Experts { routed, .. }, [rows, each, result @ ..]) = (&node.op, node.ty.shape.as_slice())
    else {
        return Err(lower.unsupported(v, "it is no mixture of experts"));
    };
    let mut binding = Binding::default();
    let part = |binding: &mut Binding, root: Value, row: &[Dim], size: usize| {
        let bytes = Dim::product(row).and_then(|n| n.times(&Dim::from(size)));
        let bytes = bytes.map_err(|e| lower.unsupported(v, &e.to_string()))?;
        let bytes = binding.len(&bytes);
        Ok::<Part, CompileError>(Part { buffer: Some(binding.buffer(Buffer::Value(root))), bytes })
    };
    let (rows, each) = (binding.len(rows), binding.len(each));
    let ids = binding.buffer(Buffer::Value(lower.access(node.args[0])?.root));
    let mut inputs = Vec::new();
    for &arg in &node.args[1..=routed] {
        let (root, ty) = (lower.access(arg)?.root, lower.graph.ty(arg));
        inputs.push(part(&mut binding, root, &ty.shape[1..], ty.dtype.size())?);
    }
    let result = part(&mut binding, v, result, node.ty.dtype.size())?;
    let (body, experts) = (lower.schedule.bodies.len(), bodies.len());
    lower.schedule.bodies.extend(bodies);
    lower.push(StepSpec::Experts(ExpertsSpec { body, experts, ids, rows, each, inputs, result }), binding, v)
}
