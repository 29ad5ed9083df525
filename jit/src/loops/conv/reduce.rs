//! Windows with many elements, reduced in loops: a pooling, or a convolution of one channel each. What lies
//! outside of the image is passed over.

use crate::code::{FunctionCode, Pointer};
use crate::lanes::{Bin, Cmp, Inst, Len, Program, Reduce, Reg, derive};
use crate::loops::address::address;
use crate::loops::nest::{Nest, Pointers, Pool, ProgramId};
use crate::loops::program::{self, InPlace, load, map, push, store};
use crate::loops::sums;
use crate::spec::{WindowReduction, WindowSpec};
use cranelift::codegen::ir::Value;
use cranelift::prelude::InstBuilder;

/// Elements side by side that one call reduces, largest first: a row of the window or 64 of it, then what is
/// left.
fn pieces(window: &WindowSpec) -> [i64; 3] {
    [window.kernel[1].min(64), 8, 1]
}

/// The pointers of [`piece`].
struct Piece {
    result: Pointer,
    /// The first pixel.
    pixel: Pointer,
    /// Its filters, if there are any.
    filters: Option<Pointer>,
}

impl Pointers for Piece {
    fn in_order(self) -> Vec<Pointer> {
        let mut all = vec![self.result, self.pixel];
        all.extend(self.filters);
        all
    }
}

impl Piece {
    const RESULT: u16 = 0;
    const PIXEL: u16 = 1;
    const FILTERS: u16 = 2;
}

/// Reduces `count` elements side by side into the result.
fn piece(window: &WindowSpec, how: WindowReduction, count: i64) -> Program {
    let (mut body, mut derived) = (Vec::new(), Vec::new());
    let mut acc: Option<Reg> = None;
    let result = load(&mut body, Piece::RESULT);
    for j in 0..count {
        let ptr = derive(&mut derived, Piece::PIXEL, j * window.dilation[1] * window.column());
        let x = load(&mut body, ptr);
        acc = Some(match (how, acc) {
            (WindowReduction::Filtered { apart, .. }, acc) => {
                let ptr = derive(&mut derived, Piece::FILTERS, j * apart);
                let filter = load(&mut body, ptr);
                match acc {
                    Some(acc) => push(&mut body, Inst::Fma(x, filter, acc)),
                    None => push(&mut body, Inst::Bin(Bin::Mul, x, filter)),
                }
            }
            (_, None) => x,
            (WindowReduction::Sum, Some(acc)) => push(&mut body, Inst::Bin(Bin::Add, acc, x)),
            (WindowReduction::Max, Some(acc)) => larger(&mut body, acc, x),
        });
    }
    let acc = acc.unwrap_or(result);
    let (value, ptrs) = match how {
        WindowReduction::Max => (larger(&mut body, result, acc), 2),
        WindowReduction::Sum => (push(&mut body, Inst::Bin(Bin::Add, result, acc)), 2),
        WindowReduction::Filtered { .. } => (push(&mut body, Inst::Bin(Bin::Add, result, acc)), 3),
    };
    store(&mut body, Piece::RESULT, value);
    map(window.chunk, ptrs, derived, body)
}

/// The larger of two numbers; NaN if one is.
fn larger(body: &mut Vec<Inst>, a: Reg, b: Reg) -> Reg {
    let more = push(body, Inst::Cmp(Cmp::Gt, a, b));
    let nan = push(body, Inst::Cmp(Cmp::Ne, a, a));
    let keep = push(body, Inst::Bin(Bin::Or, more, nan));
    push(body, Inst::Select(keep, a, b))
}

/// Takes the result from the sums in its place.
fn whole(width: i64) -> Program {
    let (mut body, mut derived) = (Vec::new(), Vec::new());
    let value = sums::whole(width, &mut body, &mut derived, InPlace::ROW);
    store(&mut body, InPlace::ROW, value);
    map(width, 1, derived, body)
}

/// What is done besides with a sum.
struct SumPrograms {
    /// Between two rows of the window.
    add_part: ProgramId<InPlace>,
    /// Behind the last.
    whole: ProgramId<InPlace>,
}

/// A window that is reduced, with its programs.
pub struct ReducedWindow<'s> {
    window: &'s WindowSpec,
    /// Floats from one row of filters to the next, if there are any.
    filters_apart: i64,
    /// Each with the elements that it reduces.
    pieces: Vec<(ProgramId<Piece>, i64)>,
    begin: ProgramId<InPlace>,
    sum: Option<SumPrograms>,
}

/// What of a window stands on the image along an axis.
struct Inside {
    /// The window's elements, from the first up to the second.
    from: Value,
    to: Value,
    /// The image's row or column under the window's first element.
    start: Value,
}

impl<'s> ReducedWindow<'s> {
    /// Adds the programs.
    pub fn new(window: &'s WindowSpec, how: WindowReduction, pool: &mut Pool) -> ReducedWindow<'s> {
        let filters_apart = if let WindowReduction::Filtered { apart, .. } = how { apart } else { 0 };
        let pieces = pieces(window).map(|count| (pool.add(&piece(window, how, count)), count)).to_vec();
        let (begin, sum) = if how == WindowReduction::Max {
            let least = program::fill(Len::Const(window.chunk), Reduce::Max.identity());
            (pool.add(&least), None)
        } else {
            let clear = pool.add(&sums::clear(window.chunk));
            let add_part = pool.add(&sums::add_part(window.chunk));
            (clear, Some(SumPrograms { add_part, whole: pool.add(&whole(window.chunk)) }))
        };
        ReducedWindow { window, filters_apart, pieces, begin, sum }
    }

    fn inside(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, axis: usize, at: Value) -> Inside {
        let window = self.window;
        let zero = code.int(0);
        let (before, length) = (nest.len(code, window.before[axis]), nest.len(code, window.image[axis]));
        let start = code.mul_imm(at, window.stride[axis]);
        let start = code.sub(start, before);
        let elements = |code: &mut FunctionCode<'_, '_>, pixels: Value| {
            let pixels = code.max(pixels, zero);
            code.ceil_div(pixels, window.dilation[axis])
        };
        let missing = code.sub(zero, start);
        let from = elements(code, missing);
        let left = code.sub(length, start);
        let to = elements(code, left);
        let all = code.int(window.kernel[axis]);
        Inside { from, to: code.min(to, all), start }
    }

    /// Reduces the window at a position of the result into the row at `memory`; `filters` are those of the
    /// first element.
    pub fn build(
        &self,
        nest: &Nest,
        code: &mut FunctionCode<'_, '_>,
        number: Value,
        at: [Value; 2],
        memory: Pointer,
        filters: Option<Pointer>,
    ) {
        let window = self.window;
        let image = address(nest, code, &window.from, &[number]);
        let rows = self.inside(nest, code, 0, at[0]);
        let columns = self.inside(nest, code, 1, at[1]);
        nest.call(code, self.begin, InPlace { row: memory });
        code.for_each(rows.from, rows.to, 1, &mut |code, i| {
            let down = code.mul_imm(i, window.dilation[0]);
            let down = code.add(rows.start, down);
            let down = nest.times(code, down, window.from.strides[1]);
            let mut from = columns.from;
            for &(program, size) in &self.pieces {
                let count = code.sub(columns.to, from);
                let remainder = code.ins().srem_imm_s(count, size);
                let to = code.sub(columns.to, remainder);
                code.for_each(from, to, size, &mut |code, j| {
                    let across = code.mul_imm(j, window.dilation[1]);
                    let across = code.add(columns.start, across);
                    let across = code.mul_imm(across, window.column());
                    let elements = code.add(down, across);
                    let bytes = code.mul_imm(elements, 4);
                    let pixel = code.moved(image, bytes);
                    let filters = filters.map(|filters| {
                        let element = code.mul_imm(i, window.kernel[1]);
                        let element = code.add(element, j);
                        let bytes = code.mul_imm(element, 4 * self.filters_apart);
                        code.moved(filters, bytes)
                    });
                    nest.call(code, program, Piece { result: memory, pixel, filters });
                });
                from = code.max(from, to);
            }
            if let Some(sum) = &self.sum {
                nest.call(code, sum.add_part, InPlace { row: memory });
            }
        });
        if let Some(sum) = &self.sum {
            nest.call(code, sum.whole, InPlace { row: memory });
        }
    }
}
