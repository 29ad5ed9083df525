//! Row kernels, moves and concatenations.

use super::Lower;
use super::body::{Body, Level};
use super::unbound::{Unbound, bind, domain_of, join_axes};
use super::window::UnboundRowWindow;
use crate::CompileError;
use crate::lanes::schedule::schedule_with_origins;
use crate::spec::{Binding, Buffer, KernelSpec, RowSpec, RowSums, RowWindow, StepOrigins};
use tancho_ir::access::{is_view, row_major};
use tancho_ir::fuse::Group;
use tancho_ir::op::{Class, Op};
use tancho_ir::{Dim, Value};

/// A row kernel under construction.
struct RowKernel {
    binding: Binding,
    body: Body,
    /// Outer axes and the length of a row.
    outer: Vec<Dim>,
    len: Dim,
    window: Option<UnboundRowWindow>,
    sums: Option<RowSums>,
}

impl RowKernel {
    /// A kernel over these axes, the last of which is the row.
    fn new(outer: Vec<Dim>, len: Dim) -> RowKernel {
        let mut binding = Binding::default();
        let body = Body::new(outer.len(), binding.len(&len));
        RowKernel { binding, body, outer, len, window: None, sums: None }
    }

    fn over(shape: &[Dim]) -> RowKernel {
        let (outer, len) = domain_of(shape);
        RowKernel::new(outer, len)
    }

    /// Adds the step.
    fn finish(self, lower: &mut Lower<'_>, at: Value) -> Result<(), CompileError> {
        let RowKernel { mut binding, mut body, mut outer, len, window, sums } = self;
        if window.is_none() {
            let mut all: Vec<&mut Unbound> = body.slots.iter_mut().collect();
            join_axes(&mut outer, &mut all);
        }
        let own = window.as_ref().map_or(at, |window| window.of);
        let window = window.map(|UnboundRowWindow { window, first, reduction, .. }| {
            let window = window.bind(&mut binding);
            RowWindow { window, first, reduction }
        });
        let len = binding.len(&len);
        let slots = body.slots.iter().map(|slot| bind(&mut binding, slot)).collect::<Vec<_>>();
        let outer = binding.lens(&outer);
        let (ptrs, ints) = (slots.len() as u16, binding.params.len() as u16);
        let (mut work, of_work) = schedule_with_origins(&body.expr, len, ptrs, ints);
        work.program.fixed_sums = lower.fixed_sums;
        let origins = StepOrigins { own, works: vec![of_work], ..StepOrigins::from(at) };
        let scratch = (work.scratch_rows > 0 || window.is_some()).then(|| binding.buffer(Buffer::Scratch));
        lower.push(
            KernelSpec::Row(RowSpec { outer, slots, work, len, scratch, window, sums }),
            binding,
            origins,
        )
    }

    /// Adds the rows of an argument to the sums of their part.
    fn add_to_sums(&mut self, lower: &Lower<'_>, v: Value) -> Result<(), CompileError> {
        let node = lower.graph.node(v);
        let Op::SumRows { part } = node.op else { return Ok(()) };
        let x = self.body.operand(lower, &mut self.binding, node.args[0], Level::Full)?;
        let mut slot = lower.whole(v)?;
        slot.strides = vec![Dim::constant(0); self.outer.len()];
        let at = self.body.add_to(&mut self.binding, v, slot, x);
        // Fusion keeps sums of parts of other lengths apart.
        let part = i64::try_from(part).map_err(|_| lower.unsupported(v, "its parts are too long"))?;
        let sums = self.sums.get_or_insert(RowSums { part, slots: Vec::new() });
        sums.slots.push(at);
        Ok(())
    }
}

/// A kernel of row work and elementwise ops.
pub fn lower(lower: &mut Lower<'_>, kernel: &Group) -> Result<(), CompileError> {
    let mut row = RowKernel::over(&kernel.domain);
    let is_sum = |v: Value| lower.graph.node(v).op.class() == Class::RowSums;
    for &v in &kernel.nodes {
        if matches!(lower.graph.node(v).op, Op::Conv2d { .. } | Op::Pool2d { .. }) {
            let window = lower.window(v, None)?;
            row.window = Some(lower.reduce_window(&mut row.body, v, window)?);
        } else if !is_sum(v) {
            row.body.node(lower, &mut row.binding, v)?;
        }
    }
    for &v in &kernel.outputs {
        if is_sum(v) {
            row.add_to_sums(lower, v)?;
        } else {
            row.body.store(lower, &mut row.binding, v)?;
        }
    }
    let at = kernel.nodes[kernel.nodes.len() - 1];
    row.finish(lower, at)
}

/// Stores a view, gather, input, weight or constant.
pub fn store(lower: &mut Lower<'_>, v: Value) -> Result<(), CompileError> {
    let shape = lower.graph.ty(v).shape.clone();
    let node = lower.graph.node(v);
    let single = matches!(node.op, Op::Gather) && lower.graph.ty(node.args[0]).rank() == 1;
    let mut row = if single {
        // Ids into a table of single elements: every element is a row of its own.
        RowKernel::new(shape, Dim::constant(1))
    } else {
        RowKernel::over(&shape)
    };
    let (body, binding) = (&mut row.body, &mut row.binding);
    let value = if matches!(node.op, Op::Gather) {
        body.gather(lower, binding, v)?
    } else if is_view(&node.op) {
        let slot = lower.slot(v, lower.view(v)?);
        body.load(binding, slot, true)
    } else {
        source(lower, binding, body, v)?
    };
    body.define(v, value);
    let mut slot = lower.whole(v)?;
    if single {
        slot.strides.push(slot.step);
        slot.step = Dim::constant(0);
    }
    body.store_to(binding, v, slot, single);
    row.finish(lower, v)
}

/// An input or weight that is itself a result: read as declared. Constants come from the body.
fn source(lower: &Lower<'_>, binding: &mut Binding, body: &mut Body, v: Value) -> Result<u32, CompileError> {
    if matches!(lower.graph.node(v).op, Op::Const(_) | Op::DimValue(_)) {
        return body.external(lower, binding, v, Level::Full);
    }
    let mut slot = lower.whole(v)?;
    slot.buffer = Buffer::Source(v);
    Ok(body.load(binding, slot, true))
}

/// The arguments of a concat, each a copy into its part of the result.
pub fn concat(lower: &mut Lower<'_>, v: Value) -> Result<(), CompileError> {
    let Op::Concat { axis } = lower.graph.node(v).op else { return Ok(()) };
    let strides = row_major(&lower.graph.ty(v).shape)
        .ok_or_else(|| lower.unsupported(v, "its size is too large to write down"))?;
    let mut start = Dim::constant(0);
    for part in lower.graph.node(v).args.clone() {
        copy_part(lower, v, part, &start, &strides[axis])?;
        start = start
            .plus(&lower.graph.ty(part).shape[axis])
            .map_err(|e| lower.unsupported(v, &e.to_string()))?;
    }
    Ok(())
}

/// The new rows of a state, copied behind those it has.
pub fn push(lower: &mut Lower<'_>, v: Value) -> Result<(), CompileError> {
    let node = lower.graph.node(v);
    let (Op::Push { axis }, &[state, rows]) = (&node.op, &node.args[..]) else { return Ok(()) };
    let strides = row_major(&lower.graph.stored_shape(v))
        .ok_or_else(|| lower.unsupported(v, "its size is too large to write down"))?;
    copy_part(lower, v, rows, &lower.graph.ty(state).shape[*axis].clone(), &strides[*axis])
}

/// Copies `part` into a value, behind `start` rows that lie `stride` elements apart.
fn copy_part(
    lower: &mut Lower<'_>,
    v: Value,
    part: Value,
    start: &Dim,
    stride: &Dim,
) -> Result<(), CompileError> {
    let mut row = RowKernel::over(&lower.graph.ty(part).shape);
    let value = row.body.external(lower, &mut row.binding, part, Level::Full)?;
    row.body.define(v, value);
    let mut slot = lower.whole(v)?;
    slot.offset = start.times(stride).map_err(|e| lower.unsupported(v, &e.to_string()))?;
    row.body.store_to(&mut row.binding, v, slot, false);
    row.finish(lower, v)
}
