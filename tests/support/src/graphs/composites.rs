//! Steps of ops that are lowered to others, and of the numbers they are made of.

use super::{IDS, LIMIT, Random, n};
use tancho::{DType, Dim};
use tancho_ir::graph::Value;
use tancho_ir::op::*;

impl Random {
    /// One of them.
    pub(super) fn composite(&mut self) -> Option<Value> {
        match self.rng.below(20) {
            0 => self.numbers(),
            1 => self.swiglu(),
            2 => self.group_norm(),
            3 => self.rope(),
            4 => self.pad(),
            5 => self.cross_entropy(),
            6 => self.mse(),
            7 => self.identity(),
            8 => self.softcap(),
            9 => self.bent(),
            10 => self.flip(),
            11 => self.take_along(),
            12 => self.cumsum(),
            13 => self.topk(),
            14 => self.scan(),
            15 => self.experts(),
            16 => self.random_numbers(),
            17 => self.scatter_add(),
            18 => self.sum_rows(),
            _ => self.angle(),
        }
    }

    fn numbers(&mut self) -> Option<Value> {
        let len = self.rng.pick(&[Dim::sym("S"), Dim::sym("B"), n(1), n(7), n(40), n(0)]);
        if self.rng.chance(50) {
            let ratio = Number(self.rng.pick(&[0.75, 1.0, 0.999, 1e-3, 0.1f64.powf(0.125)]));
            return self.push(Op::Powers { ratio, len }, &[], 1.0);
        }
        let from = self.rng.pick(&[n(0), n(3), n(-2), Dim::sym("B")]);
        let from_zero = from.is(0);
        let v = self.push(Op::Arange { len: len.clone(), from }, &[], 100.0)?;
        if from_zero && len.as_const().is_some_and(|n| n <= IDS as i64) {
            self.ids.push(v);
        }
        Some(v)
    }

    fn sum_rows(&mut self) -> Option<Value> {
        let x = self.value(|g, v| g.ty(v).dtype == DType::F32 && g.ty(v).rank() > 0)?;
        let shape = self.shape(x);
        let most: f64 = shape[..shape.len() - 1].iter().map(|d| Random::at_most(d).max(1.0)).product();
        let part = self.rng.pick(&[0, 1, 2, 5, 32]);
        let v = self.push(Op::SumRows { part }, &[x], self.bound(x) * most)?;
        self.tame(v, LIMIT)
    }

    fn angle(&mut self) -> Option<Value> {
        let x = self.float()?;
        let op = self.rng.pick(&[Unary::Sin, Unary::Cos]);
        self.push(Op::Unary(op), &[x], 1.0)
    }

    fn swiglu(&mut self) -> Option<Value> {
        let a = self.float()?;
        let b = self.partner(a)?;
        let v = self.push(Op::Binary(Binary::Swiglu), &[a, b], self.bound(a) * self.bound(b))?;
        self.tame(v, LIMIT)
    }

    fn softcap(&mut self) -> Option<Value> {
        let x = self.float()?;
        let cap = self.rng.pick(&[1.0, 5.0, 30.0]);
        self.push(Op::Softcap { cap: Number(cap) }, &[x], self.bound(x).min(cap))
    }

    /// An activation with a number.
    fn bent(&mut self) -> Option<Value> {
        let x = self.float()?;
        let n = Number(self.rng.pick(&[0.01, 0.25, 1.0]));
        let op = if self.rng.chance(50) { Op::LeakyRelu { slope: n } } else { Op::Elu { alpha: n } };
        self.push(op, &[x], self.bound(x).max(1.0))
    }

    fn group_norm(&mut self) -> Option<Value> {
        let x = self.value(|g, v| {
            let t = g.ty(v);
            t.dtype == DType::F32 && t.rank() >= 2 && t.shape[1].as_const().is_some_and(|c| c > 0)
        })?;
        let shape = self.shape(x);
        let c = shape[1].as_const()?;
        let groups = self.rng.pick(&(1..=c.min(8)).filter(|g| c % g == 0).collect::<Vec<_>>());
        let mut args = vec![x];
        let [gain, bias] = [self.rng.chance(50), self.rng.chance(50)];
        for _ in 0..usize::from(gain) + usize::from(bias) {
            args.push(self.weight(&[c]));
        }
        let each: f64 = shape[2..].iter().map(Random::at_most).product::<f64>() * (c / groups) as f64;
        let op = Op::GroupNorm { groups: n(groups), eps: Number(1e-5), gain, bias };
        let v = self.push(op, &args, each.sqrt() + 1.0)?;
        self.tame(v, LIMIT)
    }

    fn rope(&mut self) -> Option<Value> {
        let heads = |g: &tancho::Graph, v: Value| {
            let t = g.ty(v);
            t.dtype == DType::F32 && t.rank() == 4 && t.shape[3].as_const().is_some_and(|w| w % 2 == 0)
        };
        let x = match self.value(heads) {
            Some(x) => x,
            None => {
                // Heads out of rows.
                let x = self.value(|g, v| {
                    let t = g.ty(v);
                    t.dtype == DType::F32
                        && t.rank() == 3
                        && t.shape[2].as_const().is_some_and(|w| w % 2 == 0)
                })?;
                let s = self.shape(x);
                let width = s[2].as_const()?;
                let h = self.rng.pick(&(1..=6).filter(|h| width % (2 * h) == 0).collect::<Vec<_>>());
                let split = vec![s[0].clone(), s[1].clone(), n(h), n(width / h)];
                let x = self.push(Op::Reshape(split), &[x], self.bound(x))?;
                self.push(Op::Transpose(vec![0, 2, 1, 3]), &[x], self.bound(x))?
            }
        };
        let shape = self.shape(x);
        let mut from = self.rng.pick(&[n(0), n(5), n(1_000_000), Dim::sym("S")]);
        let (mut args, freqs, positions) = (vec![x], self.rng.chance(20), self.rng.chance(20));
        if freqs {
            let most = shape[3].as_const()? / 2;
            let len = self.rng.pick(&(0..=most).collect::<Vec<_>>());
            args.push(self.push(Op::Powers { ratio: Number(0.3), len: n(len) }, &[], 1.0)?);
        }
        if positions {
            let mut at = self.push(Op::Arange { len: shape[2].clone(), from }, &[], 1e6)?;
            if self.rng.chance(50) {
                at = self.push(Op::Expand(vec![shape[0].clone(), shape[2].clone()]), &[at], 1e6)?;
            }
            args.push(at);
            from = n(0);
        }
        let base = self.rng.pick(&[Some(1e4), Some(5e5), Some(10.0), None]).filter(|_| !freqs).map(Number);
        let pairs = self.rng.pick(&[Pairs::Halves, Pairs::Adjacent]);
        let scaling = if freqs { Scaling::None } else { self.rng.pick(&Scaling::ALL) };
        let by = |scalings: &[Scaling], number| scalings.contains(&scaling).then_some(Number(number));
        let op = Op::Rope {
            freqs,
            positions,
            base,
            from,
            pairs,
            scaling,
            factor: by(&[Scaling::Linear, Scaling::Llama3, Scaling::Yarn], 4.0),
            original_max_position: by(&[Scaling::Llama3, Scaling::Yarn], 64.0),
            low_freq_factor: by(&[Scaling::Llama3], 1.0),
            high_freq_factor: by(&[Scaling::Llama3], 4.0),
            beta_fast: None,
            beta_slow: by(&[Scaling::Yarn], 2.0),
            attention_factor: None,
        };
        self.push(op, &args, self.bound(x) * 2.0)
    }

    fn pad(&mut self) -> Option<Value> {
        let x = self.value(|g, v| g.ty(v).rank() > 0)?;
        let axis = self.rng.below(self.graph.ty(x).rank());
        let [before, after] = [0, 1].map(|_| self.rng.pick(&[n(0), n(1), n(3), n(0), Dim::sym("B")]));
        let v = self.push(Op::Pad { axis, before, after }, &[x], self.bound(x))?;
        if self.ids.contains(&x) {
            self.ids.push(v);
        }
        Some(v)
    }

    fn cross_entropy(&mut self) -> Option<Value> {
        let logits = self.value(|g, v| {
            let t = g.ty(v);
            t.dtype == DType::F32 && t.shape.last().and_then(Dim::as_const).is_some_and(|c| c >= IDS as i64)
        })?;
        let logits = self.tame(logits, LIMIT)?;
        let rows = self.shape(logits).split_last()?.1.to_vec();
        let there = self.ids.iter().copied().find(|v| self.graph.ty(*v).shape == rows);
        let ids = match there {
            Some(v) => v,
            None => {
                let one = self.push(Op::Const(Scalar::I32(3)), &[], 3.0)?;
                self.push(Op::Expand(rows), &[one], 3.0)?
            }
        };
        let ignore = self.rng.pick(&[-100, 0, 1]);
        self.push(Op::CrossEntropy { ignore }, &[logits, ids], 2.0 * self.bound(logits) + 8.0)
    }

    fn mse(&mut self) -> Option<Value> {
        let a = self.float_of_rank(1)?;
        let shape = self.shape(a);
        let b = self.value(|g, v| g.ty(v).dtype == DType::F32 && g.ty(v).shape == shape)?;
        let v = self.push(Op::Mse, &[a, b], (self.bound(a) + self.bound(b)).powi(2))?;
        self.tame(v, LIMIT)
    }

    fn identity(&mut self) -> Option<Value> {
        if self.rng.chance(50) {
            let x = self.float()?;
            return self.push(Op::Dropout { p: Number(0.1) }, &[x], self.bound(x));
        }
        let x = self.value(|_, _| true)?;
        let v = if self.rng.chance(50) {
            self.push(Op::StopGradient, &[x], self.bound(x))?
        } else {
            let after = self.value(|_, _| true)?;
            self.push(Op::OptimizationBarrier, &[x, after], self.bound(x))?
        };
        if self.ids.contains(&x) {
            self.ids.push(v);
        }
        Some(v)
    }

    /// A number for each head and key that grows with the key, over heads, queries and keys.
    pub(super) fn attention_bias(&mut self, heads: i64, s: &Dim, t: &Dim) -> Option<Value> {
        let slopes = self.weight(&[heads, 1, 1]);
        let slopes = self.push(Op::Expand(vec![n(heads), s.clone(), t.clone()]), &[slopes], 1.0)?;
        let keys = self.push(Op::Arange { len: t.clone(), from: n(0) }, &[], 40.0)?;
        let keys = self.push(Op::Cast(DType::F32), &[keys], 40.0)?;
        let bias = self.push(Op::Binary(Binary::Mul), &[slopes, keys], 40.0)?;
        self.tame(bias, 4.0)
    }
}
