//! Rotary position embedding: every pair of a head rotated by an angle of its own.

use super::Body;
use crate::dim::Dim;
use crate::graph::Value;
use crate::op::*;

impl Body {
    /// The frequencies need the width of a head as a number.
    pub(super) fn rope(&mut self, x: Value, base: Number, from: &Dim, pairs: Pairs) -> Option<Value> {
        let shape = self.shape(x);
        let [_, _, s, width] = shape.as_slice() else { return None };
        let n = width.as_const().filter(|w| w % 2 == 0)? / 2;
        let [cos, sin] = self.rotations(base, from, s, n)?;
        let [a, b] = self.pairs(x, pairs, n)?;
        let [a_cos, b_sin, b_cos, a_sin] =
            [(a, cos), (b, sin), (b, cos), (a, sin)].map(|(x, by)| self.bin(Binary::Mul, x, by));
        let first = self.bin(Binary::Sub, a_cos?, b_sin?)?;
        let second = self.bin(Binary::Add, b_cos?, a_sin?)?;
        match pairs {
            Pairs::Halves => self.push(Op::Concat { axis: 3 }, &[first, second]),
            Pairs::Adjacent => {
                let mut thin = self.shape(a);
                thin.push(Dim::constant(1));
                let columns = [first, second].map(|y| self.push(Op::Reshape(thin.clone()), &[y]));
                let joined = self.push(Op::Concat { axis: 4 }, &[columns[0]?, columns[1]?])?;
                self.push(Op::Reshape(shape), &[joined])
            }
        }
    }

    /// Cosine and sine `[S, HD / 2]` of the angles.
    fn rotations(&mut self, base: Number, from: &Dim, s: &Dim, n: i64) -> Option<[Value; 2]> {
        let positions = self.push(Op::Arange { len: s.clone(), from: from.clone() }, &[])?;
        let positions = self.push(Op::Cast(crate::types::DType::F32), &[positions])?;
        let positions = self.push(Op::Reshape(vec![s.clone(), Dim::constant(1)]), &[positions])?;
        let positions = self.push(Op::Expand(vec![s.clone(), Dim::constant(n)]), &[positions])?;
        let ratio = Number(base.0.powf(-1.0 / n.max(1) as f64));
        let frequencies = self.push(Op::Powers { ratio, len: Dim::constant(n) }, &[])?;
        let angles = self.bin(Binary::Mul, positions, frequencies)?;
        Some([self.un(Unary::Cos, angles)?, self.un(Unary::Sin, angles)?])
    }

    /// The first and the second of each pair, `[B, HEADS, S, HD / 2]`.
    fn pairs(&mut self, x: Value, pairs: Pairs, n: i64) -> Option<[Value; 2]> {
        let mut half = self.shape(x);
        half[3] = Dim::constant(n);
        let (axis, step, whole) = match pairs {
            Pairs::Halves => (3, n, x),
            Pairs::Adjacent => {
                let mut split = half.clone();
                split.push(Dim::constant(2));
                (4, 1, self.push(Op::Reshape(split), &[x])?)
            }
        };
        let mut part = |i: i64| {
            let slice = Op::Slice {
                axis,
                start: Dim::constant(i * step),
                end: Dim::constant((i + 1) * step),
                step: Dim::constant(1),
            };
            let x = self.push(slice, &[whole])?;
            self.push(Op::Reshape(half.clone()), &[x])
        };
        Some([part(0)?, part(1)?])
    }
}
