//! The left operand of a convolution as a matmul: what a window sees at each pixel of the result, one row
//! after another in memory (im2col).

use super::window::{Border, Spot};
use crate::code::{FunctionCode, Pointer};
use crate::lanes::{Len, Program, Reg, derive};
use crate::loops::address::coordinates;
use crate::loops::nest::{Nest, Pointers, Pool, ProgramId, Span};
use crate::loops::program::{load, map, store};
use crate::spec::{WindowSpec, written_out};
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;

/// The pointers of [`gather`].
struct WindowGather {
    /// The rows of the window.
    rows: Vec<Pointer>,
    to: Pointer,
}

impl Pointers for WindowGather {
    fn in_order(mut self) -> Vec<Pointer> {
        self.rows.push(self.to);
        self.rows
    }
}

impl WindowGather {
    fn row(i: i64) -> u16 {
        i as u16
    }

    /// The pointer behind those of `rows` rows.
    fn to(rows: i64) -> u16 {
        rows as u16
    }
}

/// Runs of elements of a row of the window that lie side by side.
fn runs(window: &WindowSpec) -> i64 {
    if window.side_by_side() { 1 } else { window.kernel[1] }
}

/// Copies what a window that stands on the image sees, `[KH][KW][chunk]`. `None` if it has too many runs;
/// then they are copied one by one.
fn gather(window: &WindowSpec) -> Option<Program> {
    let (high, runs) = (window.kernel[0], runs(window));
    if !written_out(high.saturating_mul(runs)) {
        return None;
    }
    let len = window.kernel[1] / runs * window.chunk;
    let (mut body, mut derived) = (Vec::new(), Vec::new());
    for i in 0..high {
        for j in 0..runs {
            let from = derive(&mut derived, WindowGather::row(i), j * window.dilation[1] * window.column());
            let to = derive(&mut derived, WindowGather::to(high), (i * runs + j) * len);
            let value: Reg = load(&mut body, from);
            store(&mut body, to, value);
        }
    }
    Some(map(len, high as u16 + 1, derived, body))
}

/// A window with the programs that copy what it sees.
pub struct Im2col {
    border: Border,
    gather: Option<ProgramId<WindowGather>>,
}

/// Which pixels the rows of a batch are.
pub struct Pixels {
    /// The batch among those of its group.
    pub number: Value,
    /// Rows of a batch.
    pub length: Value,
    /// The part of the channels.
    pub group: Option<Value>,
}

impl Im2col {
    /// Adds the programs.
    pub fn new(window: &WindowSpec, pool: &mut Pool) -> Im2col {
        let border = Border::new(window.clone(), pool);
        let gather = gather(window).map(|program| pool.add(&program));
        Im2col { border, gather }
    }

    /// Copies the rows of these pixels of the result, in their order, to `to`.
    pub fn block(
        &self,
        nest: &Nest,
        code: &mut FunctionCode<'_, '_>,
        pixels: &Pixels,
        rows: Span,
        to: Pointer,
    ) {
        let window = &self.border.window;
        let before = code.mul(pixels.number, pixels.length);
        code.for_each(rows.from, rows.to, 1, &mut |code, row| {
            let pixel = code.add(before, row);
            let at = coordinates(nest, code, pixel, &[Len::ONE, window.out[0], window.out[1]]);
            let image = self.border.image(nest, code, at[0], pixels.group);
            let spot = self.border.spot(nest, code, image, [at[1], at[2]]);
            let number = code.sub(row, rows.from);
            let bytes = code.mul_imm(number, window.terms() * 4);
            let to = code.moved(to, bytes);
            self.row(nest, code, &spot, to);
        });
    }

    /// Copies one row.
    fn row(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, spot: &Spot, to: Pointer) {
        let window = &self.border.window;
        let steps = [window.kernel[1] * window.chunk, window.chunk];
        let Some(gather) = self.gather else { return self.border.patch(nest, code, spot, to, steps) };
        code.when(spot.inside, &mut |code| {
            let rows = self.border.rows_of(nest, code, spot);
            nest.call(code, gather, WindowGather { rows, to });
        });
        let outside = code.ins().icmp_imm_s(IntCC::Equal, spot.inside, 0);
        code.when(outside, &mut |code| self.border.patch(nest, code, spot, to, steps));
    }
}
