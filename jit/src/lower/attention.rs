//! Attention: strides along batch, head and position for each operand.

use super::Lower;
use super::unbound::{Unbound, bind};
use crate::CompileError;
use crate::lanes::{Encoding, Len};
use crate::spec::{AttentionSpec, Binding, Buffer, KernelSpec, Slot};
use tancho_ir::op::Op;
use tancho_ir::{Dim, Value};

/// The shape of an attention.
struct Heads<'a> {
    heads: i64,
    key_heads: i64,
    /// Width of a head.
    width: i64,
    /// Operands have an axis of heads.
    by_head: bool,
    batch: &'a Dim,
    queries: &'a Dim,
    keys: &'a Dim,
}

impl<'a> Heads<'a> {
    fn of(lower: &Lower<'a>, v: Value, heads: &Dim) -> Result<Heads<'a>, CompileError> {
        let constant = |dim: &Dim, what: &str| {
            let why = || format!("{what} must be a positive static dim, but is {dim}");
            dim.as_const().filter(|n| *n > 0).ok_or_else(|| lower.unsupported(v, &why()))
        };
        let node = lower.graph.node(v);
        let heads = constant(heads, "the number of heads")?;
        let (q, k) = (&lower.graph.ty(node.args[0]).shape, &lower.graph.ty(node.args[1]).shape);
        let by_head = q.len() == 4;
        let (width, key_heads) = if by_head {
            (constant(&q[3], "the width of a head")?, constant(&k[1], "the number of key heads")?)
        } else {
            let width = constant(&q[2], "the width")? / heads;
            (width, constant(&k[2], "the width of the keys")? / width.max(1))
        };
        if width == 0 {
            return Err(lower.unsupported(v, "a head is 0 wide"));
        }
        let (queries, keys) = if by_head { (&q[2], &k[2]) } else { (&q[1], &k[1]) };
        Ok(Heads { heads, key_heads, width, by_head, batch: &q[0], queries, keys })
    }

    /// A slot with strides along batch, head and position.
    fn slot(&self, mut slot: Unbound) -> Unbound {
        if !self.by_head {
            // A head's columns lie one after another: the row's last axis has step 1.
            slot.strides.insert(1, Dim::constant(self.width));
        }
        slot
    }

    /// The slot of queries, keys or values.
    fn operand(&self, lower: &Lower<'_>, binding: &mut Binding, v: Value) -> Result<Slot, CompileError> {
        let v = if lower.fused.widened.contains(&v) { lower.graph.node(v).args[0] } else { v };
        let access = lower.access(v)?;
        Ok(bind(binding, &self.slot(lower.slot(v, access))))
    }
}

/// Lowers an attention.
pub fn lower(lower: &mut Lower<'_>, v: Value) -> Result<(), CompileError> {
    let node = lower.graph.node(v);
    let Op::Attention { heads, causal, window, mask, bias, scale, softcap } = &node.op else { return Ok(()) };
    let shape = Heads::of(lower, v, heads)?;
    let width = shape.width;
    let mut binding = Binding::default();
    let q = shape.operand(lower, &mut binding, node.args[0])?;
    let k = shape.operand(lower, &mut binding, node.args[1])?;
    let values = shape.operand(lower, &mut binding, node.args[2])?;
    let out = bind(&mut binding, &shape.slot(lower.whole(v)?));
    let mask = if *mask { Some(bind(&mut binding, &mask_slot(lower, node.args[3])?)) } else { None };
    let bias = match node.args.last() {
        Some(bias_of) if *bias => Some(bind(&mut binding, &bias_slot(lower, *bias_of)?)),
        _ => None,
    };
    let scale = scale.map_or(1.0 / (width as f64).sqrt(), |scale| scale.0) as f32;
    let keys = binding.len(shape.keys);
    let cols = |n: Len, k: Len| lower.machine.blocking(n, k, false, Encoding::F32).cols;
    let spec = AttentionSpec {
        batch: binding.len(shape.batch),
        heads: shape.heads,
        key_heads: shape.key_heads,
        queries: binding.len(shape.queries),
        keys,
        width,
        q,
        k,
        v: values,
        mask,
        bias,
        causal: *causal,
        window: window.as_ref().map(|window| binding.len(window)),
        scale: scale.to_bits(),
        softcap: softcap.map(|cap| (cap.0 as f32).to_bits()),
        out,
        scratch: binding.buffer(Buffer::Scratch),
        block: lower.machine.queries(keys),
        score_cols: cols(Len::Arg(0), Len::Const(width)),
        value_cols: cols(Len::Const(width), keys),
    };
    lower.push(KernelSpec::Attention(spec), binding, v)
}

/// A mask over keys, over queries and keys, or over heads, queries and keys.
fn mask_slot(lower: &Lower<'_>, mask: Value) -> Result<Unbound, CompileError> {
    let access = lower.access(mask)?;
    let mut slot = lower.slot(mask, access);
    let zero = Dim::constant(0);
    match lower.graph.ty(mask).rank() {
        2 => slot.strides.extend([zero.clone(), zero]),
        3 => slot.strides.insert(1, zero),
        _ => {}
    }
    Ok(slot)
}

/// A bias over heads, queries and keys, of all sequences or of each.
fn bias_slot(lower: &Lower<'_>, bias: Value) -> Result<Unbound, CompileError> {
    let mut slot = lower.slot(bias, lower.access(bias)?);
    if lower.graph.ty(bias).rank() == 3 {
        slot.strides.insert(0, Dim::constant(0));
    }
    Ok(slot)
}
