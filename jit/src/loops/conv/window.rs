//! What a window sees: rows of the image where all of it stands on the image, else a patch with
//! what surrounds the image filled in.

use crate::code::{Code, Extent, Pointer};
use crate::codegen::Nest;
use crate::lanes::{Inst, Len, Mem, Program, Stmt, derive};
use crate::loops::{address, copy_program, decode};
use crate::spec::{WindowSpec, written_out};
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;

const ONE: Len = Len::Const(1);
const NONE: Len = Len::Const(0);

/// The window at one position.
struct Spot {
    /// The image's row and column under the window's first element; perhaps outside.
    row: Value,
    column: Value,
    /// The address of that pixel, though nothing may be there.
    first: Pointer,
    /// Whether the whole window stands on the image.
    inside: Value,
}

/// Runs of elements of a row of the window that lie side by side.
fn runs(w: &WindowSpec) -> i64 {
    if w.side_by_side() { 1 } else { w.kernel[1] }
}

/// Copies what a window that stands on the image sees, `[KH][KW][chunk]`: pointers are the window's rows and
/// the target. `None` if it has too many runs; then they are copied one by one.
pub fn gather(w: &WindowSpec) -> Option<Program> {
    let (kh, runs) = (w.kernel[0], runs(w));
    if !written_out(kh.saturating_mul(runs)) {
        return None;
    }
    let len = w.kernel[1] / runs * w.chunk;
    let (mut body, mut derived) = (Vec::new(), Vec::new());
    for i in 0..kh {
        for j in 0..runs {
            let from = derive(&mut derived, i as u16, j * w.dilation[1] * w.column());
            let to = derive(&mut derived, kh as u16, (i * runs + j) * len);
            let value = body.len() as u32;
            body.push(Inst::Load { ptr: from, step: ONE, row_step: NONE, mem: Mem::F32 });
            body.push(Inst::Store { ptr: to, step: ONE, row_step: NONE, mem: Mem::F32, value });
        }
    }
    let stmt = Stmt::Map { len: Len::Const(len), body, folds: Vec::new() };
    Some(Program { ptrs: kh as u16 + 1, ints: 0, slots: 0, derived, stmts: vec![stmt] })
}

/// Copies one pixel's channels, and fills them with what surrounds the image.
pub fn border(w: &WindowSpec) -> [Program; 2] {
    let body =
        vec![Inst::Float(w.fill), Inst::Store { ptr: 0, step: ONE, row_step: NONE, mem: Mem::F32, value: 0 }];
    let fill = Stmt::Map { len: Len::Const(w.chunk), body, folds: Vec::new() };
    [
        copy_program(Len::Const(w.chunk), (Mem::F32, ONE), ONE),
        Program { ptrs: 1, ints: 0, slots: 0, derived: Vec::new(), stmts: vec![fill] },
    ]
}

/// The address of image `n`, or of its group's channels.
fn image(w: &WindowSpec, n: &Nest, c: &mut Code<'_, '_>, number: Value, group: Option<Value>) -> Pointer {
    let p = address(n, c, &w.from, &[number]);
    match group {
        Some(g) => {
            let bytes = c.mul_imm(g, 4 * w.chunk);
            c.moved(p, bytes)
        }
        None => p,
    }
}

/// The window at position `(row, column)` of the result.
fn spot(w: &WindowSpec, n: &Nest, c: &mut Code<'_, '_>, image: Pointer, at: [Value; 2]) -> Spot {
    let mut first = [at[0]; 2];
    let mut inside = None;
    for axis in 0..2 {
        let start = c.mul_imm(at[axis], w.stride[axis]);
        let before = n.len(c, w.before[axis]);
        let start = c.b.ins().isub(start, before);
        let spans = (w.kernel[axis] - 1) * w.dilation[axis] + 1;
        let end = c.add_imm(start, spans);
        let length = n.len(c, w.image[axis]);
        let from = c.b.ins().icmp_imm_s(IntCC::SignedGreaterThanOrEqual, start, 0);
        let to = c.b.ins().icmp(IntCC::SignedLessThanOrEqual, end, length);
        let both = c.b.ins().band(from, to);
        inside = Some(match inside {
            Some(other) => c.b.ins().band(other, both),
            None => both,
        });
        first[axis] = start;
    }
    let down = n.times(c, first[0], w.from.strides[1]);
    let across = c.mul_imm(first[1], w.column());
    let elements = c.add(down, across);
    let bytes = c.mul_imm(elements, 4);
    let inside = inside.unwrap_or(at[0]);
    Spot { row: first[0], column: first[1], first: c.moved(image, bytes), inside }
}

/// The rows of a window that stands on the image.
fn rows(w: &WindowSpec, n: &Nest, c: &mut Code<'_, '_>, first: Pointer) -> Vec<Pointer> {
    (0..w.kernel[0])
        .map(|i| {
            let down = c.int(i * w.dilation[0]);
            let down = n.times(c, down, w.from.strides[1]);
            let bytes = c.mul_imm(down, 4);
            c.moved(first, bytes)
        })
        .collect()
}

/// Makes the patch of a window that does not stand on the image alone: elements `steps` apart, down and
/// across. `programs` is the number of the first of [`border`]'s.
fn patch(
    w: &WindowSpec,
    n: &Nest,
    c: &mut Code<'_, '_>,
    s: &Spot,
    to: Pointer,
    steps: [i64; 2],
    programs: usize,
) {
    let zero = c.int(0);
    let (high, wide) = (c.int(w.kernel[0]), c.int(w.kernel[1]));
    c.for_each(zero, high, 1, &mut |c, i| {
        let down = c.mul_imm(i, w.dilation[0]);
        let row = c.add(s.row, down);
        let length = n.len(c, w.image[0]);
        let there = c.b.ins().icmp(IntCC::UnsignedLessThan, row, length);
        let down = n.times(c, down, w.from.strides[1]);
        let below = c.mul_imm(i, steps[0]);
        c.for_each(zero, wide, 1, &mut |c, j| {
            let across = c.mul_imm(j, w.dilation[1]);
            let column = c.add(s.column, across);
            let length = n.len(c, w.image[1]);
            let here = c.b.ins().icmp(IntCC::UnsignedLessThan, column, length);
            let here = c.b.ins().band(here, there);
            let beside = c.mul_imm(j, steps[1]);
            let at = c.add(below, beside);
            let at = c.mul_imm(at, 4);
            let to = c.moved(to, at);
            let across = c.mul_imm(across, w.column());
            let from = c.add(down, across);
            let from = c.mul_imm(from, 4);
            let from = c.moved(s.first, from);
            c.when(here, &mut |c| n.call(c, programs, &[from, to], &[]));
            let outside = c.b.ins().icmp_imm_s(IntCC::Equal, here, 0);
            c.when(outside, &mut |c| n.call(c, programs + 1, &[to], &[]));
        });
    });
}

/// One pointer or the other.
fn pick(c: &mut Code<'_, '_>, condition: Value, a: Pointer, b: Pointer) -> Pointer {
    let addr = c.b.ins().select(condition, a.addr, b.addr);
    let extent = a.extent.zip(b.extent).map(|(a, b)| Extent {
        low: c.b.ins().select(condition, a.low, b.low),
        size: c.b.ins().select(condition, a.size, b.size),
    });
    Pointer { addr, extent }
}

/// The rows that a window sees at a position of the result: on the image, or in a patch that is made at `to`.
pub fn seen(
    w: &WindowSpec,
    n: &Nest,
    c: &mut Code<'_, '_>,
    (number, at): (Value, [Value; 2]),
    to: Pointer,
    programs: usize,
) -> Vec<Pointer> {
    let image = image(w, n, c, number, None);
    let spot = spot(w, n, c, image, at);
    let outside = c.b.ins().icmp_imm_s(IntCC::Equal, spot.inside, 0);
    c.when(outside, &mut |c| {
        patch(w, n, c, &spot, to, [w.patch_row(), w.dilation[1] * w.column()], programs)
    });
    (rows(w, n, c, spot.first).into_iter().enumerate())
        .map(|(i, p)| {
            let bytes = c.int(4 * w.patch_row() * i as i64);
            let q = c.moved(to, bytes);
            pick(c, spot.inside, p, q)
        })
        .collect()
}

/// The rows of windows one after another in memory: those of pixels `rows` of the result, in the order of its
/// rows.
pub fn block(
    w: &WindowSpec,
    n: &Nest,
    c: &mut Code<'_, '_>,
    batch: &Block,
    rows_of: (Value, Value),
    to: Pointer,
    programs: usize,
) {
    let all = c.mul(batch.number, batch.length);
    let step = w.terms() * 4;
    c.for_each(rows_of.0, rows_of.1, 1, &mut |c, r| {
        let pixel = c.add(all, r);
        let at = decode(n, c, pixel, &[ONE, w.out[0], w.out[1]]);
        let image = image(w, n, c, at[0], batch.group);
        let spot = spot(w, n, c, image, [at[1], at[2]]);
        let row = c.b.ins().isub(r, rows_of.0);
        let bytes = c.mul_imm(row, step);
        let to = c.moved(to, bytes);
        let pixels =
            |c: &mut Code<'_, '_>| patch(w, n, c, &spot, to, [w.kernel[1] * w.chunk, w.chunk], programs);
        if !written_out(w.kernel[0].saturating_mul(runs(w))) {
            return pixels(c);
        }
        c.when(spot.inside, &mut |c| {
            let mut ptrs = rows(w, n, c, spot.first);
            ptrs.push(to);
            n.call(c, programs + 2, &ptrs, &[]);
        });
        let outside = c.b.ins().icmp_imm_s(IntCC::Equal, spot.inside, 0);
        c.when(outside, &mut |c| pixels(c));
    });
}

/// Which pixels the rows of a batch are.
pub struct Block {
    /// The batch among those of its group.
    pub number: Value,
    /// Rows of a batch.
    pub length: Value,
    /// The part of the channels.
    pub group: Option<Value>,
}
