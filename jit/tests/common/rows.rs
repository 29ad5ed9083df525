//! Random programs over a row.

use super::body::Body;
use super::{Case, MEMS, NONE, Rng};
use tancho_jit::lanes::{
    Derived, Inst, Mem, Ptr, Reduce, Reg, RowReduction, ScalarOutput, Stmt, Ty, body_types,
};

/// Loads of every kind of memory with every kind of step.
pub fn loads(case: &mut Case, rng: &mut Rng, b: &mut Body, len: i64, steps: &[i64]) {
    for _ in 0..1 + rng.below(4) {
        let mem = if rng.below(2) == 0 { Mem::F32 } else { case.one_of(rng, 3, &MEMS) };
        let step = case.one_of(rng, steps.len().min(4), steps);
        let at = if rng.below(4) == 0 { rng.below(20) as i64 } else { 0 };
        let more = at * 4 / mem.size();
        let arg = case.pointer(rng, mem, more + if step == 0 { 1 } else { (len - 1).max(0) * step + 1 });
        let mut ptr = Ptr::Arg(arg);
        if at > 0 {
            case.program.derived.push(Derived { arg, at });
            ptr = Ptr::Derived(case.program.derived.len() as u16 - 1);
        }
        let step = if steps == [0] { NONE } else { case.step(rng, step) };
        b.push(Inst::Load { ptr, step, row_step: NONE, mem });
    }
}

/// A store of a register to a buffer of its own.
pub fn store(case: &mut Case, rng: &mut Rng, b: &mut Body, len: i64, value: Reg) {
    let mem = match body_types(&b.insts)[value as usize] {
        Ty::F => case.one_of(rng, 2, &[Mem::F32, Mem::F32, Mem::Bf16]),
        Ty::I => case.one_of(rng, 2, &[Mem::I32, Mem::I8, Mem::I8]),
        Ty::M => Mem::Bool,
    };
    let step = case.one_of(rng, 2, &[1, 1, 2]);
    let ptr = Ptr::Arg(case.pointer(rng, mem, (len - 1) * step + 1));
    let step = case.step(rng, step);
    b.push(Inst::Store { ptr, step, row_step: NONE, mem, value });
    case.results.push((case.memory.len() - 1, mem, 0.0));
}

/// Scalars, a pass with reductions, scalars of the reductions, and a pass that uses the exact ones.
pub fn random_rows(seed: u64, len: i64, plain: bool) -> Case {
    let rng = &mut Rng::new(seed);
    let mut case = Case { plain, ..Case::default() };
    let length = case.len(rng, len);
    let mut scalars = Body::default();
    loads(&mut case, rng, &mut scalars, 1, &[0]);
    let known = case.len(rng, 12);
    scalars.push(Inst::ArgInt(known));
    scalars.step(rng);
    let (scalar, whole) = (scalars.reg(rng, Ty::F), scalars.reg(rng, Ty::I));
    case.program.stmts.push(Stmt::Scalar {
        body: scalars.insts,
        outs: vec![ScalarOutput { value: scalar, slot: 0 }, ScalarOutput { value: whole, slot: 1 }],
    });

    let mut b = Body::default();
    loads(&mut case, rng, &mut b, len, &[0, 1, 1, 1, 2, 3]);
    b.insts.extend([Inst::Slot(0, Ty::F), Inst::Slot(1, Ty::I)]);
    if !plain {
        b.push(Inst::Index);
    }
    for _ in 0..rng.below(14) {
        b.step(rng);
    }
    let (mut reductions, mut slots) = (Vec::new(), 2);
    for _ in 0..rng.below(4) {
        let kind = case.one_of(
            rng,
            5,
            &[
                Reduce::Sum,
                Reduce::Max,
                Reduce::ISum,
                Reduce::IMax,
                Reduce::IMin,
                Reduce::MaxNan,
                Reduce::MinNan,
            ],
        );
        let mut r = b.reg(rng, kind.ty());
        if kind == Reduce::Sum {
            r = b.between(r, -1.0, 1.0);
        } else if kind == Reduce::Max {
            // A NaN may get lost in it.
            r = b.number(r);
        }
        reductions.push(RowReduction { how: kind, value: r, slot: slots });
        slots += 1;
    }
    for _ in 0..1 + rng.below(2) {
        let t = rng.pick(&[Ty::F, Ty::I, Ty::M]);
        let value = b.reg(rng, t);
        store(&mut case, rng, &mut b, len, value);
    }
    case.program.stmts.push(Stmt::Map { len: length, body: b.insts, reductions: reductions.clone() });
    for RowReduction { how, slot, .. } in &reductions {
        let mem = if how.ty() == Ty::F { Mem::F32 } else { Mem::I32 };
        let ptr = Ptr::Arg(case.pointer(rng, mem, 1));
        let body =
            vec![Inst::Slot(*slot, how.ty()), Inst::Store { ptr, step: NONE, row_step: NONE, mem, value: 0 }];
        case.program.stmts.push(Stmt::Scalar { body, outs: Vec::new() });
        // Of 0 and -0 the largest is either.
        case.results.push((case.memory.len() - 1, mem, if how.ty() == Ty::F { 1e-5 } else { 0.0 }));
    }

    let mut b = Body::default();
    loads(&mut case, rng, &mut b, len, &[0, 1, 1, 1, 2, 3]);
    let exact = reductions.iter().find(|f| f.how.ty() == Ty::I).map_or(1, |f| f.slot);
    b.push(Inst::Slot(exact, Ty::I));
    for _ in 0..rng.below(6) {
        b.step(rng);
    }
    let t = rng.pick(&[Ty::F, Ty::I]);
    let value = b.reg(rng, t);
    store(&mut case, rng, &mut b, len, value);
    case.program.stmts.push(Stmt::Map { len: length, body: b.insts, reductions: Vec::new() });
    case.program.slots = slots;
    case
}
