//! Steps of matrix products and attention.

use super::{LIMIT, Random, SIZES, n};
use tancho::{DType, Dim};
use tancho_ir::graph::Value;
use tancho_ir::op::*;

impl Random {
    pub(super) fn matmul(&mut self) -> Option<Value> {
        let mut x = self.float_of_rank(1)?;
        x = self.tame(x, 4.0)?;
        let shape = self.shape(x);
        let (k, rank) = (shape[shape.len() - 1].clone(), shape.len());
        let mut w = None;
        if self.rng.chance(40)
            && let Some(k) = k.as_const()
        {
            let cols = self.rng.pick(&SIZES);
            w = Some(if self.rng.chance(20) && rank == 3 && shape[0].as_const().is_some() {
                self.weight(&[shape[0].as_const()?, k, cols])
            } else {
                self.weight(&[k, cols])
            });
        }
        if w.is_none() && self.rng.chance(60) {
            // Another value, or this one, turned so that it fits.
            let other = self.value(|g, v| {
                let t = g.ty(v);
                let r = t.rank();
                t.dtype == DType::F32
                    && r >= 2
                    && (r == 2 || (r == rank && t.shape[..r - 2] == shape[..rank - 2]))
                    && (t.shape[r - 1] == k || t.shape[r - 2] == k)
            })?;
            let s = self.shape(other);
            let r = s.len();
            w = Some(if s[r - 2] == k && (s[r - 1] != k || self.rng.chance(50)) {
                other
            } else {
                let mut p: Vec<usize> = (0..r).collect();
                p.swap(r - 1, r - 2);
                self.push(Op::Transpose(p), &[other], self.bound(other))?
            });
        }
        let w = match w {
            Some(w) => self.tame(w, 4.0)?,
            None => return None,
        };
        let bound = self.bound(x) * self.bound(w) * Random::at_most(&k);
        let v = self.push(Op::Matmul, &[x, w], bound)?;
        self.tame(v, LIMIT)
    }

    pub(super) fn linear(&mut self) -> Option<Value> {
        let mut x = self.float_of_rank(1)?;
        x = self.tame(x, 4.0)?;
        let k = self.shape(x).last()?.as_const()?;
        let cols = self.rng.pick(&SIZES);
        let w = self.weight(&[cols, k]);
        let mut args = vec![x, w];
        if self.rng.chance(60) {
            args.push(self.weight(&[cols]));
        }
        let bound = self.bound(x) * k as f64 + 1.0;
        let v = self.push(Op::Linear { bias: args.len() == 3 }, &args, bound)?;
        // Plain epilogues, residuals and norms behind a product, as networks have them.
        match self.rng.below(6) {
            0 => self.push(Op::Unary(Unary::Gelu), &[v], bound),
            1 => self.push(Op::Unary(Unary::Relu), &[v], bound),
            2 => {
                let shape = self.shape(v);
                let r = self.value(|g, u| g.ty(u).shape == shape && g.ty(u).dtype == DType::F32)?;
                let y = self.push(Op::Binary(Binary::Add), &[r, v], bound + self.bound(r))?;
                self.norm_of(y, &[shape.len() - 1])
            }
            _ => self.tame(v, LIMIT),
        }
    }

    pub(super) fn attention(&mut self) -> Option<Value> {
        let q = self.value(|g, v| {
            let t = g.ty(v);
            t.dtype == DType::F32 && matches!(t.rank(), 3 | 4) && t.shape[t.rank() - 1].as_const().is_some()
        })?;
        let q = self.tame(q, 2.0)?;
        let s = self.shape(q);
        let (merged, width) = (s.len() == 3, s[s.len() - 1].as_const()?);
        let heads = if merged {
            self.rng.pick(&(1..=6).filter(|h| width % h == 0).collect::<Vec<_>>())
        } else {
            s[1].as_const()?
        };
        if heads == 0 || width == 0 {
            return None;
        }
        let hd = if merged { width / heads } else { width };
        // Keys and values: of any length, with as many heads or a divisor of them.
        let mut kv = Vec::new();
        for _ in 0..2 {
            let first: Option<Vec<Dim>> = kv.first().map(|k| self.shape(*k));
            let k = self.value(|g, v| {
                let t = g.ty(v);
                let form = t.dtype == DType::F32 && t.rank() == s.len() && t.shape[0] == s[0];
                let fits = if merged {
                    t.rank() == 3
                        && t.shape[2]
                            .as_const()
                            .is_some_and(|k| k > 0 && k % hd == 0 && heads % (k / hd) == 0)
                } else {
                    t.rank() == 4
                        && t.shape[3] == s[3]
                        && t.shape[1].as_const().is_some_and(|k| k > 0 && heads % k == 0)
                };
                form && fits && first.as_ref().is_none_or(|f| *f == t.shape)
            })?;
            let k = self.tame(k, 2.0)?;
            kv.push(k);
        }
        let axis = if merged { 1 } else { 2 };
        let t = self.shape(kv[0])[axis].clone();
        let mut args = vec![q, kv[0], kv[1]];
        let bias = if self.rng.chance(15) { Some(self.attention_bias(heads, &s[axis], &t)?) } else { None };
        if self.rng.chance(60) {
            let forms = [
                vec![s[0].clone(), t.clone()],
                vec![s[0].clone(), s[axis].clone(), t.clone()],
                vec![s[0].clone(), n(heads), s[axis].clone(), t.clone()],
            ];
            let m = self.value(|g, v| g.ty(v).dtype == DType::Bool && forms.contains(&g.ty(v).shape));
            args.extend(m);
        }
        let causal = self.rng.chance(50);
        let scale = self.rng.chance(30).then_some(Number(0.5));
        let bound = self.bound(kv[1]);
        let mask = args.len() == 4;
        args.extend(bias);
        let window = self.rng.chance(15).then(|| self.rng.clone().pick(&[n(1), n(2), n(7), Dim::sym("B")]));
        let softcap = self.rng.chance(20).then(|| Number(self.rng.clone().pick(&[0.5, 5.0, 50.0])));
        let bias = bias.is_some();
        self.push(Op::Attention { heads: n(heads), causal, window, mask, bias, scale, softcap }, &args, bound)
    }
}
