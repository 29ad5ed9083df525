//! Recomputation (Chen, Xu, Zhang and Guestrin 2016): what the backward pass reads inside of some nets is
//! computed again when it comes to them, and is not kept in memory until then.
//!
//! A net is a block. Gradients of its ops read copies of its values, which are made of copies again, down to
//! what comes into the block from outside. That passes an [`Op::OptimizationBarrier`], which also takes the
//! gradient that arrives at the block's end: so copies are no common subexpressions of the originals, and
//! wait for the backward pass.
//!
//! Kept are what comes into a block, what gradients outside of it read of it, and what loops stack for the
//! loop that goes back, which is what they carry. Weights and what follows from them alone are in memory
//! anyway. A copy is the same op on the same values, random numbers by their keys included, so that its
//! result has the same bits. States become what the originals say, and copies have no part in that.

use crate::differentiate::{Gradients, Recomputed};
use crate::graph::{Graph, Node, Phase, Source, Value};
use crate::op::{Class, Op};
use std::collections::{BTreeSet, HashMap};

/// The paths of the nets around a place and of the net it is in, the outermost first. An array of nets is
/// none.
fn nets_around(scope: &str) -> impl Iterator<Item = &str> {
    let ends = scope.match_indices('.').map(|(at, _)| at).chain([scope.len()]);
    let is_net =
        |end: &usize| !scope[*end..].trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit());
    ends.filter(|end| *end > 0).filter(is_net).map(|end| &scope[..end])
}

/// The paths of all nets that a graph runs, in loops as well.
pub fn nets(graph: &Graph) -> BTreeSet<&str> {
    let mut all: BTreeSet<&str> = graph.nodes.iter().flat_map(|n| nets_around(&n.source.scope)).collect();
    graph.bodies.iter().for_each(|body| all.extend(nets(body)));
    all
}

/// The block that a place is in: the outermost of the chosen nets around it.
fn block_of<'s>(source: &'s Source, is_chosen: &dyn Fn(&str) -> bool) -> Option<&'s str> {
    nets_around(&source.scope).find(|net| is_chosen(net))
}

/// The scopes of a graph and of its loops that are in a block.
pub(super) fn scopes(graph: &Graph, is_chosen: &dyn Fn(&str) -> bool) -> Recomputed {
    let inside = |node: &&Node| block_of(&node.source, is_chosen).is_some();
    let mut all: Recomputed = graph.nodes.iter().filter(inside).map(|n| n.source.scope.clone()).collect();
    graph.bodies.iter().for_each(|body| all.extend(scopes(body, is_chosen)));
    all
}

/// Gradients that are computed with copies of the values in nets that `is_chosen` holds of, by their paths.
pub(super) fn run(made: Gradients, is_chosen: &dyn Fn(&str) -> bool) -> Gradients {
    let old = made.graph;
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut blocks: Vec<Option<usize>> = Vec::with_capacity(old.nodes.len());
    for node in &old.nodes {
        let block = block_of(&node.source, is_chosen);
        let next = numbers.len();
        blocks.push(block.map(|path| *numbers.entry(path).or_insert(next)));
    }
    if numbers.is_empty() {
        return Gradients { graph: old, ..made };
    }
    let mut arriving = vec![None; numbers.len()];
    for (block, gradient) in blocks.iter().zip(&made.of_all) {
        if let (Some(block), Some(gradient)) = (block, gradient) {
            arriving[*block] = Some(*gradient);
        }
    }
    let kept = read_outside(&old, &blocks);
    let new = old.emptied();
    let map = Vec::with_capacity(old.nodes.len());
    let (copies, behind) = (HashMap::new(), HashMap::new());
    let mut recomputing = Recomputing { old: &old, new, blocks, arriving, kept, map, copies, behind };
    old.values().for_each(|v| recomputing.node(v));
    let Recomputing { mut new, map, .. } = recomputing;
    new.set_results(&old, |v| map[v.index()]);
    let moved = |all: Vec<Option<Value>>| all.into_iter().map(|v| v.map(|v| map[v.index()])).collect();
    let (gradients, of_all) = (moved(made.gradients), moved(made.of_all));
    Gradients { graph: new, of: map[made.of.index()], gradients, of_all }
}

/// The values that stay in memory whether their block computes them again or not: results, and what gradients
/// of ops outside of the block read.
fn read_outside(graph: &Graph, blocks: &[Option<usize>]) -> Vec<bool> {
    let mut read = graph.are_results();
    for v in graph.values().filter(|v| is_backward(graph, *v)) {
        for a in &graph.node(v).args {
            read[a.index()] |= blocks[a.index()] != blocks[v.index()];
        }
    }
    read
}

fn is_backward(graph: &Graph, v: Value) -> bool {
    graph.node(v).source.phase == Phase::Backward
}

/// Whether an op may run twice, and its result is memory that would be kept.
fn can_be_copied(op: &Op) -> bool {
    match op.class() {
        // They are there anyway, or take no memory.
        Class::Source | Class::Generator => false,
        // They write states, or have bodies whose results are stacked.
        Class::Push | Class::Scan | Class::Experts => false,
        Class::Elementwise | Class::Reduction | Class::Norm | Class::View | Class::Matmul => true,
        Class::Window | Class::Attention | Class::Concat | Class::Gather | Class::Scatter => true,
        Class::RowSums | Class::Cumulative | Class::Lowered => true,
    }
}

/// A graph while copies are put before the gradients that read them.
struct Recomputing<'a> {
    old: &'a Graph,
    new: Graph,
    /// The block of each value.
    blocks: Vec<Option<usize>>,
    /// The gradient that arrives at the end of each block.
    arriving: Vec<Option<Value>>,
    /// Values that stay in memory.
    kept: Vec<bool>,
    map: Vec<Value>,
    copies: HashMap<Value, Value>,
    /// Values behind the barrier of a block.
    behind: HashMap<(usize, Value), Value>,
}

impl Recomputing<'_> {
    /// Adds a node; one of the backward pass reads copies.
    fn node(&mut self, v: Value) {
        let node = self.old.node(v);
        if let (true, Some(block)) = (is_backward(self.old, v), self.blocks[v.index()]) {
            for &a in &node.args {
                if self.is_copied(a, block) && !self.copies.contains_key(&a) {
                    self.copy(a, block);
                }
            }
        }
        let reads_copies = is_backward(self.old, v);
        let args: Vec<Value> = node.args.iter().map(|a| self.read(*a, v, reads_copies)).collect();
        let made = self.push(node, &args, node.source.phase);
        self.new.nodes[made.index()].name.clone_from(&node.name);
        self.map.push(made);
    }

    /// What a node reads for an argument.
    fn read(&self, a: Value, reader: Value, copies: bool) -> Value {
        let copy = self.blocks[reader.index()].filter(|block| copies && self.is_copied(a, *block));
        copy.and_then(|_| self.copies.get(&a).copied()).unwrap_or(self.map[a.index()])
    }

    /// Whether gradients in a block read a copy of a value.
    fn is_copied(&self, v: Value, block: usize) -> bool {
        self.blocks[v.index()] == Some(block)
            && self.arriving[block].is_some()
            && !is_backward(self.old, v)
            && !self.kept[v.index()]
            && can_be_copied(&self.old.node(v).op)
    }

    /// Adds copies of a value and of all that it is made of in its block.
    fn copy(&mut self, v: Value, block: usize) {
        let mut wanted = BTreeSet::from([v]);
        let mut todo = vec![v];
        while let Some(v) = todo.pop() {
            for &a in &self.old.node(v).args {
                if self.is_copied(a, block) && !self.copies.contains_key(&a) && wanted.insert(a) {
                    todo.push(a);
                }
            }
        }
        for v in wanted {
            let node = self.old.node(v);
            let args: Vec<Value> = node.args.iter().map(|a| self.argument(*a, block)).collect();
            let made = self.push(node, &args, Phase::Recomputation);
            self.copies.insert(v, made);
        }
    }

    /// What a copy reads for an argument: a copy, or what comes into the block.
    fn argument(&mut self, a: Value, block: usize) -> Value {
        let node = self.old.node(a);
        let there = self.map[a.index()];
        if let (true, Some(copy)) = (self.is_copied(a, block), self.copies.get(&a)) {
            return *copy;
        }
        let is_free = match &node.op {
            Op::Weight(_) | Op::State(_) | Op::Const(_) | Op::DimValue(_) => true,
            op => op.class() == Class::Generator,
        };
        let after = self.arriving[block].and_then(|d| self.map.get(d.index()).copied());
        let Some(after) = after.filter(|_| !is_free) else { return there };
        // An earlier block need not compute again what is kept for a later one.
        self.kept[a.index()] = true;
        if let Some(known) = self.behind.get(&(block, a)) {
            return *known;
        }
        let source = Source { phase: Phase::Recomputation, ..node.source.clone() };
        let made = self.new.push_typed(Op::OptimizationBarrier, &[there, after], node.ty.clone(), source);
        self.behind.insert((block, a), made);
        made
    }

    fn push(&mut self, node: &Node, args: &[Value], phase: Phase) -> Value {
        let source = Source { phase, ..node.source.clone() };
        self.new.push_typed(node.op.clone(), args, node.ty.clone(), source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_nets_are_no_nets() {
        let around = |scope| nets_around(scope).collect::<Vec<_>>();
        assert_eq!(
            around("layers.3.attention.q"),
            ["layers.3", "layers.3.attention", "layers.3.attention.q"]
        );
        assert_eq!(around("a.0.1"), ["a.0.1"]);
        assert_eq!(around("head"), ["head"]);
        assert!(around("").is_empty());
    }
}
