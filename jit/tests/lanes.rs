//! Lanes programs on every back end against the oracle: bit for bit, but for sums of rows, which each
//! back end adds in an order of its own. Checked mode must find every access inside of its buffer.

mod common;

use common::rows::random_rows;
use common::tiles::{pairs, tile, tile_of};
use common::{Case, Rng, wide};
use std::collections::BTreeSet;
use tancho_jit::Isa;
use tancho_jit::lanes::expr::Expr;
use tancho_jit::lanes::oracle;
use tancho_jit::lanes::schedule::schedule;
use tancho_jit::lanes::{
    Bin, Encoding, Inst, Len, Mem, PART, Program, Ptr, Reduce, RowReduction, Stmt, Tile, Ty, UNROLL,
};
use tancho_jit::testing::Function;

#[test]
fn rows_of_every_length() {
    let mut wide = 0;
    for seed in 0..20 {
        for len in 0..=40 {
            wide += random_rows(seed * 1000 + len as u64, len, false)
                .check(&format!("seed {seed}, {len} elements"))
                - 1;
        }
    }
    assert!(wide > 0 || Isa::host() == Isa::Clif128, "the emitter takes no program");
}

/// Long rows: whole unrolled blocks and every tail.
#[test]
fn long_rows() {
    for (i, len) in [63, 64, 65, 127, 128, 200, 257].into_iter().enumerate() {
        for seed in 0..6 {
            let n = random_rows(90_000 + seed * 10 + i as u64, len, false)
                .check(&format!("seed {seed}, {len} elements"));
            assert!(n > 0);
        }
    }
}

/// Reductions of rows with one special value, at the front, in the middle and in the tail.
#[test]
fn reductions_of_special_values() {
    for kind in [Reduce::Sum, Reduce::Max, Reduce::MaxNan, Reduce::MinNan] {
        for len in [1, 2, 3, 4, 5, 8, 15, 16, 19, 37] {
            let load = Inst::Load { ptr: Ptr::Arg(0), step: Len::ONE, row_step: Len::ZERO, mem: Mem::F32 };
            let keep = Inst::Store {
                ptr: Ptr::Arg(1),
                step: Len::ZERO,
                row_step: Len::ZERO,
                mem: Mem::F32,
                value: 0,
            };
            let mut case = Case {
                program: Program {
                    ptrs: 2,
                    ints: 0,
                    slots: 1,
                    derived: Vec::new(),
                    fixed_sums: false,
                    stmts: vec![
                        Stmt::Map {
                            len: Len::Const(len as i64),
                            body: vec![load],
                            reductions: vec![RowReduction { how: kind, value: 0, slot: 0 }],
                        },
                        Stmt::Scalar { body: vec![Inst::Slot(0, Ty::F), keep], outs: Vec::new() },
                    ],
                },
                ptrs: vec![(0, 0), (1, 0)],
                results: vec![(1, Mem::F32, 1e-5)],
                ..Case::default()
            };
            for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e-45] {
                for at in [0, len / 2, len - 1] {
                    if kind == Reduce::Max && special.is_nan() {
                        continue;
                    }
                    let mut row = vec![-1.0f32; len];
                    row[at] = special;
                    case.memory = vec![row.iter().flat_map(|x| x.to_le_bytes()).collect(), vec![0; 4]];
                    assert!(case.check(&format!("{kind:?} with {special} at {at} of {len}")) > 0);
                }
            }
        }
    }
}

#[test]
fn tiles_of_every_shape() {
    for rows in 1..=4 {
        for cols in [1, 4, 8, 16] {
            for k in 0..=20 {
                let seed = 100_000 + u64::from(rows) * 10_000 + u64::from(cols) * 100 + k as u64;
                assert!(tile(seed, (rows, cols), k, false).check(&format!("{rows} x {cols}, k = {k}")) > 0);
            }
        }
    }
}

/// The emitter's tiles of several panels and more rows.
#[test]
fn wide_tiles() {
    for isa in [Isa::Avx2, Isa::Avx512] {
        let mut emitted = 0;
        for (rows, cols) in [(1, 16), (1, 48), (1, 64), (4, 24), (6, 16), (8, 48), (14, 32), (6, 64), (3, 32)]
        {
            for k in [0, 1, 2, 3, 4, 7, 8, 19, 64] {
                let case = tile(
                    200_000 + u64::from(rows) * 1000 + u64::from(cols) * 10 + k as u64,
                    (rows, cols),
                    k,
                    false,
                );
                let Some(f) = wide(&case.program, isa) else { continue };
                emitted += 1;
                case.agree(&f, &format!("{rows} x {cols}, k = {k} on {isa}"));
            }
        }
        assert!(emitted > 0 || isa > Isa::host(), "no tile for {isa}");
    }
}

/// Sums of so many terms that they are made in parts: one iteration more and less, several parts, every
/// remainder. The parts are the same everywhere, so every bit is.
#[test]
fn tiles_of_long_sums() {
    let iterations = [PART - 1, PART, PART + 1, 2 * PART, 3 * PART - 1];
    for (n, (rows, cols)) in [(1, 16), (4, 16), (3, 5), (2, 24), (6, 16)].into_iter().enumerate() {
        for (i, iterations) in iterations.into_iter().enumerate() {
            for encoding in
                [Encoding::F32, Encoding::Halves, Encoding::Pairs, Encoding::Bytes, Encoding::Nibbles]
            {
                if encoding == Encoding::Pairs && !pairs() {
                    continue;
                }
                let rng = &mut Rng::new(300_000 + 100 * n as u64 + i as u64);
                let case = tile_of(
                    rng,
                    encoding,
                    (rows, cols),
                    (iterations * UNROLL + i as i64) * encoding.unit().min(2),
                    true,
                );
                let what = format!("{encoding:?}, {rows} x {cols}, {iterations} iterations");
                if cols <= 16 {
                    case.check(&what);
                }
                for isa in [Isa::Avx2, Isa::Avx512] {
                    wide(&case.program, isa).iter().for_each(|f| case.agree(f, &format!("{what}, {isa}")));
                }
            }
        }
    }
}

/// A sum of alike numbers has no larger error, however many they are, and infinities and NaN come through.
#[test]
fn sums_of_rows_do_not_lose_digits() {
    let load = Inst::Load { ptr: Ptr::Arg(0), step: Len::ONE, row_step: Len::ZERO, mem: Mem::F32 };
    let keep =
        Inst::Store { ptr: Ptr::Arg(1), step: Len::ZERO, row_step: Len::ZERO, mem: Mem::F32, value: 0 };
    let sum_of = |len: Len, body: Vec<Inst>, term| Program {
        ptrs: 2,
        ints: 1,
        slots: 1,
        derived: Vec::new(),
        fixed_sums: false,
        stmts: vec![
            Stmt::Map {
                len,
                body,
                reductions: vec![RowReduction { how: Reduce::Sum, value: term, slot: 0 }],
            },
            Stmt::Scalar { body: vec![Inst::Slot(0, Ty::F), keep], outs: Vec::new() },
        ],
    };
    for n in [1000i64, 4096, 4097, 70_001, 1 << 20] {
        for len in [Len::Const(n), Len::Arg(0)] {
            for (body, term) in
                [(vec![load], 0), (vec![load, Inst::Float(0.7f32.to_bits()), Inst::Bin(Bin::Mul, 0, 1)], 2)]
            {
                let mut functions = vec![Function::new(&sum_of(len, body.clone(), term)).expect("compiles")];
                functions.extend(
                    [Isa::Avx2, Isa::Avx512]
                        .into_iter()
                        .filter_map(|isa| wide(&sum_of(len, body.clone(), term), isa)),
                );
                for f in &functions {
                    let run = |row: &[f32]| {
                        let mut memory = vec![row.iter().flat_map(|x| x.to_le_bytes()).collect(), vec![0; 4]];
                        assert_eq!(f.run(&mut memory, &[(0, 0), (1, 0)], &[n]), 0, "accesses outside");
                        f32::from_le_bytes(memory[1][..4].try_into().expect("four bytes"))
                    };
                    let factor = if term == 0 { 1.0 } else { f64::from(0.7f32) };
                    for x in [0.1f32, 1.0 / 3.0, 1.1, -7.7] {
                        let want = f64::from(x) * factor * n as f64;
                        let error = (f64::from(run(&vec![x; n as usize])) / want - 1.0).abs();
                        assert!(error < 2e-6, "{n} times {x}, {len:?}: an error of {error:.1e}");
                    }
                    let mut row = vec![1.0f32; n as usize];
                    for (special, want) in [
                        (f32::INFINITY, f32::INFINITY),
                        (f32::NEG_INFINITY, f32::NEG_INFINITY),
                        (f32::NAN, f32::NAN),
                    ] {
                        for at in [0, n as usize / 2, n as usize - 1] {
                            row[at] = special;
                            let got = run(&row);
                            assert!(
                                got == want || (got.is_nan() && want.is_nan()),
                                "{special} at {at} of {n}: {got}"
                            );
                            row[at] = 1.0;
                        }
                    }
                    // The total leaves the range of f32 in one of its parts.
                    assert_eq!(run(&vec![3e38; n as usize]), f32::INFINITY, "{n} times 3e38");
                }
            }
        }
    }
}

/// Tiles of integers in groups, as many at a time as registers hold; the machine's own instruction does them
/// if it has it.
#[test]
fn tiles_of_integers() {
    for encoding in [Encoding::Bytes, Encoding::Nibbles] {
        for (rows, cols) in [
            (1, 16),
            (1, 5),
            (1, 128),
            (1, 112),
            (1, 32),
            (1, 24),
            (2, 16),
            (2, 13),
            (2, 32),
            (3, 20),
            (4, 32),
            (6, 32),
            (8, 16),
            (1, 1),
            (4, 8),
        ] {
            for groups in [0, 1, 2, 3] {
                let rng = &mut Rng::new(u64::from(rows) * 1000 + u64::from(cols) * 10 + groups as u64);
                for plain in [false, true] {
                    let case = tile_of(rng, encoding, (rows, cols), groups, plain);
                    let what = format!("{encoding:?}, {rows} x {cols}, {groups} groups");
                    if cols <= 16 {
                        case.check(&what);
                    }
                    // With and without VNNI; the registers of AVX2 hold fewer.
                    let large = rows > 2 || cols > 32 || (rows > 1 && cols > 16);
                    for (isa, with, does) in [
                        (Isa::Avx512, true, true),
                        (Isa::Avx512, false, true),
                        (Isa::Avx2, true, !large),
                        (Isa::Avx2, false, !large),
                    ] {
                        let Ok(emitted) = Function::wide_by(&case.program, isa, with) else { continue };
                        emitted.iter().for_each(|f| case.agree(f, &format!("{what}, {isa}, VNNI {with}")));
                        // Programs that are not plain may need more registers for their bodies than there
                        // are.
                        assert!(
                            emitted.is_some() || !does || !plain,
                            "{what} is left to Cranelift by {isa}, VNNI {with}"
                        );
                    }
                }
            }
        }
    }
}

/// A program that reads or writes beyond its buffers: checked mode counts it, and nothing else is touched.
#[test]
fn checked_mode_finds_every_access_outside() {
    for len in [1i64, 4, 7, 33] {
        let body = vec![
            Inst::Load { ptr: Ptr::Arg(0), step: Len::ONE, row_step: Len::ZERO, mem: Mem::F32 },
            Inst::Store { ptr: Ptr::Arg(1), step: Len::ONE, row_step: Len::ZERO, mem: Mem::F32, value: 0 },
        ];
        let program = Program {
            ptrs: 2,
            ints: 1,
            slots: 0,
            derived: Vec::new(),
            fixed_sums: false,
            stmts: vec![Stmt::Map { len: Len::Arg(0), body, reductions: Vec::new() }],
        };
        let f = Function::new(&program).expect("compiles");
        let (short, fits) = (4 * (len as usize - 1), 4 * len as usize);
        for (from, to, from_at, to_at, good) in [
            (fits, fits, 0, 0, true),
            (short, fits, 0, 0, false),
            (fits, short, 0, 0, false),
            (fits, fits, -4, 0, false),
            (fits, fits, 0, 4, false),
            (0, 0, 0, 0, false),
        ] {
            let mut memory = vec![vec![1u8; from], vec![2u8; to]];
            let outside = f.run(&mut memory, &[(0, from_at), (1, to_at)], &[len]);
            assert_eq!(outside == 0, good, "{len}: {from} {to} {from_at} {to_at}: {outside}");
            assert!(memory[0].iter().all(|b| *b == 1), "what is only read stays");
        }
    }
}

#[test]
fn the_programs_have_every_instruction() {
    let mut seen = BTreeSet::new();
    let mut note = |p: &Program| {
        for stmt in &p.stmts {
            let (Stmt::Scalar { body, .. } | Stmt::Map { body, .. } | Stmt::Tile(Tile { body, .. })) = stmt;
            seen.extend(body.iter().map(|i| match i {
                Inst::Un(op, _) => format!("{op:?}"),
                Inst::Bin(op, ..) => format!("{op:?}"),
                Inst::Cmp(op, ..) => format!("{op:?}"),
                Inst::Load { mem, .. } => format!("load {mem:?}"),
                Inst::Store { mem, .. } => format!("store {mem:?}"),
                other => format!("{other:?}").split('(').next().unwrap_or_default().to_string(),
            }));
            if let Stmt::Map { reductions, .. } = stmt {
                seen.extend(reductions.iter().map(|f| format!("reduction {:?}", f.how)));
            }
        }
    };
    for seed in 0..200 {
        note(&random_rows(seed * 1000 + 7, 7, false).program);
        note(&tile(seed, (2, 8), 5, false).program);
    }
    // 8 functions of one lane, 15 of two, 6 comparisons, loads and stores of 5 kinds, 7 reductions; and
    // Float, Int, ArgInt, Slot, Index, Acc, Fma and Select.
    assert_eq!(seen.len(), 8 + 15 + 6 + 5 + 5 + 7 + 8, "{seen:?}");
}

/// Where their order is fixed, a sum, and a product that is summed, have the same bits alone and in a pass
/// that computes so much beside that its accumulators have no room in registers.
#[test]
fn sums_have_the_same_bits_whatever_else_is_computed() {
    let reduced = |others: usize, n: i64| {
        let mut expr = Expr::default();
        let x = expr.load(0, Len::ONE, Len::ZERO, Mem::F32);
        let y = expr.load(1, Len::ONE, Len::ZERO, Mem::F32);
        let product = expr.mul(x, y);
        let sums = [expr.reduce(Reduce::Sum, x), expr.reduce(Reduce::Sum, product)];
        for (k, sum) in sums.into_iter().enumerate() {
            expr.store(2 + k as u16, Len::ZERO, Len::ZERO, Mem::F32, sum);
        }
        // More sums and a long chain of values, all of which the last one needs.
        let mut made = vec![product];
        for k in 0..others {
            let last = made[made.len() - 1];
            let factor = expr.float(1.0 + k as f32);
            let next = expr.mul(last, factor);
            made.push(expr.add(next, x));
            if k < 4 {
                let sum = expr.reduce(Reduce::Sum, made[k + 1]);
                expr.store(4 + k as u16, Len::ZERO, Len::ZERO, Mem::F32, sum);
            }
        }
        if others > 0 {
            let all = made.iter().rev().copied().collect::<Vec<_>>();
            let all = all[1..].iter().fold(all[0], |sum, v| expr.mul(sum, *v));
            expr.store(8, Len::ONE, Len::ZERO, Mem::F32, all);
        }
        Program { fixed_sums: true, ..schedule(&expr, Len::Const(n), 9, 0).program }
    };
    let mut rng = Rng::new(4);
    for n in [1, 15, 64, 100, 1000, 40_000] {
        let mut row = || {
            let mut number = |_| (rng.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
            (0..n).map(&mut number).flat_map(f32::to_le_bytes).collect::<Vec<u8>>()
        };
        let mut memory: oracle::Memory = vec![row(), row()];
        memory.extend((0..6).map(|_| vec![0; 4]));
        memory.push(vec![0; 4 * n as usize]);
        let at: Vec<(usize, i64)> = (0..9).map(|i| (i, 0)).collect();
        let run = |isa: Isa, others: usize| {
            let program = reduced(others, n);
            assert_eq!(program.ptrs, 9, "no row is kept, so that all sums are in one pass");
            let function = match isa {
                Isa::Clif128 => Some(Function::new(&program).unwrap()),
                _ => wide(&program, isa),
            };
            let mut memory = memory.clone();
            function.map(|f| (f.run(&mut memory, &at, &[]), memory[2..4].to_vec()))
        };
        for isa in [Isa::Clif128, Isa::Avx2, Isa::Avx512] {
            let Some(alone) = run(isa, 0) else { continue };
            for others in [1, 4, 9, 14] {
                let beside = run(isa, others);
                assert!(beside.is_none_or(|beside| beside == alone), "{n} elements and {others} on {isa}");
            }
        }
    }
}
