//! The largest elements of rows.

use super::Body;
use crate::dim::Dim;
use crate::graph::Value;
use crate::op::*;
use crate::types::DType;

impl Body {
    /// Where the largest elements stand, found one by one: each is the largest of those that are left, the
    /// first of equals. A NaN is the largest.
    pub(super) fn topk_indices(&mut self, x: Value, k: &Dim, axis: usize) -> Option<Value> {
        let k = k.as_const().filter(|k| *k > 0)?;
        let (rank, last) = (self.shape(x).len(), self.shape(x).len().checked_sub(1)?);
        let order: Vec<usize> = (0..rank).filter(|i| *i != axis).chain([axis]).collect();
        let mut back = vec![0; rank];
        order.iter().enumerate().for_each(|(at, i)| back[*i] = at);
        let rows = self.push(Op::Transpose(order), &[x])?;
        let shape = self.shape(rows);
        let len = shape[last].clone();
        let numbers = self.push(Op::Arange { len: len.clone(), from: Dim::constant(0) }, &[])?;
        let places = self.push(Op::Expand(shape.clone()), &[numbers])?;

        let (mut left, mut found): (Option<Value>, Vec<Value>) = (None, Vec::new());
        for _ in 0..k {
            let over = |kind, masked| Op::Reduce { kind, axes: vec![last], keep: true, masked };
            let top = match left {
                None => self.push(over(Reduction::Max, false), &[rows])?,
                Some(left) => self.push(over(Reduction::Max, true), &[rows, left])?,
            };
            let mut hit = self.equals(rows, top, &shape)?;
            if let Some(left) = left {
                hit = self.bin(Binary::And, hit, left)?;
            }
            let place = self.push(over(Reduction::Min, true), &[places, hit])?;
            let wide = self.push(Op::Expand(shape.clone()), &[place])?;
            let others = self.bin(Binary::Ne, places, wide)?;
            left = Some(match left {
                None => others,
                Some(left) => self.bin(Binary::And, left, others)?,
            });
            found.push(place);
        }
        let mut ids = self.push(Op::Concat { axis: last }, &found)?;
        if len.as_const().is_none() {
            // Of a row that is too short there is no next element: the place is then out of range, and
            // taking the places from the list of all of them is an error.
            ids = self.push(Op::Gather, &[numbers, ids])?;
        }
        self.push(Op::Transpose(back), &[ids])
    }

    /// Where rows have the element that stands in `top` for each, or both are NaN.
    fn equals(&mut self, rows: Value, top: Value, shape: &[Dim]) -> Option<Value> {
        let top = self.push(Op::Expand(shape.to_vec()), &[top])?;
        let same = self.bin(Binary::Eq, rows, top)?;
        if self.g.ty(rows).dtype != DType::F32 {
            return Some(same);
        }
        let [here, there] = [rows, top].map(|x| self.bin(Binary::Ne, x, x));
        let both = self.bin(Binary::And, here?, there?)?;
        self.bin(Binary::Or, same, both)
    }
}
