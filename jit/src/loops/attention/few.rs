//! Attention of few queries over many keys, as a decoder's next token has it. Keys and values are read where
//! they lie, each once, from several places at a time, so that a cache is read as fast as memory gives it.

use super::Head;
use super::few_programs::{AtPlaces, FewPrograms, RowsAtPlaces, Scaled};
use crate::code::{FunctionCode, Pointer};
use crate::lanes::PART;
use crate::loops::address::{moved_floats, row_at};
use crate::loops::nest::{ProgramId, Span};
use crate::loops::program::InPlace;
use crate::spec::Slot;
use cranelift::codegen::ir::Value;
use cranelift::prelude::*;

/// Products of a partial sum, over all places: no more than in the tiles of many queries.
const PRODUCTS: i64 = 4 * PART;

/// Rows that a query sees, and what is done with each.
struct RowWalk<'a> {
    programs: &'a AtPlaces,
    /// What runs between parts of the loop.
    between: Option<ProgramId<InPlace>>,
    /// The query, or the sums.
    single: Pointer,
    /// The keys, or the values.
    rows: Pointer,
    slot: &'a Slot,
    seen: Span,
}

impl Head<'_> {
    /// Works on the queries one by one.
    pub fn one_by_one(&self, code: &mut FunctionCode<'_, '_>, programs: &FewPrograms) {
        let (spec, nest, frame) = (self.spec, self.nest, self.frame);
        let zero = code.int(0);
        code.for_each(zero, frame.queries, 1, &mut |code, query| {
            let q = row_at(nest, code, &spec.q, self.q, query);
            let seen = self.seen(code, query);
            let scores = RowWalk {
                programs: &programs.scores,
                between: None,
                single: q,
                rows: self.k,
                slot: &spec.k,
                seen,
            };
            self.walk(code, programs.places, &scores);
            self.softmax(code, query, frame.scores, frame.reciprocals, seen);
            nest.call(code, programs.clear, InPlace { row: frame.sums });
            let values = RowWalk {
                programs: &programs.weighted,
                between: Some(programs.add_part),
                single: frame.sums,
                rows: self.v,
                slot: &spec.v,
                seen,
            };
            self.walk(code, programs.places, &values);
            let out = row_at(nest, code, &spec.out, self.out, query);
            let pointers = Scaled { reciprocal: frame.reciprocals, sums: frame.sums, out };
            nest.call(code, programs.scaled, pointers);
        });
    }

    /// The same number of rows from each place on, then those left over one by one.
    fn walk(&self, code: &mut FunctionCode<'_, '_>, places: u16, walk: &RowWalk<'_>) {
        let Span { from, to } = walk.seen;
        let count = code.sub(to, from);
        let each = code.ins().sdiv_imm_s(count, i64::from(places));
        let whole = code.mul_imm(each, i64::from(places));
        let (end, whole) = (code.add(from, each), code.add(from, whole));
        let part = PRODUCTS / i64::from(places);
        code.for_each(from, end, part, &mut |code, row| {
            if let Some(between) = walk.between {
                let behind = code.ins().icmp(IntCC::SignedGreaterThan, row, from);
                let row = walk.single;
                code.when(behind, &mut |code| self.nest.call(code, between, InPlace { row }));
            }
            let next = code.add_imm(row, part);
            let next = code.min(next, end);
            code.for_each(row, next, 1, &mut |code, row| {
                let rows = self.rows(code, walk, row, each, places);
                self.nest.call(code, walk.programs.all, rows);
            });
        });
        code.for_each(whole, to, 1, &mut |code, row| {
            let rows = self.rows(code, walk, row, each, 1);
            self.nest.call(code, walk.programs.one, rows);
        });
    }

    /// The rows at each place, `apart` rows from one place to the next, and their scores.
    fn rows(
        &self,
        code: &mut FunctionCode<'_, '_>,
        walk: &RowWalk<'_>,
        first: Value,
        apart: Value,
        places: u16,
    ) -> RowsAtPlaces {
        let (mut rows, mut scores, mut row) = (Vec::new(), Vec::new(), first);
        for place in 0..places {
            if place > 0 {
                row = code.add(row, apart);
            }
            rows.push(row_at(self.nest, code, walk.slot, walk.rows, row));
            scores.push(moved_floats(code, self.frame.scores, row, 1));
        }
        RowsAtPlaces { single: walk.single, rows, scores }
    }
}
