//! Lanes programs with memory for them, run on every back end against the oracle.

use tancho_jit::Isa;
use tancho_jit::lanes::oracle::{self, Memory, Pointer};
use tancho_jit::lanes::{Mem, Program};
use tancho_jit::testing::Function;

/// Random bits (SplitMix64).
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
            let x = if self.below(40) == 0 { self.pick(&[0.0, -0.0, 1e-40, 1e30, f32::INFINITY, -1.0]) } else { x };
            match mem {
                Mem::F32 => out.extend(x.to_le_bytes()),
                Mem::Bf16 => out.extend(((x.to_bits() >> 16) as u16).to_le_bytes()),
                Mem::I32 => out.extend((self.bits() as i32 >> 20).to_le_bytes()),
                Mem::Bool => out.push(u8::from(self.below(2) == 0)),
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
    /// The buffers that are written, how their elements lie, and by how much a float may differ.
    pub results: Vec<(usize, Mem, f32)>,
}

impl Case {
    /// Runs it on every back end; gives their number.
    pub fn check(&self, what: &str) -> usize {
        let clif = Function::new(&self.program).unwrap_or_else(|e| panic!("{what}: {e}\n{:#?}", self.program));
        let mut back_ends = vec![(Isa::Clif128, clif)];
        for isa in [Isa::Avx2, Isa::Avx512] {
            if let Ok(Some(f)) = Function::wide(&self.program, isa) {
                back_ends.push((isa, f));
            }
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
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            match self.results.iter().find(|r| r.0 == i) {
                None => assert_eq!(got, want, "buffer {i}, which is only read: {}", at()),
                Some((_, mem, tolerance)) => {
                    let bad = differs(*mem, *tolerance, got, want);
                    assert!(bad.is_none(), "buffer {i}: {}: {}", bad.unwrap_or_default(), at());
                }
            }
        }
    }
}

/// The first element that differs; any NaN is any NaN, and -0 is 0 where sums are allowed to differ.
fn differs(mem: Mem, tolerance: f32, got: &[u8], want: &[u8]) -> Option<String> {
    let n = mem.size() as usize;
    let float = |b: &[u8]| match mem {
        Mem::F32 => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        Mem::Bf16 => f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16),
        Mem::I32 | Mem::Bool => 0.0,
    };
    got.chunks(n).zip(want.chunks(n)).enumerate().find_map(|(i, (g, w))| {
        let (x, y) = (float(g), float(w));
        let both_nan = x.is_nan() && y.is_nan();
        let near = tolerance > 0.0 && mem == Mem::F32 && (x == y || (x - y).abs() <= tolerance * y.abs().max(1.0));
        (g != w && !both_nan && !near).then(|| format!("element {i} is {g:?} ({x:e}), not {w:?} ({y:e})"))
    })
}
