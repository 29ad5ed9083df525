//! Random lanes programs with memory for them, and what must hold of their code.

#![allow(dead_code, missing_docs)] // each test file uses a part

mod body;
// A dependency on that crate would be one on all of tancho.
#[path = "../../../tests/support/src/rng.rs"]
mod rng;
pub mod rows;
pub mod tiles;

pub use rng::Rng;

use tancho_jit::lanes::oracle::{self, Memory, Pointer};
use tancho_jit::lanes::{Len, Mem, Program};
use tancho_jit::testing::Function;
use tancho_jit::{CompileError, Isa};

pub const NONE: Len = Len::Const(0);
pub const ONE: Len = Len::Const(1);

impl Rng {
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
    /// A length that the program knows, or is given.
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
