//! Contractions: the right operand packed, the epilogue on accumulators, row work on finished rows.

use super::body::Body;
use super::window::WideWindow;
use super::{Constant, Lower, WeightPack, WeightPart, Wide, bind, domain_of, join_axes, root_of};
use crate::CompileError;
use crate::format::Format;
use crate::lanes::schedule::schedule;
use crate::lanes::{Inst, STRIP};
use crate::spec::{Binding, Buffer, KernelSpec, MatmulSpec, PackSpec, Slot};
use tancho_ir::access::{Access, resolve};
use tancho_ir::fuse::Kernel;
use tancho_ir::op::Op;
use tancho_ir::{Dim, Value};

pub fn lower(
    l: &mut Lower<'_>,
    k: &Kernel,
    matmul: Value,
    epilogue: &[Value],
    rows: &[Value],
) -> Result<(), CompileError> {
    let big =
        |e: tancho_ir::DimError| CompileError::Unsupported { what: l.g.label(matmul), why: e.to_string() };
    let mut b = Binding::default();
    let Operands { mut left, mut right, format, outer, n, depth, window, group } = match l.g.node(matmul).op {
        Op::Matmul => matmul_operands(l, matmul)?,
        _ => conv_operands(l, matmul)?,
    };
    let width = b.len(&n);
    let mut tile = Body::new(outer.len(), width);
    let acc = tile.e.push(Inst::Acc);
    tile.define(matmul, acc);
    for &v in epilogue {
        tile.node(l, &mut b, v)?;
    }
    let last = epilogue.last().copied().unwrap_or(matmul);
    let stored = k.outputs.contains(&last);
    // Row work reads the product's rows where they are: in the result, or in a block of scratch.
    let mut block = l.whole(last)?;
    if !stored {
        let mut s = vec![Dim::constant(0); outer.len()];
        if let Some(row) = s.last_mut() {
            *row = n.clone();
        }
        block = Wide { strides: s, block: true, ..Wide::floats(Buffer::Scratch, 0) };
    }
    if stored || !rows.is_empty() {
        tile.store_to(&mut b, last, block.clone(), false);
    }
    let mut after = Body::new(outer.len(), width);
    if !rows.is_empty() {
        after.begin_rows(&mut b, last, block);
        for &v in rows {
            after.node(l, &mut b, v)?;
        }
        for &v in k.outputs.iter().filter(|v| rows.contains(v)) {
            after.store(l, &mut b, v)?;
        }
    }

    let mut outer = outer;
    if let Some(each) = &group {
        // The first axis is that of the groups: each has its own part of the columns.
        for w in &mut tile.slots {
            w.strides[0] = w.step.times(each).map_err(big)?;
        }
    }
    let mut all: Vec<&mut Wide> = vec![&mut right];
    if window.is_none() {
        all.push(&mut left);
    }
    all.extend(tile.slots.iter_mut());
    all.extend(after.slots.iter_mut());
    join_axes(&mut outer, &mut all);
    if window.is_some() {
        left.strides = vec![Dim::constant(0); outer.len()];
        if let Some(row) = left.strides.last_mut() {
            *row = depth.clone();
        }
    }
    let window = window.map(|w| w.bind(&mut b));

    let slots: Vec<Slot> = tile.slots.iter().map(|w| bind(&mut b, w)).collect();
    let epilogue = with_row_strides(&tile.e.insts, &slots);
    let rows = if rows.is_empty() {
        None
    } else {
        let slots: Vec<Slot> = after.slots.iter().map(|w| bind(&mut b, w)).collect();
        Some((schedule(&after.e, width, slots.len() as u16, b.params.len() as u16), slots))
    };
    let terms = l.machine.terms(format);
    let scratch =
        (rows.is_some() || window.is_some() || terms.0.converts()).then(|| b.buffer(Buffer::Scratch));
    let m = outer.pop().unwrap_or_else(|| Dim::constant(1));
    let (a, right) = (bind(&mut b, &left), bind(&mut b, &right));
    let k = b.len(&depth);
    let mut blocking = l.machine.blocking(width, k, rows.is_some(), terms.0);
    if window.is_some() {
        // What it sees is copied before it is read: half of the second cache for it, the other half for the
        // columns at hand.
        blocking.block = (blocking.block / 2 / blocking.rows * blocking.rows).max(blocking.rows);
    }
    let (batch, m) = (b.lens(&outer), b.len(&m));
    let spec = MatmulSpec {
        batch,
        m,
        n: width,
        k,
        a,
        window,
        b: right,
        terms,
        slots,
        epilogue,
        rows,
        scratch,
        blocking,
    };
    l.push(KernelSpec::Matmul(spec), b, matmul)
}

/// What a product is made of.
struct Operands {
    left: Wide,
    right: Wide,
    format: Format,
    outer: Vec<Dim>,
    n: Dim,
    depth: Dim,
    /// The left operand's rows are what this sees.
    window: Option<WideWindow>,
    /// Columns of a group, if the first axis is that of groups.
    group: Option<Dim>,
}

fn matmul_operands(l: &mut Lower<'_>, matmul: Value) -> Result<Operands, CompileError> {
    let big =
        |e: tancho_ir::DimError| CompileError::Unsupported { what: l.g.label(matmul), why: e.to_string() };
    let [x, w] = l.g.node(matmul).args[..] else {
        return Err(l.unsupported(matmul, "a product has two arguments"));
    };
    let (outer, n) = domain_of(&l.g.ty(matmul).shape);
    let depth = l.g.ty(x).shape.last().cloned().unwrap_or_default();
    // The right operand in strips: leading axes, if it has any of its own, then one matrix.
    let shape = l.g.ty(w).shape.clone();
    let (lead, matrix) = shape.split_at(shape.len() - 2);
    let strips = matrix[1].ceil_div(&Dim::constant(STRIP)).map_err(big)?;
    let one = strips.times(&matrix[0]).and_then(|d| d.times(&Dim::constant(STRIP))).map_err(big)?;
    let mut strides = vec![Dim::constant(0); outer.len()];
    let mut stride = one;
    for (i, d) in lead.iter().enumerate().rev() {
        strides[i] = stride.clone();
        stride = stride.times(d).map_err(big)?;
    }
    let access = l.access(w)?;
    // A prepared value may be packed as it lies as well, for others.
    let side_by_side = l.packed.get(&w).copied().filter(|_| l.fused.packed.contains(&w));
    let packed = side_by_side.or_else(|| pack_weight(l, w, &access, lead, matrix));
    let buffer = match packed {
        Some(p) => Buffer::PackedWeight(p),
        None => {
            pack_value(l, matmul, w, &access, lead, matrix)?;
            Buffer::Packed(matmul)
        }
    };
    let right = Wide { strides, ..Wide::floats(buffer, 0) };

    let left = l.access(x)?;
    let left = l.wide(x, left);
    let format = packed.map_or(Format::F32, |p| l.program.packs[p].format);
    Ok(Operands { left, right, format, outer, n, depth, window: None, group: None })
}

/// A convolution: rows are what the window sees at each pixel of the result.
fn conv_operands(l: &mut Lower<'_>, v: Value) -> Result<Operands, CompileError> {
    let node = l.g.node(v);
    let Op::Conv2d { groups, .. } = &node.op else { return Err(l.unsupported(v, "it is no product")) };
    let groups =
        groups.as_const().ok_or_else(|| l.unsupported(v, "its groups must be known when compiled"))?;
    let shape = &l.g.ty(node.args[1]).shape;
    let known =
        |d: &Dim| d.as_const().ok_or_else(|| l.unsupported(v, "its channels must be known when compiled"));
    let (o, each) = (known(&shape[0])?, known(&shape[1])?);
    let window = l.window(v, (groups > 1).then_some(each))?;
    let buffer = match l.filters(v, groups)? {
        Some(pack) => Buffer::PackedWeight(pack),
        None => {
            l.pack_filters(v, groups)?;
            Buffer::Packed(v)
        }
    };
    let (mut outer, _) = domain_of(&node.ty.shape);
    let columns = o / groups.max(1);
    let depth = Dim::product(&shape[1..])
        .ok()
        .and_then(|d| d.as_const())
        .ok_or_else(|| l.unsupported(v, "its filters must have a known size"))?;
    let mut strides = vec![Dim::constant(0); outer.len()];
    if groups > 1 {
        outer.insert(0, Dim::constant(groups));
        strides.insert(0, Dim::constant((columns + STRIP - 1) / STRIP * STRIP * depth));
    }
    let (left, right) = (Wide::floats(Buffer::Scratch, 0), Wide { strides, ..Wide::floats(buffer, 0) });
    let group = (groups > 1).then(|| Dim::constant(columns));
    Ok(Operands {
        left,
        right,
        format: Format::F32,
        outer,
        n: Dim::constant(columns),
        depth: Dim::constant(depth),
        window: Some(window),
        group,
    })
}

/// Tiles address rows themselves: each access gets its slot's stride from row to row.
fn with_row_strides(insts: &[Inst], slots: &[Slot]) -> Vec<Inst> {
    let row = |ptr: u16| slots[ptr as usize].strides.last().copied().unwrap_or(super::NONE);
    insts
        .iter()
        .map(|i| match *i {
            Inst::Load { ptr, step, mem, .. } => Inst::Load { ptr, step, row_step: row(ptr), mem },
            Inst::Store { ptr, step, mem, value, .. } => {
                Inst::Store { ptr, step, row_step: row(ptr), mem, value }
            }
            other => other,
        })
        .collect()
}

/// A weight read through views alone is packed once, when the network is compiled.
fn pack_weight(l: &mut Lower<'_>, w: Value, access: &Access, lead: &[Dim], matrix: &[Dim]) -> Option<usize> {
    if root_of(l.g, w) != access.root || l.stored(access.root) {
        return None;
    }
    let part = weight_part(l, access, &matrix[1])?;
    let k = matrix[0].as_const()?;
    let plain = WeightPack::plain(consts(lead)?, vec![k], vec![part]);
    let format = if lead.is_empty() { format_of(l, &plain.parts, k) } else { Format::F32 };
    Some(l.pack(WeightPack { format, ..plain }))
}

/// Weights side by side: the right operand `[K, N]` of products, or a vector, which is packed as one of one
/// row.
pub fn pack_concat(l: &mut Lower<'_>, v: Value) -> Result<WeightPack, CompileError> {
    let g = l.g;
    let mut part = |a: &Value| {
        let (_, n) = domain_of(&g.ty(*a).shape);
        weight_part(l, &resolve(g, *a, &|_| false)?, &n)
    };
    let parts = g.node(v).args.iter().map(&mut part).collect::<Option<Vec<_>>>();
    let (rows, _) = domain_of(&l.g.ty(v).shape);
    let k = Dim::product(&rows).ok().and_then(|k| k.as_const());
    match (k, parts) {
        (Some(k), Some(parts)) => {
            let format = if rows.is_empty() { Format::F32 } else { format_of(l, &parts, k) };
            Ok(WeightPack { format, ..WeightPack::plain(Vec::new(), vec![k], parts) })
        }
        _ => Err(l.unsupported(v, "its parts are no weights of static shapes")),
    }
}

/// The format of weights with sums of `k` terms: what was asked for, where they may be so coarse and are
/// whole groups.
fn format_of(l: &Lower<'_>, parts: &[WeightPart], k: i64) -> Format {
    let coarsest = |p: &WeightPart| match p.from {
        Constant::Weight(i) => l.coarsest.get(i).copied().unwrap_or(Format::Q4),
        Constant::Prepared(i) => l.formats[l.prepared[i].index()],
    };
    let format = parts.iter().map(coarsest).fold(l.weights, Format::min);
    if k > 0 && k % format.layout().together() == 0 { format } else { Format::F32 }
}

/// How `n` columns are read from a weight: the last two strides are those of rows and columns.
fn weight_part(l: &mut Lower<'_>, access: &Access, n: &Dim) -> Option<WeightPart> {
    if !l.is_constant(access.root) {
        return None;
    }
    let mut strides = consts(&access.strides)?;
    let column = strides.pop()?;
    let k_strides = vec![strides.pop().unwrap_or(0)];
    let (from, scale) = l.read(access, column);
    Some(WeightPart {
        from,
        scale,
        offset: access.offset.as_const()?,
        batch_strides: strides,
        k_strides,
        n: (n.as_const()?, column),
    })
}

fn consts(dims: &[Dim]) -> Option<Vec<i64>> {
    dims.iter().map(Dim::as_const).collect()
}

/// A right operand that another kernel made is packed by a kernel of its own.
fn pack_value(
    l: &mut Lower<'_>,
    matmul: Value,
    w: Value,
    access: &Access,
    lead: &[Dim],
    matrix: &[Dim],
) -> Result<(), CompileError> {
    let mut b = Binding::default();
    let from = l.wide(w, access.clone());
    let from = bind(&mut b, &from);
    let spec = PackSpec {
        batch: b.lens(lead),
        k: vec![b.len(&matrix[0])],
        n: b.len(&matrix[1]),
        from,
        to: b.buffer(Buffer::Packed(matmul)),
    };
    l.push(KernelSpec::Pack(spec), b, matmul)
}
