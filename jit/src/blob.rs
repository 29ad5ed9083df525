//! Executable memory with an owner.

// Calls generated code, and lends its memory to threads.
#![allow(unsafe_code)]

use crate::CompileError;
use crate::executable::{CodeMemory, CodePages};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, ModuleError, default_libcall_names};

/// The argument block of a kernel, as the generated code reads it.
#[repr(C)]
#[derive(Debug)]
pub struct Arguments {
    /// One pointer per buffer.
    pub buffers: *const *mut u8,
    /// Bytes of each buffer; read in checked mode only.
    pub sizes: *const i64,
    /// One value per parameter.
    pub params: *const i64,
    /// The number of violations, then spare memory that a violating access goes to; used in checked mode
    /// only.
    pub guard: *mut u64,
    /// Bytes from the start of working memory to this thread's part of it.
    pub scratch: i64,
    /// Which units are meant, as [`UnitKind`] numbers them.
    pub unit_kind: i64,
}

/// What the units of a call are. Only matmuls have units of several kinds; other kernels have
/// [`UnitKind::Rows`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitKind {
    /// Rows, [`Blocking::rows`](crate::Blocking::rows) at a time, with all that is fused to them. The units
    /// of other kernels, such as heads and panels, count as rows too.
    Rows = 0,
    /// Columns of a matmul, [`Blocking::cols`](crate::Blocking::cols) at a time, for all rows, without the
    /// work on whole rows.
    Columns = 1,
    /// The work on whole rows alone, once [`UnitKind::Columns`] is done for all columns; units as in
    /// [`UnitKind::Rows`].
    RowWork = 2,
}

/// The base of the status that [`KernelFn::run`] gives. It is larger than the number of slots of any kernel.
pub const STATUS_SLOTS: i64 = 1 << 16;

type Entry = unsafe extern "C" fn(*const Arguments, i64, i64) -> i64;

/// Functions on their way to executable memory.
pub struct CodeBlob {
    /// Where Cranelift and the emitter define them. If it is dropped unfinished, its memory is freed.
    pub module: JITModule,
    code: CodePages,
}

/// A kernel's code. It keeps the memory of its whole module.
#[derive(Clone, Debug)]
pub struct KernelFn {
    entry: Entry,
    _code: CodePages,
}

impl CodeBlob {
    /// No functions yet.
    ///
    /// # Errors
    /// The system has no memory for them.
    pub fn new(isa: cranelift::codegen::isa::OwnedTargetIsa) -> Result<CodeBlob, CompileError> {
        let (memory, code) = CodeMemory::new()?;
        let mut builder = JITBuilder::with_isa(isa, default_libcall_names());
        builder.memory_provider(Box::new(memory));
        Ok(CodeBlob { module: JITModule::new(builder), code })
    }

    /// Makes the code executable (and no longer writable) and gives its kernels.
    ///
    /// # Errors
    /// The system does not let it become executable.
    pub fn finish(self, ids: &[FuncId]) -> Result<Vec<KernelFn>, CompileError> {
        self.finish_with(ids, &[]).map(|(kernels, _)| kernels)
    }

    /// The same with the addresses of these functions.
    ///
    /// # Errors
    /// As [`CodeBlob::finish`].
    pub fn finish_with(
        mut self,
        ids: &[FuncId],
        of: &[FuncId],
    ) -> Result<(Vec<KernelFn>, Vec<usize>), CompileError> {
        self.module.finalize_definitions().map_err(refused)?;
        // SAFETY: every id was defined with the kernel signature (three i64, one i64 back, the host's C
        // convention), and `finalize_definitions` has filled `code`, which keeps the function's memory with
        // the handle.
        let entry = |a: *const u8| unsafe { std::mem::transmute::<*const u8, Entry>(a) };
        let kernel = |id: &FuncId| KernelFn {
            entry: entry(self.module.get_finalized_function(*id)),
            _code: self.code.clone(),
        };
        let address = |id: &FuncId| self.module.get_finalized_function(*id).addr();
        Ok((ids.iter().map(kernel).collect(), of.iter().map(address).collect()))
    }
}

/// The error of a module that has no memory for its code.
pub fn refused(e: ModuleError) -> CompileError {
    CompileError::Memory(match e {
        ModuleError::Allocation { err } => err.to_string(),
        other => other.to_string(),
    })
}

impl KernelFn {
    /// Runs units `begin..end`. Gives -1, or the unit and slot of an id out of range as
    /// `unit * STATUS_SLOTS + slot`.
    ///
    /// # Safety
    /// `args` must have, for the step's spec and bound parameters, as many buffers of the sizes the
    /// plan gives them, valid for reads and (those it writes) writes, and as many parameters as
    /// the binding names. No other thread may write what the units read or touch what they write.
    pub unsafe fn run(&self, args: &Arguments, begin: i64, end: i64) -> i64 {
        // SAFETY: passed on to the caller.
        unsafe { (self.entry)(args, begin, end) }
    }
}
