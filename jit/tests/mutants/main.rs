//! Mutants of emitted code and of the programs it was emitted from: the verifier rejects each one whose code touches a byte
//! that the program does not. A plain interpreter of the code judges which ones do.

#[path = "../common/mod.rs"]
mod common;
mod machine;

use common::{Rng, random_rows, tile};
use iced_x86::{BlockEncoder, BlockEncoderOptions, Instruction, InstructionBlock, Mnemonic, OpKind, Register};
use machine::{Run, allowed, decode, run};
use tancho_jit::lanes::{Inst, Len, Program, Stmt};
use tancho_jit::testing::{Width, emit, verify};

/// Mutants of each kind that are tried of one program.
const TRIED: usize = 24;

/// Whether code touches what its program does not, for some integers; `None` if it does not end.
fn wrong(code: &[u8], p: &Program, samples: &[Vec<i64>]) -> Option<bool> {
    for ints in samples {
        match run(code, p, ints) {
            Run::Touched(t) if t.is_subset(&allowed(p, ints)) => {}
            Run::Touched(_) | Run::Astray => return Some(true),
            Run::Endless => return None,
        }
    }
    Some(false)
}

/// Integers to run a program with: those of the case, and every kind of turn and rest.
fn samples(rng: &mut Rng, p: &Program, of_case: &[i64]) -> Vec<Vec<i64>> {
    let mut list = vec![of_case.to_vec()];
    if p.ints > 0 {
        list.extend([0, 1, 7, 33].map(|n| vec![n; p.ints.into()]));
        list.extend((0..3).map(|_| (0..p.ints).map(|_| rng.below(90) as i64).collect()));
    }
    list
}

/// Every length, stride and shape of a program a little different, and every access to another pointer.
fn programs(p: &Program) -> Vec<(String, Program)> {
    let mut list = Vec::new();
    let mut add = |what: String, s: usize, change: &dyn Fn(&mut Stmt)| {
        let mut q = p.clone();
        change(&mut q.stmts[s]);
        list.push((format!("{what} of statement {s}"), q));
    };
    // A length grows for strides, whose rows then lie elsewhere.
    let others = |l: Len| match l {
        Len::Const(n) => [n - 1, n / 2, n + 1].map(Len::Const),
        Len::Arg(_) => [0, 5, 64].map(Len::Const),
    };
    for (s, stmt) in p.stmts.iter().enumerate() {
        match stmt {
            Stmt::Map { len, .. } => {
                for l in others(*len) {
                    add(format!("length {l:?}"), s, &|s| {
                        if let Stmt::Map { len, .. } = s {
                            *len = l
                        }
                    });
                }
            }
            Stmt::Tile { k, a_row, rows, cols, .. } => {
                for l in others(*k) {
                    add(format!("k {l:?}"), s, &|s| {
                        if let Stmt::Tile { k, .. } = s {
                            *k = l
                        }
                    });
                }
                for l in others(*a_row) {
                    add(format!("a_row {l:?}"), s, &|s| {
                        if let Stmt::Tile { a_row, .. } = s {
                            *a_row = l
                        }
                    });
                }
                for n in [rows - 1, rows / 2] {
                    add(format!("{n} rows"), s, &|s| {
                        if let Stmt::Tile { rows, .. } = s {
                            *rows = n
                        }
                    });
                }
                for n in [cols - 1, cols / 2] {
                    add(format!("{n} cols"), s, &|s| {
                        if let Stmt::Tile { cols, .. } = s {
                            *cols = n
                        }
                    });
                }
                add("operands swapped".into(), s, &|s| {
                    if let Stmt::Tile { a, b, .. } = s {
                        std::mem::swap(a, b)
                    }
                });
            }
            Stmt::Once { .. } => {}
        }
        let (Stmt::Once { body, .. } | Stmt::Map { body, .. } | Stmt::Tile { body, .. }) = stmt;
        for (i, inst) in body.iter().enumerate() {
            let (Inst::Load { ptr, step, row_step, .. } | Inst::Store { ptr, step, row_step, .. }) = *inst else { continue };
            let mut access = |what: String, change: &dyn Fn(&mut u16, &mut Len, &mut Len)| {
                add(format!("{what} of instruction {i}"), s, &|s| {
                    let (Stmt::Once { body, .. } | Stmt::Map { body, .. } | Stmt::Tile { body, .. }) = s;
                    if let Inst::Load { ptr, step, row_step, .. } | Inst::Store { ptr, step, row_step, .. } = &mut body[i] {
                        change(ptr, step, row_step);
                    }
                });
            };
            access("pointer".into(), &|p, _, _| *p = if ptr == 0 { 1 } else { ptr - 1 });
            for l in others(step) {
                access(format!("step {l:?}"), &|_, s, _| *s = l);
            }
            for l in others(row_step) {
                access(format!("row_step {l:?}"), &|_, _, s| *s = l);
            }
        }
    }
    list
}

/// Code anew from its instructions and constants.
fn encode(list: &[Instruction], constants: &[u8]) -> Option<Vec<u8>> {
    let mut all = list.to_vec();
    let mut ip = list.last()?.next_ip();
    for word in constants.chunks_exact(4) {
        let mut i = Instruction::try_with_declare_dword_1(u32::from_le_bytes([word[0], word[1], word[2], word[3]])).ok()?;
        i.set_ip(ip);
        ip += 4;
        all.push(i);
    }
    BlockEncoder::encode(64, InstructionBlock::new(&all, 0), BlockEncoderOptions::NONE).ok().map(|r| r.code_buffer)
}

/// The ways to change one instruction: displacements, immediates, conditions, masks.
fn changes(i: &Instruction) -> Vec<(String, Instruction)> {
    let mut list = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut Instruction)| {
        let mut j = *i;
        change(&mut j);
        list.push((format!("{what} of {:?} at {:#x}", i.code(), i.ip()), j));
    };
    let memory = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
    if memory && i.memory_base() != Register::RIP {
        for by in [4, 64, -4, -64] {
            add(format!("displacement {by:+}"), &|j| {
                j.set_memory_displacement64(i.memory_displacement64().wrapping_add(by as u64));
                j.set_memory_displ_size(1);
            });
        }
        if i.memory_index() != Register::None {
            add("scale".into(), &|j| j.set_memory_index_scale(if i.memory_index_scale() == 8 { 1 } else { 2 * i.memory_index_scale() }));
        }
    }
    if memory && i.op_mask() != Register::None {
        add("mask".into(), &|j| {
            j.set_op_mask(Register::None);
            j.set_zeroing_masking(false);
        });
    }
    // Immediates of vector instructions say nothing of addresses.
    if i.op_count() == 2 && i.op0_register().is_gpr() && !matches!(i.op1_kind(), OpKind::Register | OpKind::Memory) {
        for by in [1, 4, -1] {
            add(format!("immediate {by:+}"), &|j| {
                let _ = j.try_set_immediate_i32(1, (i.immediate(1) as i32).wrapping_add(by));
            });
        }
    }
    let other = match i.mnemonic() {
        Mnemonic::Jl => Some(iced_x86::Code::Jle_rel32_64),
        Mnemonic::Jge => Some(iced_x86::Code::Jg_rel32_64),
        Mnemonic::Jle => Some(iced_x86::Code::Jl_rel32_64),
        _ => None,
    };
    if let Some(code) = other {
        add("condition".into(), &|j| j.set_code(code));
    }
    list
}

/// Tries mutants of a program; gives how many were wrong, of the program and of the code.
fn try_one(seed: u64, p: &Program, width: Width, of_case: &[i64]) -> Option<(usize, usize)> {
    let code = emit(p, width).ok()?;
    let rng = &mut Rng(seed);
    let samples = samples(rng, p, of_case);
    assert_eq!(wrong(&code, p, &samples), Some(false), "the emitter's own code, seed {seed}\n{p:#?}");
    verify(&code, p).unwrap_or_else(|e| panic!("seed {seed}, {width:?}: {e}\n{p:#?}"));
    let (mut of_program, mut of_code) = (0, 0);
    let mut mutants = programs(p);
    while mutants.len() > TRIED {
        mutants.swap_remove(rng.below(mutants.len()));
    }
    for (what, q) in mutants {
        if wrong(&code, &q, &samples) == Some(true) {
            of_program += 1;
            assert!(verify(&code, &q).is_err(), "survives: {what}, seed {seed}, {width:?}\n{q:#?}");
        }
    }
    let list = decode(&code);
    let constants = &code[list.last()?.next_ip() as usize..];
    let mut mutants: Vec<(usize, (String, Instruction))> =
        list.iter().enumerate().flat_map(|(n, i)| changes(i).into_iter().map(move |c| (n, c))).collect();
    while mutants.len() > TRIED {
        mutants.swap_remove(rng.below(mutants.len()));
    }
    for (n, (what, i)) in mutants {
        let mut list = list.clone();
        list[n] = i;
        let Some(code) = encode(&list, constants) else { continue };
        if wrong(&code, p, &samples) == Some(true) {
            of_code += 1;
            assert!(verify(&code, p).is_err(), "survives: {what}, seed {seed}, {width:?}\n{p:#?}");
        }
    }
    Some((of_program, of_code))
}

fn no_mutant_survives(width: Width) {
    let (mut of_programs, mut of_code) = (0, 0);
    for seed in 0..1500 {
        let rng = &mut Rng(seed);
        let case = match rng.below(3) {
            0 => random_rows(rng.bits(), rng.pick(&[1, 5, 16, 31, 40, 64, 77, 130]), true),
            1 => tile(rng.bits(), rng.pick(&[(1, 16), (1, 20), (1, 64), (4, 16), (6, 16), (8, 48), (2, 40)]), rng.below(14) as i64, true),
            _ => tile(rng.bits(), (1 + rng.below(6) as u8, 1 + rng.below(31) as u8), rng.below(10) as i64, true),
        };
        if let Some((a, b)) = try_one(seed, &case.program, width, &case.ints) {
            of_programs += a;
            of_code += b;
        }
        if of_programs.min(of_code) >= 1500 {
            return;
        }
    }
    panic!("only {of_programs} wrong mutants of programs and {of_code} of code");
}

#[test]
fn no_mutant_survives_at_256_bits() {
    no_mutant_survives(Width::Y);
}

#[test]
fn no_mutant_survives_at_512_bits() {
    no_mutant_survives(Width::Z);
}
