//! Code in anonymous mappings, whose rights may change from writable to executable.

// Makes memory executable.
#![allow(unsafe_code)]

use memmap2::{Mmap, MmapMut};
use std::io;

/// A range for code while it is written. The system gives a page when it is first used.
#[derive(Debug)]
pub struct CodeRange(MmapMut);

/// Code that can be executed. Dropping it frees the memory.
#[derive(Debug)]
pub struct Code {
    _map: Mmap,
}

impl CodeRange {
    /// A range of `len` bytes.
    pub fn new(len: usize) -> io::Result<CodeRange> {
        memmap2::MmapOptions::new().len(len).no_reserve_swap().map_anon().map(CodeRange)
    }

    /// The first byte.
    pub fn start(&mut self) -> *mut u8 {
        self.0.as_mut_ptr()
    }

    /// Gives memory to the first `bytes` bytes.
    pub fn commit(&mut self, _bytes: usize) -> io::Result<()> {
        Ok(())
    }

    /// Makes the first `used` bytes executable and no longer writable, on every core, and returns the other
    /// pages to the system where it takes them back.
    pub fn finish(self, used: usize) -> io::Result<Code> {
        #[cfg(target_os = "linux")]
        let map = shortened(self.0, used)?;
        #[cfg(not(target_os = "linux"))]
        let map = self.0;
        let code = map.make_exec().map_err(|e| match e.kind() {
            io::ErrorKind::PermissionDenied => {
                io::Error::new(e.kind(), format!("{}: {e}", super::at_hand::REFUSED))
            }
            _ => e,
        })?;
        // SAFETY: the range is mapped, and nothing of it has been executed.
        unsafe { icache::clear_cache(code.as_ptr().cast(), used) }.map_err(other)?;
        icache::pipeline_flush_mt().map_err(other)?;
        Ok(Code { _map: code })
    }
}

/// The error of a system whose errors are not those of the standard library.
fn other(e: impl std::fmt::Display) -> io::Error {
    io::Error::other(e.to_string())
}

/// The mapping without what lies behind the first `used` bytes.
#[cfg(target_os = "linux")]
fn shortened(mut map: MmapMut, used: usize) -> io::Result<MmapMut> {
    // SAFETY: the range only loses its end, where nothing was handed out, and it may not move.
    unsafe { map.remap(used.max(1), memmap2::RemapOptions::new())? };
    Ok(map)
}
