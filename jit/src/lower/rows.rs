//! Row kernels, moves and concatenations.

use super::body::{Body, Level};
use super::window::WideWindow;
use super::{Lower, Wide, bind, domain_of, join_axes};
use crate::CompileError;
use crate::lanes::schedule::schedule;
use crate::spec::{Binding, Buffer, KernelSpec, RowSpec, RowWindow, WindowFold};
use tancho_ir::access::row_major;
use tancho_ir::fuse::Kernel;
use tancho_ir::op::Op;
use tancho_ir::{Dim, Value};

/// A kernel of row work and elementwise ops.
pub fn lower(l: &mut Lower<'_>, k: &Kernel) -> Result<(), CompileError> {
    let (outer, len) = domain_of(&k.domain);
    let mut b = Binding::default();
    let n = b.len(&len);
    let mut body = Body::new(outer.len(), n);
    let mut window = None;
    for &v in &k.nodes {
        if matches!(l.g.node(v).op, Op::Conv2d { .. } | Op::Pool2d { .. }) {
            let w = l.window(v, None)?;
            let (first, fold) = l.fold_window(&mut body, v, &w)?;
            window = Some((w, first, fold));
        } else {
            body.node(l, &mut b, v)?;
        }
    }
    for &v in &k.outputs {
        body.store(l, &mut b, v)?;
    }
    let at = k.nodes[k.nodes.len() - 1];
    finish(l, b, body, (outer, &len), window, at)
}

/// Stores a view, gather, input, weight or constant.
pub fn store(l: &mut Lower<'_>, v: Value) -> Result<(), CompileError> {
    let shape = l.g.ty(v).shape.clone();
    let (mut outer, mut len) = domain_of(&shape);
    let node = l.g.node(v);
    let single = matches!(node.op, Op::Gather) && l.g.ty(node.args[0]).rank() == 1;
    if single {
        // Ids into a table of single elements: every element is a row of its own.
        outer = shape.clone();
        len = Dim::constant(1);
    }
    let mut b = Binding::default();
    let n = b.len(&len);
    let mut body = Body::new(outer.len(), n);
    let r = if matches!(node.op, Op::Gather) {
        body.gather(l, &mut b, v)?
    } else if tancho_ir::access::is_view(&node.op) {
        let w = l.wide(v, l.view(v)?);
        body.load(&mut b, w, true)
    } else {
        source(l, &mut b, &mut body, v)?
    };
    body.define(v, r);
    let mut w = l.whole(v)?;
    if single {
        w.strides.push(w.step);
        w.step = Dim::constant(0);
    }
    body.store_to(&mut b, v, w, single);
    finish(l, b, body, (outer, &len), None, v)
}

/// An input or weight that is itself a result: read as declared. Constants come from the body.
fn source(l: &Lower<'_>, b: &mut Binding, body: &mut Body, v: Value) -> Result<u32, CompileError> {
    if matches!(l.g.node(v).op, Op::Const(_) | Op::DimValue(_)) {
        return body.external(l, b, v, Level::Full);
    }
    let mut w = l.whole(v)?;
    w.buffer = Buffer::Source(v);
    Ok(body.load(b, w, true))
}

/// The arguments of a concat, each a copy into its part of the result.
pub fn concat(l: &mut Lower<'_>, v: Value) -> Result<(), CompileError> {
    let Op::Concat { axis } = l.g.node(v).op else { return Ok(()) };
    let strides =
        row_major(&l.g.ty(v).shape).ok_or_else(|| l.unsupported(v, "its size is too large to write down"))?;
    let mut start = Dim::constant(0);
    for a in l.g.node(v).args.clone() {
        copy_part(l, v, a, &start, &strides[axis])?;
        start = start.plus(&l.g.ty(a).shape[axis]).map_err(|e| l.unsupported(v, &e.to_string()))?;
    }
    Ok(())
}

/// The new rows of a state, copied behind those it has.
pub fn push(l: &mut Lower<'_>, v: Value) -> Result<(), CompileError> {
    let (Op::Push { axis }, [state, rows]) = (&l.g.node(v).op, &l.g.node(v).args[..]) else { return Ok(()) };
    let (axis, state, rows) = (*axis, *state, *rows);
    let strides =
        row_major(&l.g.room(v)).ok_or_else(|| l.unsupported(v, "its size is too large to write down"))?;
    copy_part(l, v, rows, &l.g.ty(state).shape[axis].clone(), &strides[axis])
}

/// Copies `part` into a value, behind `start` rows of so many elements.
fn copy_part(
    l: &mut Lower<'_>,
    v: Value,
    part: Value,
    start: &Dim,
    stride: &Dim,
) -> Result<(), CompileError> {
    let (outer, len) = domain_of(&l.g.ty(part).shape.clone());
    let mut b = Binding::default();
    let n = b.len(&len);
    let mut body = Body::new(outer.len(), n);
    let r = body.external(l, &mut b, part, Level::Full)?;
    body.define(v, r);
    let mut w = l.whole(v)?;
    w.offset = start.times(stride).map_err(|e| l.unsupported(v, &e.to_string()))?;
    body.store_to(&mut b, v, w, false);
    finish(l, b, body, (outer, &len), None, v)
}

fn finish(
    l: &mut Lower<'_>,
    mut b: Binding,
    mut body: Body,
    (mut outer, len): (Vec<Dim>, &Dim),
    window: Option<(WideWindow, usize, Option<WindowFold>)>,
    at: Value,
) -> Result<(), CompileError> {
    if window.is_none() {
        let mut all: Vec<&mut Wide> = body.slots.iter_mut().collect();
        join_axes(&mut outer, &mut all);
    }
    let window = window.map(|(w, first, fold)| RowWindow { window: w.bind(&mut b), first, fold });
    let n = b.len(len);
    let slots = body.slots.iter().map(|w| bind(&mut b, w)).collect::<Vec<_>>();
    let outer = b.lens(&outer);
    let work = schedule(&body.e, n, slots.len() as u16, b.params.len() as u16);
    let scratch = (work.scratch_rows > 0 || window.is_some()).then(|| b.buffer(Buffer::Scratch));
    l.push(KernelSpec::Row(RowSpec { outer, slots, work, len: n, scratch, window }), b, at)
}
