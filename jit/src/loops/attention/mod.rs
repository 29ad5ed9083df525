//! Attention: per sequence and head, keys and values packed into panels, then per block of queries the
//! scores, their softmax, and the matmul with the values. Only a block of scores exists at a time, of the
//! keys that its queries see. A unit is one head of one sequence.

mod blocks;
mod few;
mod few_programs;
mod programs;

use crate::code::{FunctionCode, Pointer};
use crate::lanes::PANEL;
use crate::loops::LoopNest;
use crate::loops::address::{address, moved_floats, row_at, row_stride};
use crate::loops::columns::panel_column;
use crate::loops::nest::{Nest, Pool, Span};
use crate::loops::program::{Copy, InPlace};
use crate::machine::Machine;
use crate::spec::extents::sum_floats;
use crate::spec::{AttentionSpec, Slot};
use cranelift::codegen::ir::{Value, types};
use cranelift::prelude::*;
use programs::{AttentionPrograms, PackValue, SEEN, Softmax, SumOfRow, sees_part};

/// The loop nest of attention.
pub struct Attention<'s> {
    spec: &'s AttentionSpec,
    programs: AttentionPrograms,
}

impl<'s> Attention<'s> {
    /// Adds the programs.
    pub fn new(spec: &'s AttentionSpec, machine: Machine, pool: &mut Pool) -> Attention<'s> {
        Attention { spec, programs: AttentionPrograms::new(spec, machine, pool) }
    }

    /// What all heads share.
    fn frame(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>) -> Frame {
        let spec = self.spec;
        let (queries, keys) = (nest.len(code, spec.queries), nest.len(code, spec.keys));
        let padded = code.ceil_div(keys, PANEL);
        let padded = code.mul_imm(padded, PANEL);
        let each = spec.floats_per_key();
        let reciprocals = nest.scratch(code, spec.scratch);
        let skip = code.int(4 * spec.reciprocal_floats());
        let sums = code.moved(reciprocals, skip);
        let skip = code.int(4 * sum_floats(spec.width));
        let packed_keys = code.moved(sums, skip);
        let mut behind = |floats: i64| moved_floats(code, packed_keys, padded, floats);
        let packed_values = behind(each.keys);
        let scores = behind(each.keys + each.values);
        let scratch = (spec.block..each.scores).map(|i| behind(each.keys + each.values + i)).collect();
        let zero = code.int(0);
        let width = code.int(spec.width);
        let unseen = code.sub(keys, queries);
        Frame {
            queries,
            keys,
            padded,
            width,
            unseen,
            zero,
            reciprocals,
            sums,
            packed_keys,
            packed_values,
            scores,
            scratch,
        }
    }
}

impl LoopNest for Attention<'_> {
    fn build(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, units: Span) {
        let frame = self.frame(nest, code);
        code.for_each(units.from, units.to, 1, &mut |code, unit| {
            Head::new(self, nest, code, &frame, unit).build(code);
        });
    }
}

/// What all heads share.
struct Frame {
    /// Queries and keys of a sequence, and the length of a padded row of scores.
    queries: Value,
    keys: Value,
    padded: Value,
    /// Width of a head.
    width: Value,
    /// Keys that the first query does not see because of their place, less one.
    unseen: Value,
    zero: Value,
    /// Parts of working memory: the reciprocals of a block, the sums of a single query, packed keys and
    /// values, a block of scores, and scratch rows of the softmax.
    reciprocals: Pointer,
    sums: Pointer,
    packed_keys: Pointer,
    packed_values: Pointer,
    scores: Pointer,
    scratch: Vec<Pointer>,
}

/// One head of one sequence.
struct Head<'a> {
    spec: &'a AttentionSpec,
    programs: &'a AttentionPrograms,
    nest: &'a Nest,
    frame: &'a Frame,
    q: Pointer,
    k: Pointer,
    v: Pointer,
    out: Pointer,
    /// The mask and the bias, if there are any.
    operands: Vec<(Pointer, &'a Slot)>,
}

impl<'a> Head<'a> {
    fn new(
        attention: &'a Attention<'_>,
        nest: &'a Nest,
        code: &mut FunctionCode<'_, '_>,
        frame: &'a Frame,
        unit: Value,
    ) -> Head<'a> {
        let Attention { spec, programs } = attention;
        let heads = code.int(spec.heads);
        let (sequence, head) = (code.ins().udiv(unit, heads), code.ins().urem(unit, heads));
        let group = code.int(spec.heads / spec.key_heads.max(1));
        let key_head = code.ins().udiv(head, group);
        let mut at = |slot, head| address(nest, code, slot, &[sequence, head]);
        let (q, k, v) = (at(&spec.q, head), at(&spec.k, key_head), at(&spec.v, key_head));
        let out = at(&spec.out, head);
        let operands = spec.mask.iter().chain(&spec.bias).map(|slot| (at(slot, head), slot)).collect();
        Head { spec, programs, nest, frame, q, k, v, out, operands }
    }

    /// All queries: one by one where they are few, or where blocks of them would show what is not seen.
    fn build(&self, code: &mut FunctionCode<'_, '_>) {
        let Some(programs) = &self.programs.few else {
            self.pack(code);
            return self.blocks(code);
        };
        let few = few_programs::few(self.spec, code, self.frame.queries);
        let one_by_one = code.either(few, &mut |code| code.ins().iconst(types::I8, 1), &mut |code| {
            self.pack(code);
            self.not_finite(code)
        });
        code.when(one_by_one, &mut |code| self.one_by_one(code, programs));
        let together = code.ins().icmp_imm_s(IntCC::Equal, one_by_one, 0);
        code.when(together, &mut |code| self.blocks(code));
    }

    /// Whether a value that is not finite may show where it is not seen: the queries of a block do not see
    /// the same keys, and 0 times what is not finite is NaN.
    fn not_finite(&self, code: &mut FunctionCode<'_, '_>) -> Value {
        let Some(program) = self.programs.sum_of_row else { return code.ins().iconst(types::I8, 0) };
        let (row, sum) = (self.frame.sums, self.frame.reciprocals);
        self.nest.call(code, program, SumOfRow { row, sum });
        let sum = code.load(types::F32, sum, 0);
        code.ins().fcmp(FloatCC::Unordered, sum, sum)
    }

    /// The keys that a query sees by its place.
    fn seen(&self, code: &mut FunctionCode<'_, '_>, query: Value) -> Span {
        let Frame { zero, keys, unseen, .. } = *self.frame;
        let next = code.add(query, unseen);
        let next = code.add_imm(next, 1);
        let within = |code: &mut FunctionCode<'_, '_>, at: Value| {
            let at = code.max(at, zero);
            code.min(at, keys)
        };
        let to = if self.spec.causal { within(code, next) } else { keys };
        let from = self.spec.window.map_or(zero, |window| {
            let window = self.nest.len(code, window);
            let from = code.sub(next, window);
            let from = within(code, from);
            // A window whose length the call gives may be below 1, and sees nothing.
            code.min(from, to)
        });
        Span { from, to }
    }

    /// Softmax of the scores of a query over the keys it sees.
    fn softmax(
        &self,
        code: &mut FunctionCode<'_, '_>,
        query: Value,
        scores: Pointer,
        reciprocal: Pointer,
        seen: Span,
    ) {
        let (nest, frame) = (self.nest, self.frame);
        let scores = moved_floats(code, scores, seen.from, 1);
        let operand = |(base, slot): &(Pointer, &Slot)| {
            let down = nest.times(code, query, row_stride(slot));
            let across = nest.times(code, seen.from, slot.step);
            let elements = code.add(down, across);
            let bytes = code.mul_imm(elements, slot.mem.size());
            code.moved(*base, bytes)
        };
        let operands = self.operands.iter().map(operand).collect();
        let count = code.sub(seen.to, seen.from);
        let pointers = Softmax { scores, reciprocal, operands, scratch: frame.scratch.clone() };
        nest.call_with(code, self.programs.softmax, pointers, &[(SEEN, count)]);
    }

    /// Makes scores 0.
    fn clear(&self, code: &mut FunctionCode<'_, '_>, scores: Pointer, keys: Span) {
        let row = moved_floats(code, scores, keys.from, 1);
        let count = code.sub(keys.to, keys.from);
        self.nest.call_with(code, self.programs.clear, InPlace { row }, &[(SEEN, count)]);
    }

    /// Packs the keys that are seen into panels of 16 keys, their values into panels of 16 columns.
    fn pack(&self, code: &mut FunctionCode<'_, '_>) {
        let (spec, nest, programs) = (self.spec, self.nest, self.programs);
        let last = code.add_imm(self.frame.queries, -1);
        let (from, to) = (self.seen(code, self.frame.zero).from, self.seen(code, last).to);
        let (keys, width) = (nest.len(code, spec.keys), code.int(spec.width));
        let finite = sees_part(spec).then_some(self.frame.sums);
        if let Some(row) = finite {
            nest.call_with(code, programs.clear, InPlace { row }, &[(SEEN, width)]);
        }
        code.for_each(from, to, 1, &mut |code, key| {
            let from = row_at(nest, code, &spec.k, self.k, key);
            let to = panel_column(code, self.frame.packed_keys, width, key);
            nest.call(code, programs.pack_key, Copy { from, to });
            let panels = self.value_panels(code, keys, key);
            nest.call(code, programs.pack_value, PackValue { panels, finite });
        });
    }

    /// The parts of the values of a key, and where each goes: to a row of a panel.
    fn value_panels(&self, code: &mut FunctionCode<'_, '_>, keys: Value, key: Value) -> Vec<[Pointer; 2]> {
        let (spec, nest) = (self.spec, self.nest);
        let value = row_at(nest, code, &spec.v, self.v, key);
        let row = code.mul_imm(key, PANEL * 4);
        (0..spec.panels())
            .map(|panel| {
                let first = panel * PANEL;
                let skip = code.int(first);
                let skip = nest.times(code, skip, spec.v.step);
                let skip = code.mul_imm(skip, spec.v.mem.size());
                let from = code.moved(value, skip);
                let before = code.mul_imm(keys, first * 4);
                let at = code.add(before, row);
                [from, code.moved(self.frame.packed_values, at)]
            })
            .collect()
    }
}
