//! Emitted code between inaccessible pages: every pointer's extent ends where one begins, then begins where
//! one ends, so that reading or writing one byte beside it is a fault. Results are compared with the
//! oracle's.
//!
//! A fault ends the process; `guard-<isa>.txt` in cargo's directory for test data then names the case.

// Runs generated code between inaccessible pages.
#![allow(unsafe_code)]

mod common;

use common::rows::random_rows;
use common::tiles::tile;
use common::{Case, Rng};
use region::{Allocation, Protection};
use std::collections::HashSet;
use std::path::Path;
use tancho_jit::lanes::oracle::{self, Memory};
use tancho_jit::testing::Function;
use tancho_jit::{CompileError, Isa};

/// Distinct programs for each level.
const KERNELS: usize = 10_000;
/// Programs compiled together.
const BATCH: u64 = 500;
/// Bytes between two guards: more than any buffer has.
const CAPACITY: usize = 1 << 18;
/// Buffers of one case.
const BUFFERS: usize = 24;
/// What is around a buffer on its open side.
const MARGIN: [u8; 128] = [0xa5; 128];

/// Memory for buffers with an inaccessible page before and behind each.
struct Guarded {
    memory: Allocation,
}

impl Guarded {
    fn new() -> Guarded {
        let (page, stride) = (region::page::size(), CAPACITY + region::page::size());
        let memory = region::alloc(BUFFERS * stride + page, Protection::READ_WRITE).expect("memory");
        for i in 0..=BUFFERS {
            let at = memory.as_ptr::<u8>().wrapping_add(i * stride);
            // SAFETY: whole pages inside of the allocation, to which nothing refers.
            unsafe { region::protect(at, page, Protection::NONE) }.expect("a guard");
        }
        Guarded { memory }
    }

    /// The memory between two guards; the borrow keeps it the only reference.
    fn guarded(&mut self, i: usize) -> &mut [u8] {
        assert!(i < BUFFERS, "too many buffers");
        let page = region::page::size();
        let at = self.memory.as_mut_ptr::<u8>().wrapping_add(i * (CAPACITY + page) + page);
        // SAFETY: the bytes between two guards of the allocation, which are initialised (anonymous memory),
        // and `self` is borrowed as long as they are.
        unsafe { std::slice::from_raw_parts_mut(at, CAPACITY) }
    }

    /// Runs a function on copies of the buffers, at the end or the start of their memory.
    fn run(&mut self, f: &Function, case: &Case, at_end: bool, at: impl Fn() -> String) -> Memory {
        let place = |len: usize| if at_end { CAPACITY - len..CAPACITY } else { 0..len };
        let margin = |len: usize| {
            if at_end { CAPACITY - len - MARGIN.len()..CAPACITY - len } else { len..len + MARGIN.len() }
        };
        let mut bases = Vec::new();
        for (i, b) in case.memory.iter().enumerate() {
            let guarded = self.guarded(i);
            guarded[place(b.len())].copy_from_slice(b);
            guarded[margin(b.len())].copy_from_slice(&MARGIN);
            bases.push(guarded[place(b.len())].as_mut_ptr());
        }
        let ptrs: Vec<*mut u8> =
            case.ptrs.iter().map(|(b, at)| bases[*b].wrapping_add(*at as usize)).collect();
        // SAFETY: the oracle has run the case on buffers of these sizes, and the guarded memory is this
        // function's.
        unsafe { f.call(&ptrs, &case.ints) };
        let mut got = Vec::new();
        for (i, b) in case.memory.iter().enumerate() {
            let guarded = self.guarded(i);
            assert!(guarded[margin(b.len())] == MARGIN, "something written beside buffer {i}: {}", at());
            got.push(guarded[place(b.len())].to_vec());
        }
        got
    }
}

/// Rows of up to 200 elements, or a tile of one of the shapes that nests use.
fn case(seed: u64, isa: Isa) -> Case {
    let rng = &mut Rng::new(seed);
    if rng.below(2) == 0 {
        let len = if rng.below(3) == 0 { rng.below(201) } else { rng.below(40) };
        return random_rows(rng.bits(), len as i64, true);
    }
    let many: &[u8] = if isa == Isa::Avx2 { &[6, 4, 2, 1] } else { &[8, 4, 2, 1] };
    let shape = match rng.below(6) {
        0 => (1, rng.pick(&[16, 64, if isa == Isa::Avx2 { 64 } else { 128 }])),
        1 => (rng.pick(many), rng.pick(&[16, if isa == Isa::Avx2 { 16 } else { 48 }])),
        2 => (1, rng.pick(&[1, 4])),
        3 => (1 + rng.below(8) as u8, 1 + rng.below(64) as u8),
        _ => (rng.pick(many), 1 + rng.below(15) as u8),
    };
    let k = if rng.below(4) == 0 { rng.below(80) } else { rng.below(12) };
    tile(rng.bits(), shape, k as i64, true)
}

fn between_guards(isa: Isa) {
    if isa > Isa::host() {
        return;
    }
    let note = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("guard-{isa}.txt"));
    let mut guarded = Guarded::new();
    let (mut seen, mut kernels) = (HashSet::new(), 0);
    for first in (0..).step_by(BATCH as usize) {
        let mut cases: Vec<(u64, Case)> =
            (first..first + BATCH).map(|seed| (seed, case(seed, isa))).collect();
        cases.retain(|(_, c)| seen.insert(c.program.clone()));
        let functions = match Function::wide_all(cases.iter().map(|c| &c.1.program), isa) {
            Err(e @ CompileError::Emitted { .. }) => panic!("seeds from {first}: {e}"),
            functions => functions.expect("compiles"),
        };
        for ((seed, case), f) in cases.iter().zip(functions) {
            let Some(f) = f else { continue };
            let mut want = case.memory.clone();
            oracle::run(&case.program, &mut want, &case.ptrs, &case.ints);
            for at_end in [true, false] {
                let at = || {
                    format!(
                        "seed {seed}, at the {} of its memory, on {isa}, ints {:?}",
                        if at_end { "end" } else { "start" },
                        case.ints
                    )
                };
                std::fs::write(&note, at()).expect("the note is written");
                let got = guarded.run(&f, case, at_end, at);
                case.compare(&got, &want, || format!("{}\n{:#?}", at(), case.program));
            }
            kernels += 1;
        }
        assert!(first < 40 * KERNELS as u64, "the emitter takes {kernels} of {first} programs");
        if kernels >= KERNELS {
            break;
        }
    }
}

#[test]
fn avx2_between_guards() {
    between_guards(Isa::Avx2);
}

#[test]
fn avx512_between_guards() {
    between_guards(Isa::Avx512);
}
