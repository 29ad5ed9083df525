//! Loops: what their bodies are given, and where their results go. The bodies are compiled as graphs of their
//! own.

use super::Lower;
use crate::CompileError;
use crate::spec::{Binding, Buffer, Part, ScanSpec, StepSpec};
use tancho_ir::{Dim, Type, Value, scan};

/// Lowers a loop.
pub fn lower(lower: &mut Lower<'_>, v: Value) -> Result<(), CompileError> {
    let found = scan::of(lower.graph, v).map_err(|e| CompileError::Shape(Box::new(e)))?;
    let Some(scan) = found else { return Err(lower.unsupported(v, "it has no body")) };
    let mut binding = Binding::default();
    let args = &lower.graph.node(v).args;
    let first = lower.graph.ty(args[0]).shape.first();
    let len = binding.len(first.ok_or_else(|| lower.unsupported(v, "it goes along no axis"))?);
    let bytes = |binding: &mut Binding, ty: &Type| {
        let bytes = Dim::product(&ty.shape).and_then(|n| n.times(&Dim::from(ty.dtype.size())));
        bytes.map(|bytes| binding.len(&bytes)).map_err(|e| lower.unsupported(v, &e.to_string()))
    };
    let mut inputs = Vec::new();
    for (&arg, input) in scan.inputs.iter().zip(&scan.body.inputs) {
        let root = lower.access(args[arg])?.root;
        let bytes = bytes(&mut binding, &input.ty)?;
        inputs.push(Part { buffer: Some(binding.buffer(Buffer::Value(root))), bytes });
    }
    let mut results = Vec::new();
    for (node, output) in scan.results.iter().zip(&scan.body.outputs) {
        let bytes = bytes(&mut binding, scan.body.ty(*output))?;
        results.push(Part { buffer: node.map(|node| binding.buffer(Buffer::Value(node))), bytes });
    }
    let body = lower.schedule.bodies.len();
    let (sequences, carried, backwards) = (scan.sequences, scan.carried, scan.backwards);
    lower.schedule.bodies.push(scan.body);
    let spec = ScanSpec { body, len, sequences, carried, backwards, inputs, results };
    lower.push(StepSpec::Scan(spec), binding, v)
}
