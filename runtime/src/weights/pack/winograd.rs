//! Filters in the form of Winograd's algorithm.

use super::chunk::Chunk;
use super::panel::{Rows, WIDTH};
use super::source::Elements;

impl Chunk<'_> {
    /// `G g Gt` of 16 filters at a time.
    pub fn transform(&mut self) {
        let side = self.transformed.len().isqrt();
        let g = tancho_jit::winograd::matrices(side.saturating_sub(2)).g;
        let (Rows::Filter([down, across, channel]), Elements::Floats(data)) = (&*self.rows, self.data) else {
            return;
        };
        let (down, across, channel) = (*down, *across, *channel);
        let panels = self.transformed.first().map_or(0, |t| t.len() / self.panel.max(1));
        for s in 0..panels {
            let width = WIDTH.min(self.columns - s * WIDTH);
            let from = |c: usize| self.from + (s * WIDTH + c) * self.column_stride;
            let factors: [f32; WIDTH] = std::array::from_fn(|c| match self.scale {
                Some(scale) if c < width => scale.at(from(c)),
                _ => 1.0,
            });
            for k in 0..self.panel / WIDTH {
                let mut taps = [[[0.0f32; WIDTH]; 3]; 3];
                for (c, factor) in factors.iter().enumerate().take(width) {
                    let at = from(c) + k * channel;
                    for (i, row) in taps.iter_mut().enumerate() {
                        for (j, tap) in row.iter_mut().enumerate() {
                            tap[c] = data[at + i * down + j * across] * factor;
                        }
                    }
                }
                for (a, row) in g.iter().enumerate() {
                    let half: [[f32; WIDTH]; 3] =
                        [0, 1, 2].map(|j| combined(row, [&taps[0][j], &taps[1][j], &taps[2][j]]));
                    for (b, column) in g.iter().enumerate() {
                        let to = &mut self.transformed[a * side + b][s * self.panel + k * WIDTH..][..WIDTH];
                        to.copy_from_slice(&combined(column, [&half[0], &half[1], &half[2]]));
                    }
                }
            }
        }
    }
}

/// `Σ by * x`, lane by lane.
fn combined(by: &[f32; 3], x: [&[f32; WIDTH]; 3]) -> [f32; WIDTH] {
    let mut sum = [0.0; WIDTH];
    for (i, sum) in sum.iter_mut().enumerate() {
        *sum = by[0] * x[0][i] + by[1] * x[1][i] + by[2] * x[2][i];
    }
    sum
}
