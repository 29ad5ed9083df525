//! Rotary position embedding: every pair of a head rotated by an angle of its own.

use super::Body;
use crate::dim::Dim;
use crate::graph::Value;
use crate::infer::Rotation;
use crate::op::*;
use crate::types::DType;

impl Body {
    /// The frequencies need the width of a head as a number.
    pub(super) fn rope(&mut self, op: &Op, args: &[Value]) -> Option<Value> {
        let Op::Rope { freqs, positions, from, pairs, .. } = op else { return None };
        let x = *args.first()?;
        let shape = self.shape(x);
        let [batch, heads, s, width] = shape.as_slice() else { return None };
        let width = width.as_const().filter(|w| w % 2 == 0)?;
        let given = if *freqs { Some(*args.get(1)?) } else { None };
        let n = match given {
            Some(f) => self.shape(f).first()?.as_const().filter(|n| 2 * n <= width)?,
            None => width / 2,
        };
        let (base, rotation) = Rotation::of(op, n).ok()?;
        let frequencies = match given {
            Some(f) => f,
            None => self.frequencies(base, rotation, n)?,
        };
        let at = if *positions {
            *args.last()?
        } else {
            self.push(Op::Arange { len: s.clone(), from: from.clone() }, &[])?
        };
        let mut turns = self.rotations(at, frequencies, n, rotation)?;
        if self.shape(at).len() == 2 {
            let thin = vec![batch.clone(), Dim::constant(1), s.clone(), Dim::constant(n)];
            let wide = vec![batch.clone(), heads.clone(), s.clone(), Dim::constant(n)];
            for turn in &mut turns {
                let one = self.push(Op::Reshape(thin.clone()), &[*turn])?;
                *turn = self.push(Op::Expand(wide.clone()), &[one])?;
            }
        }
        let rest = Op::Slice {
            axis: 3,
            start: Dim::constant(2 * n),
            end: Dim::constant(width),
            step: Dim::constant(1),
        };
        if 2 * n == width {
            return self.turned(x, turns, *pairs, n);
        }
        let first = self.push(
            Op::Slice { axis: 3, start: Dim::constant(0), end: Dim::constant(2 * n), step: Dim::constant(1) },
            &[x],
        )?;
        let (first, rest) = (self.turned(first, turns, *pairs, n)?, self.push(rest, &[x])?);
        self.push(Op::Concat { axis: 3 }, &[first, rest])
    }

    /// `x` with its pairs rotated, by cosines and sines that are the last axes of its own.
    fn turned(&mut self, x: Value, [cos, sin]: [Value; 2], pairs: Pairs, n: i64) -> Option<Value> {
        let shape = self.shape(x);
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

    /// Cosine and sine of the angles: those of positions `[..]` and `n` frequencies are `[.., n]`.
    fn rotations(
        &mut self,
        positions: Value,
        frequencies: Value,
        n: i64,
        rotation: Rotation,
    ) -> Option<[Value; 2]> {
        let mut shape = self.shape(positions);
        let positions = self.push(Op::Cast(DType::F32), &[positions])?;
        shape.push(Dim::constant(1));
        let positions = self.push(Op::Reshape(shape.clone()), &[positions])?;
        *shape.last_mut()? = Dim::constant(n);
        let positions = self.push(Op::Expand(shape), &[positions])?;
        let angles = self.bin(Binary::Mul, positions, frequencies)?;
        let turns = [self.un(Unary::Cos, angles)?, self.un(Unary::Sin, angles)?];
        let Rotation::Yarn { amplitude, .. } = rotation else { return Some(turns) };
        Some([self.by(Binary::Mul, turns[0], amplitude)?, self.by(Binary::Mul, turns[1], amplitude)?])
    }

    /// The `n` frequencies of a base, scaled. Each step is rounded to f32, as it is where models are trained.
    fn frequencies(&mut self, base: f64, rotation: Rotation, n: i64) -> Option<Value> {
        let ratio = Number(base.powf(-1.0 / n.max(1) as f64));
        let plain = self.push(Op::Powers { ratio, len: Dim::constant(n) }, &[])?;
        match rotation {
            Rotation::Plain => Some(plain),
            Rotation::Linear { factor } => self.by(Binary::Div, plain, factor),
            Rotation::Llama3 { factor, low, high, original } => {
                let turn = self.num(std::f64::consts::TAU)?;
                let wavelength = self.bin(Binary::Div, turn, plain)?;
                let divided = self.by(Binary::Div, plain, factor)?;
                let original_value = self.num(original)?;
                let turns = self.bin(Binary::Div, original_value, wavelength)?;
                let above = self.by(Binary::Sub, turns, low)?;
                let share = self.by(Binary::Div, above, high - low)?;
                let one = self.num(1.0)?;
                let other = self.bin(Binary::Sub, one, share)?;
                let less = self.bin(Binary::Mul, other, plain)?;
                let less = self.by(Binary::Div, less, factor)?;
                let same = self.bin(Binary::Mul, share, plain)?;
                let between = self.bin(Binary::Add, less, same)?;
                let short = self.by(Binary::Lt, wavelength, original / high)?;
                let long = self.by(Binary::Gt, wavelength, original / low)?;
                let up_to = self.push(Op::Select, &[short, plain, between])?;
                self.push(Op::Select, &[long, divided, up_to])
            }
            Rotation::Yarn { factor, first, last, .. } => {
                let index = self.push(Op::Arange { len: Dim::constant(n), from: Dim::constant(0) }, &[])?;
                let index = self.push(Op::Cast(DType::F32), &[index])?;
                let after = self.by(Binary::Sub, index, first)?;
                let ramp = self.by(Binary::Div, after, last - first)?;
                let ramp = self.by(Binary::Max, ramp, 0.0)?;
                let ramp = self.by(Binary::Min, ramp, 1.0)?;
                let one = self.num(1.0)?;
                let stays = self.bin(Binary::Sub, one, ramp)?;
                let changes = self.bin(Binary::Sub, one, stays)?;
                let divided = self.by(Binary::Div, plain, factor)?;
                let divided = self.bin(Binary::Mul, divided, changes)?;
                let same = self.bin(Binary::Mul, plain, stays)?;
                self.bin(Binary::Add, divided, same)
            }
        }
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
