//! What a random graph is run with.

use super::{IDS, MAX_ELEMENTS, Random, size};
use crate::Rng;
use tancho::{DType, ElementType, Graph, Tensor};

/// Values of the run-time dims.
const LENGTHS: [i64; 7] = [0, 1, 2, 3, 5, 17, 40];

impl Random {
    /// Inputs for these values of the run-time dims.
    pub fn inputs(&self, b: i64, s: i64, seed: u64) -> Vec<Tensor> {
        let mut rng = Rng::new(seed);
        self.graph
            .inputs
            .iter()
            .map(|i| {
                let value = |name: &str| Some(if name == "B" { b } else { s });
                let shape: Vec<usize> =
                    i.ty.shape.iter().map(|d| d.eval(&value).expect("B and S are known") as usize).collect();
                match i.ty.dtype {
                    DType::I32 => rng.ids(&shape, IDS),
                    DType::Bool => rng.flags(&shape),
                    _ => rng.floats(&shape),
                }
            })
            .collect()
    }

    /// The same graph where inputs that are ids are given in other integers, and the first floats as halves.
    pub fn given_otherwise(&self, seed: u64) -> Graph {
        let mut rng = Rng::new(seed ^ 0x91e);
        let mut g = self.graph.clone();
        for i in &mut g.inputs {
            i.given = match i.ty.dtype {
                DType::I32 => rng.pick(&[ElementType::U8, ElementType::U32, ElementType::I64]),
                DType::F32 if i.name == "x0" => ElementType::F16,
                DType::F32 | DType::Bf16 | DType::Bool => i.given,
            };
        }
        g
    }

    /// Elements of the largest value.
    pub fn largest(&self, b: i64, s: i64) -> i64 {
        self.graph.nodes.iter().map(|n| size(&n.ty.shape, b, s)).max().unwrap_or(0)
    }

    /// Inputs as of [`Random::inputs`], but that all floats of one are within a hundredth of each other.
    pub fn alike(&self, b: i64, s: i64, seed: u64) -> Vec<Tensor> {
        let mut rng = Rng::new(seed ^ 0xa11);
        let alike = |t: Tensor| match t.as_f32() {
            Some(x) => {
                let common = rng.float();
                let data: Vec<f32> = x.iter().map(|x| common * (1.0 + x / 200.0)).collect();
                Tensor::new(data, t.shape()).expect("the same shape")
            }
            None => t,
        };
        self.inputs(b, s, seed).into_iter().map(alike).collect()
    }

    /// Values of B and S to run with: small ones always, and others as far as no value becomes too large.
    pub fn dims(&self, seed: u64) -> Vec<(i64, i64)> {
        let mut rng = Rng::new(seed ^ 0xd1);
        let fits = |b: i64, s: i64| self.graph.nodes.iter().all(|n| size(&n.ty.shape, b, s) <= MAX_ELEMENTS);
        let mut dims = vec![(2, 5), (1, 1)];
        let mut tries = 0;
        while dims.len() < 5 && tries < 40 {
            tries += 1;
            let d = (rng.pick(&LENGTHS), rng.pick(&LENGTHS));
            if fits(d.0, d.1) && !dims.contains(&d) {
                dims.push(d);
            }
        }
        dims
    }
}
