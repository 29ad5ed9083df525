//! Stages of compiling that are broken on purpose, and networks that show it.

use tancho::{Compiled, Error, Graph, Model, Target, network};
use tancho_ir::fuse::Fused;
use tancho_ir::infer::ShapeError;
use tancho_ir::op::{Op, Unary};
use tancho_ir::passes::{PASSES, Pass};
use tancho_runtime::Stages;

network! {
    pub Layer<B, D = 32>(x: [B, D]) -> [B, D] {
        net l: Linear<D, D>;
        layer_norm(x + gelu(l(x)), over = D)
    }

    pub Stack<B, D = 32>(x: [B, D]) -> [B, D] {
        net a: Layer<D>;
        net b: Layer<D>;
        net c: Layer<D>;
        net d: Layer<D>;
        net e: Layer<D>;
        e(d(c(b(a(x)))))
    }

    pub Counting<B>(x: [B, 8]) -> [B, 8] {
        state total: [B, 8];
        net l: Linear<8, 8>;
        total = total + gelu(l(x));
        x * 2
    }

    pub Loop<B, S, D = 8>(x: [B, S, D]) -> [B, S, D] {
        net input: Linear<D, D>;
        net hidden: Linear<D, D>;
        let mut h = expand(0, [B, D]);
        scan step in x over S {
            h = tanh(input(step) + gelu(hidden(h)));
            h
        }
    }

    pub Expert<D = 8>(x: [.., D]) -> [.., D] {
        net a: Linear<D, 2 * D>;
        net b: Linear<2 * D, D>;
        b(gelu(a(x)))
    }

    pub Mixture<T, D = 8, EXPERTS = 3>(x: [T, D], ids: i32[T, 2]) -> [T, 2, D] {
        net experts: [Expert<D>; EXPERTS];
        experts[ids](x)
    }
}

/// `gelu` as another function.
pub fn other(op: &mut Op) {
    if *op == Op::Unary(Unary::Gelu) {
        *op = Op::Unary(Unary::Relu);
    }
}

/// A pass that makes another function of `gelu`, in the graph alone and not in its bodies.
fn wrong_pass(g: &Graph) -> Result<Graph, ShapeError> {
    let mut g = g.clone();
    g.nodes.iter_mut().for_each(|node| other(&mut node.op));
    Ok(g)
}

/// All passes with that one at a place among them.
pub fn with_wrong_pass(at: usize) -> Stages {
    let mut passes = PASSES.to_vec();
    passes.insert(at, Pass { name: "wrong_pass", run: wrong_pass });
    Stages { passes: Vec::leak(passes), ..Stages::default() }
}

/// Breaks `gelu` where it stands behind another op of its kernel.
pub fn wrong_fusion(fused: &mut Fused) {
    for group in &fused.groups {
        for v in &group.nodes[1..] {
            other(&mut fused.graph.nodes[v.index()].op);
        }
    }
}

/// Breaks `gelu` wherever it stands.
pub fn wrong_kernel(fused: &mut Fused) {
    fused.graph.nodes.iter_mut().for_each(|node| other(&mut node.op));
}

/// A graph with weights of one seed, compiled by these stages.
pub fn compiled(graph: &Graph, stages: Stages) -> Result<Compiled, Error> {
    Model::from_graph(graph.clone(), 3)?.compile_by(Target::host(), stages)
}

/// Stages with what is done to a graph in groups.
pub fn fused_by(fused: fn(&mut Fused)) -> Stages {
    Stages { fused, ..Stages::default() }
}
