//! Graph-to-graph passes, one file each, and the list that runs them in order.
//!
//! `runtime/src/compile.rs` lists every stage, of which the passes are one. [`round_states`] is not among
//! [`PASSES`]: it runs before them, and only where a target asks for it.

pub mod channels_last;
pub mod fold_batch_norm;
pub mod fold_constants;
pub mod hoist_from_scans;
pub mod lower_axes;
pub mod lower_composites;
pub mod lower_linear;
pub mod merge_parallel_matmuls;
pub mod narrow_slices;
pub mod remove_dead;
pub mod round_states;
pub mod separate_results;
pub mod simplify;
pub mod split_long_sums;

use crate::graph::{Graph, Value};
use crate::infer::ShapeError;
use crate::op::Op;

/// A pass: its name and what it does to a graph.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Its name in dumps and reports.
    pub name: &'static str,
    /// The rewrite. The results of the network stay the same.
    pub run: fn(&Graph) -> Result<Graph, ShapeError>,
}

/// Every pass, in the order they run.
pub const PASSES: &[Pass] = &[
    Pass { name: "hoist_from_scans", run: hoist_from_scans::run },
    Pass { name: "fold_batch_norm", run: fold_batch_norm::run },
    Pass { name: "lower_composites", run: lower_composites::run },
    Pass { name: "simplify", run: simplify::run },
    Pass { name: "narrow_slices", run: narrow_slices::run },
    Pass { name: "fold_constants", run: fold_constants::run },
    Pass { name: "channels_last", run: channels_last::run },
    Pass { name: "lower_linear", run: lower_linear::run },
    Pass { name: "split_long_sums", run: split_long_sums::run },
    Pass { name: "lower_axes", run: lower_axes::run },
    Pass { name: "simplify", run: simplify::run },
    Pass { name: "remove_dead", run: remove_dead::run },
    Pass { name: "merge_parallel_matmuls", run: merge_parallel_matmuls::run },
    Pass { name: "remove_dead", run: remove_dead::run },
    Pass { name: "separate_results", run: separate_results::run },
];

/// Runs all passes; `seen` is shown the graph after each, by name.
///
/// # Errors
/// A pass could not infer a shape, which is a fault of the pass.
pub fn run_all(graph: &Graph, seen: &mut dyn FnMut(&str, &Graph)) -> Result<Graph, ShapeError> {
    run(PASSES, graph, seen)
}

/// Runs these passes alone.
///
/// # Errors
/// As [`run_all`].
pub fn run(passes: &[Pass], graph: &Graph, seen: &mut dyn FnMut(&str, &Graph)) -> Result<Graph, ShapeError> {
    let mut g = graph.clone();
    for pass in passes {
        g = (pass.run)(&g)?;
        debug_assert_eq!(crate::verify::verify(&g), Ok(()), "after {}", pass.name);
        seen(pass.name, &g);
    }
    Ok(g)
}

/// Copies a graph node by node while a pass replaces some of them.
pub(crate) struct Rewriter<'a> {
    pub old: &'a Graph,
    pub new: Graph,
    map: Vec<Value>,
}

impl<'a> Rewriter<'a> {
    /// Rewrites `old`: `step` gives the new value of each node, or `None` to keep the node.
    pub fn run(
        old: &'a Graph,
        mut step: impl FnMut(&mut Rewriter<'a>, Value, &[Value]) -> Result<Option<Value>, ShapeError>,
    ) -> Result<Graph, ShapeError> {
        let mut r = Rewriter { old, new: old.emptied(), map: Vec::new() };
        for v in old.values() {
            let args: Vec<Value> = old.node(v).args.iter().map(|a| r.map[a.index()]).collect();
            let made = match step(&mut r, v, &args)? {
                Some(v) => v,
                None => r.push(old.node(v).op.clone(), &args, v)?,
            };
            let node = &mut r.new.nodes[made.index()];
            if node.name.is_none() {
                node.name.clone_from(&old.node(v).name);
            }
            r.map.push(made);
        }
        r.new.set_results(old, |v| r.map[v.index()]);
        Ok(r.new)
    }

    /// Adds a node with the source of the old value `at`.
    pub fn push(&mut self, op: Op, args: &[Value], at: Value) -> Result<Value, ShapeError> {
        let old = self.old.node(at);
        let source = old.source.clone();
        if self.is_kept(&op, args, at) {
            return Ok(self.new.push_typed(op, args, old.ty.clone(), source));
        }
        self.new.push(op, args, source)
    }

    /// Whether an op is that of an old value, on arguments of the same types: then it has its type.
    fn is_kept(&self, op: &Op, args: &[Value], at: Value) -> bool {
        let old = self.old.node(at);
        // Their types follow from declarations and bodies too, which passes change.
        let is_declared =
            matches!(op, Op::Input(_) | Op::Weight(_) | Op::State(_) | Op::Scan { .. } | Op::Experts { .. });
        let same = |(new, old): (&Value, &Value)| self.new.ty(*new) == self.old.ty(*old);
        !is_declared && *op == old.op && args.len() == old.args.len() && args.iter().zip(&old.args).all(same)
    }
}
