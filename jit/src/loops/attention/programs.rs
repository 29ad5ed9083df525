//! The programs of attention, but for those of few queries.

use super::few_programs::{self, FewPrograms};
use crate::code::Pointer;
use crate::lanes::{Bin, Inst, Len, Local, Mem, PANEL, Program, Ptr, Reduce, RowReduction, Stmt, Ty, derive};
use crate::loops::address::row_stride;
use crate::loops::columns::{ColumnCount, Cut, Tiles};
use crate::loops::nest::{Pointers, Pool, ProgramId};
use crate::loops::program::{self, Copy, InPlace, load_of, store_of};
use crate::loops::tile::TileProgram;
use crate::machine::Machine;
use crate::spec::{AttentionSpec, Encodings, WorkPart};

/// The length of a padded row of scores.
pub const PADDED: Local = Local(0);
/// The keys that a query, or a block of queries, sees.
pub const SEEN: Local = Local(1);

/// Whether queries see a part of the keys by their place.
pub fn sees_part(spec: &AttentionSpec) -> bool {
    spec.causal || spec.window.is_some()
}

/// The programs of attention.
pub struct AttentionPrograms {
    pub pack_key: ProgramId<Copy>,
    pub pack_value: ProgramId<PackValue>,
    pub softmax: ProgramId<Softmax>,
    /// Makes a row 0.
    pub clear: ProgramId<InPlace>,
    /// Where queries see a part of the keys.
    pub sum_of_row: Option<ProgramId<SumOfRow>>,
    pub scores: Tiles,
    pub values: Tiles,
    /// Where queries may be worked on one by one.
    pub few: Option<FewPrograms>,
}

impl AttentionPrograms {
    /// Adds the programs.
    pub fn new(spec: &AttentionSpec, machine: Machine, pool: &mut Pool) -> AttentionPrograms {
        let width = Len::Const(spec.width);
        AttentionPrograms {
            pack_key: pool.add(&program::copy(width, (spec.k.mem, spec.k.step), Len::Const(PANEL))),
            pack_value: pool.add(&pack_value(spec)),
            softmax: pool.add(&spec.softmax(Len::Local(SEEN)).program),
            clear: pool.add(&program::fill(Len::Local(SEEN), 0)),
            sum_of_row: sees_part(spec).then(|| pool.add(&sum_of_row(spec))),
            scores: scores(spec, machine, pool),
            values: values(spec, machine, pool),
            few: (few_programs::applies(spec) || sees_part(spec))
                .then(|| FewPrograms::new(spec, machine, pool)),
        }
    }
}

/// The pointers of [`AttentionSpec::softmax`].
pub struct Softmax {
    pub scores: Pointer,
    pub reciprocal: Pointer,
    /// The mask and the bias, if there are any.
    pub operands: Vec<Pointer>,
    pub scratch: Vec<Pointer>,
}

impl Pointers for Softmax {
    fn in_order(self) -> Vec<Pointer> {
        let mut all = vec![self.scores, self.reciprocal];
        all.extend(self.operands);
        all.extend(self.scratch);
        all
    }
}

/// The pointers of [`pack_value`].
pub struct PackValue {
    /// For each panel its part of the row, then where that goes.
    pub panels: Vec<[Pointer; 2]>,
    /// A row that becomes NaN where a value is not finite; where queries see a part of the keys.
    pub finite: Option<Pointer>,
}

impl Pointers for PackValue {
    fn in_order(self) -> Vec<Pointer> {
        let mut all: Vec<Pointer> = self.panels.into_iter().flatten().collect();
        all.extend(self.finite);
        all
    }
}

impl PackValue {
    fn from(panel: u16) -> u16 {
        2 * panel
    }

    fn to(panel: u16) -> u16 {
        2 * panel + 1
    }

    fn finite(panels: u16) -> u16 {
        2 * panels
    }
}

/// Copies a row of values into panels.
fn pack_value(spec: &AttentionSpec) -> Program {
    let panels = spec.panels();
    let (finite, mut derived) = (PackValue::finite(panels as u16), Vec::new());
    let mut panel = |i: i64| {
        let (from, to) = (PackValue::from(i as u16), PackValue::to(i as u16));
        let mut body = vec![load_of(from, spec.v.step, spec.v.mem), store_of(to, Len::ONE, Mem::F32, 0)];
        if sees_part(spec) {
            let finite = if i == 0 { Ptr::Arg(finite) } else { derive(&mut derived, finite, i * PANEL) };
            body.extend([
                load_of(finite, Len::ONE, Mem::F32),
                Inst::Bin(Bin::Sub, 0, 0),
                Inst::Bin(Bin::Add, 2, 3),
                store_of(finite, Len::ONE, Mem::F32, 4),
            ]);
        }
        Stmt::Map { len: Len::Const((spec.width - i * PANEL).min(PANEL)), body, reductions: Vec::new() }
    };
    let stmts = (0..panels).map(&mut panel).collect();
    Program { ptrs: finite + u16::from(sees_part(spec)), derived, stmts, ..Program::default() }
}

/// The pointers of [`sum_of_row`].
pub struct SumOfRow {
    pub row: Pointer,
    pub sum: Pointer,
}

impl Pointers for SumOfRow {
    fn in_order(self) -> Vec<Pointer> {
        vec![self.row, self.sum]
    }
}

impl SumOfRow {
    const ROW: u16 = 0;
    const SUM: u16 = 1;
}

/// The sum of a row as wide as a head.
fn sum_of_row(spec: &AttentionSpec) -> Program {
    let row = vec![load_of(SumOfRow::ROW, Len::ONE, Mem::F32)];
    let sum = Stmt::Map {
        len: Len::Const(spec.width),
        body: row,
        reductions: vec![RowReduction { how: Reduce::Sum, value: 0, slot: 0 }],
    };
    let store = store_of(SumOfRow::SUM, Len::ZERO, Mem::F32, 0);
    let store = Stmt::Scalar { body: vec![Inst::Slot(0, Ty::F), store], outs: Vec::new() };
    Program { ptrs: 2, slots: 1, stmts: vec![sum, store], ..Program::default() }
}

/// The tiles of the scores. They run over whole panels, so that a run-time number of keys
/// needs no narrow tiles.
fn scores(spec: &AttentionSpec, machine: Machine, pool: &mut Pool) -> Tiles {
    /// The only slot.
    const SCORE: Ptr = Ptr::Arg(0);
    let (main, columns) = (spec.score_cols, ColumnCount::Panels);
    let cut = Cut { machine, main, columns, encodings: Encodings::F32 };
    let width = Len::Const(spec.width);
    let epilogue = [
        Inst::Acc,
        Inst::Float(spec.scale),
        Inst::Bin(Bin::Mul, 0, 1),
        Inst::Store { ptr: SCORE, step: Len::ONE, row_step: Len::Local(PADDED), mem: Mem::F32, value: 2 },
    ];
    Tiles::new(cut.of_rows(spec.queries), pool, WorkPart::Own, |shape| {
        let tile = TileProgram {
            shape,
            k: width,
            panel: width,
            left_row: row_stride(&spec.q),
            left_step: Len::ONE,
            slots: 1,
            epilogue: &epilogue,
            prefetch: 0,
        };
        tile.build()
    })
}

/// The tiles of the matmul with the values.
fn values(spec: &AttentionSpec, machine: Machine, pool: &mut Pool) -> Tiles {
    /// The slots: a result, and the reciprocal of its row.
    const RESULT: Ptr = Ptr::Arg(0);
    const RECIPROCAL: Ptr = Ptr::Arg(1);
    let (main, columns) = (spec.value_cols, ColumnCount::Any(Len::Const(spec.width)));
    let cut = Cut { machine, main, columns, encodings: Encodings::F32 };
    let epilogue = [
        Inst::Acc,
        Inst::Load { ptr: RECIPROCAL, step: Len::ZERO, row_step: Len::ONE, mem: Mem::F32 },
        Inst::Bin(Bin::Mul, 0, 1),
        Inst::Store { ptr: RESULT, step: Len::ONE, row_step: row_stride(&spec.out), mem: Mem::F32, value: 2 },
    ];
    Tiles::new(cut.of_rows(spec.queries), pool, WorkPart::Own, |shape| {
        let tile = TileProgram {
            shape,
            k: if sees_part(spec) { Len::Local(SEEN) } else { spec.keys },
            panel: spec.keys,
            left_row: Len::Local(PADDED),
            left_step: Len::ONE,
            slots: 2,
            epilogue: &epilogue,
            prefetch: 0,
        };
        tile.build()
    })
}
