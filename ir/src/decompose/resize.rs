//! Images with other numbers of rows and columns: one axis after the other, from the pixels that are nearest.

use super::Body;
use crate::dim::Dim;
use crate::graph::Value;
use crate::op::*;
use crate::types::DType;

impl Body {
    pub(super) fn resize(&mut self, x: Value, size: &[Dim], mode: Resampling) -> Option<Value> {
        let mut y = x;
        for (axis, to) in [(3, size.get(1)?), (2, size.first()?)] {
            let from = self.shape(x)[axis].clone();
            y = match mode {
                Resampling::Nearest => {
                    let position = self.scaled_positions(&from, to, 0.0)?;
                    let whole = self.un(Unary::Floor, position)?;
                    let place = self.place(whole, &from)?;
                    self.along_axis(y, axis, place)?
                }
                Resampling::Bilinear => self.interpolated(y, axis, &from, to)?,
            };
        }
        Some(y)
    }

    /// `(0.5 + i) * from / to - 0.5` of an offset of a half; all are f32 numbers, as in PyTorch.
    fn scaled_positions(&mut self, from: &Dim, to: &Dim, offset: f64) -> Option<Value> {
        let positions = self.push(Op::Arange { len: to.clone(), from: Dim::constant(0) }, &[])?;
        let positions = self.push(Op::Cast(DType::F32), &[positions])?;
        let [from, to] = [from, to].map(|d| self.push(Op::DimValue(d.clone()), &[]));
        let scale = self.bin(Binary::Div, from?, to?)?;
        if offset == 0.0 {
            return self.bin(Binary::Mul, positions, scale);
        }
        let middle = self.by(Binary::Add, positions, offset)?;
        let scaled = self.bin(Binary::Mul, middle, scale)?;
        self.by(Binary::Sub, scaled, offset)
    }

    /// A whole number as a place on an axis: the last one at most.
    fn place(&mut self, whole: Value, len: &Dim) -> Option<Value> {
        let place = self.push(Op::Cast(DType::I32), &[whole])?;
        let last = self.integer(&len.minus(&Dim::constant(1)).ok()?)?;
        self.bin(Binary::Min, place, last)
    }

    /// Between the two pixels around each position, by its distance from both.
    fn interpolated(&mut self, x: Value, axis: usize, from: &Dim, to: &Dim) -> Option<Value> {
        let position = self.scaled_positions(from, to, 0.5)?;
        let position = self.by(Binary::Max, position, 0.0)?;
        let whole = self.un(Unary::Floor, position)?;
        let far = self.bin(Binary::Sub, position, whole)?;
        let one = self.num(1.0)?;
        let near = self.bin(Binary::Sub, one, far)?;
        let next = self.bin(Binary::Add, whole, one)?;
        let mut sides = Vec::new();
        for (whole, weight) in [(whole, near), (next, far)] {
            let place = self.place(whole, from)?;
            let pixels = self.along_axis(x, axis, place)?;
            sides.push(self.along(Binary::Mul, pixels, weight, &[axis])?);
        }
        self.bin(Binary::Add, sides[0], sides[1])
    }
}
