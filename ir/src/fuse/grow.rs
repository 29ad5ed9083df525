//! How groups grow: around a matmul, and around row work.

use super::{DeclinedFusion, Fuser, Group, Kind, Level, MAX_NODES, Reason};
use crate::dim::Dim;
use crate::graph::Value;
use crate::op::{Class, Op};
use crate::types::DType;
use std::collections::BTreeSet;

impl Fuser<'_> {
    pub(super) fn alone(&mut self, v: Value, kind: Kind) {
        let domain = self.graph.ty(v).shape.clone();
        let k = self.groups.len();
        self.groups.push(Group { kind, domain, nodes: Vec::new(), outputs: Vec::new() });
        self.take(k, v);
    }

    /// A loop is one group with all nodes of its body.
    pub(super) fn scan(&mut self, v: Value) {
        let Op::Scan { body, .. } = self.graph.node(v).op else { return };
        match self.loops.get(&body) {
            Some(&k) => self.take(k, v),
            None => {
                self.loops.insert(body, self.groups.len());
                self.alone(v, Kind::Scan(v));
            }
        }
    }

    pub(super) fn decline(&mut self, producer: Value, consumer: Value, reason: Reason) {
        self.declined.push(DeclinedFusion { producer, consumer, reason });
    }

    pub(super) fn is_output(&self, v: Value) -> bool {
        self.results[v.index()]
    }

    /// Whether a window is computed as a matmul: a convolution is, unless each channel has one filter of its
    /// own that is known when the network is compiled.
    pub(super) fn is_matmul_of_windows(&self, v: Value, prepared: &BTreeSet<Value>) -> bool {
        let node = self.graph.node(v);
        let Op::Conv2d { groups, .. } = &node.op else { return false };
        let w = &self.graph.ty(node.args[1]).shape;
        let depthwise = !groups.is(1) && w[0] == *groups && w[1].is(1);
        !(depthwise && self.known_filters(v, prepared))
    }

    /// Grows a matmul: elementwise users one by one, then row work.
    pub(super) fn matmul(&mut self, matmul: Value) {
        let k = self.groups.len();
        self.alone(matmul, Kind::Matmul { matmul, epilogue: Vec::new(), rows: Vec::new() });
        let epilogue = self.epilogue(matmul, k);
        let last = epilogue.last().copied().unwrap_or(matmul);
        // Row work may follow even where the row has other users: it is then stored as well.
        let start = self.users[last.index()]
            .iter()
            .copied()
            .find(|u| self.graph.node(*u).op.is_row_work() && self.of[u.index()].is_none())
            .filter(|u| self.is_allowed(*u, k));
        let mut rows = Vec::new();
        if let Some(u) = start {
            let args = self.graph.node(u).args.clone();
            if matches!(&self.graph.node(matmul).op, Op::Conv2d { groups, .. } if !groups.is(1)) {
                self.decline(last, u, Reason::GroupsOfChannels);
            } else if args[0] != last || args[1..].iter().any(|a| self.reaches(*a, k)) {
                self.decline(last, u, Reason::ArgumentsNeedProduct);
            } else {
                rows = self.rows_from(u, k);
            }
        }
        self.groups[k].kind = Kind::Matmul { matmul, epilogue, rows };
    }

    /// Takes elementwise users of a matmul, one after another, into its group `k`.
    fn epilogue(&mut self, matmul: Value, k: usize) -> Vec<Value> {
        let shape = self.graph.ty(matmul).shape.clone();
        let (mut epilogue, mut last) = (Vec::new(), matmul);
        while let [u] = *self.users[last.index()].as_slice() {
            let node = self.graph.node(u);
            if !(node.op.is_elementwise() && self.is_allowed(u, k)) {
                break;
            }
            let f32_only = node.ty.dtype == DType::F32
                && node.args.iter().all(|a| self.graph.ty(*a).dtype == DType::F32);
            let reason = if self.of[u.index()].is_some() {
                Reason::ComputedAlready
            } else if self.is_output(last) {
                Reason::ProductIsResult
            } else if !f32_only {
                Reason::NotF32
            } else if node.ty.shape != shape {
                Reason::OtherShape { of_result: node.ty.shape.clone(), of_product: shape.clone() }
            } else {
                self.take(k, u);
                epilogue.push(u);
                last = u;
                continue;
            };
            self.decline(last, u, reason);
            break;
        }
        epilogue
    }

    /// Takes row work and what follows it on the same rows into group `k`.
    fn rows_from(&mut self, first: Value, k: usize) -> Vec<Value> {
        self.take(k, first);
        self.level[first.index()] = self.level_of_result(first);
        let (mut rows, mut last) = (vec![first], first);
        while self.groups[k].nodes.len() < MAX_NODES {
            let [next] = *self.users[last.index()].as_slice() else { break };
            let op = &self.graph.node(next).op;
            let joins = (op.is_elementwise() || op.is_row_work()) && self.is_allowed(next, k);
            if self.is_output(last) || !joins {
                break;
            }
            if self.of[next.index()].is_some() {
                self.decline(last, next, Reason::ComputedAlready);
                break;
            }
            let Some(level) = self.fits(next, k) else {
                self.decline(last, next, Reason::OtherRows);
                break;
            };
            self.take(k, next);
            self.level[next.index()] = level;
            rows.push(next);
            last = next;
        }
        rows
    }

    fn take(&mut self, k: usize, v: Value) {
        self.of[v.index()] = Some(k);
        self.groups[k].nodes.push(v);
        self.taken(k, v);
    }

    fn level_of_result(&self, v: Value) -> Level {
        if matches!(self.graph.node(v).op.class(), Class::Reduction) { Level::Row } else { Level::Full }
    }

    /// Puts an elementwise or row node into the group of one of its arguments, or a new one.
    pub(super) fn row_work(&mut self, v: Value) {
        let mut candidates: Vec<usize> = Vec::new();
        for a in self.graph.node(v).args.clone() {
            let p = self.before_expand(a);
            if let Some(k) = self.of[p.index()]
                && self.groups[k].kind == Kind::Rows
                && self.is_allowed(v, k)
                && !candidates.contains(&k)
            {
                candidates.push(k);
            }
        }
        self.join_sides(v, &candidates);
        candidates.retain(|k| !self.groups[*k].nodes.is_empty());
        for k in candidates {
            let producer = self.groups[k].nodes[self.groups[k].nodes.len() - 1];
            if self.groups[k].nodes.len() >= MAX_NODES {
                self.decline(producer, v, Reason::Full);
            } else if let Some(level) = self.fits(v, k) {
                self.take(k, v);
                self.level[v.index()] = level;
                return;
            } else {
                self.decline(producer, v, Reason::OtherRowsOrWaits);
            }
        }
        let node = self.graph.node(v);
        let domain = if node.op.is_row_work() {
            self.graph.ty(node.args[0]).shape.clone()
        } else {
            node.ty.shape.clone()
        };
        self.alone(v, Kind::Rows);
        let k = self.groups.len() - 1;
        self.groups[k].domain = domain;
        self.level[v.index()] = self.level_of_result(v);
    }

    /// Sums of rows join what computes the rows, row by row; else they are a kernel that reads the rows.
    pub(super) fn row_sums(&mut self, v: Value) {
        let x = self.graph.node(v).args[0];
        let shape = self.graph.ty(x).shape.clone();
        match self.of[x.index()].filter(|k| self.groups[*k].kind == Kind::Rows && self.is_allowed(v, *k)) {
            Some(k) if self.groups[k].nodes.len() >= MAX_NODES => self.decline(x, v, Reason::Full),
            Some(k) if self.sums_fit(v, x, k) => {
                self.take(k, v);
                self.level[v.index()] = Level::Sums;
                return;
            }
            Some(_) => self.decline(x, v, Reason::OtherRows),
            None => {}
        }
        self.alone(v, Kind::Rows);
        let k = self.groups.len() - 1;
        self.groups[k].domain = shape;
        self.level[v.index()] = Level::Sums;
    }

    /// Whether group `k` computes `x` row by row, in the parts that the sums `v` of them have.
    fn sums_fit(&self, v: Value, x: Value, k: usize) -> bool {
        let group = &self.groups[k];
        let mut ops = group.nodes.iter().map(|n| &self.graph.node(*n).op);
        let agree = |op: &Op| match op.class() {
            Class::RowSums => *op == self.graph.node(v).op,
            // A window runs over the rows of an image one by one.
            other => other != Class::Window,
        };
        self.level[x.index()] == Level::Full && self.graph.ty(x).shape == group.domain && ops.all(agree)
    }

    /// The value that an expand stretches, if `v` is one.
    fn before_expand(&self, v: Value) -> Value {
        let n = self.graph.node(v);
        if matches!(n.op, Op::Expand(_)) { n.args[0] } else { v }
    }

    /// Whether `v` may join group `k`, and how it lies there: each argument from inside must be
    /// one element per element or per row, and none from outside may wait for the group.
    fn fits(&mut self, v: Value, k: usize) -> Option<Level> {
        let level = self.lies(v, k)?;
        let g = self.graph;
        for &a in &g.node(v).args {
            let p = self.before_expand(a);
            let here = self.of[a.index()] == Some(k) || (p != a && self.of[p.index()] == Some(k));
            if !here && self.reaches(a, k) {
                return None;
            }
        }
        Some(level)
    }

    /// How `v` would lie in group `k`.
    fn lies(&self, v: Value, k: usize) -> Option<Level> {
        let node = self.graph.node(v);
        let domain = &self.groups[k].domain;
        let rows = domain.split_last().map(|(_, r)| r)?;
        let mut kept = rows.to_vec();
        kept.push(Dim::constant(1));
        let is_row_shape = |s: &[Dim]| s == rows || s == kept;
        let inside = |a: Value| self.of[a.index()] == Some(k);
        if node.op.is_row_work() {
            let x = node.args[0];
            let full = inside(x) && self.level[x.index()] == Level::Full && self.graph.ty(x).shape == *domain;
            let others = node.args[1..].iter().all(|a| !inside(*a));
            return (full && others).then(|| self.level_of_result(v));
        }
        let full = node.ty.shape == *domain;
        let mut row = is_row_shape(&node.ty.shape);
        for &a in &node.args {
            let p = self.before_expand(a);
            let shape = &self.graph.ty(a).shape;
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
                    && self.graph.ty(p).shape == kept
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
