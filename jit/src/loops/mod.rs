//! Loop nests in Cranelift IR, one file a kernel kind. A nest walks over its units,
//! computes addresses and calls lanes programs; it does no arithmetic on elements.

mod attention;
mod columns;
mod conv;
mod convert;
mod matmul;
mod pack;
mod row;
mod sums;

use crate::blob::STATUS_SLOTS;
use crate::code::{Code, Pointer};
use crate::codegen::{EXTRA, Nest, Prepared, compact};
use crate::lanes::{Inst, Len, Mem, Program, Stmt};
use crate::machine::Machine;
use crate::spec::{KernelSpec, Slot};
use cranelift::codegen::ir::{Value, types};
use cranelift::prelude::*;
use tancho_ir::Dim;

/// Which tiles a nest calls: Cranelift's or the emitter's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Menu {
    /// 128 bits.
    Narrow,
    /// AVX2 or AVX-512.
    Wide(Machine),
}

/// The lanes programs of a kernel, in the order its nest calls them by.
pub fn programs(spec: &KernelSpec, menu: Menu) -> Vec<Prepared> {
    let list = match spec {
        KernelSpec::Row(s) => row::programs(s),
        KernelSpec::Matmul(s) => matmul::programs(s, menu),
        KernelSpec::Winograd(s) => conv::winograd::programs(s, menu),
        KernelSpec::Pack(s) => pack::programs(s),
        KernelSpec::Attention(s) => attention::programs(s, menu),
    };
    list.iter().map(compact).collect()
}

/// Emits the nest of a kernel over units `begin..end`.
pub fn build(spec: &KernelSpec, n: &mut Nest, c: &mut Code<'_, '_>, begin: Value, end: Value) {
    match spec {
        KernelSpec::Row(s) => row::build(s, n, c, begin, end),
        KernelSpec::Matmul(s) => matmul::build(s, n, c, begin, end),
        KernelSpec::Winograd(s) => conv::winograd::build(s, n, c, begin, end),
        KernelSpec::Pack(s) => pack::build(s, n, c, begin, end),
        KernelSpec::Attention(s) => attention::build(s, n, c, begin, end),
    }
}

/// How much work a kernel has, as dims over its parameters `#0`, `#1` ...
pub struct Extents {
    /// Units.
    pub units: Dim,
    /// Bytes of working memory of one thread.
    pub scratch: Dim,
    /// Units where a product is divided by columns.
    pub columns: Option<Dim>,
}

/// How much work a kernel has; `None` where a product of its dims is too large to write down.
pub fn extents(spec: &KernelSpec) -> Option<Extents> {
    match spec {
        KernelSpec::Row(s) => row::extents(s),
        KernelSpec::Matmul(s) => matmul::extents(s),
        KernelSpec::Winograd(s) => conv::winograd::extents(s),
        KernelSpec::Pack(s) => pack::extents(s),
        KernelSpec::Attention(s) => attention::extents(s),
    }
}

/// A length as a dim over the kernel's parameters.
fn dim_of(l: Len) -> Dim {
    match l {
        Len::Const(n) => Dim::constant(n),
        Len::Arg(i) => Dim::sym(&format!("#{i}")),
    }
}

fn product_of(lens: &[Len]) -> Option<Dim> {
    lens.iter().try_fold(Dim::constant(1), |acc, l| acc.times(&dim_of(*l))).ok()
}

/// The coordinates of unit `u` along `axes`, the last running fastest.
fn decode(n: &Nest, c: &mut Code<'_, '_>, u: Value, axes: &[Len]) -> Vec<Value> {
    let mut left = u;
    let mut coords = vec![u; axes.len()];
    for i in (1..axes.len()).rev() {
        let extent = n.len(c, axes[i]);
        coords[i] = c.b.ins().urem(left, extent);
        left = c.b.ins().udiv(left, extent);
    }
    if let Some(first) = coords.first_mut() {
        *first = left;
    }
    coords
}

/// The address of a slot at these coordinates along its strides; strides beyond the coordinates do not count.
fn address(n: &Nest, c: &mut Code<'_, '_>, s: &Slot, coords: &[Value]) -> Pointer {
    let base = n.buffer(c, s.buffer);
    let base = match s.offset {
        Len::Const(0) => base,
        o => {
            let o = n.len(c, o);
            let bytes = c.mul_imm(o, s.mem.size());
            c.moved(base, bytes)
        }
    };
    along(n, c, base, s.mem, coords, &s.strides)
}

/// A pointer moved by these coordinates along strides.
fn along(
    n: &Nest,
    c: &mut Code<'_, '_>,
    base: Pointer,
    mem: Mem,
    coords: &[Value],
    strides: &[Len],
) -> Pointer {
    let mut bytes: Option<Value> = None;
    for (x, stride) in coords.iter().zip(strides).filter(|(_, stride)| !stride.is(0)) {
        let step = n.times(c, *x, *stride);
        let step = c.mul_imm(step, mem.size());
        bytes = Some(match bytes {
            Some(b) => c.add(b, step),
            None => step,
        });
    }
    match bytes {
        Some(b) => c.moved(base, b),
        None => base,
    }
}

/// The same for a slot that may take rows by number. A number out of range ends the
/// kernel: it returns `unit * STATUS_SLOTS + which`.
fn gathered(
    n: &Nest,
    c: &mut Code<'_, '_>,
    s: &Slot,
    coords: &[Value],
    unit: Value,
    which: usize,
) -> Pointer {
    let p = address(n, c, s, coords);
    let Some(g) = &s.gather else { return p };
    let ids = address(n, c, &g.ids, coords);
    let id = c.load(types::I32, ids, 0);
    let id = c.b.ins().sextend(types::I64, id);
    let rows = n.len(c, g.rows);
    let ok = c.b.ins().icmp(IntCC::UnsignedLessThan, id, rows);
    let (go, stop) = (c.b.create_block(), c.b.create_block());
    c.b.ins().brif(ok, go, &[], stop, &[]);
    c.b.switch_to_block(stop);
    c.b.seal_block(stop);
    let status = c.mul_imm(unit, STATUS_SLOTS);
    let status = c.add_imm(status, which as i64);
    c.b.ins().return_(&[status]);
    c.b.switch_to_block(go);
    c.b.seal_block(go);
    let from = n.times(c, id, g.row_stride);
    let from = c.mul_imm(from, s.mem.size());
    c.moved(p, from)
}

/// `ceil(v / by)` for a positive constant.
fn ceil_div(c: &mut Code<'_, '_>, v: Value, by: i64) -> Value {
    let v = c.add_imm(v, by - 1);
    c.b.ins().sdiv_imm_s(v, by)
}

fn min(c: &mut Code<'_, '_>, a: Value, b: Value) -> Value {
    c.b.ins().smin(a, b)
}

/// A program that copies a row of `len` elements of 32 bits.
fn copy_program(len: Len, (mem, from_step): (Mem, Len), to_step: Len) -> Program {
    let zero = Len::Const(0);
    let body = vec![
        Inst::Load { ptr: 0, step: from_step, row_step: zero, mem },
        Inst::Store { ptr: 1, step: to_step, row_step: zero, mem: Mem::F32, value: 0 },
    ];
    Program {
        ptrs: 2,
        ints: 0,
        slots: 0,
        derived: Vec::new(),
        stmts: vec![Stmt::Map { len, body, folds: Vec::new() }],
    }
}

/// An integer that the nest passes itself.
fn extra(i: u16) -> Len {
    Len::Arg(EXTRA + i)
}
