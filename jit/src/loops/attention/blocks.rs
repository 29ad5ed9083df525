//! A block of queries: its scores, their softmax, and the matmul with the values.

use super::Head;
use super::programs::{PADDED, SEEN};
use crate::code::{FunctionCode, Pointer};
use crate::lanes::{Encoding, Local, PANEL};
use crate::loops::address::{moved_floats, row_at};
use crate::loops::columns::{Operands, panel_column};
use crate::loops::nest::Span;
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;

impl Head<'_> {
    /// The queries in blocks.
    pub fn blocks(&self, code: &mut FunctionCode<'_, '_>) {
        code.for_each(self.frame.zero, self.frame.queries, self.spec.block, &mut |code, first| {
            let block = QueryBlock::new(self, code, first);
            block.scores(code);
            block.softmax(code);
            block.values(code);
        });
    }
}

/// A block of queries of a head.
pub struct QueryBlock<'a> {
    head: &'a Head<'a>,
    queries: Span,
    /// The keys that any of them sees, and as whole panels.
    seen: Span,
    panels: Span,
}

impl<'a> QueryBlock<'a> {
    /// The block that begins with this query.
    pub fn new(head: &'a Head<'a>, code: &mut FunctionCode<'_, '_>, first: Value) -> QueryBlock<'a> {
        let behind = code.add_imm(first, head.spec.block);
        let behind = code.min(behind, head.frame.queries);
        let last = code.add_imm(behind, -1);
        let (from, to) = (head.seen(code, first).from, head.seen(code, last).to);
        let first_panel = code.ins().band_imm_s(from, -PANEL);
        let panels = code.ceil_div(to, PANEL);
        let after_panels = code.mul_imm(panels, PANEL);
        QueryBlock {
            head,
            queries: Span { from: first, to: behind },
            seen: Span { from, to },
            panels: Span { from: first_panel, to: after_panels },
        }
    }

    /// The row of scores of a query.
    fn score_row(&self, code: &mut FunctionCode<'_, '_>, query: Value) -> Pointer {
        let number = code.sub(query, self.queries.from);
        let at = code.mul(number, self.head.frame.padded);
        moved_floats(code, self.head.frame.scores, at, 1)
    }

    /// Where the reciprocal of a query is.
    fn reciprocal(&self, code: &mut FunctionCode<'_, '_>, query: Value) -> Pointer {
        let number = code.sub(query, self.queries.from);
        moved_floats(code, self.head.frame.reciprocals, number, 1)
    }

    /// The scores of all keys of the panels.
    pub fn scores(&self, code: &mut FunctionCode<'_, '_>) {
        let Head { nest, programs, .. } = self.head;
        programs.scores.run(nest, code, self.queries, self.panels, &Scores(self));
    }

    /// Softmax of each query over the keys it sees. Others of the block see more, so all other scores
    /// of the row become 0.
    pub fn softmax(&self, code: &mut FunctionCode<'_, '_>) {
        let head = self.head;
        code.for_each(self.queries.from, self.queries.to, 1, &mut |code, query| {
            let scores = self.score_row(code, query);
            let reciprocal = self.reciprocal(code, query);
            let own = head.seen(code, query);
            head.softmax(code, query, scores, reciprocal, own);
            if head.spec.window.is_some() {
                head.clear(code, scores, Span { from: self.seen.from, to: own.from });
            }
            if head.spec.causal {
                head.clear(code, scores, Span { from: own.to, to: self.seen.to });
            }
        });
    }

    /// The matmul of the scores with the values.
    pub fn values(&self, code: &mut FunctionCode<'_, '_>) {
        let Head { nest, programs, frame, .. } = self.head;
        let count = code.sub(self.seen.to, self.seen.from);
        let columns = Span { from: frame.zero, to: frame.width };
        programs.values.run(nest, code, self.queries, columns, &Values { block: self, count });
    }
}

/// The operands of the scores.
struct Scores<'a>(&'a QueryBlock<'a>);

impl Operands for Scores<'_> {
    fn left(&self, code: &mut FunctionCode<'_, '_>, query: Value, _terms: Encoding) -> Pointer {
        let Head { spec, nest, q, .. } = self.0.head;
        row_at(nest, code, &spec.q, *q, query)
    }

    fn right(&self, code: &mut FunctionCode<'_, '_>, key: Value) -> Pointer {
        let frame = self.0.head.frame;
        panel_column(code, frame.packed_keys, frame.width, key)
    }

    fn slots(&self, code: &mut FunctionCode<'_, '_>, query: Value, key: Value) -> Vec<Pointer> {
        let row = self.0.score_row(code, query);
        vec![moved_floats(code, row, key, 1)]
    }

    fn locals(&self) -> Vec<(Local, Value)> {
        vec![(PADDED, self.0.head.frame.padded)]
    }
}

/// The operands of the matmul with the values.
struct Values<'a> {
    block: &'a QueryBlock<'a>,
    /// The keys that any query of the block sees.
    count: Value,
}

impl Operands for Values<'_> {
    fn left(&self, code: &mut FunctionCode<'_, '_>, query: Value, _terms: Encoding) -> Pointer {
        let row = self.block.score_row(code, query);
        moved_floats(code, row, self.block.seen.from, 1)
    }

    fn right(&self, code: &mut FunctionCode<'_, '_>, column: Value) -> Pointer {
        let frame = self.block.head.frame;
        let panel = panel_column(code, frame.packed_values, frame.keys, column);
        moved_floats(code, panel, self.block.seen.from, PANEL)
    }

    fn slots(&self, code: &mut FunctionCode<'_, '_>, query: Value, column: Value) -> Vec<Pointer> {
        let Head { spec, nest, out, .. } = self.block.head;
        let row = row_at(nest, code, &spec.out, *out, query);
        let number = code.sub(query, self.block.queries.from);
        let result = moved_floats(code, row, column, 1);
        vec![result, moved_floats(code, self.block.head.frame.reciprocals, number, 1)]
    }

    fn locals(&self) -> Vec<(Local, Value)> {
        vec![(PADDED, self.block.head.frame.padded), (SEEN, self.count)]
    }
}
