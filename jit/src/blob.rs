//! Executable memory with an owner.

use crate::CompileError;
use cranelift_jit::{ArenaMemoryProvider, JITBuilder, JITModule};
use cranelift_module::{FuncId, default_libcall_names};
use std::sync::Arc;

/// Address space reserved for a network's code; pages are taken as they are used.
const RESERVE: usize = 64 << 20;

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
    /// A count of violations and room for one access; used in checked mode only.
    pub guard: *mut u64,
    /// Bytes from the start of working memory to this thread's part of it.
    pub scratch: i64,
    /// Which units are meant, as [`Part`] numbers them.
    pub part: i64,
}

/// What the units of a call are. Only products tell them apart: others have rows alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Rows, [`Blocking::rows`](crate::Blocking::rows) at a time, with all that is fused to them; or heads, or strips.
    Rows = 0,
    /// Columns of a product, [`Blocking::cols`](crate::Blocking::cols) at a time, for all rows, without the work on whole rows.
    Columns = 1,
    /// The work on whole rows alone, once [`Part::Columns`] is done for all columns; units as in [`Part::Rows`].
    RowWork = 2,
}

/// More than a kernel has slots: the base of the status that [`Kernel::run`] gives.
pub const STATUS_SLOTS: i64 = 1 << 16;

type KernelFn = unsafe extern "C" fn(*const Arguments, i64, i64) -> i64;

/// Owns a module's code and frees it when the last handle is gone.
pub struct CodeBlob {
    /// Taken out by `drop` alone.
    module: Option<JITModule>,
}

impl std::fmt::Debug for CodeBlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeBlob")
    }
}

// SAFETY: after `finish` nothing writes to the module or its memory; the code itself
// works on its arguments only. What JITModule holds besides is freed on drop, by one owner.
unsafe impl Send for CodeBlob {}
// SAFETY: as above: shared access only reads.
unsafe impl Sync for CodeBlob {}

/// A kernel's code; keeps its blob alive.
#[derive(Clone, Debug)]
pub struct Kernel {
    entry: KernelFn,
    _blob: Arc<CodeBlob>,
}

/// An empty module whose memory is one reserved range, so that near calls reach.
pub fn new_module(isa: cranelift::codegen::isa::OwnedTargetIsa) -> Result<JITModule, CompileError> {
    let memory = ArenaMemoryProvider::new_with_size(RESERVE).map_err(|e| CompileError::Memory(e.to_string()))?;
    let mut builder = JITBuilder::with_isa(isa, default_libcall_names());
    builder.memory_provider(Box::new(memory));
    Ok(JITModule::new(builder))
}

impl CodeBlob {
    /// Makes the code executable (and no longer writable) and gives its kernels.
    pub fn finish(mut module: JITModule, ids: &[FuncId]) -> Result<Vec<Kernel>, CompileError> {
        module.finalize_definitions().map_err(|e| CompileError::Memory(e.to_string()))?;
        let addresses: Vec<*const u8> = ids.iter().map(|id| module.get_finalized_function(*id)).collect();
        let blob = Arc::new(CodeBlob { module: Some(module) });
        // SAFETY: every id was defined with the kernel signature (three i64, one i64 back,
        // the host's C convention), and the blob keeps the code alive with the handle.
        let entry = |a: *const u8| unsafe { std::mem::transmute::<*const u8, KernelFn>(a) };
        Ok(addresses.into_iter().map(|a| Kernel { entry: entry(a), _blob: Arc::clone(&blob) }).collect())
    }
}

impl Drop for CodeBlob {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: every pointer into the code is in a `Kernel`, which holds the blob.
            unsafe { module.free_memory() };
        }
    }
}

impl Kernel {
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
