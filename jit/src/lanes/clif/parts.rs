//! Sums in parts: partial sums go to totals in the frame, as [`Total`](super::Total) says.

use super::*;
use crate::code::Iteration;
use cranelift::codegen::ir::{StackSlot, StackSlotData, StackSlotKind};

/// The totals of some sums, if there may be so many iterations that there are parts.
pub struct Sums(Option<Totals>);

struct Totals {
    slot: StackSlot,
    ty: Type,
    /// Whether the loop has a whole part, as a number.
    some: Value,
    parts: Parts,
}

impl Totals {
    /// Where a total is, and what was lost to rounding.
    fn at(&self, n: usize) -> (i32, i32) {
        let bytes = self.ty.bytes() as i32;
        (2 * n as i32 * bytes, (2 * n as i32 + 1) * bytes)
    }
}

impl Sums {
    /// Totals of `count` sums like `zero` over a loop of steps of `step` up to `end`, which is `known` or
    /// not.
    pub fn new(
        code: &mut FunctionCode<'_, '_>,
        (end, known): (Value, Option<i64>),
        step: i64,
        count: usize,
        zero: Value,
    ) -> Sums {
        let parts = Parts::of(known.map(|n| n / step));
        if count == 0 || parts == Parts::None {
            return Sums(None);
        }
        let ty = code.builder.func.dfg.value_type(zero);
        let align = ty.bytes().trailing_zeros() as u8;
        let slot = code.builder.create_sized_stack_slot(StackSlotData::new(
            StackSlotKind::ExplicitSlot,
            2 * count as u32 * ty.bytes(),
            align,
        ));
        let some = code.ins().icmp_imm_s(IntCC::SignedGreaterThanOrEqual, end, PART * step);
        let some = code.ins().uextend(I64, some);
        let totals = Totals { slot, ty, some, parts };
        code.when(some, &mut |code| {
            for n in 0..count {
                let (sum, lost) = totals.at(n);
                code.ins().stack_store(I64, zero, slot, sum);
                code.ins().stack_store(I64, zero, slot, lost);
            }
        });
        Sums(Some(totals))
    }

    /// A loop from 0 to `end`, a multiple of `step`. Where a part begins, `add` gives the partial sums to
    /// [`Sums::add`] and returns the values to go on with.
    pub fn run(
        &self,
        code: &mut FunctionCode<'_, '_>,
        (end, step): (Value, i64),
        start: &[Value],
        add: &mut dyn FnMut(&mut FunctionCode<'_, '_>, &[Value]) -> Vec<Value>,
        iteration: Iteration<'_>,
    ) -> Vec<Value> {
        let zero = code.int(0);
        if self.0.is_none() {
            return code.for_range(zero, end, step, start, iteration);
        }
        let part = PART * step;
        let remainder = code.ins().urem_imm_u(end, part);
        let acc = code.for_range(zero, remainder, step, start, iteration);
        code.for_range(remainder, end, part, &acc, &mut |code, i, acc| {
            let acc = add(code, acc);
            let to = code.add_imm(i, part);
            code.for_range(i, to, step, &acc, iteration)
        })
    }

    /// Adds partial sums to their totals.
    pub fn add(&self, code: &mut FunctionCode<'_, '_>, parts: &[Value]) {
        let Some(totals) = &self.0 else { return };
        for (n, part) in parts.iter().enumerate() {
            let (at, lost_at) = totals.at(n);
            let total = code.ins().stack_load(I64, totals.ty, totals.slot, at);
            let sum = code.ins().fadd(total, *part);
            code.ins().stack_store(I64, sum, totals.slot, at);
            if totals.parts != Parts::Many {
                continue;
            }
            let lost = code.ins().stack_load(I64, totals.ty, totals.slot, lost_at);
            let change = code.ins().fsub(sum, total);
            let error = code.ins().fsub(*part, change);
            let lost = code.ins().fadd(lost, error);
            code.ins().stack_store(I64, lost, totals.slot, lost_at);
        }
    }

    /// The whole sums, of the last parts.
    pub fn with(&self, code: &mut FunctionCode<'_, '_>, parts: &[Value]) -> Vec<Value> {
        let Some(totals) = &self.0 else { return parts.to_vec() };
        let zero = code.int(0);
        // One iteration or none.
        code.for_range(zero, totals.some, 1, parts, &mut |code, _, parts| {
            let whole = |(n, part): (usize, &Value)| {
                let (at, lost_at) = totals.at(n);
                let total = code.ins().stack_load(I64, totals.ty, totals.slot, at);
                let plain = code.ins().fadd(*part, total);
                if totals.parts != Parts::Many {
                    return plain;
                }
                let lost = code.ins().stack_load(I64, totals.ty, totals.slot, lost_at);
                let all = code.ins().fadd(*part, lost);
                let all = code.ins().fadd(total, all);
                // What is lost is NaN where a total is infinite.
                let valid = code.ins().fcmp(FloatCC::Ordered, all, all);
                if totals.ty.is_vector() {
                    let valid = code.ins().bitcast(totals.ty, lane_order(), valid);
                    code.ins().bitselect(valid, all, plain)
                } else {
                    code.ins().select(valid, all, plain)
                }
            };
            parts.iter().enumerate().map(whole).collect()
        })
    }
}
