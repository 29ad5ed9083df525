//! Elementwise work on two sides that meet, as in `a * c - b * s`: the sides have nothing to do with each
//! other until then, and become one group if no other value reads one of them. Results of the network, as
//! the new moments of an optimiser, may be among them.

use super::{Fuser, Kind, Level, MAX_NODES};
use crate::graph::Value;

impl Fuser<'_> {
    /// Joins the groups of the arguments of an elementwise op as far as that may be done.
    pub(super) fn join_sides(&mut self, v: Value, groups: &[usize]) {
        let Some((&first, others)) = groups.split_first() else { return };
        if !self.graph.node(v).op.is_elementwise() {
            return;
        }
        let mut into = first;
        for &other in others {
            let sides = [(into, other), (other, into)];
            let join = sides.into_iter().find(|(into, k)| self.may_join(v, *into, *k));
            if let Some((one, k)) = join {
                into = one;
                let nodes = std::mem::take(&mut self.groups[k].nodes);
                nodes.iter().for_each(|n| self.of[n.index()] = Some(into));
                self.groups[into].nodes.extend(nodes);
                self.groups[into].nodes.sort();
                self.joined(into, k);
            }
        }
    }

    /// Whether the nodes of group `k`, which only `v` reads, may run in group `into`: for the same
    /// elements, none waiting for the other's.
    fn may_join(&mut self, v: Value, into: usize, k: usize) -> bool {
        let (one, two) = (&self.groups[into], &self.groups[k]);
        let plain =
            |n: &Value| self.graph.node(*n).op.is_elementwise() && self.level[n.index()] == Level::Full;
        // Sums of rows go on beside more work on the rows.
        let beside = |n: &Value| plain(n) || self.level[n.index()] == Level::Sums;
        let read_here =
            |n: &Value| self.users[n.index()].iter().all(|u| *u == v || self.of[u.index()] == Some(k));
        let fit = (one.kind == Kind::Rows && two.kind == Kind::Rows && one.domain == two.domain)
            && one.nodes.len() + two.nodes.len() < MAX_NODES
            && one.nodes.iter().all(beside)
            && two.nodes.iter().all(plain)
            && two.nodes.iter().all(read_here);
        // One node of a group stands for all of them.
        let (Some(&of_one), Some(&of_two)) = (one.nodes.first(), two.nodes.first()) else { return false };
        fit && !self.reaches(of_one, k) && !self.reaches(of_two, into)
    }
}
