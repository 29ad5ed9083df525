//! Memory for machine code. It is writable first and executable afterwards, never both.
//!
//! The range itself is [`system`](crate::system)'s. If the system refuses something, that is an error;
//! Cranelift's own provider of a range for near calls panics instead.

// Implements a trait with an unsafe function, and gives addresses within a range.
#![allow(unsafe_code)]

use crate::CompileError;
use crate::system::{Code, CodeRange};
use cranelift_jit::{BranchProtection, JITMemoryKind, JITMemoryProvider};
use cranelift_module::{ModuleError, ModuleResult};
use std::io;
use std::sync::{Arc, OnceLock};

/// Bytes that a module may take. They are one range, so that near calls reach any function. The system gives
/// a page when it is first used.
const RESERVE: usize = 64 << 20;
/// A range starts at a multiple of this many bytes on every system.
const PAGE: usize = 4096;

/// Finished code. It is empty until the module is finished, and freed when the last clone is dropped.
pub type CodePages = Arc<OnceLock<Code>>;

/// Hands out memory for one module's functions.
///
/// Dropping it frees the memory unless it was finished: then it belongs to the owners of [`CodePages`].
#[derive(Debug)]
pub struct CodeMemory {
    /// The range while it is writable.
    open: Option<CodeRange>,
    used: usize,
    code: CodePages,
}

impl CodeMemory {
    /// An empty range, and the handle of its code to be.
    ///
    /// # Errors
    /// The system has no such range.
    pub fn new() -> Result<(CodeMemory, CodePages), CompileError> {
        let refused = |e: io::Error| {
            CompileError::Memory(format!("a range of {} MiB cannot be reserved: {e}", RESERVE >> 20))
        };
        let code = CodePages::default();
        Ok((
            CodeMemory {
                open: Some(CodeRange::new(RESERVE).map_err(refused)?),
                used: 0,
                code: Arc::clone(&code),
            },
            code,
        ))
    }
}

impl JITMemoryProvider for CodeMemory {
    fn allocate(&mut self, size: usize, align: u64, kind: JITMemoryKind) -> io::Result<*mut u8> {
        let fault = |what: &str| io::Error::new(io::ErrorKind::Unsupported, what);
        if !matches!(kind, JITMemoryKind::Executable) {
            return Err(fault("modules have functions only"));
        }
        let align = usize::try_from(align)
            .ok()
            .filter(|a| (1..=PAGE).contains(a))
            .ok_or_else(|| fault("an alignment beyond a page"))?;
        let range = self.open.as_mut().ok_or_else(|| fault("the module is finished"))?;
        let end = self
            .used
            .checked_next_multiple_of(align)
            .and_then(|start| Some((start, start.checked_add(size)?)));
        let Some((start, end)) = end.filter(|(_, end)| *end <= RESERVE) else {
            let why = format!("the code is larger than {} MiB", RESERVE >> 20);
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, why));
        };
        range.commit(end)?;
        self.used = end;
        // SAFETY: the range has `RESERVE` bytes, and `start` is one of them or the end.
        Ok(unsafe { range.start().add(start) })
    }

    unsafe fn free_memory(&mut self) {
        // The owners of the code free it.
        self.open = None;
    }

    /// Pages are not marked for `branch_protection`: code that has the instructions for it runs without them
    /// as well.
    fn finalize(&mut self, _branch_protection: BranchProtection) -> ModuleResult<()> {
        let Some(range) = self.open.take() else { return Ok(()) };
        let code = range.finish(self.used).map_err(|err| ModuleError::Allocation { err })?;
        // The range is taken once, so nothing was set before.
        let _ = self.code.set(code);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocate(m: &mut CodeMemory, size: usize, align: u64) -> io::Result<usize> {
        m.allocate(size, align, JITMemoryKind::Executable).map(|p| p.addr())
    }

    #[test]
    fn functions_lie_in_one_range_aligned_and_apart() {
        let (mut m, _) = CodeMemory::new().unwrap();
        let base = allocate(&mut m, 1, 1).unwrap();
        let mut end = base + 1;
        for (size, align) in [(1, 1), (3, 16), (0, 64), (100, 64), (5000, 4096), (1, 2)] {
            let at = allocate(&mut m, size, align).unwrap();
            assert!(at.is_multiple_of(align as usize) && at >= end, "{size} bytes on {align}");
            end = at + size;
        }
        assert!(end <= base + RESERVE);
    }

    #[test]
    fn what_there_is_no_room_for_is_an_error() {
        let (mut m, _) = CodeMemory::new().unwrap();
        assert!(allocate(&mut m, RESERVE - 10, 1).is_ok());
        for (size, align) in [(11, 1), (1, 64), (usize::MAX, 1), (1, 8192), (1, 0), (1, u64::MAX)] {
            assert!(allocate(&mut m, size, align).is_err(), "{size} bytes on {align}");
        }
        assert!(allocate(&mut m, 10, 1).is_ok(), "an error takes nothing");
        assert!(m.allocate(1, 1, JITMemoryKind::Writable).is_err());
    }

    /// The rights of the mapping that an address is in, as `rwxp`.
    #[cfg(target_os = "linux")]
    fn rights(address: usize) -> Option<String> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().find_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (from, to) = range.split_once('-')?;
            let bound = |text| usize::from_str_radix(text, 16).ok();
            (bound(from)?..bound(to)?).contains(&address).then(|| rest[..4].to_string())
        })
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn pages_are_never_writable_and_executable_and_live_as_long_as_their_owner() {
        let (mut m, code) = CodeMemory::new().unwrap();
        let at = allocate(&mut m, 10_000, 64).unwrap();
        assert_eq!(rights(at).as_deref(), Some("rw-p"));
        m.finalize(BranchProtection::None).unwrap();
        m.finalize(BranchProtection::None).unwrap();
        assert_eq!((rights(at).as_deref(), rights(at + 9_999).as_deref()), (Some("r-xp"), Some("r-xp")));
        assert_ne!(rights(at + (1 << 20)).as_deref(), Some("r-xp"), "what is not used was given back");
        assert!(allocate(&mut m, 1, 1).is_err(), "finished");
        drop(m);
        assert!(code.get().is_some());
        assert_eq!(rights(at).as_deref(), Some("r-xp"));
        drop(code);
        assert_ne!(rights(at).as_deref(), Some("r-xp"));
    }
}
