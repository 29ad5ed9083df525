//! The sum of one accumulator of a register tile, in every encoding of its operands.

use super::{Execution, f, half};
use crate::lanes::{Encoding, Group, Len, Mem, PANEL, PART, Parts, Ptr, Tile, Total, UNROLL};

impl Execution<'_> {
    /// A tile: for each accumulator its sum, then the body.
    pub fn tile(&mut self, tile: &Tile) {
        for r in 0..i64::from(tile.rows) {
            for c in 0..i64::from(tile.cols) {
                let acc = Column { execution: self, tile, row: r * self.len(tile.left_row), c }.sum();
                self.body(&tile.body, c, r, acc.to_bits());
            }
        }
    }
}

/// One row of the left operand and one column of the right one.
struct Column<'m> {
    execution: &'m Execution<'m>,
    tile: &'m Tile,
    /// Elements from the left operand's pointer to the row.
    row: i64,
    /// The column.
    c: i64,
}

/// A sum in parts.
struct Sum {
    acc: f32,
    total: Total,
    parts: Parts,
    /// Iterations of the loop over the sum.
    iterations: i64,
}

impl Sum {
    /// Adds the accumulator to the total where iteration `i` begins a part.
    fn begin(&mut self, i: i64) {
        if (self.iterations - i) % PART == 0 {
            self.total.add(std::mem::take(&mut self.acc), self.parts);
        }
    }

    fn finish(self) -> f32 {
        if self.iterations >= PART { self.total.with(self.acc) } else { self.acc }
    }
}

/// The two bf16 in the lower and upper half of 32 bits, as f32.
fn halves(x: u32) -> [f32; 2] {
    [f(x << 16), f(x & 0xffff_0000)]
}

/// Subnormal numbers count as 0.
fn normal(x: f32) -> f32 {
    if x.is_subnormal() { 0.0f32.copysign(x) } else { x }
}

impl Column<'_> {
    /// 32-bit element `i` of the row.
    fn left(&self, i: i64) -> u32 {
        let element = self.row + i * self.execution.len(self.tile.left_step);
        self.execution.load(Ptr::Arg(self.tile.left), element, Mem::I32)
    }

    /// 32-bit element `i` of the column.
    fn right(&self, i: i64) -> u32 {
        let panel = self.tile.encoding.panel_rows(self.execution.len(self.tile.panel));
        let element = (self.c / PANEL * panel + i) * PANEL + self.c % PANEL;
        self.execution.load(Ptr::Arg(self.tile.right), element, Mem::I32)
    }

    /// The sum of the products of the row and the column.
    fn sum(&self) -> f32 {
        let (encoding, k) = (self.tile.encoding, self.execution.len(self.tile.k));
        let iterations = encoding.group().map_or(encoding.panel_rows(k) / UNROLL, |g| k / g.terms);
        let known = if let Len::Const(_) = self.tile.k { Some(iterations) } else { None };
        let sum = Sum { acc: 0.0, total: Total::default(), parts: Parts::of(known), iterations };
        match encoding.group() {
            Some(group) => self.integers(sum, group),
            None => self.floats(sum, encoding.panel_rows(k)),
        }
    }

    fn floats(&self, mut sum: Sum, rows: i64) -> f32 {
        for i in 0..rows {
            if i % UNROLL == 0 && i / UNROLL < sum.iterations {
                sum.begin(i / UNROLL);
            }
            match self.tile.encoding {
                Encoding::Halves => {
                    for (j, y) in halves(self.right(i)).into_iter().enumerate() {
                        sum.acc = f(self.left(2 * i + j as i64)).mul_add(y, sum.acc);
                    }
                }
                Encoding::Pairs => {
                    for (x, y) in halves(self.left(i)).into_iter().zip(halves(self.right(i))).rev() {
                        sum.acc = normal(normal(x).mul_add(normal(y), sum.acc));
                    }
                }
                _ => sum.acc = f(self.left(i)).mul_add(f(self.right(i)), sum.acc),
            }
        }
        sum.finish()
    }

    fn integers(&self, mut sum: Sum, group: Group) -> f32 {
        let bytes = self.tile.encoding == Encoding::Bytes;
        for n in 0..sum.iterations {
            sum.begin(n);
            let (right, left) = (n * group.panel_rows(), n * group.left_len());
            let factor = f(self.left(left + group.terms / 4));
            let extra = self.left(left + group.terms / 4 + 1);
            let mut dot = if bytes { extra as i32 } else { 0 };
            for t in 0..group.terms {
                let x = (self.left(left + t / 4) >> (t % 4 * 8)) as i8;
                let y = if bytes {
                    self.right(right + t / 4) >> (t % 4 * 8) & 0xff
                } else {
                    self.right(right + t / 8) >> (t % 4 * 8 + t % 8 / 4 * 4) & 0xf
                };
                dot = dot.wrapping_add(i32::from(x) * y as i32);
            }
            let scale = self.right(right + group.rows);
            if bytes {
                sum.acc = (dot as f32 * f(scale)).mul_add(factor, sum.acc);
            } else {
                sum.acc = (dot as f32 * half(scale as u16)).mul_add(factor, sum.acc);
                sum.acc = half((scale >> 16) as u16).mul_add(f(extra), sum.acc);
            }
        }
        sum.finish()
    }
}
