//! What a window sees: rows of the image where all of it stands on the image, else a patch with what
//! surrounds the image filled in.

use crate::code::{Extent, FunctionCode, Pointer};
use crate::lanes::{Len, Mem};
use crate::loops::address::address;
use crate::loops::nest::{Nest, Pool, ProgramId};
use crate::loops::program::{self, Copy, InPlace};
use crate::spec::WindowSpec;
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;

/// The window at one position.
pub struct Spot {
    /// The image's row and column under the window's first element; perhaps outside.
    row: Value,
    column: Value,
    /// The address of that pixel, though nothing may be there.
    first: Pointer,
    /// Whether the whole window stands on the image.
    pub inside: Value,
}

/// A window with the programs that make patches.
pub struct Border {
    pub window: Box<WindowSpec>,
    /// Copies one pixel's channels.
    copy: ProgramId<Copy>,
    /// Fills one pixel's channels with what surrounds the image.
    fill: ProgramId<InPlace>,
}

impl Border {
    /// Adds the programs.
    pub fn new(window: WindowSpec, pool: &mut Pool) -> Border {
        let chunk = Len::Const(window.chunk);
        let copy = pool.add(&program::copy(chunk, (Mem::F32, Len::ONE), Len::ONE));
        let fill = pool.add(&program::fill(chunk, window.fill));
        Border { window: Box::new(window), copy, fill }
    }

    /// The address of an image, or of its group's channels.
    pub fn image(
        &self,
        nest: &Nest,
        code: &mut FunctionCode<'_, '_>,
        number: Value,
        group: Option<Value>,
    ) -> Pointer {
        let image = address(nest, code, &self.window.from, &[number]);
        match group {
            Some(group) => {
                let bytes = code.mul_imm(group, 4 * self.window.chunk);
                code.moved(image, bytes)
            }
            None => image,
        }
    }

    /// The window at position `(row, column)` of the result.
    pub fn spot(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, image: Pointer, at: [Value; 2]) -> Spot {
        let window = &self.window;
        let mut first = [at[0]; 2];
        let mut inside = None;
        for axis in 0..2 {
            let start = code.mul_imm(at[axis], window.stride[axis]);
            let before = nest.len(code, window.before[axis]);
            let start = code.sub(start, before);
            let spans = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
            let end = code.add_imm(start, spans);
            let length = nest.len(code, window.image[axis]);
            let from = code.ins().icmp_imm_s(IntCC::SignedGreaterThanOrEqual, start, 0);
            let to = code.ins().icmp(IntCC::SignedLessThanOrEqual, end, length);
            let both = code.ins().band(from, to);
            inside = Some(match inside {
                Some(other) => code.ins().band(other, both),
                None => both,
            });
            first[axis] = start;
        }
        let down = nest.times(code, first[0], window.from.strides[1]);
        let across = code.mul_imm(first[1], window.column());
        let elements = code.add(down, across);
        let bytes = code.mul_imm(elements, 4);
        let inside = inside.unwrap_or(at[0]);
        Spot { row: first[0], column: first[1], first: code.moved(image, bytes), inside }
    }

    /// The rows of a window that stands on the image.
    pub fn rows_of(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, spot: &Spot) -> Vec<Pointer> {
        (0..self.window.kernel[0])
            .map(|i| {
                let down = code.int(i * self.window.dilation[0]);
                let down = nest.times(code, down, self.window.from.strides[1]);
                let bytes = code.mul_imm(down, 4);
                code.moved(spot.first, bytes)
            })
            .collect()
    }

    /// Makes the patch of a window that does not stand on the image alone. Its elements are `steps` apart,
    /// down and across.
    pub fn patch(
        &self,
        nest: &Nest,
        code: &mut FunctionCode<'_, '_>,
        spot: &Spot,
        to: Pointer,
        steps: [i64; 2],
    ) {
        let window = &self.window;
        let zero = code.int(0);
        let (high, wide) = (code.int(window.kernel[0]), code.int(window.kernel[1]));
        code.for_each(zero, high, 1, &mut |code, i| {
            let down = code.mul_imm(i, window.dilation[0]);
            let row = code.add(spot.row, down);
            let length = nest.len(code, window.image[0]);
            let row_inside = code.ins().icmp(IntCC::UnsignedLessThan, row, length);
            let down = nest.times(code, down, window.from.strides[1]);
            let below = code.mul_imm(i, steps[0]);
            code.for_each(zero, wide, 1, &mut |code, j| {
                let across = code.mul_imm(j, window.dilation[1]);
                let column = code.add(spot.column, across);
                let length = nest.len(code, window.image[1]);
                let inside = code.ins().icmp(IntCC::UnsignedLessThan, column, length);
                let inside = code.ins().band(inside, row_inside);
                let beside = code.mul_imm(j, steps[1]);
                let at = code.add(below, beside);
                let at = code.mul_imm(at, 4);
                let to = code.moved(to, at);
                let across = code.mul_imm(across, window.column());
                let from = code.add(down, across);
                let from = code.mul_imm(from, 4);
                let from = code.moved(spot.first, from);
                code.when(inside, &mut |code| nest.call(code, self.copy, Copy { from, to }));
                let outside = code.ins().icmp_imm_s(IntCC::Equal, inside, 0);
                code.when(outside, &mut |code| nest.call(code, self.fill, InPlace { row: to }));
            });
        });
    }

    /// The rows that the window sees at a position of the result: on the image, or in a patch that is made at
    /// `memory`.
    pub fn rows(
        &self,
        nest: &Nest,
        code: &mut FunctionCode<'_, '_>,
        number: Value,
        at: [Value; 2],
        memory: Pointer,
    ) -> Vec<Pointer> {
        let window = &self.window;
        let image = self.image(nest, code, number, None);
        let spot = self.spot(nest, code, image, at);
        let outside = code.ins().icmp_imm_s(IntCC::Equal, spot.inside, 0);
        let steps = [window.patch_row(), window.dilation[1] * window.column()];
        code.when(outside, &mut |code| self.patch(nest, code, &spot, memory, steps));
        (self.rows_of(nest, code, &spot).into_iter().enumerate())
            .map(|(i, on_image)| {
                let bytes = code.int(4 * window.patch_row() * i as i64);
                let in_patch = code.moved(memory, bytes);
                pick(code, spot.inside, on_image, in_patch)
            })
            .collect()
    }
}

/// One pointer or the other.
fn pick(code: &mut FunctionCode<'_, '_>, condition: Value, a: Pointer, b: Pointer) -> Pointer {
    let addr = code.ins().select(condition, a.addr, b.addr);
    let extent = a.extent.zip(b.extent).map(|(a, b)| Extent {
        low: code.ins().select(condition, a.low, b.low),
        size: code.ins().select(condition, a.size, b.size),
    });
    Pointer { addr, extent }
}
