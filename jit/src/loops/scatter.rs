//! Sums of rows by ids. A call makes its rows of the result zeros, then goes through all ids in their order
//! and adds the rows whose ids name rows of its own. So no two threads add to one row, and the order of the
//! additions does not depend on how rows are divided.

use super::LoopNest;
use super::address::{address, checked_id, coordinates, named_row};
use super::nest::{Nest, Pool, ProgramId, Span};
use super::program::{Copy, InPlace, fill, load, load_of, push, store};
use crate::code::FunctionCode;
use crate::lanes::{Bin, Inst, Len, Local, Program, Stmt};
use crate::spec::ScatterSpec;
use cranelift::prelude::*;

/// Elements of all rows of a call.
const ALL: Local = Local(0);

/// The loop nest of sums by ids.
pub struct Scatter<'s> {
    spec: &'s ScatterSpec,
    clear: ProgramId<InPlace>,
    add: ProgramId<Copy>,
}

/// Adds a row to another.
fn add(spec: &ScatterSpec) -> Program {
    let mut body = Vec::new();
    let x = push(&mut body, load_of(Copy::FROM, spec.from.step, spec.from.mem));
    let sum = load(&mut body, Copy::TO);
    let sum = push(&mut body, Inst::Bin(Bin::Add, sum, x));
    store(&mut body, Copy::TO, sum);
    let stmts = vec![Stmt::Map { len: spec.len, body, reductions: Vec::new() }];
    Program { ptrs: 2, stmts, ..Program::default() }
}

impl<'s> Scatter<'s> {
    /// Adds the programs.
    pub fn new(spec: &'s ScatterSpec, pool: &mut Pool) -> Scatter<'s> {
        Scatter { spec, clear: pool.add(&fill(Len::Local(ALL), 0)), add: pool.add(&add(spec)) }
    }
}

impl LoopNest for Scatter<'_> {
    fn build(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, units: Span) {
        let spec = self.spec;
        let Some(gather) = &spec.to.gather else { return };
        let result = address(nest, code, &spec.to, &[]);
        let rows = nest.len(code, gather.rows);
        // The last unit is no row.
        let (first, end) = (code.min(units.from, rows), code.min(units.to, rows));
        let count = code.sub(end, first);
        let all = nest.times(code, count, spec.len);
        let row = named_row(nest, code, &spec.to, gather, result, first);
        nest.call_with(code, self.clear, InPlace { row }, &[(ALL, all)]);
        let zero = code.int(0);
        let mut ids = code.int(1);
        for axis in &spec.axes {
            ids = nest.times(code, ids, *axis);
        }
        code.for_each(zero, ids, 1, &mut |code, i| {
            let coords = coordinates(nest, code, i, &spec.axes);
            let id = checked_id(nest, code, gather, &coords, i, 0);
            let after = code.sub(id, first);
            let own = code.ins().icmp(IntCC::UnsignedLessThan, after, count);
            code.when(own, &mut |code| {
                let from = address(nest, code, &spec.from, &coords);
                let to = named_row(nest, code, &spec.to, gather, result, id);
                nest.call(code, self.add, Copy { from, to });
            });
        });
    }
}
