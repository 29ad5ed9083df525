//! Random lanes programs with memory for them, and what must hold of their code.

#![allow(dead_code, missing_docs)] // each test file uses a part

use tancho_jit::lanes::oracle::{self, Memory, Pointer};
use tancho_jit::lanes::{
    Ahead, Bin, Cmp, DERIVED, Derived, Fold, Inst, Len, Mem, PART, Program, Reg, STRIP, Stmt, Terms, Ty, Un,
    body_types,
};
use tancho_jit::testing::Function;
use tancho_jit::{CompileError, Isa};

pub struct Rng(pub u64);

impl Rng {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() >> 16) as usize % n.max(1)
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Elements of one kind: floats in (-4, 4), small integers, flags, now and then a special float.
    pub fn fill(&mut self, mem: Mem, count: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..count {
            let x = (self.bits() >> 40) as f32 / (1u64 << 21) as f32 - 4.0;
            let x = if self.below(40) == 0 {
                self.pick(&[0.0, -0.0, 1e-40, 1e30, f32::INFINITY, -1.0])
            } else {
                x
            };
            match mem {
                Mem::F32 => out.extend(x.to_le_bytes()),
                Mem::Bf16 => out.extend(((x.to_bits() >> 16) as u16).to_le_bytes()),
                Mem::I32 => out.extend((self.bits() as i32 >> 20).to_le_bytes()),
                Mem::Bool => out.push(u8::from(self.below(2) == 0)),
                Mem::I8 => out.push(self.bits() as u8),
            }
        }
        out
    }
}

/// A program with memory for it.
#[derive(Default)]
pub struct Case {
    pub program: Program,
    pub memory: Memory,
    pub ptrs: Vec<Pointer>,
    pub ints: Vec<i64>,
    /// Only what the emitter takes as a rule, and pointers at the first byte of their buffers.
    pub plain: bool,
    /// The buffers that are written, how their elements lie, and by how much a float may differ.
    pub results: Vec<(usize, Mem, f32)>,
}

impl Case {
    /// A length that the program knows, or is told.
    pub fn len(&mut self, rng: &mut Rng, n: i64) -> Len {
        if rng.below(2) == 0 {
            return Len::Const(n);
        }
        self.ints.push(n);
        self.program.ints += 1;
        Len::Arg(self.program.ints - 1)
    }

    /// A buffer that ends with the last element, the pointer a few elements inside.
    pub fn pointer(&mut self, rng: &mut Rng, mem: Mem, count: i64) -> u16 {
        let before = if self.plain { 0 } else { rng.below(3) };
        self.memory.push(rng.fill(mem, before + count.max(0) as usize));
        self.ptrs.push((self.memory.len() - 1, before as i64 * mem.size()));
        self.program.ptrs += 1;
        self.program.ptrs - 1
    }

    /// Runs it on every back end; gives their number.
    pub fn check(&self, what: &str) -> usize {
        let clif =
            Function::new(&self.program).unwrap_or_else(|e| panic!("{what}: {e}\n{:#?}", self.program));
        let mut back_ends = vec![(Isa::Clif128, clif)];
        for isa in [Isa::Avx2, Isa::Avx512] {
            back_ends.extend(wide(&self.program, isa).map(|f| (isa, f)));
        }
        for (isa, f) in &back_ends {
            self.agree(f, &format!("{what} on {isa}"));
        }
        back_ends.len()
    }

    /// Runs one function and the oracle.
    pub fn agree(&self, f: &Function, what: &str) {
        let (mut got, mut want) = (self.memory.clone(), self.memory.clone());
        oracle::run(&self.program, &mut want, &self.ptrs, &self.ints);
        let outside = f.run(&mut got, &self.ptrs, &self.ints);
        let at = || format!("{what}, ints {:?}\n{:#?}", self.ints, self.program);
        assert_eq!(outside, 0, "accesses outside of buffers: {}", at());
        self.compare(&got, &want, at);
    }

    /// What is written must be what the oracle wrote, and nothing else may have changed.
    pub fn compare(&self, got: &Memory, want: &Memory, at: impl Fn() -> String) {
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            match self.results.iter().find(|r| r.0 == i) {
                None => assert!(got == want, "buffer {i}, which is only read: {}", at()),
                Some((_, mem, tolerance)) => {
                    let bad = differs(*mem, *tolerance, got, want);
                    assert!(bad.is_none(), "buffer {i}: {}: {}", bad.unwrap_or_default(), at());
                }
            }
        }
    }
}

/// The emitter's code of a program, if it does that; code that is not sound is a failure.
pub fn wide(program: &Program, isa: Isa) -> Option<Function> {
    match Function::wide(program, isa) {
        Ok(f) => f,
        Err(CompileError::Isa { .. }) => None,
        Err(e) => panic!("{e} on {isa}\n{program:#?}"),
    }
}

/// The first element that differs; any NaN is any NaN, and -0 is 0 where sums are allowed to differ.
pub fn differs(mem: Mem, tolerance: f32, got: &[u8], want: &[u8]) -> Option<String> {
    let n = mem.size() as usize;
    let float = |b: &[u8]| match mem {
        Mem::F32 => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        Mem::Bf16 => f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16),
        Mem::I32 | Mem::Bool | Mem::I8 => 0.0,
    };
    got.chunks(n).zip(want.chunks(n)).enumerate().find_map(|(i, (g, w))| {
        let (x, y) = (float(g), float(w));
        let both_nan = x.is_nan() && y.is_nan();
        let near =
            tolerance > 0.0 && mem == Mem::F32 && (x == y || (x - y).abs() <= tolerance * y.abs().max(1.0));
        (g != w && !both_nan && !near).then(|| format!("element {i} is {g:?} ({x:e}), not {w:?} ({y:e})"))
    })
}

/// A random body: registers of known types, every instruction in its turn.
#[derive(Default)]
pub struct Body {
    pub insts: Vec<Inst>,
}

impl Body {
    pub fn push(&mut self, i: Inst) -> Reg {
        self.insts.push(i);
        (self.insts.len() - 1) as Reg
    }

    /// A register of that type; a constant if there is none.
    pub fn reg(&mut self, rng: &mut Rng, t: Ty) -> Reg {
        let types = body_types(&self.insts);
        let is_store = |i: usize| matches!(self.insts[i], Inst::Store { .. });
        let of: Vec<Reg> =
            (0..types.len()).filter(|i| types[*i] == t && !is_store(*i)).map(|i| i as Reg).collect();
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

    pub fn float(&mut self, x: f32) -> Reg {
        self.push(Inst::Float(x.to_bits()))
    }

    /// The same without NaN, whose bits are nobody's business.
    pub fn number(&mut self, x: Reg) -> Reg {
        let (zero, nan) = (self.float(0.0), self.push(Inst::Cmp(Cmp::Ne, x, x)));
        self.push(Inst::Select(nan, zero, x))
    }

    /// Brought between two bounds; NaN becomes the lower.
    pub fn between(&mut self, x: Reg, low: f32, high: f32) -> Reg {
        let (low, high) = (self.float(low), self.float(high));
        let x = self.push(Inst::Bin(Bin::Max, x, low));
        self.push(Inst::Bin(Bin::Min, x, high))
    }

    pub fn step(&mut self, rng: &mut Rng) {
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

pub const MEMS: [Mem; 5] = [Mem::F32, Mem::I32, Mem::Bool, Mem::Bf16, Mem::I8];

impl Case {
    /// One of them, of plain ones the first `usual`.
    fn one_of<T: Copy>(&self, rng: &mut Rng, usual: usize, of: &[T]) -> T {
        rng.pick(if self.plain { &of[..usual] } else { of })
    }

    /// A step along a row.
    fn step(&mut self, rng: &mut Rng, n: i64) -> Len {
        if self.plain { Len::Const(n) } else { self.len(rng, n) }
    }
}

impl Case {
    /// Fills the operands of a tile of integers, rows and strips of so many groups: any bytes and factors,
    /// sums as large as sums of bytes are.
    fn integers(
        &mut self,
        rng: &mut Rng,
        terms: Terms,
        (a, row, rows): (u16, i64, i64),
        (b, elements): (u16, i64),
        groups: i64,
    ) {
        let group = terms.group().expect("groups");
        let mut write = |ptr: u16, at: i64, word: u32| {
            let (buffer, from) = self.ptrs[usize::from(ptr)];
            let at = (from + 4 * at) as usize;
            self.memory[buffer][at..at + 4].copy_from_slice(&word.to_le_bytes());
        };
        for (r, g) in (0..rows).flat_map(|r| (0..groups).map(move |g| (r, g))) {
            let at = r * row + g * group.left();
            (0..group.terms / 4).for_each(|i| write(a, at + i, rng.bits() as u32));
            if terms == Terms::Bytes {
                write(a, at + group.terms / 4 + 1, (rng.bits() as i32 >> 11) as u32);
            }
        }
        for line in (0..elements / STRIP).filter(|l| l % group.right() < group.lines) {
            (0..STRIP).for_each(|c| write(b, line * STRIP + c, rng.bits() as u32));
        }
    }
}

/// Loads of every kind of memory with every kind of step.
pub fn loads(case: &mut Case, rng: &mut Rng, b: &mut Body, len: i64, steps: &[i64]) {
    for _ in 0..1 + rng.below(4) {
        let mem = if rng.below(2) == 0 { Mem::F32 } else { case.one_of(rng, 3, &MEMS) };
        let step = case.one_of(rng, steps.len().min(4), steps);
        let at = if rng.below(4) == 0 { rng.below(20) as i64 } else { 0 };
        let more = at * 4 / mem.size();
        let mut ptr = case.pointer(rng, mem, more + if step == 0 { 1 } else { (len - 1).max(0) * step + 1 });
        if at > 0 {
            case.program.derived.push(Derived { ptr, at });
            ptr = DERIVED + case.program.derived.len() as u16 - 1;
        }
        let step = if steps == [0] { Len::ZERO } else { case.step(rng, step) };
        b.push(Inst::Load { ptr, step, row_step: Len::ZERO, mem });
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
    let ptr = case.pointer(rng, mem, (len - 1) * step + 1);
    let step = case.step(rng, step);
    b.push(Inst::Store { ptr, step, row_step: Len::ZERO, mem, value });
    case.results.push((case.memory.len() - 1, mem, 0.0));
}

/// Scalars, a pass with folds, scalars of the folds, and a pass that uses the exact ones.
pub fn random_rows(seed: u64, len: i64, plain: bool) -> Case {
    let rng = &mut Rng(seed);
    let mut case = Case { plain, ..Case::default() };
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
    b.insts.extend([Inst::Slot(0, Ty::F), Inst::Slot(1, Ty::I)]);
    if !plain {
        b.push(Inst::Index);
    }
    for _ in 0..rng.below(14) {
        b.step(rng);
    }
    let (mut folds, mut slots) = (Vec::new(), 2);
    for _ in 0..rng.below(4) {
        let kind = case.one_of(
            rng,
            5,
            &[Fold::Sum, Fold::Max, Fold::ISum, Fold::IMax, Fold::IMin, Fold::MaxNan, Fold::MinNan],
        );
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
        let body = vec![
            Inst::Slot(*slot, kind.ty()),
            Inst::Store { ptr, step: Len::ZERO, row_step: Len::ZERO, mem, value: 0 },
        ];
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

/// Whether this machine adds products of bf16.
pub fn pairs() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// A tile with an epilogue that reads a bias and others, and stores in every kind of memory.
pub fn tile(seed: u64, (rows, cols): (u8, u8), k: i64, plain: bool) -> Case {
    let rng = &mut Rng(seed);
    let terms = match rng.below(8) {
        0 | 1 => Terms::Halves,
        2 if pairs() => Terms::Pairs,
        3 => Terms::Bytes,
        4 => Terms::Nibbles,
        _ => Terms::F32,
    };
    tile_of(rng, terms, (rows, cols), k, plain)
}

/// The same with the operands given.
pub fn tile_of(rng: &mut Rng, terms: Terms, (rows, cols): (u8, u8), k: i64, plain: bool) -> Case {
    let mut case = Case { plain, ..Case::default() };
    // A few groups, or as many as make a sum of parts.
    let groups = if k < 4 * PART { k % 4 } else { k / 4 };
    let (k, depth) = match (terms, terms.group()) {
        (_, Some(group)) => (groups * group.terms, Len::Const(groups * group.terms)),
        (Terms::F32, None) => (k, case.len(rng, k)),
        _ => (k + k % 2, Len::Const(k + k % 2)),
    };
    // Of every fourth strip there is more than the sum takes.
    let (more, whole) =
        if rng.below(4) == 0 { (rng.below(5) as i64 * terms.together(), false) } else { (0, true) };
    let strip_terms = k + more;
    let strip = match (depth, terms) {
        (depth, _) if whole => depth,
        (_, Terms::F32) => case.len(rng, strip_terms),
        _ => Len::Const(strip_terms),
    };
    let left_row = terms.left(k) + rng.below(4) as i64;
    let a_row = case.len(rng, left_row);
    let (r, c) = (i64::from(rows), i64::from(cols));
    let left = (r - 1) * left_row + terms.left(k);
    let a = if terms == Terms::Pairs {
        case.pointer(rng, Mem::Bf16, 2 * left)
    } else {
        case.pointer(rng, Mem::F32, left)
    };
    // Nothing behind the last column of the last strip: a tile may begin inside of one.
    let strips = (c + STRIP - 1) / STRIP;
    let lines = (strips - 1) * terms.lines(strip_terms) + terms.lines(k);
    let elements = if k > 0 { (lines - 1) * STRIP + (c - 1) % STRIP + 1 } else { 0 };
    let b = match terms {
        Terms::Halves | Terms::Pairs => case.pointer(rng, Mem::Bf16, 2 * elements),
        _ => case.pointer(rng, Mem::F32, elements),
    };
    if let Some(group) = terms.group() {
        case.integers(rng, terms, (a, left_row, r), (b, elements), k / group.terms);
    }
    // Whatever is said to come next, be it no memory at all.
    let lines = rng.below(4) as u8;
    let ahead = (rng.below(3) == 0).then(|| Ahead { ptr: case.pointer(rng, Mem::F32, 1), lines });
    let mut body = Body { insts: vec![Inst::Acc] };
    let bias = case.pointer(rng, Mem::F32, c);
    body.push(Inst::Load { ptr: bias, step: Len::ONE, row_step: Len::ZERO, mem: Mem::F32 });
    for _ in 0..rng.below(3) {
        let mem = case.one_of(rng, 3, &MEMS);
        let (step, row) = case.one_of(rng, 4, &[(1, c), (1, c + 3), (0, 1), (0, 0), (2, 2 * c + 1)]);
        let ptr = case.pointer(rng, mem, (r - 1) * row + (c - 1) * step + 1);
        let (step, row_step) = (case.step(rng, step), case.len(rng, row));
        body.push(Inst::Load { ptr, step, row_step, mem });
    }
    for _ in 0..rng.below(8) {
        body.step(rng);
    }
    for _ in 0..1 + rng.below(2) {
        let value = if rng.below(2) == 0 { 0 } else { body.reg(rng, Ty::F) };
        let mem = case.one_of(rng, 2, &[Mem::F32, Mem::F32, Mem::Bf16]);
        let (step, row) = case.one_of(rng, 2, &[(1, c), (1, c + 5), (2, 2 * c)]);
        let ptr = case.pointer(rng, mem, (r - 1) * row + (c - 1) * step + 1);
        let (step, row_step) = (case.step(rng, step), case.len(rng, row));
        body.push(Inst::Store { ptr, step, row_step, mem, value });
        case.results.push((case.memory.len() - 1, mem, 0.0));
    }
    case.program.stmts =
        vec![Stmt::Tile { rows, cols, k: depth, strip, a, a_row, b, terms, ahead, body: body.insts }];
    case
}
