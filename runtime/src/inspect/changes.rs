//! What a pass changed: the nodes that it took away and those that it added. Values are numbered anew by each
//! pass, so nodes are told apart by what they compute.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use tancho_ir::op::Op;
use tancho_ir::text::print_node;
use tancho_ir::{Graph, Value};

/// A node by what it computes: its op, and what its arguments compute.
#[derive(PartialEq, Eq, Hash)]
struct Computed {
    op: Op,
    args: Vec<usize>,
}

/// Numbers for what nodes compute, equal in all graphs.
#[derive(Default)]
struct Known(HashMap<Computed, usize>);

impl Known {
    /// The number of each node of a graph.
    fn of(&mut self, graph: &Graph) -> Vec<usize> {
        let mut all: Vec<usize> = Vec::with_capacity(graph.nodes.len());
        for n in &graph.nodes {
            let computed =
                Computed { op: n.op.clone(), args: n.args.iter().map(|a| all[a.index()]).collect() };
            let next = self.0.len();
            all.push(*self.0.entry(computed).or_insert(next));
        }
        all
    }
}

/// The nodes of a graph that another has not: of what both compute, those that are more than there.
fn more_than(graph: &Graph, own: &[usize], other: &[usize]) -> Vec<Value> {
    let mut left: HashMap<usize, usize> = HashMap::new();
    other.iter().for_each(|number| *left.entry(*number).or_default() += 1);
    let is_more = |v: &Value| match left.get_mut(&own[v.index()]) {
        Some(n) if *n > 0 => {
            *n -= 1;
            false
        }
        _ => true,
    };
    graph.values().filter(is_more).collect()
}

/// A node that a pass left as it is, with ` ` before it, one that is new, with `+`, or one of the graph
/// before the pass that is gone, with `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// ` `, `+` or `-`.
    pub sign: char,
    /// The value, of the graph before the pass if it is gone.
    pub value: Value,
}

/// All nodes of `after`, and behind them those of `before` that are gone. Empty if nothing changed. Bodies
/// are not looked into.
pub fn changed_nodes(before: &Graph, after: &Graph) -> Vec<Changed> {
    let mut known = Known::default();
    let (old, new) = (known.of(before), known.of(after));
    let added: HashSet<Value> = more_than(after, &new, &old).into_iter().collect();
    let gone = more_than(before, &old, &new);
    if added.is_empty() && gone.is_empty() {
        return Vec::new();
    }
    let stays = |value: Value| Changed { sign: if added.contains(&value) { '+' } else { ' ' }, value };
    let goes = |value: Value| Changed { sign: '-', value };
    after.values().map(stays).chain(gone.into_iter().map(goes)).collect()
}

/// The nodes of `after`, those that are new with `+` before them, and behind them with `-` the nodes of
/// `before` that are gone. The bodies of loops and experts follow alike. Empty if nothing changed.
pub fn changes(before: &Graph, after: &Graph) -> String {
    let mut out = String::new();
    for Changed { sign, value } in changed_nodes(before, after) {
        let graph = if sign == '-' { before } else { after };
        // Writing to a string cannot fail.
        let _ = write!(out, "{sign} ");
        let _ = print_node(&mut out, value, graph.node(value));
        out.push('\n');
    }
    for (i, (old, new)) in before.bodies.iter().zip(&after.bodies).enumerate() {
        let inside = changes(old, new);
        if !inside.is_empty() {
            let _ = write!(out, "body {i}:\n{inside}");
        }
    }
    out
}
