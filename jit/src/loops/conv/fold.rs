//! Windows with many elements, folded in loops: a pooling, or a convolution of one channel each. What lies
//! outside of the image is passed over.

use crate::code::{Code, Pointer};
use crate::codegen::Nest;
use crate::lanes::{Bin, Cmp, Fold, Inst, Program, Reg, derive};
use crate::loops::sums::{self, load, map, push, store};
use crate::loops::{address, ceil_div, min};
use crate::spec::{WindowFold, WindowSpec};
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;

/// Elements side by side that one call folds, largest first: a row of the window or so many, then what is
/// left.
fn pieces(w: &WindowSpec) -> [i64; 3] {
    [w.kernel[1].min(64), 8, 1]
}

/// Numbers of the programs behind the first: one for each piece comes before them.
const CLEAR: usize = 3;
const ADD_PART: usize = 4;
const WHOLE: usize = 5;

/// Folds so many elements side by side into the result: pointers are the result, the first pixel and its
/// filters.
fn piece(w: &WindowSpec, fold: WindowFold, count: i64) -> Program {
    let (mut body, mut derived) = (Vec::new(), Vec::new());
    let mut acc: Option<Reg> = None;
    let result = load(&mut body, 0);
    for j in 0..count {
        let ptr = derive(&mut derived, 1, j * w.dilation[1] * w.column());
        let x = load(&mut body, ptr);
        acc = Some(match (fold, acc) {
            (WindowFold::Filtered(_, row), acc) => {
                let ptr = derive(&mut derived, 2, j * row);
                let filter = load(&mut body, ptr);
                match acc {
                    Some(acc) => push(&mut body, Inst::Fma(x, filter, acc)),
                    None => push(&mut body, Inst::Bin(Bin::Mul, x, filter)),
                }
            }
            (_, None) => x,
            (WindowFold::Sum, Some(acc)) => push(&mut body, Inst::Bin(Bin::Add, acc, x)),
            (WindowFold::Max, Some(acc)) => larger(&mut body, acc, x),
        });
    }
    let acc = acc.unwrap_or(result);
    let value = match fold {
        WindowFold::Max => larger(&mut body, result, acc),
        WindowFold::Sum | WindowFold::Filtered(..) => push(&mut body, Inst::Bin(Bin::Add, result, acc)),
    };
    store(&mut body, 0, value);
    map(w.chunk, if matches!(fold, WindowFold::Filtered(..)) { 3 } else { 2 }, derived, body)
}

/// The larger of two numbers; NaN if one is.
fn larger(body: &mut Vec<Inst>, a: Reg, b: Reg) -> Reg {
    let more = push(body, Inst::Cmp(Cmp::Gt, a, b));
    let nan = push(body, Inst::Cmp(Cmp::Ne, a, a));
    let keep = push(body, Inst::Bin(Bin::Or, more, nan));
    push(body, Inst::Select(keep, a, b))
}

/// The programs: those of the pieces, then one that begins, and for sums one between two rows of the window
/// and one behind the last.
pub fn programs(w: &WindowSpec, fold: WindowFold) -> Vec<Program> {
    let mut list: Vec<Program> = pieces(w).iter().map(|n| piece(w, fold, *n)).collect();
    if fold == WindowFold::Max {
        let mut body = Vec::new();
        let least = push(&mut body, Inst::Float(Fold::Max.identity()));
        store(&mut body, 0, least);
        list.push(map(w.chunk, 1, Vec::new(), body));
        return list;
    }
    let (mut body, mut derived) = (Vec::new(), Vec::new());
    let value = sums::whole(w.chunk, &mut body, &mut derived, 0);
    store(&mut body, 0, value);
    list.extend([sums::clear(w.chunk), sums::add_part(w.chunk), map(w.chunk, 1, derived, body)]);
    list
}

/// Floats of working memory.
pub fn floats(w: &WindowSpec) -> i64 {
    sums::floats(w.chunk)
}

/// Elements of the window along an axis that stand on the image, from the first up to the second, and the
/// image's row or column under the window's first element.
fn inside(w: &WindowSpec, n: &Nest, c: &mut Code<'_, '_>, axis: usize, at: Value) -> (Value, Value, Value) {
    let (zero, before, length) = (c.int(0), n.len(c, w.before[axis]), n.len(c, w.image[axis]));
    let start = c.mul_imm(at, w.stride[axis]);
    let start = c.b.ins().isub(start, before);
    let number = |c: &mut Code<'_, '_>, pixels: Value| {
        let pixels = c.b.ins().smax(pixels, zero);
        ceil_div(c, pixels, w.dilation[axis])
    };
    let missing = c.b.ins().isub(zero, start);
    let from = number(c, missing);
    let left = c.b.ins().isub(length, start);
    let to = number(c, left);
    let all = c.int(w.kernel[axis]);
    (from, min(c, to, all), start)
}

/// Folds the window at a position of the result into the row at `memory`; `filters` are those of the first
/// element, and floats from one to the next. `first` is the number of the first of [`programs`].
pub fn build(
    w: &WindowSpec,
    fold: WindowFold,
    n: &Nest,
    c: &mut Code<'_, '_>,
    (number, at): (Value, [Value; 2]),
    (memory, filters): (Pointer, Option<(Pointer, i64)>),
    first: usize,
) {
    let image = address(n, c, &w.from, &[number]);
    let (top, bottom, row) = inside(w, n, c, 0, at[0]);
    let (left, right, column) = inside(w, n, c, 1, at[1]);
    n.call(c, first + CLEAR, &[memory], &[]);
    c.for_each(top, bottom, 1, &mut |c, i| {
        let down = c.mul_imm(i, w.dilation[0]);
        let down = c.add(row, down);
        let down = n.times(c, down, w.from.strides[1]);
        let mut from = left;
        for (program, size) in pieces(w).into_iter().enumerate() {
            let count = c.b.ins().isub(right, from);
            let rest = c.b.ins().srem_imm_s(count, size);
            let to = c.b.ins().isub(right, rest);
            c.for_each(from, to, size, &mut |c, j| {
                let across = c.mul_imm(j, w.dilation[1]);
                let across = c.add(column, across);
                let across = c.mul_imm(across, w.column());
                let elements = c.add(down, across);
                let bytes = c.mul_imm(elements, 4);
                let mut ptrs = vec![memory, c.moved(image, bytes)];
                if let Some((filters, apart)) = filters {
                    let element = c.mul_imm(i, w.kernel[1]);
                    let element = c.add(element, j);
                    let bytes = c.mul_imm(element, 4 * apart);
                    ptrs.push(c.moved(filters, bytes));
                }
                n.call(c, first + program, &ptrs, &[]);
            });
            from = c.b.ins().smax(from, to);
        }
        if fold != WindowFold::Max {
            n.call(c, first + ADD_PART, &[memory], &[]);
        }
    });
    if fold != WindowFold::Max {
        n.call(c, first + WHOLE, &[memory], &[]);
    }
}
