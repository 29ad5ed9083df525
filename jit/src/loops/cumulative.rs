//! Sums that go on along an axis. A unit is one sequence: rows of elements are added to a row of sums, one
//! after the other, and each sum is stored.

use super::LoopNest;
use super::address::{address, coordinates, row_at};
use super::nest::{Nest, Pointers, Pool, ProgramId, Span};
use super::program::{InPlace, fill, load_of, push, store_of};
use crate::code::{FunctionCode, Pointer};
use crate::lanes::{Bin, Cmp, Inst, Len, Mem, Program, Stmt};
use crate::spec::CumulativeSpec;

/// The loop nest of cumulative sums.
pub struct Cumulative<'s> {
    spec: &'s CumulativeSpec,
    clear: ProgramId<InPlace>,
    step: ProgramId<Step>,
}

/// The pointers of [`step`].
pub struct Step {
    from: Pointer,
    to: Pointer,
    sums: Pointer,
    lost: Pointer,
}

impl Pointers for Step {
    fn in_order(self) -> Vec<Pointer> {
        vec![self.from, self.to, self.sums, self.lost]
    }
}

impl Step {
    const FROM: u16 = 0;
    const TO: u16 = 1;
    const SUMS: u16 = 2;
    const LOST: u16 = 3;
}

/// Adds a row to the sums and stores them. What a sum of floats loses to rounding is summed as well, so that
/// the error does not grow with the length (Neumaier 1974).
fn step(spec: &CumulativeSpec) -> Program {
    let mut body = Vec::new();
    let x = push(&mut body, load_of(Step::FROM, spec.from.step, spec.from.mem));
    let sum = push(&mut body, load_of(Step::SUMS, Len::ONE, spec.from.mem));
    let all = if spec.from.mem == Mem::I32 {
        let all = push(&mut body, Inst::Bin(Bin::IAdd, sum, x));
        push(&mut body, store_of(Step::SUMS, Len::ONE, Mem::I32, all));
        all
    } else {
        let mut float = |op, a, b| push(&mut body, Inst::Bin(op, a, b));
        let all = float(Bin::Add, sum, x);
        // The exact error of the addition (Knuth's two-sum).
        let added = float(Bin::Sub, all, sum);
        let kept = float(Bin::Sub, all, added);
        let of_sum = float(Bin::Sub, sum, kept);
        let of_x = float(Bin::Sub, x, added);
        let error = float(Bin::Add, of_sum, of_x);
        let lost = push(&mut body, load_of(Step::LOST, Len::ONE, Mem::F32));
        let lost = push(&mut body, Inst::Bin(Bin::Add, lost, error));
        push(&mut body, store_of(Step::SUMS, Len::ONE, Mem::F32, all));
        push(&mut body, store_of(Step::LOST, Len::ONE, Mem::F32, lost));
        let whole = push(&mut body, Inst::Bin(Bin::Add, all, lost));
        // What is lost is NaN where a sum is infinite.
        let valid = push(&mut body, Inst::Cmp(Cmp::Eq, whole, whole));
        push(&mut body, Inst::Select(valid, whole, all))
    };
    push(&mut body, store_of(Step::TO, spec.to.step, spec.to.mem, all));
    let stmts = vec![Stmt::Map { len: spec.len, body, reductions: Vec::new() }];
    Program { ptrs: 4, stmts, ..Program::default() }
}

impl<'s> Cumulative<'s> {
    /// Adds the programs.
    pub fn new(spec: &'s CumulativeSpec, pool: &mut Pool) -> Cumulative<'s> {
        Cumulative { spec, clear: pool.add(&fill(spec.len, 0)), step: pool.add(&step(spec)) }
    }
}

impl LoopNest for Cumulative<'_> {
    fn build(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, units: Span) {
        let spec = self.spec;
        let sums = nest.scratch(code, spec.scratch);
        let len = nest.len(code, spec.len);
        let bytes = code.mul_imm(len, 4);
        let lost = code.moved(sums, bytes);
        let (zero, steps) = (code.int(0), nest.len(code, spec.steps));
        code.for_each(units.from, units.to, 1, &mut |code, unit| {
            let coords = coordinates(nest, code, unit, &spec.outer);
            let from = address(nest, code, &spec.from, &coords);
            let to = address(nest, code, &spec.to, &coords);
            for row in [sums, lost] {
                nest.call(code, self.clear, InPlace { row });
            }
            code.for_each(zero, steps, 1, &mut |code, i| {
                let from = row_at(nest, code, &spec.from, from, i);
                let to = row_at(nest, code, &spec.to, to, i);
                nest.call(code, self.step, Step { from, to, sums, lost });
            });
        });
    }
}
