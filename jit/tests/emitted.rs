//! The emitter takes every form of row programs that networks produce, and each gives what the oracle gives:
//! rows of every length that the program knows or is given, at strides of every kind, of special values.

mod common;

use common::{Case, Rng};
use tancho_jit::Isa;
use tancho_jit::lanes::expr::Expr;
use tancho_jit::lanes::schedule::schedule;
use tancho_jit::lanes::{
    Bin, Cmp, Encoding, Inst, Len, Mem, PANEL, Program, Ptr, Reduce, Reg, Stmt, Tile, Ty, Un, norms,
};
use tancho_jit::testing::Function;

/// What is at the ends of ranges, rounds to even, overflows, or is no number.
const FLOATS: [u32; 28] = [
    0x0000_0000, // 0
    0x8000_0000, // -0
    0x0000_0001, // the smallest subnormal
    0x807f_ffff, // the largest negative subnormal
    0x0080_0000, // the smallest normal
    0x7f7f_ffff, // the largest, infinite as bf16
    0xff7f_ffff,
    0x7f80_0000, // infinities
    0xff80_0000,
    0x7fc0_0000, // quiet and signalling NaN
    0xffff_ffff,
    0x7f80_0001,
    0x3f80_8000, // ties of bf16, to even below and above
    0x3f81_8000,
    0xbf80_8001,
    0x3f80_7fff,
    0x4eff_ffff, // around 2^31
    0x4f00_0000,
    0xcf00_0000,
    0xcf00_0001,
    0x4f80_0000,
    0x3f7f_ffff, // around 1
    0x3fc0_0000,
    0xbfc0_0000,
    0x0000_8000, // a tie of subnormals
    0x7f7f_8000,
    0xc2f6_e979,
    0x42f6_e979,
];
const INTS: [i32; 9] = [i32::MIN, i32::MIN + 1, -2, -1, 0, 1, 2, i32::MAX - 1, i32::MAX];

/// A program over rows as it is built: expressions, their buffers, and lengths that it knows or is given.
struct Rows {
    e: Expr,
    case: Case,
    rng: Rng,
    len: i64,
    given: bool,
    special: bool,
}

impl Rows {
    fn new(seed: u64, len: i64, given: bool) -> Rows {
        Rows { e: Expr::default(), case: Case::default(), rng: Rng::new(seed), len, given, special: true }
    }

    fn length(&mut self, n: i64) -> Len {
        if !self.given {
            return Len::Const(n);
        }
        self.case.ints.push(n);
        Len::Arg(self.case.ints.len() as u16 - 1)
    }

    fn element(&mut self, mem: Mem) -> Vec<u8> {
        if !self.special {
            return self.rng.fill(mem, 1);
        }
        match mem {
            Mem::F32 => self.rng.pick(&FLOATS).to_le_bytes().to_vec(),
            Mem::Bf16 => ((self.rng.pick(&FLOATS) >> 16) as u16).to_le_bytes().to_vec(),
            Mem::I32 => self.rng.pick(&INTS).to_le_bytes().to_vec(),
            Mem::Bool => vec![self.rng.pick(&[0, 0, 1, 1, 1])],
            Mem::I8 => vec![self.rng.pick(&[0, 1, 0x7f, 0x80, 0xff])],
        }
    }

    /// A pointer to a buffer of just the elements that a row of that stride has.
    fn buffer(&mut self, mem: Mem, step: i64, rows: i64) -> u16 {
        let reach = step * (self.len - 1).max(0);
        let bytes = (0..rows * (reach.abs() + 1)).flat_map(|_| self.element(mem)).collect();
        self.case.memory.push(bytes);
        self.case.ptrs.push((self.case.memory.len() - 1, (-reach).max(0) * mem.size()));
        self.case.ptrs.len() as u16 - 1
    }

    fn read(&mut self, mem: Mem, step: i64) -> Reg {
        let ptr = self.buffer(mem, step, 1);
        let step = if step.abs() > 1 { self.length(step) } else { Len::Const(step) };
        self.e.load(ptr, step, Len::ZERO, mem)
    }

    fn write(&mut self, mem: Mem, step: i64, value: Reg, tolerance: f32) {
        let ptr = self.buffer(mem, step, 1);
        let step = if step.abs() > 1 { self.length(step) } else { Len::Const(step) };
        self.e.store(ptr, step, Len::ZERO, mem, value);
        self.case.results.push((self.case.memory.len() - 1, mem, tolerance));
    }

    /// Cuts it into passes and runs it on every level this machine has, none of which may leave it to
    /// Cranelift.
    fn check(mut self, what: &str) {
        let len = self.len;
        let length = self.length(len);
        let s = schedule(&self.e, length, self.case.ptrs.len() as u16, self.case.ints.len() as u16);
        for _ in 0..s.scratch_rows {
            self.buffer(Mem::F32, 1, 1);
            self.case.results.push((self.case.memory.len() - 1, Mem::F32, f32::INFINITY));
        }
        self.case.program = s.program;
        let levels = Isa::ALL.iter().filter(|i| **i <= Isa::host()).count();
        let what =
            format!("{what}, {len} elements, {}", if self.given { "given at run time" } else { "known" });
        assert_eq!(self.case.check(&what), levels, "the emitter leaves it to Cranelift: {what}");
    }
}

/// One program for each length, known and given.
fn every_length(what: &str, build: impl Fn(&mut Rows)) {
    for len in 0..=70 {
        for given in [false, true] {
            let mut r = Rows::new(len as u64, len, given);
            build(&mut r);
            r.check(what);
        }
    }
}

#[test]
fn reductions_keep_nan() {
    every_length("reductions", |r| {
        let x = r.read(Mem::F32, 1);
        let i = r.read(Mem::I32, 1);
        for kind in [Reduce::MaxNan, Reduce::MinNan] {
            let m = r.e.reduce(kind, x);
            // Of 0 and -0 the largest is either.
            r.write(Mem::F32, 0, m, 1e-30);
        }
        for kind in [Reduce::ISum, Reduce::IMax, Reduce::IMin] {
            let m = r.e.reduce(kind, i);
            r.write(Mem::I32, 0, m, 0.0);
        }
    });
}

/// Rows with one NaN, everywhere; the others lie below a reduction's first value or above.
#[test]
fn one_nan_is_kept() {
    for kind in [Reduce::MaxNan, Reduce::MinNan] {
        for len in [1i64, 7, 8, 9, 16, 33, 64, 67, 139] {
            for at in 0..len {
                let mut r = Rows::new(at as u64, len, at % 2 == 0);
                r.special = false;
                let x = r.read(Mem::F32, 1);
                let m = r.e.reduce(kind, x);
                r.write(Mem::F32, 0, m, 0.0);
                r.case.memory[0][at as usize * 4..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
                r.check("one NaN");
            }
        }
    }
}

#[test]
fn argmax_of_floats_and_ints() {
    every_length("argmax", |r| {
        let (x, i) = (r.read(Mem::F32, 1), r.read(Mem::I32, 3));
        for row in [x, i] {
            let at = norms::argmax(&mut r.e, row);
            r.write(Mem::I32, 0, at, 0.0);
        }
    });
    every_length("argmax without specials", |r| {
        r.special = false;
        let x = r.read(Mem::F32, 1);
        let at = norms::argmax(&mut r.e, x);
        r.write(Mem::I32, 0, at, 0.0);
    });
}

#[test]
fn numbers_of_elements() {
    every_length("numbers", |r| {
        let i = r.e.push(Inst::Index);
        let x = r.e.un(Un::ToFloat, i);
        r.write(Mem::I32, 1, i, 0.0);
        r.write(Mem::F32, 2, x, 0.0);
        r.write(Mem::Bf16, 1, x, 0.0);
    });
}

#[test]
fn comparisons_of_ints() {
    every_length("comparisons", |r| {
        let (a, b, c) = (r.read(Mem::I32, 1), r.read(Mem::I32, 1), r.e.int(-1));
        for (op, b) in [(Cmp::Eq, b), (Cmp::Ne, b), (Cmp::Lt, b), (Cmp::Le, c), (Cmp::Gt, c), (Cmp::Ge, b)] {
            let m = r.e.cmp(op, a, b);
            r.write(Mem::Bool, 1, m, 0.0);
        }
    });
}

#[test]
fn conversions() {
    every_length("conversions", |r| {
        let x = r.read(Mem::F32, 1);
        let i = r.e.un(Un::ToIntSat, x);
        r.write(Mem::I32, 1, i, 0.0);
        r.write(Mem::Bf16, 1, x, 0.0);
        let y = r.read(Mem::Bf16, 1);
        r.write(Mem::F32, 1, y, 0.0);
        let z = r.e.un(Un::ToFloat, i);
        r.write(Mem::F32, 1, z, 0.0);
    });
}

/// Every kind of element from every stride to every other.
#[test]
fn strides() {
    for (from, to) in [(1, 1), (0, 1), (2, 1), (1, 3), (17, 2), (-1, 1), (1, -1), (-3, -2), (3, 17), (-17, 1)]
    {
        // As many pointers as registers hold.
        for mems in [&[Mem::F32, Mem::Bf16, Mem::I32, Mem::Bool][..], &[Mem::I8]] {
            every_length(&format!("strides {from} to {to}"), |r| {
                for mem in mems {
                    let x = r.read(*mem, from);
                    r.write(*mem, to, x, 0.0);
                }
            });
        }
    }
}

/// Strides that the program is given may be 0, 1 or anything else; where all elements are written to one, the
/// last stays.
#[test]
fn strides_of_any_value() {
    for len in 0..=40 {
        for step in [0i64, 1, -1, 5] {
            for mem in [Mem::F32, Mem::Bf16, Mem::I32, Mem::Bool, Mem::I8] {
                let mut r = Rows::new(len as u64, len, true);
                let (from, to) = (r.buffer(mem, step, 1), r.buffer(mem, step, 1));
                let step = r.length(step);
                let x = r.e.load(from, step, Len::ZERO, mem);
                r.e.store(to, step, Len::ZERO, mem, x);
                r.case.results.push((1, mem, 0.0));
                r.check("a stride");
            }
        }
    }
}

/// A row that is read and written, with what is before and behind it.
#[test]
fn rows_in_place() {
    for mem in [Mem::F32, Mem::Bf16, Mem::I32, Mem::Bool, Mem::I8] {
        for step in [1, 3] {
            every_length("in place", |r| {
                let ptr = r.buffer(mem, step, 2);
                let step = r.length(step);
                let x = r.e.load(ptr, step, Len::ZERO, mem);
                let y = match mem.ty() {
                    Ty::F => r.e.add(x, x),
                    Ty::I => r.e.bin(Bin::IAdd, x, x),
                    Ty::M => r.e.un(Un::Not, x),
                };
                r.e.store(ptr, step, Len::ZERO, mem, y);
                r.case.results.push((0, mem, 0.0));
            });
        }
    }
}

#[test]
fn row_scalars_of_every_kind() {
    for given in [false, true] {
        for seed in 0..40 {
            let mut r = Rows::new(seed, 1, given);
            for mem in [Mem::F32, Mem::Bf16, Mem::I32, Mem::Bool, Mem::I8] {
                let x = r.read(mem, 0);
                r.write(mem, 0, x, 0.0);
            }
            r.check("scalars");
        }
    }
}

#[test]
fn softmax_under_a_mask() {
    every_length("softmax", |r| {
        r.special = false;
        let (x, keep) = (r.read(Mem::F32, 1), r.read(Mem::Bool, 1));
        let (p, scale) = norms::softmax_parts(&mut r.e, x, Some(keep));
        let p = r.e.mul(p, scale);
        r.write(Mem::F32, 1, p, 1e-5);
    });
}

/// Its row scalars are a long body of their own.
#[test]
fn logarithms_of_softmax() {
    every_length("softmax", |r| {
        r.special = false;
        let x = r.read(Mem::F32, 1);
        let p = norms::softmax(&mut r.e, x, true);
        r.write(Mem::F32, 1, p, 1e-5);
    });
}

/// A stride whose elements lie further apart than an instruction's constants reach.
#[test]
fn strides_beyond_31_bits_are_refused() {
    for step in [i64::from(i32::MAX), i64::from(i32::MAX) + 2, -(1 << 40), -(1 << 28)] {
        let body = vec![
            Inst::Load { ptr: Ptr::Arg(0), step: Len::Const(step), row_step: Len::ZERO, mem: Mem::F32 },
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
        for isa in [Isa::Avx2, Isa::Avx512] {
            if isa <= Isa::host() {
                assert!(matches!(Function::wide(&program, isa), Ok(None)), "{step} on {isa}");
            }
        }
        assert!(Function::new(&program).is_ok(), "Cranelift does {step}");
    }
}

/// Epilogues with flags, bf16, lane numbers and strides, in tiles as contractions have them.
#[test]
fn epilogues_of_tiles() {
    for (isa, rows, cols) in
        [(Isa::Avx2, 6u8, 16u8), (Isa::Avx2, 4, 13), (Isa::Avx512, 8, 48), (Isa::Avx512, 3, 37)]
    {
        if isa > Isa::host() {
            continue;
        }
        for seed in 0..8 {
            let mut r = Rows::new(seed, i64::from(cols), seed % 2 == 0);
            r.special = false;
            let (k, n) = (5, i64::from(rows));
            let panels = (r.len + PANEL - 1) / PANEL;
            let made = r.rng.fill(Mem::F32, (n * k) as usize);
            let packed = r.rng.fill(Mem::F32, (panels * k * PANEL) as usize);
            r.case.memory = vec![made, packed];
            r.case.ptrs = vec![(0, 0), (1, 0)];
            let step = [1, 2, 3, 1][seed as usize % 4];
            let acc = r.e.push(Inst::Acc);
            let row_step = |step: i64, len: i64| step * (len - 1) + 1;
            let bias = r.buffer(Mem::Bf16, 1, 1);
            let bias = r.e.load(bias, Len::ONE, Len::ZERO, Mem::Bf16);
            let flags = r.buffer(Mem::Bool, step, n);
            let (s, apart) = (r.length(step), r.length(row_step(step, i64::from(cols))));
            let keep = r.e.load(flags, s, apart, Mem::Bool);
            let sum = r.e.add(acc, bias);
            let index = r.e.push(Inst::Index);
            let number = r.e.un(Un::ToFloat, index);
            let value = r.e.select(keep, sum, number);
            for mem in [Mem::Bf16, Mem::F32] {
                let to = r.buffer(mem, step, n);
                r.e.store(to, s, apart, mem, value);
                r.case.results.push((r.case.memory.len() - 1, mem, 0.0));
            }
            let body = r.e.insts.clone();
            let tile = Stmt::Tile(Tile {
                rows,
                cols,
                k: Len::Const(k),
                panel: Len::Const(k),
                left: 0,
                left_row: Len::Const(k),
                left_step: Len::ONE,
                right: 1,
                encoding: Encoding::F32,
                prefetch: None,
                body,
            });
            r.case.program = Program {
                ptrs: r.case.ptrs.len() as u16,
                ints: r.case.ints.len() as u16,
                slots: 0,
                derived: Vec::new(),
                fixed_sums: false,
                stmts: vec![tile],
            };
            let f = Function::wide(&r.case.program, isa).expect("sound code");
            let f = f.unwrap_or_else(|| panic!("{rows} x {cols} on {isa} is left to Cranelift"));
            r.case.agree(&f, &format!("{rows} x {cols} on {isa}"));
        }
    }
}
