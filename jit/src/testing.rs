//! Single vector programs as functions, for tests.
//!
//! Calling one is safe. Functions that Cranelift makes are in checked mode, where an access outside of its
//! buffer is counted and does no harm. Functions that the emitter makes run only after the oracle has shown
//! that no access is outside.

// Calls generated code on buffers that tests describe.
#![allow(unsafe_code)]

use crate::blob::{Arguments, CodeBlob, KernelFn};
use crate::codegen::Functions;
use crate::lanes::Program;
use crate::lanes::clif::ClifOptions;
use crate::lanes::oracle::{Memory, Pointer};
use crate::machine::Machine;
use crate::programs::Emitter;
use crate::{CompileError, Isa, Target};

pub use crate::lanes::x86::{Width, emit, verify::verify};

/// Words that a reference to an argument block covers, of which a single program's caller reads only its own.
const BLOCK: usize = size_of::<Arguments>() / 8;

/// A vector program as native code.
#[derive(Debug)]
pub struct Function {
    kernel: KernelFn,
    program: Program,
    checked: bool,
}

impl Function {
    /// Compiles a program.
    ///
    /// # Errors
    /// The machine cannot be targeted, or Cranelift refuses the code.
    pub fn new(program: &Program) -> Result<Function, CompileError> {
        Function::build(
            &[program],
            Target::host().with_checked(true),
            Target::host().with_checked(true).machine(),
        )?
        .pop()
        .ok_or_else(|| CompileError::Host("no function".into()))
    }

    /// The emitter's code for a program; `None` if it leaves the program to Cranelift.
    ///
    /// # Errors
    /// The machine does not have that level, or the code is not sound.
    pub fn wide(program: &Program, isa: Isa) -> Result<Option<Function>, CompileError> {
        Function::wide_by(program, isa, true)
    }

    /// The same as on a machine without VNNI, unless `dots`.
    ///
    /// # Errors
    /// As of [`Function::wide`].
    pub fn wide_by(program: &Program, isa: Isa, dots: bool) -> Result<Option<Function>, CompileError> {
        let target = Target::host().with_isa(isa)?;
        let machine = Machine { dots: target.machine().dots && dots, ..target.machine() };
        match target.width().map(|w| emit(program, w, machine.dots)) {
            Some(Ok(_)) => Ok(Function::build(&[program], target, machine)?.pop()),
            _ => Ok(None),
        }
    }

    /// The same for many programs at once, in one range of memory.
    ///
    /// # Errors
    /// As of [`Function::wide`].
    pub fn wide_all<'p>(
        programs: impl IntoIterator<Item = &'p Program>,
        isa: Isa,
    ) -> Result<Vec<Option<Function>>, CompileError> {
        let target = Target::host().with_isa(isa)?;
        let does = |p: &&Program| target.width().is_some_and(|w| emit(p, w, target.machine().dots).is_ok());
        let (all, taken): (Vec<&Program>, Vec<bool>) = programs.into_iter().map(|p| (p, does(&p))).unzip();
        let emitted: Vec<&Program> = all.iter().zip(&taken).filter(|x| *x.1).map(|x| *x.0).collect();
        let mut functions = Function::build(&emitted, target, target.machine())?.into_iter();
        Ok(taken.into_iter().map(|t| if t { functions.next() } else { None }).collect())
    }

    fn build(programs: &[&Program], target: Target, machine: Machine) -> Result<Vec<Function>, CompileError> {
        let isa = target.back_end()?;
        let x86 = matches!(isa.triple().architecture, target_lexicon::Architecture::X86_64);
        let mut blob = CodeBlob::new(isa)?;
        let mut functions = Functions::new(
            &mut blob.module,
            ClifOptions { x86, checked: target.is_checked(), marked: false },
            Emitter::new(machine),
        );
        let ids = programs.iter().map(|p| functions.caller(p)).collect::<Result<Vec<_>, _>>()?;
        let kernels = blob.finish(&ids)?;
        let made = |(kernel, p): (KernelFn, &&Program)| Function {
            kernel,
            program: (*p).clone(),
            checked: target.is_checked(),
        };
        Ok(kernels.into_iter().zip(programs).map(made).collect())
    }

    /// Runs it on memory of the caller's.
    ///
    /// # Safety
    /// The oracle makes the program's accesses, with these integers, inside of memory that these pointers
    /// point at and that nobody else uses meanwhile; the function is not in checked mode.
    pub unsafe fn call(&self, ptrs: &[*mut u8], ints: &[i64]) {
        let p = &self.program;
        assert!(
            ptrs.len() == p.ptrs as usize && ints.len() == p.ints as usize && !self.checked,
            "arguments as declared"
        );
        let mut args: Vec<i64> = ptrs.iter().map(|p| *p as i64).chain(ints.iter().copied()).collect();
        args.resize(args.len().max(BLOCK), 0);
        // SAFETY: the code of `Functions::caller` reads as many words as were collected; the rest is the
        // caller's.
        unsafe { self.kernel.run(&*args.as_ptr().cast::<Arguments>(), 0, 1) };
    }

    /// Runs it on memory of the oracle's form; gives the number of accesses outside of their buffers.
    pub fn run(&self, mem: &mut Memory, ptrs: &[Pointer], ints: &[i64]) -> u64 {
        let p = &self.program;
        assert!(ptrs.len() == p.ptrs as usize && ints.len() == p.ints as usize, "arguments as declared");
        if !self.checked {
            // Emitted code tests no access, so the oracle first shows on a copy that every access is inside.
            crate::lanes::oracle::run(p, &mut mem.clone(), ptrs, ints);
        }
        let bases: Vec<*mut u8> = mem.iter_mut().map(|b| b.as_mut_ptr()).collect();
        let mut guard = [0u64; 16];
        let mut args: Vec<i64> = ptrs.iter().map(|(b, at)| bases[*b] as i64 + at).collect();
        args.extend(ints);
        for (b, _) in ptrs {
            args.extend([bases[*b] as i64, mem[*b].len() as i64]);
        }
        args.push(guard.as_mut_ptr() as i64);
        args.resize(args.len().max(BLOCK), 0);
        // The code of `Functions::caller` reads as many words as were pushed. In checked mode every access is
        // inside of the extents given here, those of `mem`, or in `guard`, which is large enough for any one.
        // Otherwise the oracle has just made the same accesses inside of the buffers. Lengths end every loop.
        // SAFETY: so nothing but `mem`, borrowed for writing, and `guard` is touched.
        unsafe { self.kernel.run(&*args.as_ptr().cast::<Arguments>(), 0, 1) };
        guard[0]
    }
}
