//! Row kernels: for each row the addresses of its slots, then the work. Where rows are summed, a unit is a
//! part of them: its sums begin as zeros, and the work on each row adds to them.

use super::LoopNest;
use super::address::{address, coordinates, gathered, moved_floats};
use super::conv::reduce::ReducedWindow;
use super::conv::window::Border;
use super::nest::{Nest, Pool, ProgramId, Span};
use super::program::{InPlace, WorkPointers, fill};
use crate::code::{FunctionCode, Pointer};
use crate::spec::{RowSpec, RowSums, RowWindow, WindowReduction, WorkPart};
use cranelift::codegen::ir::Value;

/// The loop nest of a row kernel.
pub struct Rows<'s> {
    spec: &'s RowSpec,
    work: ProgramId<WorkPointers>,
    window: Option<WindowNest<'s>>,
    /// The row sums of the spec, and what clears one.
    sums: Option<(&'s RowSums, ProgramId<InPlace>)>,
}

/// The window of a row kernel, and what becomes of its elements before the work.
struct WindowNest<'s> {
    spec: &'s RowWindow,
    how: WindowUse<'s>,
}

enum WindowUse<'s> {
    /// They are reduced to one row.
    Reduced(ReducedWindow<'s>),
    /// The work reads the rows of the window.
    Read(Border),
}

impl<'s> Rows<'s> {
    /// Adds the programs.
    pub fn new(spec: &'s RowSpec, pool: &mut Pool) -> Rows<'s> {
        let work = pool.add_part(&spec.work.program, WorkPart::Work(0));
        let window = spec.window.as_ref().map(|seen| {
            let how = match seen.reduction {
                Some(how) => WindowUse::Reduced(ReducedWindow::new(&seen.window, how, pool)),
                None => WindowUse::Read(Border::new(seen.window.clone(), pool)),
            };
            WindowNest { spec: seen, how }
        });
        let sums = spec.sums.as_ref().map(|sums| (sums, pool.add(&fill(spec.len, 0))));
        Rows { spec, work, window, sums }
    }

    /// Emits the loop over these rows. `sums` are the slots of row sums, and where those of the part are.
    fn rows(
        &self,
        nest: &Nest,
        code: &mut FunctionCode<'_, '_>,
        rows: Span,
        scratch: &[Pointer],
        sums: &[(u16, Pointer)],
    ) {
        code.for_each(rows.from, rows.to, 1, &mut |code, row| {
            let coords = coordinates(nest, code, row, &self.spec.outer);
            let mut slots: Vec<Pointer> = (self.spec.slots.iter().enumerate())
                .map(|(i, slot)| match sums.iter().find(|(sum, _)| usize::from(*sum) == i) {
                    Some((_, pointer)) => *pointer,
                    None => gathered(nest, code, slot, &coords, row, i),
                })
                .collect();
            if let Some(seen) = &self.window {
                let rows = self.window_rows(seen, nest, code, &coords, &slots);
                let first = seen.spec.first;
                slots.splice(first..first + rows.len(), rows);
            }
            nest.call(code, self.work, WorkPointers { slots, scratch: scratch.to_vec() });
        });
    }

    /// The rows of a part.
    fn part(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, number: Value, part: i64) -> Span {
        let mut all = code.int(1);
        for axis in &self.spec.outer {
            all = nest.times(code, all, *axis);
        }
        if part == 0 {
            return Span { from: code.int(0), to: all };
        }
        let from = code.mul_imm(number, part);
        let end = code.add_imm(from, part);
        Span { from, to: code.min(end, all) }
    }

    /// What the work reads of the window at these coordinates: its rows, on the image or in a patch; or the
    /// row to which it is reduced.
    fn window_rows(
        &self,
        seen: &WindowNest<'_>,
        nest: &Nest,
        code: &mut FunctionCode<'_, '_>,
        coords: &[Value],
        slots: &[Pointer],
    ) -> Vec<Pointer> {
        let Some(buffer) = self.spec.scratch else { return Vec::new() };
        let base = nest.scratch(code, buffer);
        let len = nest.len(code, self.spec.len);
        let bytes = code.mul_imm(len, 4 * i64::from(self.spec.work.scratch_rows));
        let memory = code.moved(base, bytes);
        let (image, at) = (coords[0], [coords[1], coords[2]]);
        match &seen.how {
            WindowUse::Reduced(reduction) => {
                let filters = match seen.spec.reduction {
                    Some(WindowReduction::Filtered { slot, .. }) => Some(slots[slot]),
                    _ => None,
                };
                reduction.build(nest, code, image, at, memory, filters);
                vec![memory]
            }
            WindowUse::Read(border) => border.rows(nest, code, image, at, memory),
        }
    }

    fn scratch_rows(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>) -> Vec<Pointer> {
        let Some(buffer) = self.spec.scratch else { return Vec::new() };
        let base = nest.scratch(code, buffer);
        let len = nest.len(code, self.spec.len);
        (0..self.spec.work.scratch_rows)
            .map(|i| {
                let bytes = code.mul_imm(len, 4 * i64::from(i));
                code.moved(base, bytes)
            })
            .collect()
    }
}

impl LoopNest for Rows<'_> {
    fn build(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, units: Span) {
        let scratch = self.scratch_rows(nest, code);
        let Some((sums, clear)) = &self.sums else { return self.rows(nest, code, units, &scratch, &[]) };
        code.for_each(units.from, units.to, 1, &mut |code, number| {
            let before = nest.times(code, number, self.spec.len);
            let begin = |slot: &u16| {
                let first = address(nest, code, &self.spec.slots[usize::from(*slot)], &[]);
                let row = moved_floats(code, first, before, 1);
                nest.call(code, *clear, InPlace { row });
                (*slot, row)
            };
            let slots: Vec<(u16, Pointer)> = sums.slots.iter().map(begin).collect();
            let rows = self.part(nest, code, number, sums.part);
            self.rows(nest, code, rows, &scratch, &slots);
        });
    }
}
