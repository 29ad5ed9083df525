//! Scheduling cuts an expression over a row into passes: it must mean the same as the plainest cut, one
//! pass for each reduction that computes everything anew.

use std::mem::discriminant;
use tancho_ir::Value;
use tancho_ir::op::{EpsOn, Reduction, Unary};
use tancho_jit::lanes::expr::Expr;
use tancho_jit::lanes::marks::Origins;
use tancho_jit::lanes::oracle;
use tancho_jit::lanes::schedule::{schedule, schedule_with_origins};
use tancho_jit::lanes::{Bin, Inst, Len, Mem, Program, Reduce, Reg, RowReduction, Stmt, Ty, Un, math, norms};

/// One pass a reduction, each from the loads on; then one for the rows that are stored, and the scalars.
fn plain(e: &Expr, len: Len, ptrs: u16) -> Program {
    let mut full: Vec<bool> = Vec::new();
    for i in &e.insts {
        full.push(match i {
            Inst::Load { step, .. } | Inst::Store { step, .. } => !step.is(0),
            Inst::Index => true,
            Inst::Reduce(..) => false,
            other => other.operands().any(|r| full[r as usize]),
        });
    }
    // The first `n` instructions with reductions read from their slots, and stores of rows or of scalars.
    let prefix = |n: usize, slots: &[usize], stores: Option<bool>| -> Vec<Inst> {
        let one = |(i, inst): (usize, &Inst)| match inst {
            Inst::Reduce(f, _) => {
                slots.iter().position(|s| *s == i).map_or(Inst::Int(0), |s| Inst::Slot(s as u16, f.ty()))
            }
            Inst::Store { .. } if stores != Some(full[i]) => Inst::Int(0),
            other => *other,
        };
        e.insts[..n].iter().enumerate().map(one).collect()
    };
    let (mut stmts, mut slots) = (Vec::new(), Vec::new());
    for (i, inst) in e.insts.iter().enumerate() {
        if let Inst::Reduce(f, a) = inst {
            let body = prefix(i, &slots, None);
            stmts.push(Stmt::Map {
                len,
                body,
                reductions: vec![RowReduction { how: *f, value: *a, slot: slots.len() as u16 }],
            });
            slots.push(i);
        }
    }
    stmts.push(Stmt::Map { len, body: prefix(e.insts.len(), &slots, Some(true)), reductions: Vec::new() });
    stmts.push(Stmt::Scalar { body: prefix(e.insts.len(), &slots, Some(false)), outs: Vec::new() });
    Program { ptrs, slots: slots.len() as u16, stmts, ..Program::default() }
}

/// Runs both ways on rows of `len` elements; scratch rows begin with NaN, so that one that is read before it
/// is written shows.
#[track_caller]
fn same(e: &Expr, inputs: u16, outputs: u16, len: i64) {
    let ptrs = inputs + outputs;
    let cut = schedule(e, Len::Const(len), ptrs, 0);
    let want = plain(e, Len::Const(len), ptrs);
    // Scalars are read once even where a row has no element.
    let count = len.max(1) as usize;
    let mut state = 17u32;
    let mut memory: oracle::Memory = Vec::new();
    for _ in 0..inputs {
        let floats = (0..count).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        });
        memory.push(floats.flat_map(f32::to_le_bytes).collect());
    }
    memory.extend((0..outputs).map(|_| vec![0u8; 4 * count]));
    let mut scheduled = memory.clone();
    scheduled.extend((0..cut.scratch_rows).map(|_| f32::NAN.to_le_bytes().repeat(count)));
    let at = |n: u16| (0..n as usize).map(|i| (i, 0)).collect::<Vec<_>>();
    oracle::run(&want, &mut memory, &at(ptrs), &[]);
    oracle::run(&cut.program, &mut scheduled, &at(cut.program.ptrs), &[]);
    for i in inputs as usize..ptrs as usize {
        let floats = |b: &[u8]| {
            b.chunks(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect::<Vec<f32>>()
        };
        let (got, want) = (floats(&scheduled[i]), floats(&memory[i]));
        let equal =
            got.iter().zip(&want).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()));
        assert!(equal, "pointer {i}: {got:?}, not {want:?}\n{:#?}\n{:#?}", e.insts, cut.program);
    }
}

fn load(e: &mut Expr, ptr: u16) -> Reg {
    e.load(ptr, Len::ONE, Len::ZERO, Mem::F32)
}

fn keep(e: &mut Expr, ptr: u16, value: Reg) {
    e.store(ptr, Len::ONE, Len::ZERO, Mem::F32, value);
}

/// Each part of a program has the origin of instructions that do the same in the expression. What was kept is
/// read and written besides.
#[track_caller]
fn have_origins(e: &Expr, program: &Program, origins: &Origins) {
    let does = |origin: Option<Value>, inst: &Inst| {
        let own = e.insts.iter().zip(&e.origins).filter(|(_, of)| **of == origin && of.is_some());
        let kept = matches!(inst, Inst::Slot(..) | Inst::Load { .. } | Inst::Store { .. });
        own.clone().count() > 0
            && (kept || own.clone().any(|(other, _)| discriminant(other) == discriminant(inst)))
    };
    let mut left = origins.iter();
    let mut next = || *left.next().expect("an origin for each part");
    for stmt in &program.stmts {
        assert!(next().is_some());
        assert!(stmt.body().iter().all(|inst| does(next(), inst)), "{:#?}\n{program:#?}", e.insts);
        let Stmt::Map { reductions, .. } = stmt else { continue };
        assert!(reductions.iter().all(|reduction| does(next(), &Inst::Reduce(reduction.how, 0))));
    }
    assert!(left.next().is_none());
}

/// A value of the second pass that only the last pass uses is kept in its own pass, which needs a kept
/// value of the pass before.
#[test]
fn a_kept_value_may_need_another() {
    let mut e = Expr::default();
    let x = load(&mut e, 0);
    let m1 = e.reduce(Reduce::Sum, x);
    let q = e.sub(x, m1);
    let q = math::exp(&mut e, q);
    let m2 = e.reduce(Reduce::Max, q);
    let r = e.mul(q, m2);
    let r = math::unary(&mut e, Unary::Gelu, r);
    let other = e.mul(x, m2);
    let m3 = e.reduce(Reduce::Sum, other);
    let y = e.mul(r, m3);
    keep(&mut e, 1, y);
    assert_eq!(schedule(&e, Len::Const(5), 2, 0).scratch_rows, 2);
    for len in [0, 1, 5, 16] {
        same(&e, 1, 1, len);
    }
}

#[test]
fn norms_and_softmax_in_a_chain() {
    let mut e = Expr::default();
    let (x, g) = (load(&mut e, 0), load(&mut e, 1));
    let len = Len::Const(9);
    let a = norms::layer_norm(&mut e, x, len, 1e-5, EpsOn::Var, Some(g), None);
    let b = norms::softmax(&mut e, a, false);
    keep(&mut e, 2, b);
    let c = norms::rms_norm(&mut e, b, len, 1e-6, Some(a));
    let d = norms::l2_normalize(&mut e, c, 1e-12);
    let l = norms::softmax(&mut e, d, true);
    keep(&mut e, 3, l);
    let s = norms::reduce(&mut e, Reduction::Mean, l, len, None);
    e.store(4, Len::ZERO, Len::ZERO, Mem::F32, s);
    let f = norms::argmax(&mut e, d);
    e.store(5, Len::ZERO, Len::ZERO, Mem::I32, f);
    assert!(schedule(&e, len, 6, 0).program.stmts.len() > 6);
    same(&e, 2, 4, 9);
}

/// Random chains of cheap and dear functions, reductions and stores.
#[test]
fn random_expressions() {
    let mut state = 5u64;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let (mut reductions, mut scratch) = (0, 0);
    for _ in 0..6000 {
        let mut e = Expr::default();
        e.origin = Some(Value(0));
        let mut regs = vec![load(&mut e, 0), load(&mut e, 1)];
        regs.push(e.load(2, Len::ZERO, Len::ZERO, Mem::F32));
        for n in 0..4 + below(12) as u32 {
            e.origin = Some(Value(1 + n));
            let (a, b) = (regs[below(regs.len())], regs[regs.len() - 1 - below(regs.len().min(3))]);
            let r = match below(9) {
                0 => e.reduce(Reduce::Sum, a),
                1 => e.reduce(Reduce::MaxNan, b),
                2 => e.reduce(Reduce::MinNan, a),
                3 => math::exp(&mut e, a),
                4 => math::unary(&mut e, Unary::Gelu, b),
                5 => e.un(Un::Round, b),
                6 => e.bin(Bin::Max, a, b),
                7 => e.mul(a, b),
                _ => e.sub(a, b),
            };
            regs.push(r);
        }
        let outputs = 1 + below(3) as u16;
        for i in 0..outputs {
            let r = regs[3 + below(regs.len() - 3)];
            keep(&mut e, 3 + i, r);
        }
        assert!(regs.iter().all(|r| e.ty(*r) == Ty::F));
        reductions += e.insts.iter().filter(|i| matches!(i, Inst::Reduce(..))).count();
        let (cut, origins) = schedule_with_origins(&e, Len::ONE, 3 + outputs, 0);
        have_origins(&e, &cut.program, &origins);
        scratch += usize::from(cut.scratch_rows);
        same(&e, 3, outputs, [1, 2, 7][below(3)]);
    }
    assert!(reductions > 6000 && scratch > 200, "{reductions} reductions, {scratch} scratch rows");
}
