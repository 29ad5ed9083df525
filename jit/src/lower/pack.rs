//! Right operands in packed panels: weights, which are packed when the network is compiled, and values that
//! other kernels make.

use super::unbound::{bind, domain_of};
use super::{Constant, Lower, WeightPack, WeightPart, root_of};
use crate::CompileError;
use crate::format::Format;
use crate::spec::{Binding, Buffer, KernelSpec, PackSpec};
use tancho_ir::access::{Access, resolve};
use tancho_ir::{Dim, Value};

/// A weight read through views alone is packed once, when the network is compiled.
pub fn pack_weight(
    lower: &mut Lower<'_>,
    weight: Value,
    access: &Access,
    lead: &[Dim],
    matrix: &[Dim],
) -> Option<usize> {
    if root_of(lower.graph, weight) != access.root || lower.stored(access.root) {
        return None;
    }
    let part = weight_part(lower, access, &matrix[1])?;
    let k = matrix[0].as_const()?;
    let plain = WeightPack::plain(consts(lead)?, vec![k], vec![part]);
    let format = if lead.is_empty() { format_of(lower, &plain.parts, k) } else { Format::F32 };
    Some(lower.pack(WeightPack { format, ..plain }))
}

/// Weights side by side: the right operand `[K, N]` of matmuls, or a vector, which is packed as a matrix of
/// one row.
pub fn pack_concat(lower: &mut Lower<'_>, v: Value) -> Result<WeightPack, CompileError> {
    let graph = lower.graph;
    let mut part = |arg: &Value| {
        let (_, n) = domain_of(&graph.ty(*arg).shape);
        weight_part(lower, &resolve(graph, *arg, &|_| false)?, &n)
    };
    let parts = graph.node(v).args.iter().map(&mut part).collect::<Option<Vec<_>>>();
    let (rows, _) = domain_of(&lower.graph.ty(v).shape);
    let k = Dim::product(&rows).ok().and_then(|k| k.as_const());
    match (k, parts) {
        (Some(k), Some(parts)) => {
            let format = if rows.is_empty() { Format::F32 } else { format_of(lower, &parts, k) };
            Ok(WeightPack { format, ..WeightPack::plain(Vec::new(), vec![k], parts) })
        }
        _ => Err(lower.unsupported(v, "its parts are no weights of static shapes")),
    }
}

/// The format of weights with sums of `k` terms: the one asked for, unless a weight may not be so coarse, or
/// `k` is no number of whole groups.
fn format_of(lower: &Lower<'_>, parts: &[WeightPart], k: i64) -> Format {
    let coarsest = |part: &WeightPart| match part.from {
        Constant::Weight(i) => lower.coarsest.get(i).copied().unwrap_or(Format::Q4),
        Constant::Prepared(i) => lower.formats[lower.prepared[i].index()],
    };
    let format = parts.iter().map(coarsest).fold(lower.weights, Format::min);
    if k > 0 && k % format.encoding().unit() == 0 { format } else { Format::F32 }
}

/// How `n` columns are read from a weight: the last two strides are those of rows and columns.
fn weight_part(lower: &mut Lower<'_>, access: &Access, n: &Dim) -> Option<WeightPart> {
    if !lower.is_constant(access.root) {
        return None;
    }
    let mut strides = consts(&access.strides)?;
    let column = strides.pop()?;
    let k_strides = vec![strides.pop().unwrap_or(0)];
    let (from, scale) = lower.read(access, column);
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

/// A right operand that another kernel made is packed by a kernel of its own. Its axes are leading ones,
/// those of the rows, and that of the columns.
pub fn pack_value(
    lower: &mut Lower<'_>,
    matmul: Value,
    weight: Value,
    access: &Access,
    (lead, rows, columns): (&[Dim], &[Dim], &Dim),
) -> Result<(), CompileError> {
    let mut binding = Binding::default();
    let from = lower.slot(weight, access.clone());
    let from = bind(&mut binding, &from);
    let spec = PackSpec {
        batch: binding.lens(lead),
        k: binding.lens(rows),
        n: binding.len(columns),
        from,
        to: binding.buffer(Buffer::Packed(matmul)),
    };
    lower.push(KernelSpec::Pack(spec), binding, matmul)
}
