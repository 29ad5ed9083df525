//! Code that reaches the limits of a machine. The speed of a network is compared with these limits.
//!
//! The code comes from the same emitter and the same Cranelift as the kernels. So a limit says how fast code
//! of an ISA level can be, and not what some other compiler makes of the machine.

// Calls generated code.
#![allow(unsafe_code)]

use crate::blob::{Arguments, CodeBlob, KernelFn};
use crate::codegen::Functions;
use crate::lanes::clif::ClifOptions;
use crate::lanes::x86::peak;
use crate::lanes::{Bin, Inst, Len, Mem, Program, Ptr, Reduce, RowReduction, Stmt, Ty};
use crate::programs::Emitter;
use crate::{CompileError, Target};
use cranelift::codegen::ir::types;
use cranelift::prelude::*;

/// Streams that [`Probes::read`] reads at once. Several streams use more of the memory's bandwidth than one.
pub const STREAMS: usize = 4;

/// Additions in an iteration of the dependent chain.
const CHAIN: u64 = 64;
/// Accumulators at 128 bits. The loop needs the others of the 16 registers for itself.
const NARROW: u64 = 12;

/// Functions that do one thing as fast as the machine does it.
#[derive(Clone, Debug)]
pub struct Probes {
    multiply_adds: KernelFn,
    /// Floating-point operations of one of its units.
    flops: u64,
    additions: KernelFn,
    read: KernelFn,
    copy: KernelFn,
}

impl Probes {
    /// The functions for a target.
    ///
    /// # Errors
    /// The machine cannot be targeted, or has no memory for code.
    pub fn new(target: Target) -> Result<Probes, CompileError> {
        let isa = target.back_end()?;
        let x86 = matches!(isa.triple().architecture, target_lexicon::Architecture::X86_64);
        let mut blob = CodeBlob::new(isa)?;
        let mut functions = Functions::new(
            &mut blob.module,
            ClifOptions { x86, checked: false, marked: false },
            Emitter::new(target.machine()),
        );
        let (multiply_adds, flops) = match target.width() {
            Some(width) => {
                let function = || "multiply_adds".to_string();
                let (code, program, flops) = peak::multiply_adds(width)
                    .map_err(|e| CompileError::Emitted { function: function(), message: e.0 })?;
                let callee = functions.emitted(&function(), &code, &program)?;
                (functions.calls(callee, 0)?, flops)
            }
            None => {
                let id = functions.bare("multiply_adds", |_, code, [_, begin, end]| {
                    let vector = |code: &mut crate::code::FunctionCode<'_, '_>, x: f32| {
                        let x = code.ins().f32const(x);
                        code.ins().splat(types::F32X4, x)
                    };
                    // `acc * 0.5 + 1` is a normal number after any number of iterations.
                    let (factor, term) = (vector(code, 0.5), vector(code, 1.0));
                    let start = vec![term; NARROW as usize];
                    code.for_range(begin, end, 1, &start, &mut |code, _, acc| {
                        let mut acc = acc.to_vec();
                        for _ in 0..4 {
                            for a in &mut acc {
                                *a = code.ins().fma(*a, factor, term);
                            }
                        }
                        acc
                    });
                })?;
                (id, 4 * NARROW * 4 * 2)
            }
        };
        let additions = functions.bare("additions", |_, code, [_, begin, end]| {
            code.for_range(begin, end, 1, &[begin], &mut |code, _, x| {
                // A register is added, not a constant: some machines add constants in no time.
                vec![(0..CHAIN).fold(x[0], |x, _| code.add(x, end))]
            });
        })?;
        let ids = [
            multiply_adds,
            additions,
            functions.caller(&read_program())?,
            functions.caller(&copy_program())?,
        ];
        let mut kernels = blob.finish(&ids)?.into_iter();
        let mut next = || kernels.next().ok_or_else(|| CompileError::Memory("a function is missing".into()));
        Ok(Probes { multiply_adds: next()?, flops, additions: next()?, read: next()?, copy: next()? })
    }

    /// Does at least `flops` floating-point operations, each multiply-add being two; gives how many.
    pub fn multiply_adds(&self, flops: u64) -> u64 {
        let units = flops.div_ceil(self.flops);
        call(&self.multiply_adds, &[], units);
        units * self.flops
    }

    /// Does at least `count` additions, each of which waits for the one before and takes a cycle; gives how
    /// many.
    pub fn additions(&self, count: u64) -> u64 {
        let units = count.div_ceil(CHAIN);
        call(&self.additions, &[], units);
        units * CHAIN
    }

    /// Reads all of `data`, up to a remainder of less than [`STREAMS`] elements, `times` times; gives
    /// the sum of what it read last.
    pub fn read(&self, data: &[f32], times: u64) -> f32 {
        let n = data.len() / STREAMS;
        let mut sum = [0.0f32; 1];
        let mut args: Vec<i64> = (0..STREAMS).map(|s| data[s * n..].as_ptr() as i64).collect();
        args.extend([sum.as_mut_ptr() as i64, n as i64]);
        call(&self.read, &args, times);
        sum[0]
    }

    /// Copies `from` to `to`, as much as the shorter of them has, `times` times.
    pub fn copy(&self, from: &[f32], to: &mut [f32], times: u64) {
        let n = from.len().min(to.len());
        call(&self.copy, &[from.as_ptr() as i64, to.as_mut_ptr() as i64, n as i64], times);
    }
}

/// `times` units of a probe; the callers above know what each does with its arguments.
fn call(kernel: &KernelFn, args: &[i64], times: u64) {
    let units = i64::try_from(times).unwrap_or(i64::MAX);
    let mut block = [0i64; size_of::<Arguments>() / 8 + STREAMS];
    block[..args.len()].copy_from_slice(args);
    // The block is no smaller than `Arguments`; `read_program` reads four pointers to `n` elements each, one
    // to a sum, and `n`; `copy_program` two pointers and `n`; the others nothing. SAFETY: `read` and `copy`
    // made these of slices with so many elements, the written ones borrowed for writing.
    unsafe { kernel.run(&*block.as_ptr().cast::<Arguments>(), 0, units) };
}

/// The sum of [`STREAMS`] rows, to one element.
fn read_program() -> Program {
    let streams = STREAMS as u16;
    let mut body: Vec<Inst> = (0..streams)
        .map(|stream| Inst::Load {
            ptr: Ptr::Arg(stream),
            step: Len::ONE,
            row_step: Len::ZERO,
            mem: Mem::F32,
        })
        .collect();
    body.extend([Inst::Bin(Bin::Add, 0, 1), Inst::Bin(Bin::Add, 2, 3), Inst::Bin(Bin::Add, 4, 5)]);
    let sum = Ptr::Arg(streams);
    let keep = Inst::Store { ptr: sum, step: Len::ZERO, row_step: Len::ZERO, mem: Mem::F32, value: 0 };
    let stmts = vec![
        Stmt::Map {
            len: Len::Arg(0),
            body,
            reductions: vec![RowReduction { how: Reduce::Sum, value: 6, slot: 0 }],
        },
        Stmt::Scalar { body: vec![Inst::Slot(0, Ty::F), keep], outs: Vec::new() },
    ];
    Program { ptrs: streams + 1, ints: 1, slots: 1, stmts, ..Program::default() }
}

/// One row to another.
fn copy_program() -> Program {
    let (from, to) = (Ptr::Arg(0), Ptr::Arg(1));
    let body = vec![
        Inst::Load { ptr: from, step: Len::ONE, row_step: Len::ZERO, mem: Mem::F32 },
        Inst::Store { ptr: to, step: Len::ONE, row_step: Len::ZERO, mem: Mem::F32, value: 0 },
    ];
    Program {
        ptrs: 2,
        ints: 1,
        stmts: vec![Stmt::Map { len: Len::Arg(0), body, reductions: Vec::new() }],
        ..Program::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn probes_do_what_they_say_at_every_level() {
        for isa in Isa::ALL.into_iter().filter(|i| *i <= Isa::host()) {
            let p = Probes::new(Target::host().with_isa(isa).unwrap()).unwrap();
            assert!(
                p.multiply_adds(1) > 0 && p.additions(1) == CHAIN && p.additions(CHAIN + 1) == 2 * CHAIN,
                "{isa}"
            );
            for n in [0, 3, 4, 63, 64, 1021] {
                let data: Vec<f32> = (0..n).map(|i| i as f32).collect();
                let read = n / STREAMS * STREAMS;
                assert_eq!(p.read(&data, 2), data[..read].iter().sum::<f32>(), "{n} elements at {isa}");
                let mut to = vec![-1.0; n + 1];
                p.copy(&data, &mut to, 1);
                assert!(to[..n] == data && to[n] == -1.0, "{n} elements at {isa}");
            }
        }
    }
}
