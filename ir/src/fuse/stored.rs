//! Values that must be stored though no kernel computes them: views whose addresses are not affine, and rows
//! that a reader cannot read in place.

use super::{Fuser, Kind};
use crate::access::{Access, joined_rows, resolve, through};
use crate::bodies::is_inlined;
use crate::graph::Value;
use crate::op::{Class, Op};
use std::collections::BTreeSet;

impl Fuser<'_> {
    fn in_memory(&self, v: Value) -> bool {
        self.stored.contains(&v) || (self.of[v.index()].is_some() && !self.graph.node(v).op.is_view())
    }

    /// How a value is read.
    fn access(&mut self, v: Value) -> Option<Access> {
        if self.in_memory(v) || !self.graph.node(v).op.is_view() {
            return Access::whole(v, &self.graph.stored_shape(v));
        }
        self.through(v)
    }

    /// How a view reads what it is a view of, whether it is stored itself or not. Views of views build on
    /// each other's.
    fn through(&mut self, v: Value) -> Option<Access> {
        let g = self.graph;
        let mut views = Vec::new();
        let mut at = v;
        let mut access = loop {
            if let Some(known) = &self.through[at.index()] {
                break known.clone();
            }
            views.push(at);
            at = g.node(at).args[0];
            if self.in_memory(at) || !g.node(at).op.is_view() {
                break Access::whole(at, &g.stored_shape(at));
            }
        };
        for view in views.into_iter().rev() {
            access = access.and_then(|inner| through(g, view, inner));
            self.through[view.index()] = Some(access.clone());
        }
        access
    }

    /// Puts a value into memory: the views of it read it there.
    fn store(&mut self, v: Value) {
        if !self.stored.insert(v) {
            return;
        }
        let mut todo = vec![v];
        while let Some(v) = todo.pop() {
            for &u in &self.users[v.index()] {
                if self.through[u.index()].take().is_some() && !self.stored.contains(&u) {
                    todo.push(u);
                }
            }
        }
    }

    /// Adds a move for each value that some reader cannot read in place.
    pub(super) fn store_what_must_be(&mut self) {
        let g = self.graph;
        for o in g.results() {
            if self.of[o.index()].is_none() {
                self.store(o);
            }
        }
        // Storing a value changes the strides of the views of it, so a view that could be
        // read in place may have to be stored in the next round.
        loop {
            let before = self.stored.len();
            for v in g.values() {
                // A reshape that makes no affine address needs its argument in memory, also where
                // the view itself is stored.
                if g.node(v).op.is_view() && self.through(v).is_none() && !self.is_packed_by_axes(v) {
                    self.store(g.node(v).args[0]);
                }
                for (i, &a) in g.node(v).args.iter().enumerate() {
                    if self.must_store(v, i, a) {
                        self.store(a);
                    }
                }
            }
            if self.stored.len() == before {
                break;
            }
        }
        for v in self.stored.clone() {
            self.alone(v, Kind::Move(v));
        }
    }

    /// Whether only products read a reshape, and pack it row by row along each axis that it joins to rows.
    fn is_packed_by_axes(&mut self, v: Value) -> bool {
        let g = self.graph;
        let is_right = |u: &Value| g.node(*u).op == Op::Matmul && g.node(*u).args[0] != v;
        joined_rows(g, v).is_some()
            && !self.is_output(v)
            && self.users[v.index()].iter().all(is_right)
            && self.access(g.node(v).args[0]).is_some()
    }

    /// Whether argument `i` of `v` must be in memory, whole and in order.
    fn must_store(&mut self, v: Value, i: usize, a: Value) -> bool {
        let g = self.graph;
        let (node, reader) = (g.node(a), &g.node(v).op);
        // It waits for its second argument and reads none of it.
        if i == 1 && *reader == Op::OptimizationBarrier {
            return false;
        }
        if matches!(node.op, Op::Gather) {
            // A row kernel takes the rows by id itself.
            let whole_rows = g.ty(node.args[0]).rank() >= 2;
            let full =
                whole_rows && self.of[v.index()].is_some_and(|k| self.groups[k].domain == node.ty.shape);
            return !(full
                && (reader.is_elementwise() || reader.is_row_work())
                && !matches!(self.kind_of(v), Some(Kind::Matmul { .. })));
        }
        if matches!(node.op, Op::Const(_) | Op::DimValue(_)) {
            return !(reader.is_elementwise() || reader.is_row_work());
        }
        let made = self.of[a.index()].is_some();
        let mut unit = || self.access(a).and_then(|x| x.strides.last().cloned()).is_none_or(|s| s.is(1));
        match reader.class() {
            Class::Matmul => i == 0 && !made && !unit() && !self.is_read_transposed(v, a),
            Class::Window => i == 0 && !(made || unit() && self.pixels_known(a)),
            Class::Attention => i < 3 && !made && !unit(),
            Class::Source | Class::Generator | Class::Elementwise | Class::View => false,
            Class::Reduction | Class::Norm | Class::Lowered => false,
            Class::Concat | Class::Push | Class::Gather | Class::Scatter => false,
            Class::RowSums | Class::Cumulative => false,
            Class::Scan | Class::Experts => !is_inlined(g, v, i) && !made && !self.is_whole(a),
        }
    }

    /// Whether the tiles of a product read its left operand as it lies though it is transposed. The rows of a
    /// tile are then neighbours in memory. Weights may be stored in formats whose tiles want whole rows.
    fn is_read_transposed(&mut self, product: Value, left: Value) -> bool {
        let g = self.graph;
        let right = resolve(g, g.node(product).args[1], &|_| false);
        let made = right.is_none_or(|read| {
            matches!(g.node(read.root).op, Op::Input(_)) || self.of[read.root.index()].is_some()
        });
        let rows = |read: Access| read.strides.iter().rev().nth(1).is_some_and(|stride| stride.is(1));
        made && self.access(left).is_some_and(rows)
    }

    /// Whether the filters of a convolution are known when compiled, and read through views that keep
    /// addresses affine.
    pub(super) fn known_filters(&self, v: Value, prepared: &BTreeSet<Value>) -> bool {
        let access = resolve(self.graph, self.graph.node(v).args[1], &|_| false);
        access.is_some_and(|a| {
            matches!(self.graph.node(a.root).op, Op::Weight(_)) || prepared.contains(&a.root)
        })
    }

    /// Whether the distance from one pixel of a row to the next is known when compiled.
    fn pixels_known(&mut self, x: Value) -> bool {
        let one = self.graph.ty(x).shape.get(2).is_some_and(|w| w.is(1));
        self.access(x)
            .is_some_and(|a| a.strides.len() == 4 && a.strides[2].as_const().is_some_and(|s| s > 0 || one))
    }

    /// Whether a value lies in memory as a tensor of its shape does.
    fn is_whole(&mut self, v: Value) -> bool {
        let shape = &self.graph.ty(v).shape;
        self.access(v).is_some_and(|read| read.offset.is(0) && read.is_contiguous(shape))
    }

    fn kind_of(&self, v: Value) -> Option<&Kind> {
        self.of[v.index()].map(|k| &self.groups[k].kind)
    }
}
