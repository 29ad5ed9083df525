//! macOS, and what else runs on Apple's kernel.
//!
//! - Memory for code is mapped with `MAP_JIT`. On Apple silicon `pthread_jit_write_protect_np` says for each
//!   thread whether it may write or execute such memory, and `sys_icache_invalidate` makes new code visible:
//!   Apple, "Porting just-in-time compilers to Apple silicon". A program with the hardened runtime needs the
//!   entitlement `com.apple.security.cs.allow-jit`.
//! - Caches and kinds of cores are values of sysctl(3), `hw.perflevel0` being those of the fastest cores:
//!   Apple, "Determining system capabilities".
//! - There are no large pages for memory like this on Apple silicon, whose pages have 16 KiB.

// Calls the system.
#![allow(unsafe_code)]

use super::Caches;
use memmap2::MmapMut;
use std::ffi::{CStr, c_void};
use std::io;
use std::ptr::{self, NonNull};

// Of `libkern/OSCacheControl.h`, in the system's own library.
unsafe extern "C" {
    fn sys_icache_invalidate(start: *mut c_void, len: usize);
}

/// A range for code while it is written, by the thread that made it.
#[derive(Debug)]
pub struct CodeRange {
    map: Mapping,
    writable: Writable,
}

/// Code that can be executed. Dropping it frees the memory.
#[derive(Debug)]
pub struct Code {
    _map: Mapping,
}

#[derive(Debug)]
struct Mapping {
    start: NonNull<c_void>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread. Only [`CodeRange`] gives its address, for
// writing through an exclusive reference.
unsafe impl Send for Mapping {}
// SAFETY: as above; a shared reference gives nothing.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `start` and `len` are those of a mapping, which nobody uses any more.
        unsafe { libc::munmap(self.start.as_ptr(), self.len) };
    }
}

/// The right of this thread to write memory for code. It may not execute any as long, and a thread compiles
/// one module at a time.
#[derive(Debug)]
struct Writable(());

impl Writable {
    fn new() -> Writable {
        protect(false);
        Writable(())
    }
}

impl Drop for Writable {
    fn drop(&mut self) {
        protect(true);
    }
}

/// Lets this thread execute memory for code, or write it.
fn protect(executable: bool) {
    // SAFETY: it changes the rights of this thread alone, and those to memory for code alone.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        libc::pthread_jit_write_protect_np(libc::c_int::from(executable));
    }
    #[cfg(not(target_arch = "aarch64"))]
    let _ = executable;
}

impl CodeRange {
    /// A range of `len` bytes. The system gives a page when it is first used.
    pub fn new(len: usize) -> io::Result<CodeRange> {
        let rights = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_JIT;
        // SAFETY: a new mapping at an address that the system chooses.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, rights, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            let why = io::Error::last_os_error();
            return Err(io::Error::new(
                why.kind(),
                format!("a hardened program needs the entitlement com.apple.security.cs.allow-jit: {why}"),
            ));
        }
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(CodeRange { map: Mapping { start, len }, writable: Writable::new() })
    }

    /// The first byte.
    pub fn start(&mut self) -> *mut u8 {
        self.map.start.as_ptr().cast()
    }

    /// Gives memory to the first `bytes` bytes.
    pub fn commit(&mut self, _bytes: usize) -> io::Result<()> {
        Ok(())
    }

    /// Makes the first `used` bytes executable on every core, and no longer writable for this thread.
    pub fn finish(self, used: usize) -> io::Result<Code> {
        let CodeRange { map, writable } = self;
        drop(writable);
        // SAFETY: the range is mapped.
        unsafe { sys_icache_invalidate(map.start.as_ptr(), used) };
        Ok(Code { _map: map })
    }
}

/// What a core of the fastest kind has of each cache.
pub fn caches() -> Caches {
    let fast = |fast: &CStr, all: &CStr| value(fast).or_else(|| value(all)).filter(|bytes| *bytes > 0);
    let cores = value(c"hw.perflevel0.cpusperl2").unwrap_or(1).max(1);
    let l2 = fast(c"hw.perflevel0.l2cachesize", c"hw.l2cachesize").map(|bytes| bytes / cores);
    Caches { levels: [fast(c"hw.perflevel0.l1dcachesize", c"hw.l1dcachesize"), l2, value(c"hw.l3cachesize")] }
}

/// Cores of the fastest kind.
pub fn fast_cores() -> Option<usize> {
    value(c"hw.perflevel0.logicalcpu").filter(|cores| *cores > 0)
}

/// Pages stay ordinary ones.
pub fn use_large_pages(_map: &MmapMut) {}

/// A number of the system, of 4 or of 8 bytes.
fn value(name: &CStr) -> Option<usize> {
    let (mut bytes, mut len) = ([0u8; 8], 8);
    // SAFETY: the system writes `len` bytes at most, and how many it wrote.
    let status = unsafe {
        libc::sysctlbyname(name.as_ptr(), bytes.as_mut_ptr().cast(), &raw mut len, ptr::null_mut(), 0)
    };
    (status == 0 && matches!(len, 4 | 8)).then(|| usize::from_le_bytes(bytes))
}
