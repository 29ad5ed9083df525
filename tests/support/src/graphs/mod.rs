//! Random graphs over every op.
//!
//! Values carry a bound of their magnitude, so that nothing overflows by accident (special values
//! have tests of their own), and whether they are continuous in the inputs: behind an argmax, a
//! comparison or a cast to an integer the smallest error may show as a large one, which no
//! comparison of whole networks can allow for.

mod composites;
mod elementwise;
mod experts;
mod images;
mod inputs;
mod moves;
mod products;
mod random;
mod rows;
mod scans;

use crate::Rng;
use tancho::{DType, Dim, Graph};
use tancho_ir::Type;
use tancho_ir::graph::{Constraint, Init, InputDecl, Relation, RunDim, Source, Table, Value, WeightDecl};
use tancho_ir::op::*;

/// Static dims: odd, even, around the widths of vectors, packed panels and register tiles.
const SIZES: [i64; 12] = [1, 2, 3, 5, 7, 13, 16, 17, 24, 33, 48, 50];
/// Magnitudes beyond this are squashed.
const LIMIT: f64 = 40.0;
/// No value has more elements than this, at the largest dims it is run with.
const MAX_ELEMENTS: i64 = 30_000;
/// Ids are below this; every table that they select from has at least so many rows.
const IDS: usize = 5;

/// Which ops are favoured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Flavour {
    /// None.
    Mixed,
    /// Reductions, norms, and elementwise ops around them.
    Rows,
    /// Matrix products, and what may be their epilogue.
    Products,
    /// Attention.
    Attention,
    /// Views, and copies of elements.
    Moves,
    /// Convolutions, pooling and other ops on images.
    Images,
}

/// A random graph with what is known of its values.
pub struct Random {
    /// The graph.
    pub graph: Graph,
    rng: Rng,
    flavour: Flavour,
    /// Upper bound of the magnitude of each value.
    bound: Vec<f64>,
    /// Whether each value is continuous in the inputs.
    pub smooth: Vec<bool>,
    /// I32 values whose elements are ids.
    ids: Vec<Value>,
}

fn n(x: i64) -> Dim {
    Dim::constant(x)
}

fn size(shape: &[Dim], b: i64, s: i64) -> i64 {
    let value = |name: &str| Some(if name == "B" { b } else { s });
    shape.iter().map(|d| d.eval(&value).unwrap_or(i64::MAX).max(0)).fold(1i64, |a, d| a.saturating_mul(d))
}

fn num(x: f64) -> Op {
    Op::Const(Scalar::F32(Number(x)))
}

impl Random {
    /// The graph of a seed with `depth` random ops; a smaller depth gives the same first ops.
    pub fn new(seed: u64, depth: usize, flavour: Flavour) -> Random {
        let graph = Graph { name: "Random".into(), ..Graph::default() };
        let mut r = Random {
            graph,
            rng: Rng::new(seed),
            flavour,
            bound: Vec::new(),
            smooth: Vec::new(),
            ids: Vec::new(),
        };
        r.declare();
        let mut made = 0;
        for _ in 0..depth * 20 {
            if made == depth {
                break;
            }
            made += usize::from(r.step().is_some());
        }
        r.choose_outputs(seed);
        r
    }

    fn static_dim(&mut self) -> Dim {
        n(self.rng.pick(&SIZES))
    }

    /// Run-time dims, inputs and a few weights.
    fn declare(&mut self) {
        let s_bound = self.rng.chance(30).then_some(64);
        self.graph.dims =
            vec![RunDim { name: "B".into(), bound: None }, RunDim { name: "S".into(), bound: s_bound }];
        if self.rng.chance(10) {
            let (left, right) = (Dim::sym("S"), n(64));
            self.graph.constraints.push(Constraint { left, relation: Relation::AtMost, right });
        }
        let (b, s) = (Dim::sym("B"), Dim::sym("S"));
        let (d, e) = (self.static_dim(), self.static_dim());
        let heads = n(self.rng.pick(&[1, 2, 3]));
        let forms: Vec<Vec<Dim>> = vec![
            vec![b.clone(), s.clone(), d.clone()],
            vec![b.clone(), s.clone()],
            vec![b.clone(), d.clone()],
            vec![s.clone(), d.clone()],
            vec![b.clone(), heads.clone(), s.clone(), d.clone()],
            vec![d.clone()],
            vec![],
            vec![d.clone(), e.clone()],
            vec![s.clone()],
            vec![b.clone(), e.clone(), d.clone()],
        ];
        let mut shapes = vec![forms[0].clone()];
        if self.flavour == Flavour::Attention && self.rng.chance(50) {
            shapes[0] = forms[4].clone();
        }
        if self.flavour == Flavour::Images {
            shapes[0] = self.image_shape();
            shapes.push(vec![b.clone(), s.clone()]);
        }
        for _ in 0..self.rng.below(3) {
            shapes.push(self.rng.pick(&forms));
        }
        for (i, shape) in shapes.into_iter().enumerate() {
            self.input(&format!("x{i}"), Type::f32(shape), 1.0, false);
        }
        if self.rng.chance(60) {
            let shape = self.rng.pick(&[
                vec![b.clone(), s.clone()],
                vec![b.clone()],
                vec![s.clone(), b.clone()],
                vec![],
            ]);
            self.input("ids", Type::new(DType::I32, shape), IDS as f64, true);
        }
        if self.rng.chance(70) {
            let forms = [
                vec![b.clone(), s.clone()],
                vec![b.clone(), s.clone(), s.clone()],
                vec![b, heads, s.clone(), s],
                vec![d],
            ];
            let shape = self.rng.pick(&forms);
            self.input("keep", Type::new(DType::Bool, shape), 1.0, false);
        }
    }

    fn input(&mut self, name: &str, ty: Type, bound: f64, ids: bool) {
        let i = self.graph.inputs.len();
        self.graph.inputs.push(InputDecl::new(name, ty));
        let v = self.graph.push(Op::Input(i), &[], Source::default()).expect("an input");
        self.note(v, bound, true);
        if ids {
            self.ids.push(v);
        }
    }

    /// A weight or a constant of that shape, in (-1, 1); an old one half of the time.
    fn weight(&mut self, shape: &[i64]) -> Value {
        let dims: Vec<Dim> = shape.iter().map(|x| n(*x)).collect();
        let old: Vec<Value> = self.all(|g, v| matches!(g.node(v).op, Op::Weight(_)) && g.ty(v).shape == dims);
        if !old.is_empty() && self.rng.chance(50) {
            return self.rng.pick(&old);
        }
        let i = self.graph.weights.len();
        let elements: i64 = shape.iter().product();
        let decl = if elements <= 40 && self.rng.chance(10) {
            let table = Table::new((0..elements).map(|_| f64::from(self.rng.float())));
            WeightDecl::constant(format!("c{i}"), Type::f32(dims), Init::Table(table))
        } else {
            WeightDecl::new(format!("w{i}"), Type::f32(dims), Init::Uniform(-1.0, 1.0))
        };
        self.graph.weights.push(decl);
        let v = self.graph.push(Op::Weight(i), &[], Source::default()).expect("a weight");
        self.note(v, 1.0, true);
        v
    }

    fn note(&mut self, v: Value, bound: f64, smooth: bool) {
        assert_eq!(v.index(), self.bound.len());
        self.bound.push(bound);
        self.smooth.push(smooth);
    }

    fn all(&self, which: impl Fn(&Graph, Value) -> bool) -> Vec<Value> {
        self.graph.values().filter(|v| which(&self.graph, *v)).collect()
    }

    /// A value, late ones more often than early ones.
    fn value(&mut self, which: impl Fn(&Graph, Value) -> bool) -> Option<Value> {
        let all = self.all(which);
        if all.is_empty() {
            return None;
        }
        let from = if self.rng.chance(60) { all.len().saturating_sub(3) } else { 0 };
        Some(all[from + self.rng.below(all.len() - from)])
    }

    fn float(&mut self) -> Option<Value> {
        self.value(|g, v| g.ty(v).dtype == DType::F32)
    }

    fn float_of_rank(&mut self, at_least: usize) -> Option<Value> {
        self.value(|g, v| g.ty(v).dtype == DType::F32 && g.ty(v).rank() >= at_least)
    }

    fn shape(&self, v: Value) -> Vec<Dim> {
        self.graph.ty(v).shape.clone()
    }

    fn dtype(&self, v: Value) -> DType {
        self.graph.ty(v).dtype
    }

    fn bound(&self, v: Value) -> f64 {
        self.bound[v.index()]
    }

    /// The value of a dim that bounds may be computed with.
    fn at_most(d: &Dim) -> f64 {
        size(std::slice::from_ref(d), 40, 40) as f64
    }

    /// Adds an op if its shape rule allows it and the result is not too large.
    fn push(&mut self, op: Op, args: &[Value], bound: f64) -> Option<Value> {
        let ty = self.graph.infer(&op, args).ok()?;
        if size(&ty.shape, 5, 17) > MAX_ELEMENTS
            || size(&ty.shape, 17, 5) > MAX_ELEMENTS
            || ty.rank() > 5
            || bound > 1e6
        {
            return None;
        }
        let breaks = match &op {
            Op::Argmax { .. } | Op::TopK { indices: true, .. } => true,
            Op::Unary(Unary::Floor | Unary::Round | Unary::Sign) | Op::Binary(Binary::Rem) => {
                self.dtype(args[0]) == DType::F32
            }
            Op::Binary(b) if b.is_comparison() => self.dtype(args[0]) == DType::F32,
            Op::Cast(DType::I32 | DType::Bool | DType::Bf16) => {
                !matches!(self.dtype(args[0]), DType::I32 | DType::Bool)
            }
            _ => false,
        };
        let smooth = !breaks && args.iter().all(|a| self.smooth[a.index()]);
        let v = self.graph.push(op, args, Source::default()).ok()?;
        self.note(v, bound, smooth);
        Some(v)
    }

    /// A value with the elements of `v` brought below a bound.
    fn tame(&mut self, v: Value, limit: f64) -> Option<Value> {
        if self.bound(v) <= limit {
            return Some(v);
        }
        if self.rng.chance(50) {
            return self.push(Op::Unary(Unary::Tanh), &[v], 1.0);
        }
        let by = 2f64.powi(-((self.bound(v) / limit).log2().ceil() as i32));
        let c = self.push(num(by), &[], 1.0)?;
        self.push(Op::Binary(Binary::Mul), &[v, c], limit)
    }

    /// A value between 0.1 and what the bound says: for divisors and logarithms.
    fn positive(&mut self, v: Value) -> Option<Value> {
        let a = self.push(Op::Unary(Unary::Abs), &[v], self.bound(v))?;
        let c = self.push(num(0.25), &[], 0.25)?;
        self.push(Op::Binary(Binary::Add), &[a, c], self.bound(v) + 0.25)
    }

    /// One random op (with what it needs); `None` if it found no arguments.
    fn step(&mut self) -> Option<Value> {
        type Step = fn(&mut Random) -> Option<Value>;
        const ALL: [Step; 18] = [
            Random::unary,
            Random::unary,
            Random::binary,
            Random::binary,
            Random::pow,
            Random::select,
            Random::cast,
            Random::matmul,
            Random::reduce,
            Random::argmax,
            Random::reshape,
            Random::transpose,
            Random::expand,
            Random::slice,
            Random::concat,
            Random::gather,
            Random::linear,
            Random::norm,
        ];
        const ROWS: [Step; 6] =
            [Random::unary, Random::binary, Random::reduce, Random::norm, Random::norm, Random::select];
        const PRODUCTS: [Step; 7] = [
            Random::matmul,
            Random::linear,
            Random::linear,
            Random::unary,
            Random::binary,
            Random::norm,
            Random::reduce,
        ];
        const ATTENTION: [Step; 5] =
            [Random::attention, Random::attention, Random::linear, Random::transpose, Random::binary];
        const IMAGES: [Step; 6] = [
            Random::image_step,
            Random::image_step,
            Random::image_step,
            Random::image_step,
            Random::unary,
            Random::binary,
        ];
        const MOVES: [Step; 8] = [
            Random::reshape,
            Random::transpose,
            Random::expand,
            Random::slice,
            Random::concat,
            Random::gather,
            Random::matmul,
            Random::binary,
        ];
        let favoured: &[Step] = match self.flavour {
            Flavour::Mixed => &ALL,
            Flavour::Rows => &ROWS,
            Flavour::Products => &PRODUCTS,
            Flavour::Attention => &ATTENTION,
            Flavour::Images => &IMAGES,
            Flavour::Moves => &MOVES,
        };
        let op = if self.rng.chance(75) { self.rng.pick(favoured) } else { self.rng.pick(&ALL) };
        let op = if self.rng.chance(4) { Random::attention } else { op };
        let op = if self.rng.chance(12) { Random::composite } else { op };
        op(self)
    }

    /// The last value and some others: inputs, weights, views and one twice among them.
    fn choose_outputs(&mut self, seed: u64) {
        let mut rng = Rng::new(seed ^ 0x0a7b);
        let count = self.graph.nodes.len();
        let mut outs = vec![Value(count as u32 - 1)];
        for _ in 0..rng.below(4) {
            outs.push(Value(rng.below(count) as u32));
        }
        if rng.chance(20) {
            outs.push(rng.pick(&outs));
        }
        self.graph.outputs = outs;
    }
}
