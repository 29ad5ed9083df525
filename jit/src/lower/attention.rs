//! Attention: strides along batch, head and position for each operand.

use super::{Lower, Wide, bind};
use crate::CompileError;
use crate::lanes::{Len, Terms};
use crate::spec::{AttentionSpec, Binding, Buffer, KernelSpec};
use tancho_ir::op::Op;
use tancho_ir::{Dim, Value};

pub fn lower(l: &mut Lower<'_>, v: Value) -> Result<(), CompileError> {
    let node = l.g.node(v);
    let Op::Attention { heads, causal, window, mask, bias, scale } = &node.op else { return Ok(()) };
    let constant = |d: &Dim, what: &str| {
        d.as_const()
            .filter(|n| *n > 0)
            .ok_or_else(|| l.unsupported(v, &format!("{what} must be a positive static dim, but is {d}")))
    };
    let heads = constant(heads, "the number of heads")?;
    let (q, k) = (&l.g.ty(node.args[0]).shape, &l.g.ty(node.args[1]).shape);
    let by_head = q.len() == 4;
    let (width, key_heads) = if by_head {
        (constant(&q[3], "the width of a head")?, constant(&k[1], "the number of key heads")?)
    } else {
        let width = constant(&q[2], "the width")? / heads;
        (width, constant(&k[2], "the width of the keys")? / width.max(1))
    };
    if width == 0 {
        return Err(l.unsupported(v, "a head is 0 wide"));
    }
    let (s, t) = if by_head { (&q[2], &k[2]) } else { (&q[1], &k[1]) };
    let mut b = Binding::default();
    let operand = |l: &Lower<'_>, b: &mut Binding, x: Value| -> Result<crate::spec::Slot, CompileError> {
        let x = if l.fused.widened.contains(&x) { l.g.node(x).args[0] } else { x };
        let access = l.access(x)?;
        Ok(bind(b, &by_heads(l.wide(x, access), by_head, width)))
    };
    let (sq, sk, sv) = (
        operand(l, &mut b, node.args[0])?,
        operand(l, &mut b, node.args[1])?,
        operand(l, &mut b, node.args[2])?,
    );
    let out = bind(&mut b, &by_heads(l.whole(v)?, by_head, width));
    let mask = if *mask { Some(bind(&mut b, &mask_slot(l, node.args[3])?)) } else { None };
    let bias = match node.args.last() {
        Some(x) if *bias => Some(bind(&mut b, &bias_slot(l, *x)?)),
        _ => None,
    };
    let scale = scale.map_or(1.0 / (width as f64).sqrt(), |s| s.0) as f32;
    let keys = b.len(t);
    let cols = |n: Len, k: Len| l.machine.blocking(n, k, false, Terms::F32).cols;
    let spec = AttentionSpec {
        batch: b.len(&q[0]),
        heads,
        key_heads,
        s: b.len(s),
        t: keys,
        width,
        q: sq,
        k: sk,
        v: sv,
        mask,
        bias,
        causal: *causal,
        window: window.as_ref().map(|w| b.len(w)),
        scale: scale.to_bits(),
        out,
        scratch: b.buffer(Buffer::Scratch),
        block: l.machine.queries(keys),
        columns: (cols(Len::Arg(0), Len::Const(width)), cols(Len::Const(width), keys)),
    };
    l.push(KernelSpec::Attention(spec), b, v)
}

/// Strides along batch, head and position.
fn by_heads(mut w: Wide, by_head: bool, width: i64) -> Wide {
    if !by_head {
        // A head's columns lie one after another: the row's last axis has step 1.
        w.strides.insert(1, Dim::constant(width));
    }
    w
}

/// A mask over keys, over queries and keys, or over heads, queries and keys.
fn mask_slot(l: &Lower<'_>, m: Value) -> Result<Wide, CompileError> {
    let access = l.access(m)?;
    let mut w = l.wide(m, access);
    let zero = Dim::constant(0);
    match l.g.ty(m).rank() {
        2 => w.strides.extend([zero.clone(), zero]),
        3 => w.strides.insert(1, zero),
        _ => {}
    }
    Ok(w)
}

/// A bias over heads, queries and keys, of all sequences or of each.
fn bias_slot(l: &Lower<'_>, x: Value) -> Result<Wide, CompileError> {
    let mut w = l.wide(x, l.access(x)?);
    if l.g.ty(x).rank() == 3 {
        w.strides.insert(0, Dim::constant(0));
    }
    Ok(w)
}
