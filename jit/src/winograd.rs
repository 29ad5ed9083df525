//! The matrices of Winograd's convolutions `F(m x m, 3 x 3)` (Lavin and Gray 2016).
//!
//! A tile of `m x m` results of a filter `g` over a patch `d` of `m + 2` pixels a side is
//! `At [(G g Gt) * (Bt d B)] A`, with `(m + 2)^2` products instead of `9 m^2`.

use crate::lanes::{Bin, Inst, Reg};

/// The matrices for one size of tiles.
#[derive(Clone, Copy, Debug)]
pub struct Matrices {
    /// Rows of results of a tile.
    pub m: usize,
    /// What a patch is multiplied with, rows of `m + 2`.
    pub bt: &'static [&'static [f32]],
    /// What a filter is multiplied with, `m + 2` rows of 3.
    pub g: &'static [[f32; 3]],
    /// What the products are multiplied with, `m` rows of `m + 2`.
    pub at: &'static [&'static [f32]],
}

impl Matrices {
    /// Pixels of a side of a patch.
    pub fn side(&self) -> usize {
        self.m + 2
    }
}

/// `F(2 x 2, 3 x 3)`: 2.25 times fewer products.
pub const TWO: Matrices = Matrices {
    m: 2,
    bt: &[&[1.0, 0.0, -1.0, 0.0], &[0.0, 1.0, 1.0, 0.0], &[0.0, -1.0, 1.0, 0.0], &[0.0, 1.0, 0.0, -1.0]],
    g: &[[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]],
    at: &[&[1.0, 1.0, 1.0, 0.0], &[0.0, 1.0, -1.0, -1.0]],
};

/// `F(4 x 4, 3 x 3)`: 4 times fewer products, and larger errors.
pub const FOUR: Matrices = Matrices {
    m: 4,
    bt: &[
        &[4.0, 0.0, -5.0, 0.0, 1.0, 0.0],
        &[0.0, -4.0, -4.0, 1.0, 1.0, 0.0],
        &[0.0, 4.0, -4.0, -1.0, 1.0, 0.0],
        &[0.0, -2.0, -1.0, 2.0, 1.0, 0.0],
        &[0.0, 2.0, -1.0, -2.0, 1.0, 0.0],
        &[0.0, 4.0, 0.0, -5.0, 0.0, 1.0],
    ],
    g: &[
        [0.25, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ],
    at: &[
        &[1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
        &[0.0, 1.0, -1.0, 2.0, -2.0, 0.0],
        &[0.0, 1.0, 1.0, 4.0, 4.0, 0.0],
        &[0.0, 1.0, -1.0, 8.0, -8.0, 1.0],
    ],
};

/// The matrices for tiles of `m` results a side.
pub fn matrices(m: usize) -> &'static Matrices {
    if m == 4 { &FOUR } else { &TWO }
}

/// Adds the instructions of `Σ coefficients * values` to `to`, without the terms whose coefficient is 0.
/// `push` adds one instruction, and `value` gives the register of a term's value.
pub(crate) fn combine<T>(
    to: &mut T,
    push: impl Fn(&mut T, Inst) -> Reg,
    coefficients: &[f32],
    mut value: impl FnMut(&mut T, usize) -> Reg,
) -> Option<Reg> {
    // Terms with the coefficient 1 come first, so that no sum begins with a negation.
    let mut order: Vec<usize> = (0..coefficients.len()).filter(|i| coefficients[*i] != 0.0).collect();
    order.sort_by_key(|i| coefficients[*i] != 1.0);
    let mut sum: Option<Reg> = None;
    for i in order {
        let (k, x) = (coefficients[i], value(to, i));
        sum = Some(match (sum, k) {
            (None, 1.0) => x,
            (None, k) => {
                let c = push(to, Inst::Float(k.to_bits()));
                push(to, Inst::Bin(Bin::Mul, x, c))
            }
            (Some(s), 1.0) => push(to, Inst::Bin(Bin::Add, s, x)),
            (Some(s), -1.0) => push(to, Inst::Bin(Bin::Sub, s, x)),
            (Some(s), k) => {
                let c = push(to, Inst::Float(k.to_bits()));
                push(to, Inst::Fma(x, c, s))
            }
        });
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One axis: `At [(G g) * (Bt d)]` is the sliding product, for any numbers.
    #[test]
    fn the_matrices_slide_a_filter() {
        for m in [TWO, FOUR] {
            let d: Vec<f64> = (0..m.side()).map(|i| (i * i) as f64 - 3.5).collect();
            let g = [1.5, -2.25, 0.75];
            let dot = |row: &[f32], x: &[f64]| row.iter().zip(x).map(|(a, b)| f64::from(*a) * b).sum::<f64>();
            let products: Vec<f64> = m.bt.iter().zip(m.g).map(|(b, f)| dot(b, &d) * dot(f, &g)).collect();
            for (i, row) in m.at.iter().enumerate() {
                let want: f64 = (0..3).map(|k| d[i + k] * g[k]).sum();
                assert!((dot(row, &products) - want).abs() < 1e-5, "{} {i}", m.m);
            }
        }
    }
}
