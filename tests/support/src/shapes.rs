//! Large graphs of every shape: what compiling them costs may grow no faster than they do.

use tancho_ir::graph::{Graph, Init, InputDecl, RunDim, Source, StateDecl, Value, WeightDecl};
use tancho_ir::op::*;
use tancho_ir::{DType, Dim, Type};

/// A name, and a graph of about the given number of ops.
pub type Shape = (&'static str, fn(usize) -> Graph);

/// All of them.
pub const SHAPES: &[Shape] = &[
    ("chain", chain),
    ("sides that meet", sides),
    ("fan-out", fan_out),
    ("fan-in", fan_in),
    ("concat", concat),
    ("products of one input", products),
    ("lstm", lstm),
    ("residual blocks", residual),
    ("many outputs", outputs),
    ("views of views", views),
    ("skips", skips),
    ("two towers", towers),
    ("epilogue", epilogue),
    ("gate", gate),
    ("masks", masks),
    ("prepared", prepared),
    ("states", states),
    ("slices of one value", slices),
];

/// A graph under construction over rows of 16, `[B, 16]`.
struct Net(Graph);

const WIDTH: i64 = 16;

fn rows() -> Vec<Dim> {
    vec![Dim::sym("B"), Dim::constant(WIDTH)]
}

impl Net {
    fn new() -> Net {
        let dims = vec![RunDim { name: "B".into(), bound: None }];
        Net(Graph { name: "Large".into(), dims, ..Graph::default() })
    }

    fn push(&mut self, op: Op, args: &[Value]) -> Value {
        self.0.push(op, args, Source::default()).expect("the shapes fit")
    }

    fn input(&mut self) -> Value {
        let i = self.0.inputs.len();
        self.0.inputs.push(InputDecl::new(format!("x{i}"), Type::f32(rows())));
        self.push(Op::Input(i), &[])
    }

    fn weight(&mut self, shape: &[i64]) -> Value {
        let i = self.0.weights.len();
        let ty = Type::f32(shape.iter().map(|n| Dim::constant(*n)).collect());
        self.0.weights.push(WeightDecl::new(format!("w{i}"), ty, Init::Uniform(-0.3, 0.3)));
        self.push(Op::Weight(i), &[])
    }

    fn number(&mut self, x: f64) -> Value {
        self.push(Op::Const(Scalar::F32(Number(x))), &[])
    }

    fn unary(&mut self, op: Unary, x: Value) -> Value {
        self.push(Op::Unary(op), &[x])
    }

    fn binary(&mut self, op: Binary, x: Value, y: Value) -> Value {
        self.push(Op::Binary(op), &[x, y])
    }

    fn add(&mut self, x: Value, y: Value) -> Value {
        self.binary(Binary::Add, x, y)
    }

    /// A multiple of `x` by a number of its own.
    fn scaled(&mut self, x: Value, i: usize) -> Value {
        let c = self.number(0.5 + (i % 1000) as f64 / 4000.0);
        self.binary(Binary::Mul, x, c)
    }

    fn product(&mut self, x: Value) -> Value {
        let w = self.weight(&[WIDTH, WIDTH]);
        self.push(Op::Matmul, &[x, w])
    }

    fn norm(&mut self, x: Value) -> Value {
        self.push(
            Op::LayerNorm { axes: vec![1], eps: Number(1e-5), eps_on: EpsOn::Var, gain: false, bias: false },
            &[x],
        )
    }

    /// Elementwise work that is no epilogue: what it is made of is read twice.
    fn own(&mut self, x: Value) -> Value {
        let t = self.unary(Unary::Tanh, x);
        self.binary(Binary::Mul, t, x)
    }

    fn sum(&mut self, x: Value) -> Value {
        self.push(Op::Reduce { kind: Reduction::Sum, axes: vec![1], keep: false, masked: false }, &[x])
    }

    fn slice(&mut self, x: Value, axis: usize, start: i64, end: Dim) -> Value {
        self.push(Op::Slice { axis, start: Dim::constant(start), end, step: Dim::constant(1) }, &[x])
    }

    /// Column `i` of rows, `[B]`.
    fn column(&mut self, x: Value, i: i64) -> Value {
        let cut = self.slice(x, 1, i, Dim::constant(i + 1));
        self.push(Op::Reshape(vec![Dim::sym("B")]), &[cut])
    }

    fn returns(mut self, outputs: Vec<Value>) -> Graph {
        self.0.outputs = outputs;
        self.0
    }
}

/// One elementwise op behind the other.
fn chain(n: usize) -> Graph {
    let mut net = Net::new();
    let mut x = net.input();
    for i in 0..n / 3 {
        x = net.scaled(x, i);
        x = net.unary(Unary::Sin, x);
    }
    net.returns(vec![x])
}

/// A sum to which a side is added again and again, each a kernel of its own until they meet.
fn sides(n: usize) -> Graph {
    let mut net = Net::new();
    let x = net.input();
    let mut y = net.sum(x);
    for i in 0..n / 5 {
        let side = net.column(x, 3);
        let side = net.scaled(side, i);
        y = net.add(y, side);
    }
    net.returns(vec![y])
}

/// One value read by all others, which are summed in pairs.
fn fan_out(n: usize) -> Graph {
    let mut net = Net::new();
    let x = net.input();
    let x = net.unary(Unary::Exp, x);
    let mut level: Vec<Value> = (0..n / 3).map(|i| net.scaled(x, i)).collect();
    while level.len() > 1 {
        level =
            level.chunks(2).map(|pair| if let [a, b] = pair { net.add(*a, *b) } else { pair[0] }).collect();
    }
    net.returns(level)
}

/// Many weights added to one value.
fn fan_in(n: usize) -> Graph {
    let mut net = Net::new();
    let mut x = net.input();
    for _ in 0..n / 2 {
        let w = net.weight(&[WIDTH]);
        x = net.add(x, w);
    }
    net.returns(vec![x])
}

/// Many parts put together, and taken apart.
fn concat(n: usize) -> Graph {
    let mut net = Net::new();
    let x = net.input();
    let count = n / 6;
    let parts: Vec<Value> = (0..count).map(|i| net.scaled(x, i)).collect();
    let whole = net.push(Op::Concat { axis: 1 }, &parts);
    let pieces: Vec<Value> = (0..count as i64)
        .map(|i| {
            let piece = net.slice(whole, 1, WIDTH * i, Dim::constant(WIDTH * (i + 1)));
            net.unary(Unary::Abs, piece)
        })
        .collect();
    let again = net.push(Op::Concat { axis: 1 }, &pieces);
    net.returns(vec![again])
}

/// Products of one value with many weights, of which attention-like readers take slices.
fn products(n: usize) -> Graph {
    let mut net = Net::new();
    let x = net.input();
    let mut all = Vec::new();
    for _ in 0..n / 5 {
        let y = net.product(x);
        all.push(net.product(y));
    }
    let mut sum = all[0];
    for y in &all[1..] {
        sum = net.add(sum, *y);
    }
    net.returns(vec![sum])
}

/// A recurrent network, unrolled.
fn lstm(n: usize) -> Graph {
    let mut net = Net::new();
    let x = net.input();
    let (w, u) = (net.weight(&[WIDTH, 4 * WIDTH]), net.weight(&[WIDTH, 4 * WIDTH]));
    let (mut h, mut c) = (x, x);
    for i in 0..n / 17 {
        let x = net.scaled(x, i);
        let (a, b) = (net.push(Op::Matmul, &[x, w]), net.push(Op::Matmul, &[h, u]));
        let gates = net.add(a, b);
        let mut gate = |k: i64, op: Unary| {
            let part = net.slice(gates, 1, WIDTH * k, Dim::constant(WIDTH * (k + 1)));
            net.unary(op, part)
        };
        let (i, f, g, o) =
            (gate(0, Unary::Sigmoid), gate(1, Unary::Sigmoid), gate(2, Unary::Tanh), gate(3, Unary::Sigmoid));
        let (kept, new) = (net.binary(Binary::Mul, f, c), net.binary(Binary::Mul, i, g));
        c = net.add(kept, new);
        let t = net.unary(Unary::Tanh, c);
        h = net.binary(Binary::Mul, o, t);
    }
    net.returns(vec![h, c])
}

/// Norm, product, activation, product and sum, again and again.
fn residual(n: usize) -> Graph {
    let mut net = Net::new();
    let mut x = net.input();
    for _ in 0..n / 7 {
        let y = net.norm(x);
        let y = net.product(y);
        let y = net.unary(Unary::Gelu, y);
        let y = net.product(y);
        x = net.add(x, y);
    }
    net.returns(vec![x])
}

/// Every value of a chain is a result, and so is each of them with something added.
fn outputs(n: usize) -> Graph {
    let mut net = Net::new();
    let x = net.input();
    let noise = net.unary(Unary::Sin, x);
    let mut y = x;
    let mut all = Vec::new();
    for _ in 0..n / 4 {
        y = net.product(y);
        y = net.unary(Unary::Tanh, y);
        all.push(y);
        all.push(net.add(y, noise));
    }
    net.returns(all)
}

/// Views of views, each read by a kernel.
fn views(n: usize) -> Graph {
    let mut net = Net::new();
    let x = net.input();
    let mut y = net.push(Op::Reshape(vec![Dim::sym("B"), Dim::constant(1), Dim::constant(WIDTH)]), &[x]);
    let count = n as i64 / 4;
    y = net.push(Op::Expand(vec![Dim::sym("B"), Dim::constant(count + 1), Dim::constant(WIDTH)]), &[y]);
    let mut sum = net.sum(x);
    for i in 0..count {
        y = net.slice(y, 1, 1, Dim::constant(count + 1 - i));
        let first = net.slice(y, 1, 0, Dim::constant(1));
        let all = net.push(
            Op::Reduce { kind: Reduction::Mean, axes: vec![1, 2], keep: false, masked: false },
            &[first],
        );
        sum = net.add(sum, all);
    }
    net.returns(vec![sum])
}

/// The values of one half are read in the other, the last first.
fn skips(n: usize) -> Graph {
    let mut net = Net::new();
    let mut x = net.input();
    let mut down = Vec::new();
    for _ in 0..n / 9 {
        let y = net.own(x);
        down.push(y);
        x = net.product(y);
    }
    for skip in down.into_iter().rev() {
        let y = net.own(x);
        let y = net.add(skip, y);
        x = net.product(y);
    }
    net.returns(vec![x])
}

/// Two chains of blocks that have nothing to do with each other until their values meet.
fn towers(n: usize) -> Graph {
    let mut net = Net::new();
    let (a, b) = (net.input(), net.input());
    let mut tower = |mut x: Value| {
        let mut all = Vec::new();
        for _ in 0..n / 9 {
            let y = net.own(x);
            all.push(y);
            x = net.product(y);
        }
        all
    };
    let (one, two) = (tower(a), tower(b));
    let met = one.into_iter().zip(two).map(|(x, y)| net.add(x, y)).collect();
    net.returns(met)
}

/// A product, and behind it only elementwise work with weights.
fn epilogue(n: usize) -> Graph {
    let mut net = Net::new();
    let x = net.input();
    let mut y = net.product(x);
    for i in 0..n / 5 {
        y = net.scaled(y, i);
        let w = net.weight(&[WIDTH]);
        y = net.add(y, w);
        y = net.unary(Unary::Tanh, y);
    }
    net.returns(vec![y])
}

/// Sides that meet behind a product whose only reader is the last op.
fn gate(n: usize) -> Graph {
    let mut net = Net::new();
    let x = net.input();
    let g = net.product(x);
    let mut y = net.unary(Unary::Exp, x);
    for i in 0..n / 4 {
        let side = net.scaled(x, i);
        let side = net.unary(Unary::Sin, side);
        y = net.add(y, side);
    }
    let y = net.binary(Binary::Mul, g, y);
    net.returns(vec![y])
}

/// Sums of products, each with a mask that follows from all before.
fn masks(n: usize) -> Graph {
    let mut net = Net::new();
    let x = net.input();
    let mut y = net.sum(x);
    for _ in 0..n / 8 {
        let zero = net.number(0.0);
        let keep = net.binary(Binary::Gt, y, zero);
        let p = net.product(x);
        let sum = net
            .push(Op::Reduce { kind: Reduction::Sum, axes: vec![0], keep: false, masked: true }, &[p, keep]);
        let first = net.slice(sum, 0, 0, Dim::constant(1));
        let first = net.push(Op::Reshape(vec![]), &[first]);
        y = net.add(y, first);
    }
    net.returns(vec![y])
}

/// Weights that are computed from weights, each from the one before, and read by products.
fn prepared(n: usize) -> Graph {
    let mut net = Net::new();
    let mut x = net.input();
    let mut w = net.weight(&[WIDTH, WIDTH]);
    for i in 0..n / 4 {
        w = net.scaled(w, i);
        x = net.push(Op::Matmul, &[x, w]);
        x = net.unary(Unary::Tanh, x);
    }
    net.returns(vec![x])
}

/// Many states, each replaced in every run.
fn states(n: usize) -> Graph {
    let mut net = Net::new();
    let mut x = net.input();
    for i in 0..n / 4 {
        net.0.states.push(StateDecl {
            name: format!("s{i}"),
            ty: Type::new(DType::F32, rows()),
            grows: None,
            keeps_last: false,
            next: None,
        });
        let s = net.push(Op::State(i), &[]);
        x = net.add(x, s);
        x = net.unary(Unary::Tanh, x);
        net.0.states[i].next = Some(x);
    }
    net.returns(vec![x])
}

/// Every row of one value is taken by a slice of its own.
fn slices(n: usize) -> Graph {
    let mut net = Net::new();
    let x = net.input();
    let w = net.weight(&[n as i64 / 5, WIDTH]);
    let mut y = x;
    for i in 0..n as i64 / 5 {
        let row = net.slice(w, 0, i, Dim::constant(i + 1));
        let row = net.push(Op::Reshape(vec![Dim::constant(WIDTH)]), &[row]);
        y = net.add(y, row);
        y = net.unary(Unary::Tanh, y);
    }
    net.returns(vec![y])
}
