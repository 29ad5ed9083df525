//! Mutants of emitted code and of the programs it was emitted from: the verifier rejects each one whose code
//! touches a byte that the program does not. A plain interpreter of the code judges which ones do.

#[path = "../common/mod.rs"]
mod common;
mod machine;

use common::Rng;
use common::rows::random_rows;
use common::tiles::tile;
use iced_x86::{
    BlockEncoder, BlockEncoderOptions, Code, Instruction, InstructionBlock, MemoryOperand, Mnemonic, OpKind,
    Register,
};
use machine::{Run, allowed, decode, run};
use tancho_jit::lanes::{Inst, Len, Mem, Program, Ptr, Stmt, Tile};
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

/// Integers to run a program with: those of the case, and every kind of iteration and remainder.
fn samples(rng: &mut Rng, p: &Program, of_case: &[i64]) -> Vec<Vec<i64>> {
    let mut list = vec![of_case.to_vec()];
    if p.ints > 0 {
        list.extend([0, 1, 7, 33].map(|n| vec![n; p.ints.into()]));
        list.extend((0..3).map(|_| (0..p.ints).map(|_| rng.below(90) as i64).collect()));
    }
    list
}

/// A program with one thing changed, and what that is.
struct Mutants<'p> {
    program: &'p Program,
    list: Vec<(String, Program)>,
}

impl Mutants<'_> {
    /// Adds the program with a change of statement `s`.
    fn add(&mut self, what: String, s: usize, change: &dyn Fn(&mut Stmt)) {
        let mut mutant = self.program.clone();
        change(&mut mutant.stmts[s]);
        self.list.push((format!("{what} of statement {s}"), mutant));
    }
}

/// A length grows for strides, whose rows then lie elsewhere.
fn others(l: Len) -> [Len; 3] {
    match l {
        Len::Const(n) => [n - 1, n / 2, n + 1].map(Len::Const),
        Len::Arg(_) | Len::Local(_) => [0, 5, 64].map(Len::Const),
    }
}

/// Every length, stride and shape of a program a little different, and every access to another pointer.
fn programs(program: &Program) -> Vec<(String, Program)> {
    let mut mutants = Mutants { program, list: Vec::new() };
    for (s, stmt) in program.stmts.iter().enumerate() {
        change_sizes(&mut mutants, s, stmt);
        change_accesses(&mut mutants, s, stmt);
    }
    mutants.list
}

fn change_sizes(mutants: &mut Mutants<'_>, s: usize, stmt: &Stmt) {
    match stmt {
        Stmt::Map { len, .. } => {
            for l in others(*len) {
                mutants.add(format!("length {l:?}"), s, &|s| {
                    if let Stmt::Map { len, .. } = s {
                        *len = l
                    }
                });
            }
        }
        Stmt::Tile(tile) => {
            let mut change = |what: String, change: &dyn Fn(&mut Tile)| {
                mutants.add(what, s, &|s| {
                    if let Stmt::Tile(tile) = s {
                        change(tile)
                    }
                });
            };
            for l in others(tile.k) {
                change(format!("k {l:?}"), &|t| t.k = l);
            }
            for l in others(tile.panel) {
                change(format!("panel {l:?}"), &|t| t.panel = l);
            }
            for l in others(tile.left_row) {
                change(format!("left row {l:?}"), &|t| t.left_row = l);
            }
            for l in others(tile.left_step) {
                change(format!("left step {l:?}"), &|t| t.left_step = l);
            }
            for n in [tile.rows - 1, tile.rows / 2] {
                change(format!("{n} rows"), &|t| t.rows = n);
            }
            for n in [tile.cols - 1, tile.cols / 2] {
                change(format!("{n} cols"), &|t| t.cols = n);
            }
            change("operands swapped".into(), &|t| std::mem::swap(&mut t.left, &mut t.right));
        }
        Stmt::Scalar { .. } => {}
    }
}

fn change_accesses(mutants: &mut Mutants<'_>, s: usize, stmt: &Stmt) {
    let (Stmt::Scalar { body, .. } | Stmt::Map { body, .. } | Stmt::Tile(Tile { body, .. })) = stmt;
    for (i, inst) in body.iter().enumerate() {
        let (Inst::Load { ptr, step, row_step, .. } | Inst::Store { ptr, step, row_step, .. }) = *inst else {
            continue;
        };
        let mut access = |what: String, change: &dyn Fn(&mut Ptr, &mut Len, &mut Len)| {
            mutants.add(format!("{what} of instruction {i}"), s, &|s| {
                let (Stmt::Scalar { body, .. } | Stmt::Map { body, .. } | Stmt::Tile(Tile { body, .. })) = s;
                if let Inst::Load { ptr, step, row_step, .. } | Inst::Store { ptr, step, row_step, .. } =
                    &mut body[i]
                {
                    change(ptr, step, row_step);
                }
            });
        };
        let other = match ptr {
            Ptr::Arg(0) => Ptr::Arg(1),
            Ptr::Arg(n) => Ptr::Arg(n - 1),
            Ptr::Derived(0) => Ptr::Arg(0),
            Ptr::Derived(n) => Ptr::Derived(n - 1),
        };
        access("pointer".into(), &|p, _, _| *p = other);
        for l in others(step) {
            access(format!("step {l:?}"), &|_, s, _| *s = l);
        }
        for l in others(row_step) {
            access(format!("row_step {l:?}"), &|_, _, s| *s = l);
        }
    }
}

/// Code anew from its instructions and constants.
fn encode(list: &[Instruction], constants: &[u8]) -> Option<Vec<u8>> {
    let mut all = list.to_vec();
    let mut ip = list.last()?.next_ip();
    for word in constants.chunks_exact(4) {
        let mut i =
            Instruction::try_with_declare_dword_1(u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
                .ok()?;
        i.set_ip(ip);
        ip += 4;
        all.push(i);
    }
    BlockEncoder::encode(64, InstructionBlock::new(&all, 0), BlockEncoderOptions::NONE)
        .ok()
        .map(|r| r.code_buffer)
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
            add("scale".into(), &|j| {
                j.set_memory_index_scale(if i.memory_index_scale() == 8 {
                    1
                } else {
                    2 * i.memory_index_scale()
                })
            });
        }
    }
    if memory && i.op_mask() != Register::None {
        add("mask".into(), &|j| {
            j.set_op_mask(Register::None);
            j.set_zeroing_masking(false);
        });
    }
    // Immediates of vector instructions say nothing of addresses.
    if i.op_count() == 2
        && i.op0_register().is_gpr()
        && !matches!(i.op1_kind(), OpKind::Register | OpKind::Memory)
    {
        for by in [1, 4, -1] {
            add(format!("immediate {by:+}"), &|j| {
                let _ = j.try_set_immediate_i32(1, (i.immediate(1) as i32).wrapping_add(by));
            });
        }
    }
    let other = match i.mnemonic() {
        Mnemonic::Jl => Some(Code::Jle_rel32_64),
        Mnemonic::Jge => Some(Code::Jg_rel32_64),
        Mnemonic::Jle => Some(Code::Jl_rel32_64),
        _ => None,
    };
    if let Some(code) = other {
        add("condition".into(), &|j| j.set_code(code));
    }
    list
}

/// Tries mutants of a program; gives how many were wrong, of the program and of the code.
fn try_one(seed: u64, p: &Program, width: Width, of_case: &[i64]) -> Option<(usize, usize)> {
    let code = emit(p, width, seed.is_multiple_of(2)).ok()?;
    let rng = &mut Rng::new(seed);
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
        let rng = &mut Rng::new(seed);
        let case = match rng.below(3) {
            0 => random_rows(rng.bits(), rng.pick(&[1, 5, 16, 31, 40, 64, 77, 130]), true),
            1 => tile(
                rng.bits(),
                rng.pick(&[(1, 16), (1, 20), (1, 64), (4, 16), (6, 16), (8, 48), (2, 40)]),
                rng.below(14) as i64,
                true,
            ),
            _ => tile(
                rng.bits(),
                (1 + rng.below(6) as u8, 1 + rng.below(31) as u8),
                rng.below(10) as i64,
                true,
            ),
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

/// Instructions at the start of sound code that the verifier does not know, does not follow, or that spoil
/// something.
#[test]
fn what_is_not_followed_is_refused() {
    use Register::*;
    let load = Inst::Load { ptr: Ptr::Arg(0), step: Len::Const(1), row_step: Len::Const(0), mem: Mem::F32 };
    let store = Inst::Store {
        ptr: Ptr::Arg(1),
        step: Len::Const(1),
        row_step: Len::Const(0),
        mem: Mem::F32,
        value: 0,
    };
    let copy = Stmt::Map { len: Len::Const(40), body: vec![load, store], reductions: Vec::new() };
    let p = Program { ptrs: 2, stmts: vec![copy], ..Program::default() };
    let at = |base, displacement| MemoryOperand::with_base_displ(base, displacement);
    let lanes = MemoryOperand::with_base_index_scale(RDI, ZMM1, 4);
    let narrow = MemoryOperand::with_base(R8D);
    let gather = Instruction::with2(Code::EVEX_Vgatherdps_zmm_k1_vm32z, ZMM2, lanes).map(|mut i| {
        i.set_op_mask(K1);
        i
    });
    let segment = MemoryOperand::new(RDI, None, 1, 0, 0, false, FS);
    let spoilers = [
        ("a gather", gather),
        (
            "a vector from an unknown register",
            Instruction::with2(Code::VEX_Vmovups_ymm_ymmm256, YMM1, at(RBX, 0)),
        ),
        ("an address of 32 bits", Instruction::with2(Code::VEX_Vmovups_ymm_ymmm256, YMM1, narrow)),
        ("another segment", Instruction::with2(Code::VEX_Vbroadcastss_ymm_m32, YMM1, segment)),
        ("the arguments written", Instruction::with2(Code::VEX_Vmovups_ymmm256_ymm, at(RDI, 0), YMM1)),
        ("beyond the arguments", Instruction::with2(Code::VEX_Vbroadcastss_ymm_m32, YMM1, at(RDI, 16))),
        ("an argument that is none", Instruction::with2(Code::Mov_r64_rm64, R9, at(RDI, 16))),
        ("half of an argument", Instruction::with2(Code::Mov_r64_rm64, R9, at(RDI, 4))),
        ("a frame that is not there", Instruction::with2(Code::VEX_Vmovups_ymmm256_ymm, at(RSP, -32), YMM1)),
        ("the caller's frame", Instruction::with2(Code::VEX_Vmovups_ymm_ymmm256, YMM1, at(RSP, 0))),
        ("a general store", Instruction::with2(Code::Mov_rm64_r64, at(RDI, 0), RAX)),
        ("an addition from memory", Instruction::with2(Code::Add_r64_rm64, RAX, at(RDI, 0))),
        ("a kept register", Instruction::with2(Code::Mov_r32_imm32, EBX, 1)),
        ("the arguments' address", Instruction::with2(Code::Mov_r64_rm64, RDI, RAX)),
        ("half a register", Instruction::with2(Code::Mov_r32_rm32, EAX, ECX)),
        ("something left on the stack", Instruction::with1(Code::Push_r64, RAX)),
        ("the stack moved", Instruction::with2(Code::Sub_rm64_imm32, RSP, 64)),
        ("a call", Instruction::with1(Code::Call_rm64, RAX)),
        ("a jump elsewhere", Instruction::with1(Code::Jmp_rm64, RAX)),
        ("a system call", Ok(Instruction::with(Code::Syscall))),
    ];
    for width in [Width::Y, Width::Z] {
        let code = emit(&p, width, true).expect("a copy");
        assert_eq!(verify(&code, &p), Ok(()));
        let list = decode(&code);
        let constants = &code[list.last().map_or(0, Instruction::next_ip) as usize..];
        let with = |i: Instruction| encode(&[&[i], &list[..]].concat(), constants).expect("encodes");
        assert_eq!(verify(&with(Instruction::with(Code::Nopd)), &p), Ok(()), "nothing spoilt at {width:?}");
        for (what, i) in &spoilers {
            let code = with(*i.as_ref().expect("an instruction"));
            assert!(verify(&code, &p).is_err(), "{what} is passed at {width:?}");
        }
    }
}
