//! Whether a value waits for a group: a search through the graph, a group's nodes taken as one.
//!
//! The search goes from both ends and follows an edge at each side alternately: from the value to what it is
//! computed from, and from the group to what reads it. If the two sides meet, the value waits. If one side is
//! exhausted, it does not. So the cost is that of the smaller side. One side is small if the group was just
//! begun, because few values read it yet, and if the value is an input, a weight or close to the group.
//!
//! Whether each of many edges is implied by a path beside it is transitive reduction, for which no algorithm
//! in nearly linear time is known. So no side follows more than [`MOST_EDGES`]. If that decides nothing, the
//! value counts as one that waits. This is always correct: the op then stays outside, in a group of its own.
//! There are a few searches for each node, so the time for a graph of `n` nodes is in proportion to `n`.

use super::Fuser;
use crate::graph::{Graph, Value};

/// The most edges that one side of a search follows. Only networks with thousands of ops on both sides reach
/// this limit.
const MOST_EDGES: usize = 4096;

/// What searches need, and what they have cost.
#[derive(Default)]
pub(super) struct Reach {
    /// The last search that came by each vertex, twice its number, and one more if it came from the group.
    /// The first half is of nodes, the second of groups.
    marks: Vec<usize>,
    searches: usize,
    up: Side,
    down: Side,
    /// The nodes before this one have been looked at: see [`Fuser::look_at`].
    seen: usize,
    horizon: usize,
    /// Whether one of them reads the group.
    read: Vec<bool>,
    /// Edges that all searches followed.
    pub edges: usize,
}

/// One end of a search: the vertices found, each by one of its nodes, and how far their edges have been
/// followed.
#[derive(Default)]
struct Side {
    found: Vec<Value>,
    vertex: usize,
    node: usize,
    edge: usize,
    edges: usize,
}

impl Side {
    fn begin(&mut self, at: Value) {
        self.found.clear();
        self.found.push(at);
        (self.vertex, self.node, self.edge, self.edges) = (0, 0, 0, 0);
    }

    /// What the next edge leads to. `nodes` are those of a vertex, `edges` lead from a node.
    fn next<'a>(
        &mut self,
        nodes: impl Fn(Value) -> Option<&'a [Value]>,
        edges: impl Fn(Value) -> &'a [Value],
    ) -> Option<Value> {
        loop {
            let vertex = *self.found.get(self.vertex)?;
            let node = match nodes(vertex) {
                Some(all) => all.get(self.node).copied(),
                None => (self.node == 0).then_some(vertex),
            };
            let Some(node) = node else {
                (self.vertex, self.node, self.edge) = (self.vertex + 1, 0, 0);
                continue;
            };
            if let Some(&to) = edges(node).get(self.edge) {
                self.edge += 1;
                self.edges += 1;
                return Some(to);
            }
            (self.node, self.edge) = (self.node + 1, 0);
        }
    }
}

impl Reach {
    pub fn new(graph: &Graph) -> Reach {
        Reach { marks: vec![0; 2 * graph.nodes.len()], ..Reach::default() }
    }
}

impl Fuser<'_> {
    /// Whether computing `v` needs a result of group `k`, as far as can be seen; where it cannot, the
    /// answer is yes.
    pub(super) fn reaches(&mut self, v: Value, k: usize) -> bool {
        let Fuser { graph, users, groups, of, reach, .. } = self;
        let Some(&first) = groups[k].nodes.first() else { return false };
        let group = |v: Value| of[v.index()].map(|k| groups[k].nodes.as_slice());
        let place = |v: Value| of[v.index()].map_or(v.index(), |k| graph.nodes.len() + k);
        let Reach { marks, searches, up, down, horizon, edges, .. } = reach;
        let known =
            group(v).and_then(<[Value]>::last).max(Some(&v)).is_some_and(|last| last.index() <= *horizon);
        let horizon = if known { *horizon } else { usize::MAX };
        if place(v) == place(first) {
            return true;
        }
        *searches += 1;
        let from_value = 2 * *searches;
        let from_group = from_value + 1;
        (marks[place(v)], marks[place(first)]) = (from_value, from_group);
        up.begin(v);
        down.begin(first);
        let found = loop {
            if up.edges.min(down.edges) >= MOST_EDGES {
                break true;
            }
            let upwards = up.edges <= down.edges;
            let next = if upwards {
                up.next(group, |n| &graph.node(n).args)
            } else {
                down.next(group, |n| &users[n.index()])
            };
            let Some(to) = next else { break false };
            if !upwards && of[to.index()].is_none() && to.index() > horizon {
                continue;
            }
            let (side, mine, other) = if upwards {
                (&mut *up, from_value, from_group)
            } else {
                (&mut *down, from_group, from_value)
            };
            let mark = &mut marks[place(to)];
            if *mark == other {
                break true;
            }
            if *mark != mine {
                *mark = mine;
                side.found.push(to);
            }
        };
        *edges += up.edges + down.edges;
        found
    }

    /// Looks at the nodes up to `v`, and moves the horizon.
    ///
    /// Matmuls take nodes in ahead of their place, so what a value is computed from may stand after it:
    /// arguments of nodes that were taken into a group it reads. It never stands after the horizon. All
    /// nodes up to there are looked at, and each group that one of them reads ends before it. By induction
    /// along any way from a value before the horizon: an argument stands before its node, and the arguments
    /// of all nodes of a group before the last of them.
    pub(super) fn look_at(&mut self, v: Value) {
        let Fuser { graph, groups, of, reach, .. } = self;
        reach.horizon = reach.horizon.max(v.index());
        while reach.seen <= reach.horizon && reach.seen < graph.nodes.len() {
            for a in &graph.nodes[reach.seen].args {
                if let Some(k) = of[a.index()].filter(|k| of[reach.seen] != Some(*k)) {
                    reach.read[k] = true;
                    reach.horizon = groups[k].nodes.last().map_or(0, |v| v.index()).max(reach.horizon);
                }
            }
            reach.seen += 1;
        }
    }

    /// Keeps to what [`Fuser::look_at`] states of the horizon where a node has come into a group.
    pub(super) fn taken(&mut self, k: usize, v: Value) {
        let seen = self.reach.seen;
        if self.reach.read.len() <= k {
            self.reach.read.resize(k + 1, false);
        }
        self.reach.read[k] |= self.users[v.index()].first().is_some_and(|u| u.index() < seen);
        if self.reach.read[k] {
            self.look_at(v);
        }
    }

    /// The same where the nodes of a group have come into another.
    pub(super) fn joined(&mut self, into: usize, k: usize) {
        self.reach.read[into] |= self.reach.read[k];
    }
}
