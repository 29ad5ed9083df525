//! Fusion of some groups alone, to find the one that makes a result wrong.

use super::{Fused, Fuser};
use crate::graph::Value;

/// Which ops may become one kernel: those that are together in certain groups of a fused graph. All others
/// get a kernel each.
#[derive(Clone, Debug, Default)]
pub struct Limit {
    /// For each value the number of the group that it may join, in the order of values.
    groups: Vec<Option<usize>>,
}

impl Limit {
    /// Lets the first `count` nodes of a group be one kernel.
    pub fn allow(&mut self, fused: &Fused, group: usize, count: usize) {
        self.groups.resize(fused.graph.nodes.len(), None);
        for v in fused.groups[group].nodes.iter().take(count) {
            self.groups[v.index()] = Some(group);
        }
    }

    /// Whether two values may be of one group.
    fn allows(&self, one: Value, other: Value) -> bool {
        let group = |v: Value| self.groups.get(v.index()).copied().flatten();
        group(one).is_some_and(|k| group(other) == Some(k))
    }
}

impl Fuser<'_> {
    /// Whether the limit, if there is one, lets a value join group `k`.
    pub(super) fn is_allowed(&self, v: Value, k: usize) -> bool {
        let with_first = |limit: &Limit| self.groups[k].nodes.first().is_some_and(|u| limit.allows(v, *u));
        self.limit.is_none_or(with_first)
    }
}
