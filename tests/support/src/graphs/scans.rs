//! Loops along the first axis of a value.

use super::{Random, num};
use tancho::{DType, Dim, Graph};
use tancho_ir::Type;
use tancho_ir::graph::{InputDecl, Source, Value};
use tancho_ir::op::*;

impl Random {
    /// A loop that carries what it adds up, or several. Its body has a matrix product of the element, of what
    /// is carried, or none, and may read another value that all iterations share.
    pub(super) fn scan(&mut self) -> Option<Value> {
        let x = self.value(|g, v| g.ty(v).dtype == DType::F32 && (1..=4).contains(&g.ty(v).rank()))?;
        let x = self.tame(x, 4.0)?;
        let shape = self.shape(x)[1..].to_vec();
        let backwards = self.rng.chance(30);
        let zero = self.push(num(self.rng.clone().pick(&[0.0, 0.5])), &[], 0.5)?;
        let start = self.push(Op::Expand(shape.clone()), &[zero], 0.5)?;
        let shared = self.value(|g, v| g.ty(v).shape == shape && g.ty(v).dtype == DType::F32);
        let width = shape.last().and_then(Dim::as_const).filter(|c| (1..=64).contains(c));
        let weight = width.filter(|_| self.rng.chance(60)).map(|c| self.weight(&[c, c]));
        let (mut args, carried) = (vec![x], if self.rng.chance(30) { 2 } else { 1 });
        args.extend([start, start].into_iter().take(carried));
        args.extend(shared.into_iter().chain(weight));
        let body = self.body(&args, carried, shared.is_some(), weight.is_some())?;
        let (number, results) = (self.graph.bodies.len(), body.outputs.len());
        self.graph.bodies.push(body);
        let mut last = None;
        for result in 0..results {
            let op = Op::Scan { body: number, result, sequences: 1, carried, backwards };
            last = self.push(op, &args, 2.0).or(last);
        }
        last
    }

    fn body(&mut self, args: &[Value], carried: usize, shared: bool, weight: bool) -> Option<Graph> {
        let mut g = Graph {
            name: self.graph.name.clone(),
            dims: self.graph.dims.clone(),
            constraints: self.graph.constraints.clone(),
            ..Graph::default()
        };
        let mut inputs = Vec::new();
        for (i, a) in args.iter().enumerate() {
            let ty = self.graph.ty(*a);
            let shape = if i == 0 { ty.shape[1..].to_vec() } else { ty.shape.clone() };
            g.inputs.push(InputDecl::new(format!("a{i}"), Type::new(ty.dtype, shape)));
            inputs.push(g.push(Op::Input(i), &[], Source::default()).ok()?);
        }
        let width = g.inputs[1].ty.shape.last().and_then(Dim::as_const).unwrap_or(1) as f64;
        let mut op = |op: Op, args: &[Value]| g.push(op, args, Source::default()).ok();
        let (x, h) = (inputs[0], inputs[1]);
        let half = op(num(0.5), &[])?;
        let mut sum = op(Op::Binary(Binary::Mul), &[h, half])?;
        if shared {
            let bounded = op(Op::Unary(Unary::Tanh), &[inputs[1 + carried]])?;
            sum = op(Op::Binary(Binary::Add), &[sum, bounded])?;
        }
        let mut element = x;
        if let Some(w) = weight.then(|| inputs.last().copied()).flatten() {
            let of = self.rng.pick(&[x, h, sum]);
            let product = op(Op::Linear { bias: false }, &[of, w])?;
            if of == x {
                element = op(Op::Unary(Unary::Silu), &[product])?;
            } else {
                // What is carried shrinks in each iteration, so that its rounding errors do not grow.
                let small = op(num(0.4 / width), &[])?;
                let product = op(Op::Binary(Binary::Mul), &[product, small])?;
                sum = op(Op::Binary(Binary::Add), &[sum, product])?;
            }
        }
        sum = op(Op::Binary(Binary::Add), &[sum, element])?;
        let next = op(Op::Unary(Unary::Tanh), &[sum])?;
        let mut results = vec![next];
        if carried == 2 {
            results.push(op(Op::Binary(Binary::Sub), &[next, inputs[2]])?);
            results[1] = op(Op::Unary(Unary::Tanh), &[results[1]])?;
        }
        match self.rng.below(4) {
            0 => results.push(next),
            1 => results.push(h),
            2 => results.push(op(Op::Binary(Binary::Mul), &[next, x])?),
            _ => results.extend([next, element]),
        }
        g.outputs = results;
        Some(g)
    }
}
