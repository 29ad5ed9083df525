//! Linux.
//!
//! - Memory for code is an anonymous mapping (mmap(2)) that becomes executable by mprotect(2). On aarch64
//!   other cores are told by membarrier(2), as the crate `icache` does it.
//! - Caches and kinds of cores are files below `/sys/devices`. The kernel's
//!   `Documentation/ABI/testing/sysfs-devices-system-cpu` describes `cache/index*` and `cpu_capacity`, and
//!   the manual of `perf-stat` `cpu_core`, which processors of Intel with two kinds of cores have.
//! - Large pages are asked for with `MADV_HUGEPAGE` (madvise(2)).

use super::Caches;
pub(crate) use super::mapped::{Code, CodeRange};
use memmap2::MmapMut;
use std::fs::read_to_string;

/// Why a mapping may not become executable.
pub const REFUSED: &str = "this process may not execute what it has written \
                           (MemoryDenyWriteExecute, PR_SET_MDWE or SELinux's execmem forbid it)";

const CPUS: &str = "/sys/devices/system/cpu";

/// What a core has of each cache: that of the first processor this process may use.
pub fn caches() -> Caches {
    let cpu = allowed().first().copied().unwrap_or(0);
    let mut found = Caches::default();
    let threads = count(&format!("{CPUS}/cpu{cpu}/topology/thread_siblings_list")).max(1);
    for index in 0..8 {
        let file = |name: &str| format!("{CPUS}/cpu{cpu}/cache/index{index}/{name}");
        let text = |name: &str| read_to_string(file(name)).unwrap_or_default();
        let level = text("level").trim().parse::<usize>().ok().filter(|level| (1..=3).contains(level));
        let (Some(level), Some(bytes)) = (level, bytes(text("size").trim())) else { continue };
        if text("type").starts_with("Instruction") {
            continue;
        }
        let cores = if level < 3 { (count(&file("shared_cpu_list")) / threads).max(1) } else { 1 };
        found.levels[level - 1] = Some(bytes / cores);
    }
    found
}

/// Processors of the fastest kind among those that this process may use.
pub fn fast_cores() -> Option<usize> {
    let allowed = allowed();
    if let Ok(list) = read_to_string("/sys/devices/cpu_core/cpus") {
        let fast = numbers(&list);
        return Some(allowed.iter().filter(|cpu| fast.contains(cpu)).count()).filter(|fast| *fast > 0);
    }
    let capacity = |cpu: &usize| -> Option<usize> {
        read_to_string(format!("{CPUS}/cpu{cpu}/cpu_capacity")).ok()?.trim().parse().ok()
    };
    let capacities: Vec<usize> = allowed.iter().filter_map(capacity).collect();
    let most = capacities.iter().max()?;
    Some(capacities.iter().filter(|capacity| *capacity == most).count())
}

/// Asks for large pages. Where the system refuses, the pages are ordinary ones.
pub fn use_large_pages(map: &MmapMut) {
    let _ = map.advise(memmap2::Advice::HugePage);
}

/// The processors that this process may use (proc_pid_status(5)).
fn allowed() -> Vec<usize> {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).map(numbers).unwrap_or_default()
}

/// How many processors a file lists.
fn count(file: &str) -> usize {
    read_to_string(file).map_or(0, |list| numbers(&list).len())
}

/// The numbers of a list such as `0-3,8`.
fn numbers(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        // More processors than a system may have are no list of them.
        let number = |text: &str| text.trim().parse::<usize>().ok().filter(|cpu| *cpu < 1 << 16);
        Some(number(from)?..=number(to)?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// A size such as `32K`.
fn bytes(size: &str) -> Option<usize> {
    let kib: usize = size.strip_suffix('K')?.parse().ok()?;
    kib.checked_mul(1024).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_sizes_are_read_as_the_kernel_writes_them() {
        assert_eq!(numbers("0-3,8\n"), [0, 1, 2, 3, 8]);
        assert_eq!(numbers("5\n"), [5]);
        assert_eq!(numbers(" 0,2"), [0, 2]);
        for nothing in ["", "\n", "a-b", "3-", "0-99999999999"] {
            assert_eq!(numbers(nothing), [0usize; 0], "{nothing:?}");
        }
        assert_eq!((bytes("32K"), bytes("266240K")), (Some(32 << 10), Some(260 << 20)));
        assert_eq!((bytes("0K"), bytes("K"), bytes("32M"), bytes("")), (None, None, None, None));
    }

    /// A control group may leave this process less time than the processors that it may run on have.
    #[test]
    fn this_process_may_use_at_least_what_the_standard_library_says() {
        assert!(allowed().len() >= std::thread::available_parallelism().unwrap().get());
    }
}
