//! Mixtures of experts.

use super::{Random, num};
use tancho::{DType, Dim, Graph};
use tancho_ir::Type;
use tancho_ir::graph::{InputDecl, Source, Value};
use tancho_ir::op::*;

impl Random {
    /// Experts for the rows of a value, which positions choose: all experts in turn, or some of them. Their
    /// bodies have a matrix product each, or work row by row alone.
    pub(super) fn experts(&mut self) -> Option<Value> {
        let static_width =
            |g: &Graph, v: Value| g.ty(v).shape[1].as_const().is_some_and(|c| (1..=64).contains(&c));
        let x =
            self.value(|g, v| g.ty(v).dtype == DType::F32 && g.ty(v).rank() == 2 && static_width(g, v))?;
        let x = self.tame(x, 4.0)?;
        let shape = self.shape(x);
        let (rows, width) = (shape[0].clone(), shape[1].as_const()?);
        let experts = 1 + self.rng.below(4);
        let each = 1 + self.rng.below(2);
        let first = Dim::constant(self.rng.below(3) as i64);
        let from = self.push(Op::Arange { len: rows.clone(), from: first }, &[], 40.0)?;
        let some = 1 + self.rng.below(experts);
        let all = self.push(Op::Const(Scalar::I32(some as i32)), &[], 4.0)?;
        let ids = self.push(Op::Binary(Binary::Rem), &[from, all], 4.0)?;
        let ids = self.push(Op::Reshape(vec![rows.clone(), Dim::constant(1)]), &[ids], 4.0)?;
        let ids = self.push(Op::Expand(vec![rows, Dim::constant(each as i64)]), &[ids], 4.0)?;
        let (product, second) = (self.rng.chance(70), self.rng.chance(30));
        let mut args = vec![ids, x];
        args.extend(second.then_some(x));
        let weights = if product { vec![vec![width, width], vec![width]] } else { vec![vec![width]] };
        for _ in 0..experts {
            args.extend(weights.iter().map(|shape| self.weight(shape)));
        }
        let routed = 1 + usize::from(second);
        let body = self.expert(width, routed, &weights)?;
        let number = self.graph.bodies.len();
        self.graph.bodies.push(body);
        let bound = self.bound(x) * if product { width as f64 + 1.0 } else { 2.0 } + 4.0;
        self.push(Op::Experts { body: number, experts, routed }, &args, bound)
    }

    fn expert(&mut self, width: i64, routed: usize, weights: &[Vec<i64>]) -> Option<Graph> {
        let mut g = Graph {
            name: self.graph.name.clone(),
            dims: self.graph.dims.clone(),
            constraints: self.graph.constraints.clone(),
            rows: Some("rows".into()),
            ..Graph::default()
        };
        g.dims.push(tancho_ir::graph::RunDim { name: "rows".into(), bound: None });
        let mut inputs = Vec::new();
        let row = vec![Dim::sym("rows"), Dim::constant(width)];
        let shapes = std::iter::repeat_n(row, routed)
            .chain(weights.iter().map(|shape| shape.iter().map(|n| Dim::constant(*n)).collect()));
        for (i, shape) in shapes.enumerate() {
            g.inputs.push(InputDecl::new(format!("a{i}"), Type::f32(shape)));
            inputs.push(g.push(Op::Input(i), &[], Source::default()).ok()?);
        }
        let mut op = |op: Op, args: &[Value]| g.push(op, args, Source::default()).ok();
        let (x, last) = (inputs[0], *inputs.last()?);
        let mut y = x;
        if weights.len() == 2 {
            y = op(Op::Linear { bias: true }, &[x, inputs[routed], last])?;
            if self.rng.chance(50) {
                y = op(Op::Unary(self.rng.pick(&[Unary::Silu, Unary::Tanh, Unary::Relu])), &[y])?;
            }
        } else {
            let all = op(Op::Expand(vec![Dim::sym("rows"), Dim::constant(width)]), &[last])?;
            y = op(Op::Binary(Binary::Mul), &[y, all])?;
        }
        if routed == 2 {
            let half = op(num(0.5), &[])?;
            let half = op(Op::Binary(Binary::Mul), &[inputs[1], half])?;
            y = op(Op::Binary(Binary::Add), &[y, half])?;
        }
        g.outputs = vec![y];
        Some(g)
    }
}
