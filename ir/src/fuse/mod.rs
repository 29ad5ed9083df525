//! Groups the nodes of a graph into kernels.
//!
//! A kernel grows around each contraction (elementwise epilogue, then row work on
//! the rows while they are hot) and around each row reduction or elementwise
//! chain. Views join no kernel: they are read through (see [`crate::access`]).
//! Legality is in `Fuser::fits` and `Fuser::reaches`; a fusion that declines
//! says why in [`Fused::declined`].

pub(crate) mod constants;
mod join;
mod order;
mod reach;
mod stored;

use crate::access::{Access, is_view, resolve};
use crate::dim::Dim;
use crate::graph::{Graph, Value};
use crate::op::{Binary, Op};
use crate::text::print_node;
use crate::types::{DType, Shape};
use reach::Reach;
use std::collections::BTreeSet;
use std::fmt;

/// What kind of kernel a group of nodes becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A matrix product with an elementwise epilogue, then row work on the product's rows.
    Matmul {
        /// The product.
        matmul: Value,
        /// Elementwise ops applied while the product is in registers, in order.
        epilogue: Vec<Value>,
        /// Row work on the finished rows, in order.
        rows: Vec<Value>,
    },
    /// Scaled dot-product attention.
    Attention(Value),
    /// Row work and elementwise ops over one domain; the last axis is the row.
    Rows,
    /// Copies into one result, one after another along an axis.
    Concat(Value),
    /// New rows of a state, written behind those it has.
    Push(Value),
    /// A view or a gather that must be stored.
    Move(Value),
}

/// One kernel: the nodes it computes and the values it stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Its kind.
    pub kind: Kind,
    /// The shape it runs over.
    pub domain: Vec<Dim>,
    /// Its nodes in order.
    pub nodes: Vec<Value>,
    /// The values it stores, in order.
    pub outputs: Vec<Value>,
}

/// A fusion that was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decline {
    /// What could have taken the next op in.
    pub producer: Value,
    /// The op that stayed outside.
    pub consumer: Value,
    /// Why.
    pub reason: String,
}

/// A graph with its nodes grouped into kernels, in the order they run.
#[derive(Clone, Debug)]
pub struct Fused {
    /// The graph.
    pub graph: Graph,
    /// Its kernels.
    pub kernels: Vec<Kernel>,
    /// Concatenations of weights that need no kernel: they are put together when the network is compiled.
    pub packed: BTreeSet<Value>,
    /// Values that follow from weights alone and need no kernel: they are computed when the network is
    /// compiled.
    pub prepared: BTreeSet<Value>,
    /// States of bf16 as f32 that need no kernel: attention reads them as they are.
    pub widened: BTreeSet<Value>,
    /// What was not fused, and why.
    pub declined: Vec<Decline>,
    /// Edges of the graph that were followed to see which kernels wait for which: what fusion costs besides
    /// one look at each node.
    pub edges: usize,
}

/// Columns of a strip of a packed right operand: each part of a packed concatenation starts a strip of its
/// own.
pub const STRIP: i64 = 16;

/// Larger groups than this compile slowly and gain nothing.
const MAX_NODES: usize = 48;

/// Whether a node is row work: it needs whole rows of its argument.
pub fn is_row_work(op: &Op) -> bool {
    matches!(
        op,
        Op::Reduce { .. }
            | Op::Argmax { .. }
            | Op::Softmax { .. }
            | Op::LayerNorm { .. }
            | Op::RmsNorm { .. }
            | Op::L2Normalize { .. }
    )
}

/// Whether a node works element by element.
pub fn is_elementwise(op: &Op) -> bool {
    matches!(op, Op::Unary(_) | Op::Binary(_) | Op::Pow(_) | Op::Select | Op::Cast(_))
}

fn is_source(op: &Op) -> bool {
    matches!(op, Op::Input(_) | Op::Weight(_) | Op::State(_) | Op::Const(_) | Op::DimValue(_))
}

/// How a value lies in the domain of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// One element per element of the domain.
    Full,
    /// One element per row.
    Row,
}

struct Fuser<'g> {
    g: &'g Graph,
    users: Vec<Vec<Value>>,
    widened: BTreeSet<Value>,
    kernels: Vec<Kernel>,
    /// The kernel each node belongs to.
    of: Vec<Option<usize>>,
    level: Vec<Level>,
    /// Views, gathers and sources that must be in memory.
    stored: BTreeSet<Value>,
    declined: Vec<Decline>,
    /// Whether each value is a result.
    results: Vec<bool>,
    /// How views read what they are views of, as far as it has been worked out.
    through: Vec<Option<Option<Access>>>,
    reach: Reach,
}

/// Groups the nodes of a graph that has run through [`crate::passes`].
pub fn fuse(graph: &Graph) -> Fused {
    let n = graph.nodes.len();
    let (users, results) = (graph.users(), graph.are_results());
    let inner = |v: &Value| !results[v.index()];
    let packed: BTreeSet<Value> =
        graph.values().filter(|v| inner(v) && is_packed(graph, &users, *v)).collect();
    let prepared = constants::prepared(graph, &users, &results);
    let widened: BTreeSet<Value> =
        graph.values().filter(|v| inner(v) && is_widened(graph, &users, *v)).collect();
    let mut f = Fuser {
        g: graph,
        users,
        widened,
        kernels: Vec::new(),
        of: vec![None; n],
        level: vec![Level::Full; n],
        stored: BTreeSet::new(),
        declined: Vec::new(),
        results,
        through: vec![None; n],
        reach: Reach::new(graph),
    };
    for v in graph.values() {
        f.look_at(v);
        let op = &graph.node(v).op;
        if f.of[v.index()].is_some()
            || is_view(op)
            || is_source(op)
            || packed.contains(&v)
            || prepared.contains(&v)
            || f.widened.contains(&v)
        {
            continue;
        }
        match op {
            Op::Matmul => f.matmul(v),
            Op::Conv2d { .. } if !(is_depthwise(graph, v) && f.known_filters(v, &prepared)) => f.matmul(v),
            // A window begins a kernel: what is behind it joins.
            Op::Conv2d { .. } | Op::Pool2d { .. } => f.alone(v, Kind::Rows),
            Op::Attention { .. } => f.alone(v, Kind::Attention(v)),
            Op::Concat { .. } => f.alone(v, Kind::Concat(v)),
            Op::Push { .. } => f.alone(v, Kind::Push(v)),
            Op::Gather => {}
            _ => f.row_work(v),
        }
    }
    f.store_what_must_be();
    f.find_outputs();
    let order = f.order();
    // What was stored for a reader that turned out to be prepared is read by nobody.
    let idle = |k: &Kernel| k.nodes.is_empty() || (matches!(k.kind, Kind::Move(_)) && k.outputs.is_empty());
    let kernels = order.into_iter().map(|i| f.kernels[i].clone()).filter(|k| !idle(k)).collect();
    Fused {
        graph: graph.clone(),
        kernels,
        packed,
        prepared,
        widened: f.widened,
        declined: f.declined,
        edges: f.reach.edges,
    }
}

/// Whether a convolution has one filter for each channel of its own.
fn is_depthwise(g: &Graph, v: Value) -> bool {
    let node = g.node(v);
    let Op::Conv2d { groups, .. } = &node.op else { return false };
    let w = &g.ty(node.args[1]).shape;
    !groups.is(1) && w[0] == *groups && w[1].is(1)
}

/// Whether a value is a concatenation of weights in whole strips that is read as packed weights are: as the
/// right operand of products, along their columns, or as a vector such as a bias.
fn is_packed(g: &Graph, users: &[Vec<Value>], v: Value) -> bool {
    let node = g.node(v);
    let Op::Concat { axis } = node.op else { return false };
    let whole = |a: &Value| g.ty(*a).shape[axis].as_const().is_some_and(|n| n % STRIP == 0);
    let weight = |a: &Value| {
        let access = resolve(g, *a, &|_| false);
        access.is_some_and(|x| {
            matches!(g.node(x.root).op, Op::Weight(_)) && x.strides.iter().all(|s| s.as_const().is_some())
        })
    };
    let right = |u: &Value| g.node(*u).op == Op::Matmul && g.node(*u).args[0] != v;
    let read = match node.ty.rank() {
        1 => users[v.index()].iter().all(|u| is_elementwise(&g.node(*u).op)),
        2 => axis == 1 && users[v.index()].iter().all(right),
        _ => false,
    };
    read && node.ty.dtype == DType::F32 && node.args.iter().all(|a| whole(a) && weight(a))
}

/// Whether a value is f32 of a bf16 state, read as keys or values of attention alone.
fn is_widened(g: &Graph, users: &[Vec<Value>], v: Value) -> bool {
    let node = g.node(v);
    let state = node.op == Op::Cast(DType::F32)
        && g.ty(node.args[0]).dtype == DType::Bf16
        && matches!(g.node(node.args[0]).op, Op::State(_) | Op::Push { .. });
    let key = |u: &Value| {
        let user = g.node(*u);
        matches!(user.op, Op::Attention { .. })
            && user.args.iter().enumerate().all(|(i, a)| *a != v || i == 1 || i == 2)
    };
    state && users[v.index()].iter().all(key)
}

impl Fuser<'_> {
    fn alone(&mut self, v: Value, kind: Kind) {
        let domain = self.g.ty(v).shape.clone();
        let k = self.kernels.len();
        self.kernels.push(Kernel { kind, domain, nodes: Vec::new(), outputs: Vec::new() });
        self.take(k, v);
    }

    fn decline(&mut self, producer: Value, consumer: Value, reason: impl Into<String>) {
        self.declined.push(Decline { producer, consumer, reason: reason.into() });
    }

    fn is_output(&self, v: Value) -> bool {
        self.results[v.index()]
    }

    /// Grows a contraction: elementwise users one by one, then row work.
    fn matmul(&mut self, matmul: Value) {
        let k = self.kernels.len();
        self.alone(matmul, Kind::Matmul { matmul, epilogue: Vec::new(), rows: Vec::new() });
        let shape = self.g.ty(matmul).shape.clone();
        let (mut epilogue, mut rows) = (Vec::new(), Vec::new());
        let mut last = matmul;
        loop {
            let users = self.users[last.index()].clone();
            let [u] = users.as_slice() else { break };
            let node = self.g.node(*u);
            if !is_elementwise(&node.op) {
                break;
            }
            if self.of[u.index()].is_some() {
                self.decline(last, *u, "another kernel computes it already");
                break;
            }
            if self.is_output(last) {
                self.decline(last, *u, "the product is itself a result");
                break;
            }
            if node.ty.dtype != DType::F32 || node.args.iter().any(|a| self.g.ty(*a).dtype != DType::F32) {
                self.decline(last, *u, "an epilogue works in f32 only");
                break;
            }
            if node.ty.shape != shape {
                self.decline(
                    last,
                    *u,
                    format!("its result is {}, not {}", Shape(&node.ty.shape), Shape(&shape)),
                );
                break;
            }
            self.take(k, *u);
            epilogue.push(*u);
            last = *u;
        }
        let grouped = matches!(&self.g.node(matmul).op, Op::Conv2d { groups, .. } if !groups.is(1));
        // Row work may follow even where the row has other users: it is then stored as well.
        let start = self.users[last.index()]
            .iter()
            .copied()
            .find(|u| is_row_work(&self.g.node(*u).op) && self.of[u.index()].is_none());
        if let Some(u) = start {
            let args = self.g.node(u).args.clone();
            let first = self.g.node(u).args[0] == last;
            if grouped {
                self.decline(last, u, "a row is computed in groups of channels");
            } else if !first || args[1..].iter().any(|a| self.reaches(*a, k)) {
                self.decline(last, u, "its other arguments need the product");
            } else {
                self.take(k, u);
                rows.push(u);
                self.level[u.index()] = self.level_of_result(u);
                let mut tail = u;
                while self.kernels[k].nodes.len() < MAX_NODES {
                    let users = self.users[tail.index()].clone();
                    let [next] = users.as_slice() else { break };
                    let op = &self.g.node(*next).op;
                    if self.is_output(tail) || !(is_elementwise(op) || is_row_work(op)) {
                        break;
                    }
                    if self.of[next.index()].is_some() {
                        self.decline(tail, *next, "another kernel computes it already");
                        break;
                    }
                    match self.fits(*next, k) {
                        Some(level) => {
                            self.take(k, *next);
                            self.level[next.index()] = level;
                            rows.push(*next);
                            tail = *next;
                        }
                        None => {
                            self.decline(tail, *next, "it does not run over the same rows");
                            break;
                        }
                    }
                }
            }
        }
        self.kernels[k].kind = Kind::Matmul { matmul, epilogue, rows };
    }

    fn take(&mut self, k: usize, v: Value) {
        self.of[v.index()] = Some(k);
        self.kernels[k].nodes.push(v);
        self.taken(k, v);
    }

    fn level_of_result(&self, v: Value) -> Level {
        match self.g.node(v).op {
            Op::Reduce { .. } | Op::Argmax { .. } => Level::Row,
            _ => Level::Full,
        }
    }

    /// Puts an elementwise or row node into the kernel of one of its arguments, or a new one.
    fn row_work(&mut self, v: Value) {
        let mut candidates: Vec<usize> = Vec::new();
        for a in self.g.node(v).args.clone() {
            let p = self.behind_expand(a);
            if let Some(k) = self.of[p.index()]
                && self.kernels[k].kind == Kind::Rows
                && !candidates.contains(&k)
            {
                candidates.push(k);
            }
        }
        self.join_sides(v, &candidates);
        candidates.retain(|k| !self.kernels[*k].nodes.is_empty());
        for k in candidates {
            let producer = self.kernels[k].nodes[self.kernels[k].nodes.len() - 1];
            if self.kernels[k].nodes.len() >= MAX_NODES {
                self.decline(producer, v, format!("the kernel has {MAX_NODES} ops already"));
            } else if let Some(level) = self.fits(v, k) {
                self.take(k, v);
                self.level[v.index()] = level;
                return;
            } else {
                self.decline(producer, v, "it does not run over the same rows, or waits for another kernel");
            }
        }
        let node = self.g.node(v);
        let domain =
            if is_row_work(&node.op) { self.g.ty(node.args[0]).shape.clone() } else { node.ty.shape.clone() };
        self.alone(v, Kind::Rows);
        let k = self.kernels.len() - 1;
        self.kernels[k].domain = domain;
        self.level[v.index()] = self.level_of_result(v);
    }

    /// The value behind an expand, if there is one.
    fn behind_expand(&self, v: Value) -> Value {
        let n = self.g.node(v);
        if matches!(n.op, Op::Expand(_)) { n.args[0] } else { v }
    }

    /// Whether `v` may join kernel `k`, and how it lies there: each argument from inside must be
    /// one element per element or per row, and none from outside may wait for the kernel.
    fn fits(&mut self, v: Value, k: usize) -> Option<Level> {
        let level = self.lies(v, k)?;
        let g = self.g;
        for &a in &g.node(v).args {
            let p = self.behind_expand(a);
            let here = self.of[a.index()] == Some(k) || (p != a && self.of[p.index()] == Some(k));
            if !here && self.reaches(a, k) {
                return None;
            }
        }
        Some(level)
    }

    /// How `v` would lie in kernel `k`.
    fn lies(&self, v: Value, k: usize) -> Option<Level> {
        let node = self.g.node(v);
        let domain = &self.kernels[k].domain;
        let rows = domain.split_last().map(|(_, r)| r)?;
        let mut kept = rows.to_vec();
        kept.push(Dim::constant(1));
        let is_row_shape = |s: &[Dim]| s == rows || s == kept;
        let inside = |a: Value| self.of[a.index()] == Some(k);
        if is_row_work(&node.op) {
            let x = node.args[0];
            let full = inside(x) && self.level[x.index()] == Level::Full && self.g.ty(x).shape == *domain;
            let others = node.args[1..].iter().all(|a| !inside(*a));
            return (full && others).then(|| self.level_of_result(v));
        }
        let full = node.ty.shape == *domain;
        let mut row = is_row_shape(&node.ty.shape);
        for &a in &node.args {
            let p = self.behind_expand(a);
            let shape = &self.g.ty(a).shape;
            if inside(a) {
                let level = self.level[a.index()];
                if full && level == Level::Full && shape == domain {
                    row = false;
                } else if row && level == Level::Row && *shape == node.ty.shape {
                } else {
                    return None;
                }
            } else if p != a && inside(p) {
                // A row's value stretched along the row.
                if !(full
                    && self.level[p.index()] == Level::Row
                    && self.g.ty(p).shape == kept
                    && shape == domain)
                {
                    return None;
                }
                row = false;
            }
        }
        if row && node.args.iter().any(|a| inside(*a)) {
            return Some(Level::Row);
        }
        full.then_some(Level::Full)
    }
}

impl Kernel {
    /// A short name: the kind and what is fused into it, `matmul+gelu`.
    pub fn name(&self, g: &Graph) -> String {
        format!("{}{}", self.kind_name(g), self.fused_name(g))
    }

    /// The kind: `matmul`.
    fn kind_name(&self, g: &Graph) -> &'static str {
        match &self.kind {
            Kind::Matmul { matmul, .. } if g.node(*matmul).op == Op::Matmul => "matmul",
            Kind::Matmul { .. } => "conv",
            Kind::Attention(_) => "attention",
            Kind::Rows => "row",
            Kind::Concat(_) => "concat",
            Kind::Push(_) => "push",
            Kind::Move(_) => "move",
        }
    }

    /// What is fused into it: `+gelu`.
    pub fn fused_name(&self, g: &Graph) -> String {
        let op = |v: &Value| match &g.node(*v).op {
            Op::Binary(Binary::Add) if g.node(*v).source.text.starts_with("residual") => "residual",
            op => crate::table::name_of(op),
        };
        let joined = |values: &[Value]| values.iter().map(|v| format!("+{}", op(v))).collect::<String>();
        match &self.kind {
            Kind::Matmul { epilogue, rows, .. } => joined(epilogue) + &joined(rows),
            Kind::Rows => joined(&self.nodes),
            Kind::Move(v) => joined(&[*v]),
            Kind::Attention(_) | Kind::Concat(_) | Kind::Push(_) => String::new(),
        }
    }
}

impl fmt::Display for Fused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.kernels.len();
        writeln!(f, "network {} in {n} kernel{}", self.graph.name, if n == 1 { "" } else { "s" })?;
        for (i, k) in self.kernels.iter().enumerate() {
            let outs: Vec<String> = k.outputs.iter().map(Value::to_string).collect();
            writeln!(
                f,
                "kernel {i} {} over {} -> {} {{",
                k.name(&self.graph),
                Shape(&k.domain),
                outs.join(", ")
            )?;
            for v in &k.nodes {
                write!(f, "  ")?;
                print_node(f, *v, self.graph.node(*v))?;
                writeln!(f)?;
            }
            writeln!(f, "}}")?;
        }
        let outs: Vec<String> = self.graph.outputs.iter().map(Value::to_string).collect();
        writeln!(f, "return {}", outs.join(", "))?;
        for d in &self.declined {
            writeln!(
                f,
                "not fused: {} into the kernel of {}: {}",
                self.graph.label(d.consumer),
                self.graph.label(d.producer),
                d.reason
            )?;
        }
        Ok(())
    }
}
