//! Lanes programs on every back end against the oracle: bit for bit, but for sums of rows, which each
//! back end adds in an order of its own. Checked mode must find every access inside of its buffer.

mod common;

use common::{Case, Rng};
use std::collections::BTreeSet;
use tancho_jit::Isa;
use tancho_jit::lanes::{Bin, Cmp, Fold, Inst, Len, Mem, Program, Reg, STRIP, Stmt, Ty, Un, body_types};
use tancho_jit::testing::Function;

const NONE: Len = Len::Const(0);
const ONE: Len = Len::Const(1);

impl Case {
    /// A length that the program knows, or is told.
    fn len(&mut self, rng: &mut Rng, n: i64) -> Len {
        if rng.below(2) == 0 {
            return Len::Const(n);
        }
        self.ints.push(n);
        self.program.ints += 1;
        Len::Arg(self.program.ints - 1)
    }

    /// A buffer that ends with the last element, the pointer a few elements inside.
    fn pointer(&mut self, rng: &mut Rng, mem: Mem, count: i64) -> u16 {
        let before = rng.below(3);
        self.memory.push(rng.fill(mem, before + count.max(0) as usize));
        self.ptrs.push((self.memory.len() - 1, before as i64 * mem.size()));
        self.program.ptrs += 1;
        self.program.ptrs - 1
    }
}

/// A random body: registers of known types, every instruction in its turn.
#[derive(Default)]
struct Body {
    insts: Vec<Inst>,
}

impl Body {
    fn push(&mut self, i: Inst) -> Reg {
        self.insts.push(i);
        (self.insts.len() - 1) as Reg
    }

    /// A register of that type; a constant if there is none.
    fn reg(&mut self, rng: &mut Rng, t: Ty) -> Reg {
        let types = body_types(&self.insts);
        let is_store = |i: usize| matches!(self.insts[i], Inst::Store { .. });
        let of: Vec<Reg> = (0..types.len()).filter(|i| types[*i] == t && !is_store(*i)).map(|i| i as Reg).collect();
        if !of.is_empty() {
            return rng.pick(&of);
        }
        match t {
            Ty::F => self.float(1.5),
            Ty::I => self.push(Inst::Int(-3)),
            Ty::M => {
                let i = self.reg(rng, Ty::I);
                self.push(Inst::Cmp(Cmp::Ge, i, i))
            }
        }
    }

    fn float(&mut self, x: f32) -> Reg {
        self.push(Inst::Float(x.to_bits()))
    }

    /// The same without NaN, whose bits are nobody's business.
    fn number(&mut self, x: Reg) -> Reg {
        let (zero, nan) = (self.float(0.0), self.push(Inst::Cmp(Cmp::Ne, x, x)));
        self.push(Inst::Select(nan, zero, x))
    }

    /// Brought between two bounds; NaN becomes the lower.
    fn between(&mut self, x: Reg, low: f32, high: f32) -> Reg {
        let (low, high) = (self.float(low), self.float(high));
        let x = self.push(Inst::Bin(Bin::Max, x, low));
        self.push(Inst::Bin(Bin::Min, x, high))
    }

    fn step(&mut self, rng: &mut Rng) {
        const FLOAT: [Bin; 6] = [Bin::Add, Bin::Sub, Bin::Mul, Bin::Div, Bin::Max, Bin::Min];
        const INT: [Bin; 6] = [Bin::IAdd, Bin::ISub, Bin::IMul, Bin::And, Bin::Or, Bin::Xor];
        const CMP: [Cmp; 6] = [Cmp::Eq, Cmp::Ne, Cmp::Lt, Cmp::Le, Cmp::Gt, Cmp::Ge];
        match rng.below(17) {
            0..3 => {
                let (a, b) = (self.reg(rng, Ty::F), self.reg(rng, Ty::F));
                self.push(Inst::Bin(rng.pick(&FLOAT), a, b));
            }
            3 => {
                let (a, b, c) = (self.reg(rng, Ty::F), self.reg(rng, Ty::F), self.reg(rng, Ty::F));
                self.push(Inst::Fma(a, b, c));
            }
            4 => {
                let (a, b) = (self.reg(rng, Ty::I), self.reg(rng, Ty::I));
                self.push(Inst::Bin(rng.pick(&INT), a, b));
            }
            5 => {
                let (a, b) = (self.reg(rng, Ty::M), self.reg(rng, Ty::M));
                self.push(Inst::Bin(rng.pick(&[Bin::And, Bin::Or, Bin::Xor]), a, b));
            }
            6 => {
                let a = self.reg(rng, Ty::I);
                let by = self.push(Inst::Int(rng.pick(&[0, 1, 7, 16, 23, 31])));
                self.push(Inst::Bin(rng.pick(&[Bin::Shl, Bin::Shr]), a, by));
            }
            7 | 8 => {
                let t = rng.pick(&[Ty::F, Ty::F, Ty::I]);
                let (a, b) = (self.reg(rng, t), self.reg(rng, t));
                self.push(Inst::Cmp(rng.pick(&CMP), a, b));
            }
            9 | 10 => {
                let t = rng.pick(&[Ty::F, Ty::F, Ty::I, Ty::M]);
                let (m, a, b) = (self.reg(rng, Ty::M), self.reg(rng, t), self.reg(rng, t));
                self.push(Inst::Select(m, a, b));
            }
            11 => {
                let a = self.reg(rng, Ty::F);
                self.push(Inst::Un(rng.pick(&[Un::Sqrt, Un::Round, Un::ToIntSat]), a));
            }
            12 => {
                // What does not fit is another number on each machine.
                let a = self.reg(rng, Ty::F);
                let a = self.between(a, -1e6, 1e6);
                self.push(Inst::Un(Un::ToInt, a));
            }
            13 => {
                let a = self.reg(rng, Ty::I);
                self.push(Inst::Un(Un::ToFloat, a));
            }
            14 => {
                let a = self.reg(rng, Ty::F);
                let a = self.number(a);
                self.push(Inst::Un(Un::Bits, a));
            }
            15 => {
                // Finite ones: magnitudes below 2.
                let a = self.reg(rng, Ty::I);
                let mask = self.push(Inst::Int(0xbfff_ffff_u32 as i32));
                let a = self.push(Inst::Bin(Bin::And, a, mask));
                self.push(Inst::Un(Un::FromBits, a));
            }
            _ => {
                let a = self.reg(rng, Ty::M);
                self.push(Inst::Un(Un::Not, a));
            }
        }
    }
}

const MEMS: [Mem; 4] = [Mem::F32, Mem::Bf16, Mem::I32, Mem::Bool];

/// Loads of every kind of memory with every kind of step.
fn loads(case: &mut Case, rng: &mut Rng, b: &mut Body, len: i64, steps: &[i64]) {
    for _ in 0..1 + rng.below(4) {
        let mem = if rng.below(2) == 0 { Mem::F32 } else { rng.pick(&MEMS) };
        let step = rng.pick(steps);
        let ptr = case.pointer(rng, mem, if step == 0 { 1 } else { (len - 1) * step + 1 });
        let step = if steps == [0] { NONE } else { case.len(rng, step) };
        b.push(Inst::Load { ptr, step, row_step: NONE, mem });
    }
}

/// A store of a register to a buffer of its own.
fn store(case: &mut Case, rng: &mut Rng, b: &mut Body, len: i64, value: Reg) {
    let mem = match body_types(&b.insts)[value as usize] {
        Ty::F => rng.pick(&[Mem::F32, Mem::F32, Mem::Bf16]),
        Ty::I => Mem::I32,
        Ty::M => Mem::Bool,
    };
    let step = rng.pick(&[1, 1, 2]);
    let ptr = case.pointer(rng, mem, (len - 1) * step + 1);
    let step = case.len(rng, step);
    b.push(Inst::Store { ptr, step, row_step: NONE, mem, value });
    case.results.push((case.memory.len() - 1, mem, 0.0));
}

/// Scalars, a pass with folds, scalars of the folds, and a pass that uses the exact ones.
fn random_rows(seed: u64, len: i64) -> Case {
    let rng = &mut Rng(seed);
    let mut case = Case::default();
    let length = case.len(rng, len);
    let mut once = Body::default();
    loads(&mut case, rng, &mut once, 1, &[0]);
    let known = case.len(rng, 12);
    once.push(Inst::ArgInt(known));
    once.step(rng);
    let (scalar, whole) = (once.reg(rng, Ty::F), once.reg(rng, Ty::I));
    case.program.stmts.push(Stmt::Once { body: once.insts, outs: vec![(scalar, 0), (whole, 1)] });

    let mut b = Body::default();
    loads(&mut case, rng, &mut b, len, &[0, 1, 1, 1, 2, 3]);
    b.insts.extend([Inst::Slot(0, Ty::F), Inst::Slot(1, Ty::I), Inst::Index]);
    for _ in 0..rng.below(14) {
        b.step(rng);
    }
    let (mut folds, mut slots) = (Vec::new(), 2);
    for _ in 0..rng.below(4) {
        let kind = rng.pick(&[Fold::Sum, Fold::Max, Fold::MaxNan, Fold::MinNan, Fold::ISum, Fold::IMax, Fold::IMin]);
        let mut r = b.reg(rng, kind.ty());
        if kind == Fold::Sum {
            r = b.between(r, -1.0, 1.0);
        } else if kind == Fold::Max {
            // A NaN may get lost in it.
            r = b.number(r);
        }
        folds.push((kind, r, slots));
        slots += 1;
    }
    for _ in 0..1 + rng.below(2) {
        let t = rng.pick(&[Ty::F, Ty::I, Ty::M]);
        let value = b.reg(rng, t);
        store(&mut case, rng, &mut b, len, value);
    }
    case.program.stmts.push(Stmt::Map { len: length, body: b.insts, folds: folds.clone() });
    for (kind, _, slot) in &folds {
        let mem = if kind.ty() == Ty::F { Mem::F32 } else { Mem::I32 };
        let ptr = case.pointer(rng, mem, 1);
        let body = vec![Inst::Slot(*slot, kind.ty()), Inst::Store { ptr, step: NONE, row_step: NONE, mem, value: 0 }];
        case.program.stmts.push(Stmt::Once { body, outs: Vec::new() });
        // Of 0 and -0 the largest is either.
        case.results.push((case.memory.len() - 1, mem, if kind.ty() == Ty::F { 1e-5 } else { 0.0 }));
    }

    let mut b = Body::default();
    loads(&mut case, rng, &mut b, len, &[0, 1, 1, 1, 2, 3]);
    let exact = folds.iter().find(|f| f.0.ty() == Ty::I).map_or(1, |f| f.2);
    b.push(Inst::Slot(exact, Ty::I));
    for _ in 0..rng.below(6) {
        b.step(rng);
    }
    let t = rng.pick(&[Ty::F, Ty::I]);
    let value = b.reg(rng, t);
    store(&mut case, rng, &mut b, len, value);
    case.program.stmts.push(Stmt::Map { len: length, body: b.insts, folds: Vec::new() });
    case.program.slots = slots;
    case
}

#[test]
fn rows_of_every_length() {
    let mut wide = 0;
    for seed in 0..20 {
        for len in 0..=40 {
            wide += random_rows(seed * 1000 + len as u64, len).check(&format!("seed {seed}, {len} elements")) - 1;
        }
    }
    assert!(wide > 0 || Isa::host() == Isa::Clif128, "the emitter takes no program");
}

/// Long rows: whole unrolled blocks and every tail.
#[test]
fn long_rows() {
    for (i, len) in [63, 64, 65, 127, 128, 200, 257].into_iter().enumerate() {
        for seed in 0..6 {
            let n = random_rows(90_000 + seed * 10 + i as u64, len).check(&format!("seed {seed}, {len} elements"));
            assert!(n > 0);
        }
    }
}

/// Folds of rows with one special value, at the front, in the middle and in the tail.
#[test]
fn folds_of_special_values() {
    for kind in [Fold::Sum, Fold::Max, Fold::MaxNan, Fold::MinNan] {
        for len in [1, 2, 3, 4, 5, 8, 15, 16, 19, 37] {
            let load = Inst::Load { ptr: 0, step: ONE, row_step: NONE, mem: Mem::F32 };
            let keep = Inst::Store { ptr: 1, step: NONE, row_step: NONE, mem: Mem::F32, value: 0 };
            let mut case = Case {
                program: Program {
                    ptrs: 2,
                    ints: 0,
                    slots: 1,
                    stmts: vec![
                        Stmt::Map { len: Len::Const(len as i64), body: vec![load], folds: vec![(kind, 0, 0)] },
                        Stmt::Once { body: vec![Inst::Slot(0, Ty::F), keep], outs: Vec::new() },
                    ],
                },
                ptrs: vec![(0, 0), (1, 0)],
                results: vec![(1, Mem::F32, 1e-5)],
                ..Case::default()
            };
            for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e-45] {
                for at in [0, len / 2, len - 1] {
                    if kind == Fold::Max && special.is_nan() {
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

/// A tile with an epilogue that reads a bias and others, and stores in every kind of memory.
fn tile(seed: u64, rows: u8, cols: u8, k: i64) -> Case {
    let rng = &mut Rng(seed);
    let mut case = Case::default();
    let depth = case.len(rng, k);
    let left_row = k + rng.below(4) as i64;
    let a_row = case.len(rng, left_row);
    let (r, c) = (i64::from(rows), i64::from(cols));
    let a = case.pointer(rng, Mem::F32, (r - 1) * left_row + k);
    let strips = (c + STRIP - 1) / STRIP;
    let b = case.pointer(rng, Mem::F32, strips * k * STRIP);
    let mut body = Body { insts: vec![Inst::Acc] };
    let bias = case.pointer(rng, Mem::F32, c);
    body.push(Inst::Load { ptr: bias, step: ONE, row_step: NONE, mem: Mem::F32 });
    for _ in 0..rng.below(3) {
        let mem = rng.pick(&MEMS);
        let (step, row) = rng.pick(&[(1, c), (0, 1), (2, 2 * c + 1), (0, 0)]);
        let ptr = case.pointer(rng, mem, (r - 1) * row + (c - 1) * step + 1);
        let (step, row_step) = (case.len(rng, step), case.len(rng, row));
        body.push(Inst::Load { ptr, step, row_step, mem });
    }
    for _ in 0..rng.below(8) {
        body.step(rng);
    }
    for _ in 0..1 + rng.below(2) {
        let value = if rng.below(2) == 0 { 0 } else { body.reg(rng, Ty::F) };
        let mem = rng.pick(&[Mem::F32, Mem::F32, Mem::Bf16]);
        let (step, row) = rng.pick(&[(1, c), (1, c + 5), (2, 2 * c)]);
        let ptr = case.pointer(rng, mem, (r - 1) * row + (c - 1) * step + 1);
        let (step, row_step) = (case.len(rng, step), case.len(rng, row));
        body.push(Inst::Store { ptr, step, row_step, mem, value });
        case.results.push((case.memory.len() - 1, mem, 0.0));
    }
    case.program.stmts = vec![Stmt::Tile { rows, cols, k: depth, a, a_row, b, body: body.insts }];
    case
}

#[test]
fn tiles_of_every_shape() {
    for rows in 1..=4 {
        for cols in [1, 4, 8, 16] {
            for k in 0..=20 {
                let seed = 100_000 + u64::from(rows) * 10_000 + u64::from(cols) * 100 + k as u64;
                assert!(tile(seed, rows, cols, k).check(&format!("{rows} x {cols}, k = {k}")) > 0);
            }
        }
    }
}

/// The emitter's tiles of several strips and more rows.
#[test]
fn wide_tiles() {
    for isa in [Isa::Avx2, Isa::Avx512] {
        let mut emitted = 0;
        for (rows, cols) in [(1, 16), (1, 48), (1, 64), (4, 24), (6, 16), (8, 48), (14, 32), (6, 64), (3, 32)] {
            for k in [0, 1, 2, 3, 4, 7, 8, 19, 64] {
                let case = tile(200_000 + u64::from(rows) * 1000 + u64::from(cols) * 10 + k as u64, rows, cols, k);
                let Ok(Some(f)) = Function::wide(&case.program, isa) else { continue };
                emitted += 1;
                case.agree(&f, &format!("{rows} x {cols}, k = {k} on {isa}"));
            }
        }
        assert!(emitted > 0 || isa > Isa::host(), "no tile for {isa}");
    }
}

/// A program that reads or writes beyond its buffers: checked mode counts it, and nothing else is touched.
#[test]
fn checked_mode_finds_every_access_outside() {
    for len in [1i64, 4, 7, 33] {
        let body = vec![
            Inst::Load { ptr: 0, step: ONE, row_step: NONE, mem: Mem::F32 },
            Inst::Store { ptr: 1, step: ONE, row_step: NONE, mem: Mem::F32, value: 0 },
        ];
        let program = Program { ptrs: 2, ints: 1, slots: 0, stmts: vec![Stmt::Map { len: Len::Arg(0), body, folds: Vec::new() }] };
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
            let (Stmt::Once { body, .. } | Stmt::Map { body, .. } | Stmt::Tile { body, .. }) = stmt;
            seen.extend(body.iter().map(|i| match i {
                Inst::Un(op, _) => format!("{op:?}"),
                Inst::Bin(op, ..) => format!("{op:?}"),
                Inst::Cmp(op, ..) => format!("{op:?}"),
                Inst::Load { mem, .. } => format!("load {mem:?}"),
                Inst::Store { mem, .. } => format!("store {mem:?}"),
                other => format!("{other:?}").split('(').next().unwrap_or_default().to_string(),
            }));
            if let Stmt::Map { folds, .. } = stmt {
                seen.extend(folds.iter().map(|f| format!("fold {:?}", f.0)));
            }
        }
    };
    for seed in 0..200 {
        note(&random_rows(seed * 1000 + 7, 7).program);
        note(&tile(seed, 2, 8, 5).program);
    }
    // 8 functions of one lane, 14 of two, 6 comparisons, loads and stores of 4 kinds, 7 folds; and
    // Float, Int, ArgInt, Slot, Index, Acc, Fma and Select.
    assert_eq!(seen.len(), 8 + 14 + 6 + 4 + 4 + 7 + 8, "{seen:?}");
}
