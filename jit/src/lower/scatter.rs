//! Sums of rows by ids.

use super::Lower;
use super::unbound::{Unbound, UnboundGather, bind, join_axes};
use crate::CompileError;
use crate::lanes::Mem;
use crate::spec::{Binding, Buffer, KernelSpec, ScatterSpec};
use tancho_ir::{Dim, Value};

/// Lowers a scatter.
pub fn lower(lower: &mut Lower<'_>, v: Value) -> Result<(), CompileError> {
    let node = lower.graph.node(v);
    let (&[x, ids], [rows, len]) = (&node.args[..], &node.ty.shape[..]) else {
        return Err(lower.unsupported(v, "a scatter has two arguments, and a result of two axes"));
    };
    let (x, i) = (lower.slot(x, lower.access(x)?), lower.access(ids)?);
    let mut axes = lower.graph.ty(ids).shape.clone();
    let ids = Unbound {
        buffer: Buffer::Value(i.root),
        mem: Mem::I32,
        offset: i.offset,
        strides: i.strides,
        step: Dim::constant(0),
        gather: None,
        block: false,
    };
    let (mut from, mut to) = (x, lower.whole(v)?);
    let row_stride = to.strides.pop().unwrap_or_default();
    to.strides = vec![Dim::constant(0); axes.len()];
    to.gather = Some(UnboundGather { ids: Box::new(ids), rows: rows.clone(), row_stride });
    join_axes(&mut axes, &mut [&mut from, &mut to]);
    let mut binding = Binding::default();
    let spec = ScatterSpec {
        axes: binding.lens(&axes),
        len: binding.len(len),
        from: bind(&mut binding, &from),
        to: bind(&mut binding, &to),
    };
    lower.push(KernelSpec::Scatter(spec), binding, v)
}
