//! Windows.
//!
//! - Memory for code is reserved and committed by `VirtualAlloc` and made executable by `VirtualProtect`,
//!   after which `FlushInstructionCache` must be called: Microsoft, "VirtualProtect function". Pages that
//!   become executable this way are valid targets of Control Flow Guard. Generated code is never unwound, so
//!   that no function table is registered (`RtlAddFunctionTable`): it calls nothing that could throw.
//! - Caches and kinds of cores come from `GetLogicalProcessorInformationEx`; a core's `EfficiencyClass` is
//!   higher if it is faster: Microsoft, "PROCESSOR_RELATIONSHIP structure".
//! - Large pages need the privilege `SeLockMemoryPrivilege`, which users rarely have (Microsoft, "Large-page
//!   support"), so that none are asked for.

// Calls the system.
#![allow(unsafe_code)]

use super::Caches;
use memmap2::MmapMut;
use std::ffi::c_void;
use std::io;
use std::mem::offset_of;
use std::ptr::{self, NonNull};
use windows_sys::Win32::System::Diagnostics::Debug::FlushInstructionCache;
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_EXECUTE_READ, PAGE_NOACCESS, PAGE_READWRITE, VirtualAlloc,
    VirtualFree, VirtualProtect,
};
use windows_sys::Win32::System::SystemInformation::{
    CACHE_RELATIONSHIP, CacheInstruction, GROUP_AFFINITY, GetLogicalProcessorInformationEx,
    LOGICAL_PROCESSOR_RELATIONSHIP, PROCESSOR_RELATIONSHIP, RelationCache, RelationProcessorCore,
    SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// Bytes that are committed at a time.
const STEP: usize = 1 << 20;

/// A range for code while it is written.
#[derive(Debug)]
pub struct CodeRange {
    memory: Reserved,
    committed: usize,
}

/// Code that can be executed. Dropping it frees the memory.
#[derive(Debug)]
pub struct Code {
    _memory: Reserved,
}

#[derive(Debug)]
struct Reserved {
    start: NonNull<c_void>,
    len: usize,
}

// SAFETY: memory belongs to the process, not to a thread. Only [`CodeRange`] gives its address, for writing
// through an exclusive reference.
unsafe impl Send for Reserved {}
// SAFETY: as above; a shared reference gives nothing.
unsafe impl Sync for Reserved {}

impl Drop for Reserved {
    fn drop(&mut self) {
        // SAFETY: `start` was reserved, and nobody uses it any more.
        unsafe { VirtualFree(self.start.as_ptr(), 0, MEM_RELEASE) };
    }
}

impl CodeRange {
    /// A range of `len` bytes.
    pub fn new(len: usize) -> io::Result<CodeRange> {
        // SAFETY: new memory at an address that the system chooses.
        let start = unsafe { VirtualAlloc(ptr::null(), len, MEM_RESERVE, PAGE_NOACCESS) };
        let start = NonNull::new(start).ok_or_else(io::Error::last_os_error)?;
        Ok(CodeRange { memory: Reserved { start, len }, committed: 0 })
    }

    /// The first byte.
    pub fn start(&mut self) -> *mut u8 {
        self.memory.start.as_ptr().cast()
    }

    /// Gives memory to the first `bytes` bytes.
    pub fn commit(&mut self, bytes: usize) -> io::Result<()> {
        if bytes <= self.committed {
            return Ok(());
        }
        let to = bytes.next_multiple_of(STEP).min(self.memory.len);
        // SAFETY: the part is within the reserved range; what is committed already stays as it is.
        let part = unsafe { VirtualAlloc(self.memory.start.as_ptr(), to, MEM_COMMIT, PAGE_READWRITE) };
        if part.is_null() {
            return Err(io::Error::last_os_error());
        }
        self.committed = to;
        Ok(())
    }

    /// Makes what was committed executable and no longer writable, on every core; its first `used` bytes are
    /// code.
    pub fn finish(self, used: usize) -> io::Result<Code> {
        let CodeRange { memory, committed } = self;
        if committed > 0 {
            let mut before = 0;
            // SAFETY: the part is committed. Nothing of it has been executed, and nobody writes it any more.
            let done = unsafe {
                VirtualProtect(memory.start.as_ptr(), committed, PAGE_EXECUTE_READ, &raw mut before) != 0
                    && FlushInstructionCache(GetCurrentProcess(), memory.start.as_ptr(), used) != 0
            };
            if !done {
                let why = io::Error::last_os_error();
                return Err(io::Error::new(
                    why.kind(),
                    format!(
                        "Arbitrary Code Guard may forbid this process to execute what it has written: {why}"
                    ),
                ));
            }
        }
        icache::pipeline_flush_mt()?;
        Ok(Code { _memory: memory })
    }
}

/// What a core of the first kind that the system lists has of each cache.
pub fn caches() -> Caches {
    let mut found = Caches::default();
    let threads =
        records(RelationProcessorCore).first().and_then(|core| processor(core)).map_or(1, |core| core.1);
    for record in records(RelationCache) {
        let Some(cache) = body::<CACHE_RELATIONSHIP>(&record) else { continue };
        let level = usize::from(cache.Level);
        if !(1..=3).contains(&level) || cache.Type == CacheInstruction || found.levels[level - 1].is_some() {
            continue;
        }
        // SAFETY: a cache of one group of processors has one mask, and that of several begins with the first.
        let shared = unsafe { cache.Anonymous.GroupMask }.Mask.count_ones() as usize;
        let cores = if level < 3 { (shared / threads.max(1)).max(1) } else { 1 };
        found.levels[level - 1] = Some(cache.CacheSize as usize / cores).filter(|bytes| *bytes > 0);
    }
    found
}

/// Processors of the fastest kind.
pub fn fast_cores() -> Option<usize> {
    let cores: Vec<(u8, usize)> =
        records(RelationProcessorCore).iter().filter_map(|core| processor(core)).collect();
    let fastest = cores.iter().map(|core| core.0).max()?;
    Some(cores.iter().filter(|core| core.0 == fastest).map(|core| core.1).sum::<usize>())
        .filter(|count| *count > 0)
}

/// Pages stay ordinary ones.
pub fn use_large_pages(_map: &MmapMut) {}

/// How fast a core is beside others, and how many processors it is.
fn processor(record: &[u8]) -> Option<(u8, usize)> {
    let core = body::<PROCESSOR_RELATIONSHIP>(record)?;
    let mask: &GROUP_AFFINITY = core.GroupMask.first()?;
    Some((core.EfficiencyClass, mask.Mask.count_ones() as usize))
}

/// What follows the head of a record, if it is whole.
fn body<T: Copy>(record: &[u8]) -> Option<T> {
    let bytes = record.get(offset_of!(SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX, Anonymous)..)?;
    // SAFETY: there are as many bytes as the type has, all of whose fields are numbers.
    (bytes.len() >= size_of::<T>()).then(|| unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// The records of a kind, each with as many bytes as its head says.
fn records(kind: LOGICAL_PROCESSOR_RELATIONSHIP) -> Vec<Vec<u8>> {
    let mut len = 0u32;
    // SAFETY: without memory the system says how much it needs.
    unsafe { GetLogicalProcessorInformationEx(kind, ptr::null_mut(), &raw mut len) };
    // Records are aligned to 8 bytes.
    let mut memory = vec![0u64; (len as usize).div_ceil(8)];
    // SAFETY: there are `len` bytes.
    if unsafe { GetLogicalProcessorInformationEx(kind, memory.as_mut_ptr().cast(), &raw mut len) } == 0 {
        return Vec::new();
    }
    let bytes: Vec<u8> = memory.iter().flat_map(|word| word.to_ne_bytes()).take(len as usize).collect();
    let (mut rest, mut found) = (&bytes[..], Vec::new());
    let at = offset_of!(SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX, Size);
    while let Some(size) = rest.get(at..at + 4).and_then(|size| size.try_into().ok()).map(u32::from_ne_bytes)
    {
        let Some((record, others)) = rest.split_at_checked(size as usize).filter(|_| size > 0) else { break };
        found.push(record.to_vec());
        rest = others;
    }
    found
}
