//! What groups store, and the order they run in.

use super::{Fuser, Group, Kind};
use crate::graph::{Phase, Value};
use crate::op::{Class, Op};
use std::collections::BTreeSet;

impl Fuser<'_> {
    /// What is read in memory when each value is read: the end of its views.
    fn roots(&self) -> Vec<Value> {
        let mut roots: Vec<Value> = Vec::with_capacity(self.graph.nodes.len());
        for v in self.graph.values() {
            let node = self.graph.node(v);
            roots.push(if node.op.is_view() && !self.stored.contains(&v) {
                roots[node.args[0].index()]
            } else {
                v
            });
        }
        roots
    }

    /// A group stores what other groups read and what the network returns.
    pub(super) fn find_outputs(&mut self) {
        let roots = self.roots();
        let mut needed: BTreeSet<Value> = self.graph.results().collect();
        for (k, group) in self.groups.iter().enumerate() {
            let mut reads: Vec<Value> =
                group.nodes.iter().flat_map(|n| self.graph.node(*n).args.clone()).collect();
            if let Kind::Move(v) = group.kind
                && self.graph.node(v).op.class() == Class::Source
            {
                reads.clear();
            }
            let mut i = 0;
            while i < reads.len() {
                let r = roots[reads[i].index()];
                i += 1;
                if self.of[r.index()].is_none()
                    && (matches!(self.graph.node(r).op, Op::Gather) || self.widened.contains(&r))
                {
                    reads.extend(self.graph.node(r).args.clone());
                } else if self.of[r.index()] != Some(k) || matches!(group.kind, Kind::Move(v) if v != r) {
                    needed.insert(r);
                }
            }
        }
        for k in &mut self.groups {
            k.nodes.sort();
            k.outputs = k.nodes.iter().copied().filter(|v| needed.contains(v)).collect();
        }
    }

    /// Empties the groups that store nothing; whether there were any.
    pub(super) fn drop_idle(&mut self) -> bool {
        let idle = |k: &&mut Group| k.outputs.is_empty() && !k.nodes.is_empty();
        self.groups.iter_mut().filter(idle).map(|k| k.nodes.clear()).count() > 0
    }

    /// The groups sorted so that each runs after those it reads from.
    pub(super) fn order(&self) -> Vec<usize> {
        // Groups are visited in the order of their last node, which keeps the program's order.
        let ready = self.ready();
        let last = |k: usize| self.groups[k].nodes.last().copied();
        let place = |k: usize| self.groups[k].nodes.iter().map(|v| ready[v.index()]).max();
        let mut todo: Vec<usize> = (0..self.groups.len()).collect();
        todo.sort_by_cached_key(|&k| (place(k), last(k)));
        let (mut visited, mut passed) = (vec![false; self.groups.len()], vec![false; self.graph.nodes.len()]);
        let mut order = Vec::new();
        let mut ways: Vec<Way> = Vec::new();
        for k in todo {
            if !std::mem::replace(&mut visited[k], true) {
                ways.push(self.reads_of_group(k));
            }
            // Depth first, the last argument first: what is read is above its reader on the stack.
            while let Some(way) = ways.last_mut() {
                let Some(v) = way.reads.pop() else {
                    order.extend(way.group);
                    ways.pop();
                    continue;
                };
                match self.of[v.index()] {
                    Some(j) if !std::mem::replace(&mut visited[j], true) => ways.push(self.reads_of_group(j)),
                    None if !std::mem::replace(&mut passed[v.index()], true) => {
                        ways.push(Way { group: None, reads: self.graph.node(v).args.clone() });
                    }
                    _ => {}
                }
            }
        }
        order
    }

    /// From where in the program on each value can be computed: its own place, and for what a training step
    /// makes of gradients that of the last gradient it follows from. A kernel of the backward pass that has
    /// taken such work in reads much, which would be in memory until the end of the step.
    fn ready(&self) -> Vec<usize> {
        let mut ready: Vec<usize> = Vec::with_capacity(self.graph.nodes.len());
        for (i, node) in self.graph.nodes.iter().enumerate() {
            let of_args = node.args.iter().map(|a| ready[a.index()]).max().unwrap_or_default();
            ready.push(if node.source.phase == Phase::Update { of_args } else { i });
        }
        ready
    }

    fn reads_of_group(&self, k: usize) -> Way {
        Way {
            group: Some(k),
            reads: self.groups[k].nodes.iter().flat_map(|n| self.graph.node(*n).args.clone()).collect(),
        }
    }
}

/// What is still to be visited before a group, or before what stands between groups.
struct Way {
    group: Option<usize>,
    reads: Vec<Value>,
}
