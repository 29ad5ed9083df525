//! Steps of random numbers by keys, and of sums by ids.

use super::{IDS, LIMIT, Random, SIZES, n};
use tancho::{DType, Dim};
use tancho_ir::graph::Value;
use tancho_ir::op::*;

impl Random {
    /// An i32 scalar of any bits.
    fn key(&mut self) -> Option<Value> {
        let key = self.rng.bits() as i32;
        self.push(Op::Const(Scalar::I32(key)), &[], 1.0)
    }

    pub(super) fn random_numbers(&mut self) -> Option<Value> {
        let keys = [self.key()?, self.key()?];
        match self.rng.below(3) {
            0 => {
                let counter = self.value(|g, v| g.ty(v).dtype == DType::I32)?;
                let other = self.key()?;
                self.push(Op::Threefry, &[keys[0], keys[1], counter, other], 1.0)
            }
            1 => {
                let like = self.value(|_, _| true)?;
                self.push(Op::Uniform(self.shape(like)), &keys, 1.0)
            }
            _ => {
                let x = self.float()?;
                let p = self.rng.pick(&[0.0, 0.1, 0.5, 1.0]);
                let bound = if p < 1.0 { self.bound(x) / (1.0 - p) } else { 1.0 };
                let v = self.push(Op::KeyedDropout { p: Number(p) }, &[x, keys[0], keys[1]], bound)?;
                self.tame(v, LIMIT)
            }
        }
    }

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
