//! The programs of attention for queries that are worked on one by one.

use crate::code::{FunctionCode, Pointer};
use crate::lanes::x86::Width;
use crate::lanes::{Bin, Inst, Len, Mem, Program, Reduce, RowReduction, ScalarOutput, Stmt, Ty};
use crate::loops::nest::{Pointers, Pool, ProgramId};
use crate::loops::program::{InPlace, load, load_of, map, push, store, store_of};
use crate::loops::sums;
use crate::machine::Machine;
use crate::spec::AttentionSpec;
use cranelift::codegen::ir::{Value, types};
use cranelift::prelude::*;

/// At most this many queries are worked on one by one; packing the keys pays from more on.
const FEW: i64 = 4;

/// Whether queries may be few: they are fewer than keys.
pub fn applies(spec: &AttentionSpec) -> bool {
    let few = match spec.queries {
        Len::Const(n) => n <= FEW,
        queries => queries != spec.keys,
    };
    few && spec.k.step.is(1) && spec.v.step.is(1)
}

/// Whether queries are so few that they are worked on one by one.
pub fn few(spec: &AttentionSpec, code: &mut FunctionCode<'_, '_>, queries: Value) -> Value {
    match spec.queries {
        _ if !applies(spec) => code.ins().iconst(types::I8, 0),
        Len::Const(_) => code.ins().iconst(types::I8, 1),
        _ => code.ins().icmp_imm_s(IntCC::SignedLessThanOrEqual, queries, FEW),
    }
}

/// Rows done together, each from a place of its own: one stream does not keep memory busy, eight do.
/// Registers hold a sum and a vector of each.
fn places(machine: Machine) -> u16 {
    if machine.width == Some(Width::Z) { 8 } else { 6 }
}

/// A program for rows at several places at once, and the same for one row.
pub struct AtPlaces {
    pub all: ProgramId<RowsAtPlaces>,
    pub one: ProgramId<RowsAtPlaces>,
}

/// The programs of queries that are worked on one by one.
pub struct FewPrograms {
    /// Rows done together.
    pub places: u16,
    pub scores: AtPlaces,
    pub clear: ProgramId<InPlace>,
    pub weighted: AtPlaces,
    pub scaled: ProgramId<Scaled>,
    pub add_part: ProgramId<InPlace>,
}

impl FewPrograms {
    /// Adds the programs.
    pub fn new(spec: &AttentionSpec, machine: Machine, pool: &mut Pool) -> FewPrograms {
        let places = places(machine);
        FewPrograms {
            places,
            scores: AtPlaces { all: pool.add(&scores(spec, places)), one: pool.add(&scores(spec, 1)) },
            clear: pool.add(&sums::clear(spec.width)),
            weighted: AtPlaces { all: pool.add(&weighted(spec, places)), one: pool.add(&weighted(spec, 1)) },
            scaled: pool.add(&scaled(spec)),
            add_part: pool.add(&sums::add_part(spec.width)),
        }
    }
}

/// The pointers of [`scores`] and [`weighted`].
pub struct RowsAtPlaces {
    /// The query, or the sums.
    pub single: Pointer,
    /// A key or a row of values at each place.
    pub rows: Vec<Pointer>,
    /// The score of each.
    pub scores: Vec<Pointer>,
}

impl Pointers for RowsAtPlaces {
    fn in_order(self) -> Vec<Pointer> {
        let mut all = vec![self.single];
        all.extend(self.rows);
        all.extend(self.scores);
        all
    }
}

impl RowsAtPlaces {
    const SINGLE: u16 = 0;

    fn row(place: u16) -> u16 {
        1 + place
    }

    fn score(place: u16, places: u16) -> u16 {
        1 + places + place
    }

    /// The number of pointers.
    fn count(places: u16) -> u16 {
        1 + 2 * places
    }
}

/// The program of these statements, with the pointers of [`RowsAtPlaces`].
fn of_rows(places: u16, stmts: Vec<Stmt>) -> Program {
    Program { ptrs: RowsAtPlaces::count(places), slots: places, stmts, ..Program::default() }
}

/// The scores of a query with the keys at each place.
fn scores(spec: &AttentionSpec, places: u16) -> Program {
    let (mut body, mut reductions) = (Vec::new(), Vec::new());
    let q = push(&mut body, load_of(RowsAtPlaces::SINGLE, Len::ONE, spec.q.mem));
    for i in 0..places {
        let k = push(&mut body, load_of(RowsAtPlaces::row(i), spec.k.step, spec.k.mem));
        let product = push(&mut body, Inst::Bin(Bin::Mul, q, k));
        reductions.push(RowReduction { how: Reduce::Sum, value: product, slot: i });
    }
    let dots = Stmt::Map { len: Len::Const(spec.width), body, reductions };
    let mut body = Vec::new();
    let scale = push(&mut body, Inst::Float(spec.scale));
    for i in 0..places {
        let dot = push(&mut body, Inst::Slot(i, Ty::F));
        let value = push(&mut body, Inst::Bin(Bin::Mul, dot, scale));
        push(&mut body, store_of(RowsAtPlaces::score(i, places), Len::ZERO, Mem::F32, value));
    }
    of_rows(places, vec![dots, Stmt::Scalar { body, outs: Vec::new() }])
}

/// Adds the rows of values at each place, weighted by their scores, to the sums.
fn weighted(spec: &AttentionSpec, places: u16) -> Program {
    let (mut body, mut outs) = (Vec::new(), Vec::new());
    for i in 0..places {
        let value = push(&mut body, load_of(RowsAtPlaces::score(i, places), Len::ZERO, Mem::F32));
        outs.push(ScalarOutput { value, slot: i });
    }
    let weights = Stmt::Scalar { body, outs };
    let mut body = Vec::new();
    let mut sum = load(&mut body, RowsAtPlaces::SINGLE);
    for i in 0..places {
        let weight = push(&mut body, Inst::Slot(i, Ty::F));
        let value = push(&mut body, load_of(RowsAtPlaces::row(i), spec.v.step, spec.v.mem));
        sum = push(&mut body, Inst::Fma(weight, value, sum));
    }
    store(&mut body, RowsAtPlaces::SINGLE, sum);
    of_rows(places, vec![weights, Stmt::Map { len: Len::Const(spec.width), body, reductions: Vec::new() }])
}

/// The pointers of [`scaled`].
pub struct Scaled {
    pub reciprocal: Pointer,
    pub sums: Pointer,
    pub out: Pointer,
}

impl Pointers for Scaled {
    fn in_order(self) -> Vec<Pointer> {
        vec![self.reciprocal, self.sums, self.out]
    }
}

impl Scaled {
    const RECIPROCAL: u16 = 0;
    const SUMS: u16 = 1;
    const OUT: u16 = 2;
}

/// The sums times the reciprocal of the weights' sum.
fn scaled(spec: &AttentionSpec) -> Program {
    let (mut body, mut derived) = (Vec::new(), Vec::new());
    let by = push(&mut body, load_of(Scaled::RECIPROCAL, Len::ZERO, Mem::F32));
    let sum = sums::whole(spec.width, &mut body, &mut derived, Scaled::SUMS);
    let value = push(&mut body, Inst::Bin(Bin::Mul, sum, by));
    push(&mut body, store_of(Scaled::OUT, Len::ONE, spec.out.mem, value));
    map(spec.width, 3, derived, body)
}
