//! Matmuls: the right operand packed, the epilogue on accumulators, row work on finished rows.

use super::body::Body;
use super::pack::{pack_value, pack_weight};
use super::unbound::{Unbound, bind, domain_of, join_axes};
use super::window::UnboundWindow;
use super::{Lower, MatmulGroup};
use crate::CompileError;
use crate::format::Format;
use crate::lanes::marks::Origins;
use crate::lanes::schedule::schedule_with_origins;
use crate::lanes::{Encoding, Inst, Len, PANEL};
use crate::machine::Blocking;
use crate::spec::{
    Binding, Buffer, Encodings, KernelSpec, MatmulSpec, RowWork, Slot, StepOrigins, WindowSpec,
};
use tancho_ir::access::joined_rows;
use tancho_ir::op::Op;
use tancho_ir::{Dim, DimError, Value};

/// Rows of a block whose left operand is transposed: three cache lines of each of its columns, so that long
/// sums find the block in the L2 cache, and columns do not share few sets of it.
const MOST_TRANSPOSED: i64 = 48;

/// Lowers a matmul or a convolution with what is fused into it.
pub fn lower(lower: &mut Lower<'_>, group: &MatmulGroup<'_>) -> Result<(), CompileError> {
    let mut binding = Binding::default();
    let operands = match lower.graph.node(group.matmul).op {
        Op::Matmul => matmul_operands(lower, group.matmul)?,
        _ => conv_operands(lower, group.matmul)?,
    };
    let width = binding.len(&operands.n);
    let mut bodies = Bodies::new(lower, &mut binding, group, &operands, width)?;
    let MatmulOperands { mut left, mut right, format, mut outer, depth, window, columns, .. } = operands;
    if let Some(columns) = &columns {
        // The first axis is that of the groups: each has its own part of the columns.
        for slot in &mut bodies.tile.slots {
            slot.strides[0] = slot.step.times(columns).map_err(|e| too_large(lower, group.matmul, &e))?;
        }
    }
    let mut all: Vec<&mut Unbound> = vec![&mut right];
    if window.is_none() {
        all.push(&mut left);
    }
    all.extend(bodies.tile.slots.iter_mut());
    all.extend(bodies.rows.iter_mut().flat_map(|rows| &mut rows.slots));
    join_axes(&mut outer, &mut all);
    if window.is_some() {
        left.strides = vec![Dim::constant(0); outer.len()];
        if let Some(row) = left.strides.last_mut() {
            *row = depth.clone();
        }
    }
    let window = window.map(|window| window.bind(&mut binding));
    let (slots, epilogue) = bodies.tile(&mut binding);
    let (rows, works) = bodies.row_work(&mut binding, width, lower.fixed_sums).unzip();
    let origins = StepOrigins {
        epilogue: bodies.of_epilogue(group.matmul),
        works: works.into_iter().collect(),
        ..StepOrigins::from(group.matmul)
    };
    let (many_rows, few_rows) = lower.machine.encodings(format);
    let transposed = window.is_none() && !left.step.is(1);
    let copies = window.is_some() || transposed || many_rows.converts();
    let scratch = (rows.is_some() || copies).then(|| binding.buffer(Buffer::Scratch));
    let m = outer.pop().unwrap_or_else(|| Dim::constant(1));
    let (a, b) = (bind(&mut binding, &left), bind(&mut binding, &right));
    let k = binding.len(&depth);
    let mut blocking = blocking(lower, width, k, rows.is_some(), many_rows, window.as_ref());
    if transposed {
        blocking.block = MOST_TRANSPOSED / blocking.rows * blocking.rows;
    }
    let (batch, m) = (binding.lens(&outer), binding.len(&m));
    let encodings = Encodings { many_rows, few_rows };
    let spec = MatmulSpec {
        batch,
        m,
        n: width,
        k,
        a,
        window,
        b,
        encodings,
        slots,
        epilogue,
        rows,
        scratch,
        blocking,
    };
    lower.push(KernelSpec::Matmul(spec), binding, origins)
}

fn too_large(lower: &Lower<'_>, v: Value, error: &DimError) -> CompileError {
    CompileError::Unsupported { what: lower.graph.label(v), why: error.to_string() }
}

/// How the matmul is cut; `whole` if work on whole rows follows it.
fn blocking(
    lower: &Lower<'_>,
    n: Len,
    k: Len,
    whole: bool,
    terms: Encoding,
    window: Option<&WindowSpec>,
) -> Blocking {
    let mut blocking = lower.machine.blocking(n, k, whole, terms);
    if window.is_some() {
        // What it sees is copied before it is read: half of the L2 cache for it, the other half for the
        // columns at hand.
        blocking.block = (blocking.block / 2 / blocking.rows * blocking.rows).max(blocking.rows);
    }
    blocking
}

/// What is fused into a matmul, as expressions.
struct Bodies {
    /// The work on each accumulator.
    tile: Body,
    /// The work on finished rows, if there is any.
    rows: Option<Body>,
}

impl Bodies {
    fn new(
        lower: &Lower<'_>,
        binding: &mut Binding,
        group: &MatmulGroup<'_>,
        operands: &MatmulOperands,
        width: Len,
    ) -> Result<Bodies, CompileError> {
        let outer = operands.outer.len();
        let mut tile = Body::of_tile(outer, width);
        tile.expr.origin = Some(group.matmul);
        let acc = tile.expr.push(Inst::Acc);
        tile.define(group.matmul, acc);
        for &v in group.epilogue {
            tile.node(lower, binding, v)?;
        }
        let last = group.last();
        let stored = group.outputs.contains(&last);
        // Row work reads the rows where they are: in the result, or in a block of working memory.
        let mut block = lower.whole(last)?;
        if !stored {
            let mut strides = vec![Dim::constant(0); outer];
            if let Some(row) = strides.last_mut() {
                *row = operands.n.clone();
            }
            block = Unbound { strides, block: true, ..Unbound::floats(Buffer::Scratch, 0) };
        }
        if stored || !group.rows.is_empty() {
            tile.store_to(binding, last, block.clone(), false);
        }
        if group.rows.is_empty() {
            return Ok(Bodies { tile, rows: None });
        }
        let mut rows = Body::new(outer, width);
        rows.begin_rows(binding, last, block);
        for &v in group.rows {
            rows.node(lower, binding, v)?;
        }
        for &v in group.outputs.iter().filter(|v| group.rows.contains(v)) {
            rows.store(lower, binding, v)?;
        }
        Ok(Bodies { tile, rows: Some(rows) })
    }

    /// What a tile reads and writes, and its epilogue.
    fn tile(&self, binding: &mut Binding) -> (Vec<Slot>, Vec<Inst>) {
        let slots: Vec<Slot> = self.tile.slots.iter().map(|slot| bind(binding, slot)).collect();
        let epilogue = self.tile.epilogue(&slots);
        (slots, epilogue)
    }

    /// The node that each part of a tile computes: the statement itself is the product.
    fn of_epilogue(&self, matmul: Value) -> Origins {
        std::iter::once(Some(matmul)).chain(self.tile.expr.origins.iter().copied()).collect()
    }

    /// The work on rows, and the nodes that it computes.
    fn row_work(&self, binding: &mut Binding, width: Len, fixed_sums: bool) -> Option<(RowWork, Origins)> {
        let rows = self.rows.as_ref()?;
        let slots: Vec<Slot> = rows.slots.iter().map(|slot| bind(binding, slot)).collect();
        let (ptrs, ints) = (slots.len() as u16, binding.params.len() as u16);
        let (mut work, origins) = schedule_with_origins(&rows.expr, width, ptrs, ints);
        work.program.fixed_sums = fixed_sums;
        Some((RowWork { work, slots }, origins))
    }
}

/// What a matmul is made of.
struct MatmulOperands {
    left: Unbound,
    right: Unbound,
    format: Format,
    outer: Vec<Dim>,
    n: Dim,
    depth: Dim,
    /// The left operand's rows are what this sees.
    window: Option<UnboundWindow>,
    /// Columns of a group, if the first axis is that of groups.
    columns: Option<Dim>,
}

fn matmul_operands(lower: &mut Lower<'_>, matmul: Value) -> Result<MatmulOperands, CompileError> {
    let [x, weight] = lower.graph.node(matmul).args[..] else {
        return Err(lower.unsupported(matmul, "a product has two arguments"));
    };
    let (outer, n) = domain_of(&lower.graph.ty(matmul).shape);
    let depth = lower.graph.ty(x).shape.last().cloned().unwrap_or_default();
    // The right operand in panels: leading axes, if it has any of its own, then one matrix.
    let shape = lower.graph.ty(weight).shape.clone();
    let (lead, matrix) = shape.split_at(shape.len() - 2);
    let strides = matrix_strides(outer.len(), lead, matrix).map_err(|e| too_large(lower, matmul, &e))?;
    let (access, rows) = match joined_rows(lower.graph, weight) {
        // A reshape whose addresses are not affine is read along the axes that it joins.
        Some(rows) if lower.views[weight.index()].is_none() && !lower.stored(weight) => {
            (lower.access(lower.graph.node(weight).args[0])?, rows.to_vec())
        }
        _ => (lower.access(weight)?, vec![matrix[0].clone()]),
    };
    // A prepared value may be packed as it lies as well, for others.
    let side_by_side = lower.packed.get(&weight).copied().filter(|_| lower.fused.packed.contains(&weight));
    let known = |lower: &mut Lower<'_>| match rows.as_slice() {
        [_] => pack_weight(lower, weight, &access, lead, matrix),
        _ => None,
    };
    let packed = side_by_side.or_else(|| known(lower));
    let buffer = match packed {
        Some(pack) => Buffer::PackedWeight(pack),
        None => {
            pack_value(lower, matmul, weight, &access, (lead, &rows, &matrix[1]))?;
            Buffer::Packed(matmul)
        }
    };
    let right = Unbound { strides, ..Unbound::floats(buffer, 0) };
    let left = lower.access(x)?;
    let left = lower.slot(x, left);
    let format = packed.map_or(Format::F32, |pack| lower.schedule.packs[pack].format);
    Ok(MatmulOperands { left, right, format, outer, n, depth, window: None, columns: None })
}

/// Elements from one packed matrix to the next along each of `outer` axes.
fn matrix_strides(outer: usize, lead: &[Dim], matrix: &[Dim]) -> Result<Vec<Dim>, DimError> {
    let panels = matrix[1].ceil_div(&Dim::constant(PANEL))?;
    let mut stride = panels.times(&matrix[0])?.times(&Dim::constant(PANEL))?;
    let mut strides = vec![Dim::constant(0); outer];
    for (i, extent) in lead.iter().enumerate().rev() {
        strides[i] = stride.clone();
        stride = stride.times(extent)?;
    }
    Ok(strides)
}

/// A convolution: rows are what the window sees at each pixel of the result.
fn conv_operands(lower: &mut Lower<'_>, v: Value) -> Result<MatmulOperands, CompileError> {
    let node = lower.graph.node(v);
    let Op::Conv2d { groups, .. } = &node.op else { return Err(lower.unsupported(v, "it is no product")) };
    let groups =
        groups.as_const().ok_or_else(|| lower.unsupported(v, "its groups must be known when compiled"))?;
    let shape = &lower.graph.ty(node.args[1]).shape;
    let known = |dim: &Dim| {
        dim.as_const().ok_or_else(|| lower.unsupported(v, "its channels must be known when compiled"))
    };
    let (filters, channels) = (known(&shape[0])?, known(&shape[1])?);
    let window = lower.window(v, (groups > 1).then_some(channels))?;
    let buffer = match lower.filters(v, groups)? {
        Some(pack) => Buffer::PackedWeight(pack),
        None => {
            lower.pack_filters(v, groups)?;
            Buffer::Packed(v)
        }
    };
    let (mut outer, _) = domain_of(&node.ty.shape);
    let columns = filters / groups.max(1);
    let depth = Dim::product(&shape[1..])
        .ok()
        .and_then(|depth| depth.as_const())
        .ok_or_else(|| lower.unsupported(v, "its filters must have a known size"))?;
    let mut strides = vec![Dim::constant(0); outer.len()];
    if groups > 1 {
        outer.insert(0, Dim::constant(groups));
        strides.insert(0, Dim::constant((columns + PANEL - 1) / PANEL * PANEL * depth));
    }
    let (left, right) =
        (Unbound::floats(Buffer::Scratch, 0), Unbound { strides, ..Unbound::floats(buffer, 0) });
    Ok(MatmulOperands {
        left,
        right,
        format: Format::F32,
        outer,
        n: Dim::constant(columns),
        depth: Dim::constant(depth),
        window: Some(window),
        columns: (groups > 1).then(|| Dim::constant(columns)),
    })
}
