//! Steps of sums by ids.

use super::{IDS, LIMIT, Random, SIZES, n};
use tancho::{DType, Dim};
use tancho_ir::graph::Value;
use tancho_ir::op::*;

impl Random {
    pub(super) fn scatter_add(&mut self) -> Option<Value> {
        if self.ids.is_empty() {
            return None;
        }
        let ids = self.ids.clone();
        let ids = self.rng.pick(&ids);
        let of_ids = self.shape(ids);
        let fits = |shape: &[Dim]| shape.split_last().is_some_and(|(_, rows)| *rows == of_ids);
        let there = self.value(|g, v| g.ty(v).dtype == DType::F32 && fits(&g.ty(v).shape));
        let x = match there {
            Some(x) => x,
            None => {
                let width = self.rng.pick(&SIZES);
                let row = self.weight(&[width]);
                let mut shape = of_ids.clone();
                shape.push(n(width));
                self.push(Op::Expand(shape), &[row], self.bound(row))?
            }
        };
        let rows = n(IDS as i64 + self.rng.below(4) as i64);
        let most: f64 = of_ids.iter().map(|d| Random::at_most(d).max(1.0)).product();
        let v = self.push(Op::ScatterAdd { rows }, &[x, ids], self.bound(x) * most)?;
        self.tame(v, LIMIT)
    }
}
