//! Random graphs over every op.
//!
//! Values carry a bound of their magnitude, so that nothing overflows by accident (special values
//! have tests of their own), and whether they are continuous in the inputs: behind an argmax, a
//! comparison or a cast to an integer the smallest error may show as a large one, which no
//! comparison of whole networks can allow for.

mod composites;
mod images;

use super::Rng;
use tancho::{DType, Dim, Graph, Tensor};
use tancho_ir::Type;
use tancho_ir::graph::{Constraint, Init, InputDecl, Relation, RunDim, Source, Value, WeightDecl};
use tancho_ir::op::*;

/// Static dims: odd, even, around the widths of vectors, strips and tiles.
const SIZES: [i64; 12] = [1, 2, 3, 5, 7, 13, 16, 17, 24, 33, 48, 50];
/// Values of the run-time dims.
const LENGTHS: [i64; 7] = [0, 1, 2, 3, 5, 17, 40];
/// Magnitudes beyond this are squashed.
const LIMIT: f64 = 40.0;
/// More elements than this no value has, at the largest dims it is run with.
const MOST: i64 = 30_000;
/// Rows of every table that ids are used for are at least these; ids are below.
const IDS: usize = 5;

/// Which ops are favoured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Flavour {
    Mixed,
    Rows,
    Products,
    Attention,
    Moves,
    Images,
}

/// A random graph with what is known of its values.
pub struct Random {
    pub graph: Graph,
    rng: Rng,
    flavour: Flavour,
    /// Upper bound of the magnitude of each value.
    bound: Vec<f64>,
    /// Continuous in the inputs.
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
    /// The graph of a seed with so many random ops; a smaller depth gives the same first ops.
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
        self.graph.inputs.push(InputDecl { name: name.into(), ty });
        let v = self.graph.push(Op::Input(i), &[], Source::default()).expect("an input");
        self.note(v, bound, true);
        if ids {
            self.ids.push(v);
        }
    }

    /// A weight of that shape, in (-1, 1); an old one half of the time.
    fn weight(&mut self, shape: &[i64]) -> Value {
        let dims: Vec<Dim> = shape.iter().map(|x| n(*x)).collect();
        let old: Vec<Value> = self.all(|g, v| matches!(g.node(v).op, Op::Weight(_)) && g.ty(v).shape == dims);
        if !old.is_empty() && self.rng.chance(50) {
            return self.rng.pick(&old);
        }
        let i = self.graph.weights.len();
        self.graph.weights.push(WeightDecl::new(format!("w{i}"), Type::f32(dims), Init::Uniform(-1.0, 1.0)));
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
        if size(&ty.shape, 5, 17) > MOST || size(&ty.shape, 17, 5) > MOST || ty.rank() > 5 || bound > 1e6 {
            return None;
        }
        let breaks = match &op {
            Op::Argmax { .. } => true,
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

    fn unary(&mut self) -> Option<Value> {
        if self.rng.chance(8) {
            let x = self.value(|g, v| g.ty(v).dtype == DType::I32)?;
            let op = self.rng.pick(&[Unary::Neg, Unary::Abs, Unary::Relu]);
            return self.push(Op::Unary(op), &[x], self.bound(x));
        }
        if self.rng.chance(5) {
            let x = self.value(|g, v| g.ty(v).dtype == DType::Bool)?;
            return self.push(Op::Unary(Unary::Not), &[x], 1.0);
        }
        let op = self.rng.pick(&Unary::TABLE).0;
        let mut x = self.float()?;
        let b = match op {
            Unary::Not => return None,
            Unary::Exp => {
                x = self.tame(x, 3.0)?;
                self.bound(x).exp()
            }
            Unary::Log | Unary::Rsqrt | Unary::Sqrt => {
                x = self.positive(x)?;
                self.bound(x).max(2.0)
            }
            Unary::Tanh | Unary::Erf | Unary::Sigmoid | Unary::Sin | Unary::Cos => 1.0,
            Unary::Relu6 => 6.0,
            _ => self.bound(x),
        };
        self.push(Op::Unary(op), &[x], b)
    }

    /// Something that fits `x` elementwise: of its shape, a trailing part, or a number.
    fn partner(&mut self, x: Value) -> Option<Value> {
        let (shape, dtype) = (self.shape(x), self.dtype(x));
        if dtype == DType::F32 && self.rng.chance(25) {
            return self.push(num(self.rng.clone().pick(&[0.0, 1.0, -1.5, 0.5, 3.0])), &[], 3.0);
        }
        if dtype == DType::F32 && self.rng.chance(6) {
            let d = self.rng.pick(&[Dim::sym("S"), Dim::sym("B"), n(5)]);
            return self.push(Op::DimValue(d), &[], 40.0);
        }
        if dtype == DType::I32 && self.rng.chance(40) {
            return self.push(Op::Const(Scalar::I32(2)), &[], 2.0);
        }
        if dtype == DType::F32 && self.rng.chance(25) {
            let known: Vec<i64> = shape.iter().rev().map_while(Dim::as_const).collect();
            if !known.is_empty() {
                let len = 1 + self.rng.below(known.len());
                let part: Vec<i64> = known[..len].iter().rev().copied().collect();
                return Some(self.weight(&part));
            }
        }
        self.value(|g, v| {
            let t = g.ty(v);
            let (a, b) = (&t.shape, &shape);
            let suffix = |a: &[Dim], b: &[Dim]| a.len() <= b.len() && b[b.len() - a.len()..] == *a;
            t.dtype == dtype && (suffix(a, b) || suffix(b, a))
        })
    }

    fn binary(&mut self) -> Option<Value> {
        let x = match self.rng.below(20) {
            0 | 1 => self.value(|g, v| g.ty(v).dtype == DType::I32)?,
            2 | 3 => self.value(|g, v| g.ty(v).dtype == DType::Bool)?,
            _ => self.float()?,
        };
        let mut y = self.partner(x)?;
        let op = match self.dtype(x) {
            DType::Bool => self.rng.pick(&[Binary::And, Binary::Or, Binary::Eq, Binary::Ne]),
            _ => self.rng.pick(&Binary::TABLE).0,
        };
        if op == Binary::Div {
            y = self.positive(y)?;
        }
        let (a, b) = (self.bound(x), self.bound(y));
        let bound = match op {
            Binary::Add | Binary::Sub => a + b,
            Binary::Mul | Binary::Swiglu => a * b,
            Binary::Div => a * 4.0,
            Binary::Max | Binary::Min => a.max(b),
            _ => 1.0,
        };
        let (x, y) = if self.rng.chance(30) && op != Binary::Div { (y, x) } else { (x, y) };
        let v = self.push(Op::Binary(op), &[x, y], bound)?;
        if self.dtype(v) == DType::F32 { self.tame(v, LIMIT) } else { Some(v) }
    }

    fn pow(&mut self) -> Option<Value> {
        let mut x = self.float()?;
        x = self.tame(x, 3.0)?;
        let c = self.rng.pick(&[2.0, 3.0, 0.0, 1.0, -1.0, 0.5, 2.5, -0.5, 5.0, 20.0, -3.0]);
        if c > 8.0 {
            x = self.tame(x, 1.0)?;
        }
        if c < 0.0 || f64::fract(c) != 0.0 {
            x = self.positive(x)?;
        }
        let bound = if c < 0.0 { 4f64.powf(-c) } else { self.bound(x).max(1.0).powf(c) };
        let v = self.push(Op::Pow(Number(c)), &[x], bound)?;
        self.tame(v, LIMIT)
    }

    fn select(&mut self) -> Option<Value> {
        let x = self.value(|g, v| g.ty(v).dtype != DType::Bool)?;
        let (shape, dtype) = (self.shape(x), self.dtype(x));
        let y = if dtype == DType::Bf16 { x } else { self.partner(x)? };
        let suffix = |a: &[Dim], b: &[Dim]| a.len() <= b.len() && b[b.len() - a.len()..] == *a;
        let mut cond = self.value(|g, v| g.ty(v).dtype == DType::Bool && suffix(&g.ty(v).shape, &shape));
        if cond.is_none() && dtype == DType::F32 {
            let zero = self.push(num(0.0), &[], 0.0)?;
            cond = self.push(Op::Binary(Binary::Gt), &[x, zero], 1.0);
        }
        self.push(Op::Select, &[cond?, x, y], self.bound(x).max(self.bound(y)))
    }

    fn cast(&mut self) -> Option<Value> {
        let x = self.value(|_, _| true)?;
        let to = self.rng.pick(&DType::ALL);
        let bound = if to == DType::Bool { 1.0 } else { self.bound(x) };
        self.push(Op::Cast(to), &[x], bound)
    }

    fn matmul(&mut self) -> Option<Value> {
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

    fn linear(&mut self) -> Option<Value> {
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

    fn axes(&mut self, rank: usize) -> Vec<usize> {
        if self.rng.chance(50) {
            return vec![rank - 1];
        }
        let mut axes: Vec<usize> = (0..rank).filter(|_| self.rng.chance(50)).collect();
        if axes.is_empty() {
            axes.push(self.rng.below(rank));
        }
        axes
    }

    fn reduce(&mut self) -> Option<Value> {
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

    fn argmax(&mut self) -> Option<Value> {
        let x = self.value(|g, v| g.ty(v).rank() > 0 && matches!(g.ty(v).dtype, DType::F32 | DType::I32))?;
        let axis = self.rng.below(self.graph.ty(x).rank());
        let keep = self.rng.chance(30);
        self.push(Op::Argmax { axis, keep }, &[x], 50.0 * 50.0)
    }

    fn moved(&mut self, op: Op, x: Value) -> Option<Value> {
        let v = self.push(op, &[x], self.bound(x))?;
        if self.ids.contains(&x) {
            self.ids.push(v);
        }
        Some(v)
    }

    fn reshape(&mut self) -> Option<Value> {
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

    fn transpose(&mut self) -> Option<Value> {
        let x = self.value(|g, v| g.ty(v).rank() >= 2)?;
        let mut p: Vec<usize> = (0..self.graph.ty(x).rank()).collect();
        for i in 1..p.len() {
            p.swap(i, self.rng.below(i + 1));
        }
        self.moved(Op::Transpose(p), x)
    }

    fn expand(&mut self) -> Option<Value> {
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

    fn slice(&mut self) -> Option<Value> {
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

    fn concat(&mut self) -> Option<Value> {
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

    fn gather(&mut self) -> Option<Value> {
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

    fn norm(&mut self) -> Option<Value> {
        let x = self.float_of_rank(1)?;
        let rank = self.graph.ty(x).rank();
        let axes = self.axes(rank);
        self.norm_of(x, &axes)
    }

    fn norm_of(&mut self, x: Value, axes: &[usize]) -> Option<Value> {
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

    fn attention(&mut self) -> Option<Value> {
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
        self.push(
            Op::Attention { heads: n(heads), causal, window, mask, bias: bias.is_some(), scale },
            &args,
            bound,
        )
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
        let fits = |b: i64, s: i64| self.graph.nodes.iter().all(|n| size(&n.ty.shape, b, s) <= MOST);
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
