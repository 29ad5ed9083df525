//! Steps of ops that compute nothing: views, and copies of elements.

use super::{IDS, Random, SIZES, n};
use tancho::Dim;
use tancho_ir::graph::Value;
use tancho_ir::op::*;

impl Random {
    pub(super) fn moved(&mut self, op: Op, x: Value) -> Option<Value> {
        let v = self.push(op, &[x], self.bound(x))?;
        if self.ids.contains(&x) {
            self.ids.push(v);
        }
        Some(v)
    }

    pub(super) fn reshape(&mut self) -> Option<Value> {
        let x = self.value(|_, _| true)?;
        let mut s = self.shape(x);
        match self.rng.below(5) {
            0 => s = vec![Dim::product(&s).ok()?],
            1 => {
                let at = self.rng.below(s.len() + 1);
                s.insert(at, n(1));
            }
            2 if s.len() >= 2 => {
                let at = self.rng.below(s.len() - 1);
                let joined = s[at].times(&s[at + 1]).ok()?;
                s.splice(at..at + 2, [joined]);
            }
            3 => {
                let at = s
                    .iter()
                    .position(|d| d.as_const().is_some_and(|c| c > 1 && (c % 2 == 0 || c % 3 == 0)))?;
                let c = s[at].as_const()?;
                let by = if c % 2 == 0 { 2 } else { 3 };
                let parts = if self.rng.chance(50) { [n(by), n(c / by)] } else { [n(c / by), n(by)] };
                s.splice(at..at + 1, parts);
            }
            _ => {
                let (i, j) = (self.rng.below(s.len()), self.rng.below(s.len()));
                if i == j {
                    return None;
                }
                s.swap(i, j);
            }
        }
        self.moved(Op::Reshape(s), x)
    }

    pub(super) fn transpose(&mut self) -> Option<Value> {
        let x = self.value(|g, v| g.ty(v).rank() >= 2)?;
        let mut p: Vec<usize> = (0..self.graph.ty(x).rank()).collect();
        for i in 1..p.len() {
            p.swap(i, self.rng.below(i + 1));
        }
        self.moved(Op::Transpose(p), x)
    }

    pub(super) fn expand(&mut self) -> Option<Value> {
        let x = self.value(|_, _| true)?;
        let mut s = self.shape(x);
        let new = [Dim::sym("B"), Dim::sym("S"), n(2), n(3)];
        for d in &mut s {
            if d.is(1) {
                *d = self.rng.pick(&new);
            }
        }
        if s == self.shape(x) || self.rng.chance(40) {
            s.insert(0, self.rng.pick(&new));
        }
        self.moved(Op::Expand(s), x)
    }

    pub(super) fn slice(&mut self) -> Option<Value> {
        let x = self.value(|g, v| g.ty(v).rank() > 0)?;
        let s = self.shape(x);
        let axis = self.rng.below(s.len());
        let (start, end) = match s[axis].as_const() {
            Some(len) => {
                let start = self.rng.below(len as usize + 1) as i64;
                let end = start + self.rng.below((len - start) as usize + 1) as i64;
                if end == start && self.rng.chance(80) {
                    return None;
                }
                (n(start), n(end))
            }
            None => {
                let half = s[axis].floor_div(&n(2)).ok()?;
                self.rng.pick(&[(n(0), half.clone()), (half, s[axis].clone()), (n(0), s[axis].clone())])
            }
        };
        self.moved(Op::Slice { axis, start, end, step: Dim::constant(1) }, x)
    }

    pub(super) fn concat(&mut self) -> Option<Value> {
        let x = self.value(|g, v| g.ty(v).rank() > 0)?;
        let (s, dtype) = (self.shape(x), self.dtype(x));
        let axis = self.rng.below(s.len());
        let mut args = vec![x];
        for _ in 0..1 + self.rng.below(2) {
            let other = self.value(|g, v| {
                let t = g.ty(v);
                t.dtype == dtype
                    && t.rank() == s.len()
                    && (0..s.len()).all(|i| i == axis || t.shape[i] == s[i])
            })?;
            args.push(other);
        }
        let bound = args.iter().map(|a| self.bound(*a)).fold(0.0, f64::max);
        let v = self.push(Op::Concat { axis }, &args, bound)?;
        if args.iter().all(|a| self.ids.contains(a)) {
            self.ids.push(v);
        }
        Some(v)
    }

    pub(super) fn gather(&mut self) -> Option<Value> {
        let ids = if self.ids.is_empty() || self.rng.chance(10) {
            let v = self.push(Op::Const(Scalar::I32(3)), &[], 3.0)?;
            self.ids.push(v);
            v
        } else {
            let ids = self.ids.clone();
            self.rng.pick(&ids)
        };
        let table = if self.rng.chance(50) {
            let (rows, d) = (IDS as i64 + self.rng.below(4) as i64, self.rng.pick(&SIZES));
            let shape = self.rng.pick(&[vec![rows, d], vec![rows], vec![rows, 3, d], vec![rows, d]]);
            self.weight(&shape)
        } else {
            let rows = IDS as i64;
            self.value(|g, v| g.ty(v).shape.first().and_then(Dim::as_const).is_some_and(|r| r >= rows))?
        };
        self.push(Op::Gather, &[table, ids], self.bound(table))
    }

    pub(super) fn flip(&mut self) -> Option<Value> {
        let x = self.value(|g, v| g.ty(v).rank() > 0)?;
        let axis = self.rng.below(self.graph.ty(x).rank());
        self.moved(Op::Flip { axis }, x)
    }

    pub(super) fn take_along(&mut self) -> Option<Value> {
        let long = |d: &Dim| d.as_const().is_some_and(|n| n >= IDS as i64);
        let x = self.value(|g, v| g.ty(v).shape.iter().any(long))?;
        let mut shape = self.shape(x);
        let axis = shape.iter().rposition(long)?;
        shape[axis] = n(IDS as i64);
        let ids = match axis + 1 == shape.len() {
            true => Op::Arange { len: n(IDS as i64), from: n(0) },
            false => Op::Const(Scalar::I32(3)),
        };
        let ids = self.push(ids, &[], IDS as f64)?;
        let ids = self.push(Op::Expand(shape), &[ids], IDS as f64)?;
        self.push(Op::TakeAlong { axis }, &[x, ids], self.bound(x))
    }

    pub(super) fn topk(&mut self) -> Option<Value> {
        let long = |d: &Dim| d.as_const().is_some_and(|n| n > 0);
        let x = self.value(|g, v| {
            let numbers = matches!(g.ty(v).dtype, tancho::DType::F32 | tancho::DType::I32);
            numbers && g.ty(v).shape.iter().any(long)
        })?;
        let shape = self.shape(x);
        let axis = shape.iter().position(long)?;
        let most = shape[axis].as_const()?.min(3);
        let k = n(1 + self.rng.below(most as usize) as i64);
        let indices = self.rng.chance(50);
        let bound = if indices { Random::at_most(&shape[axis]) } else { self.bound(x) };
        self.push(Op::TopK { k, axis, indices }, &[x], bound)
    }

    pub(super) fn cumsum(&mut self) -> Option<Value> {
        let numbers = |g: &tancho::Graph, v: Value| {
            g.ty(v).rank() > 0 && matches!(g.ty(v).dtype, tancho::DType::F32 | tancho::DType::I32)
        };
        let x = self.value(numbers)?;
        let axis = self.rng.below(self.graph.ty(x).rank());
        let bound = self.bound(x) * Random::at_most(&self.shape(x)[axis]).max(1.0);
        let v = self.push(Op::Cumsum { axis }, &[x], bound)?;
        if self.dtype(v) == tancho::DType::F32 { self.tame(v, super::LIMIT) } else { Some(v) }
    }
}
