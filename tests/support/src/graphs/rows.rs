//! Steps of reductions and norms.

use super::{LIMIT, Random};
use tancho::DType;
use tancho_ir::graph::Value;
use tancho_ir::op::*;

impl Random {
    pub(super) fn axes(&mut self, rank: usize) -> Vec<usize> {
        if self.rng.chance(50) {
            return vec![rank - 1];
        }
        let mut axes: Vec<usize> = (0..rank).filter(|_| self.rng.chance(50)).collect();
        if axes.is_empty() {
            axes.push(self.rng.below(rank));
        }
        axes
    }

    pub(super) fn reduce(&mut self) -> Option<Value> {
        let int = self.rng.chance(10);
        let x = self
            .value(|g, v| g.ty(v).rank() > 0 && g.ty(v).dtype == if int { DType::I32 } else { DType::F32 })?;
        let shape = self.shape(x);
        let mut axes = self.axes(shape.len());
        let kinds = if int { &Reduction::TABLE[..1] } else { &Reduction::TABLE[..] };
        let mut kind = self.rng.pick(kinds).0;
        let mut args = vec![x];
        let mask = self.value(|g, v| {
            g.ty(v).dtype == DType::Bool && g.ty(v).rank() > 0 && shape.starts_with(&g.ty(v).shape)
        });
        if self.rng.chance(40)
            && let Some(m) = mask
        {
            let rank = self.graph.ty(m).rank();
            axes.retain(|a| *a < rank);
            if axes.is_empty() {
                axes.push(rank - 1);
            }
            args.push(m);
        }
        let empty = axes.iter().any(|a| shape[*a].as_const().is_none() || shape[*a].is(0));
        if empty
            && matches!(kind, Reduction::Max | Reduction::Min | Reduction::Mean)
            && args.len() == 1
            && self.rng.chance(70)
        {
            // Infinities and NaN of empty rows are right, but make a dull graph.
            kind = Reduction::Sum;
        }
        let count: f64 = axes.iter().map(|a| Random::at_most(&shape[*a])).product();
        let bound = if kind == Reduction::Sum { self.bound(x) * count } else { self.bound(x) };
        let masked = args.len() == 2;
        let keep = self.rng.chance(30);
        let v = self.push(Op::Reduce { kind, axes, keep, masked }, &args, bound)?;
        if int { Some(v) } else { self.tame(v, LIMIT) }
    }

    pub(super) fn argmax(&mut self) -> Option<Value> {
        let x = self.value(|g, v| g.ty(v).rank() > 0 && matches!(g.ty(v).dtype, DType::F32 | DType::I32))?;
        let axis = self.rng.below(self.graph.ty(x).rank());
        let keep = self.rng.chance(30);
        self.push(Op::Argmax { axis, keep }, &[x], 50.0 * 50.0)
    }

    pub(super) fn norm(&mut self) -> Option<Value> {
        let x = self.float_of_rank(1)?;
        let rank = self.graph.ty(x).rank();
        let axes = self.axes(rank);
        self.norm_of(x, &axes)
    }

    pub(super) fn norm_of(&mut self, x: Value, axes: &[usize]) -> Option<Value> {
        let shape = self.shape(x);
        let last = axes[axes.len() - 1];
        let root = axes.iter().map(|a| Random::at_most(&shape[*a])).product::<f64>().sqrt() + 1.0;
        let known: Option<Vec<i64>> = axes.iter().map(|a| shape[*a].as_const()).collect();
        let mut args = vec![x];
        let given = [self.rng.chance(50), self.rng.chance(50)].map(|g| g && known.is_some());
        let eps = Number(self.rng.pick(&[1e-5, 1e-3]));
        let op = match self.rng.below(8) {
            0 | 1 => Op::Softmax { axis: last, log: false },
            2 => Op::Softmax { axis: last, log: true },
            3 => Op::L2Normalize { axis: last, eps: Number(1e-12) },
            4 => Op::RmsNorm { axes: axes.to_vec(), eps, gain: given[0] },
            _ => {
                let eps_on = self.rng.pick(&[EpsOn::Var, EpsOn::Std]);
                Op::LayerNorm { axes: axes.to_vec(), eps, eps_on, gain: given[0], bias: given[1] }
            }
        };
        let bound = match &op {
            Op::Softmax { log: true, .. } => 2.0 * self.bound(x) + 8.0,
            Op::Softmax { .. } | Op::L2Normalize { .. } => 1.0,
            _ => root,
        };
        let count = match op {
            Op::LayerNorm { gain, bias, .. } => usize::from(gain) + usize::from(bias),
            Op::RmsNorm { gain, .. } => usize::from(gain),
            _ => 0,
        };
        for _ in 0..count {
            args.push(self.weight(known.as_deref()?));
        }
        let v = self.push(op, &args, bound)?;
        self.tame(v, LIMIT)
    }
}
