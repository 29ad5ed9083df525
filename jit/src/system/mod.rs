//! What depends on the operating system, one file for each: memory for code, what is known of caches and
//! cores, and large pages.
//!
//! Each file has the same items:
//!
//! - `CodeRange`: memory that is written first and executed afterwards, never both at a time on one thread.
//! - [`caches`]: what a core has of each cache.
//! - [`fast_cores`]: how many processors of the fastest kind this process may use.
//! - [`use_large_pages`]: asks for large pages behind a mapping.
//!
//! Whatever a system does not tell is `None`, and the callers have a common value for it.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod at_hand;
#[cfg(target_vendor = "apple")]
#[path = "apple.rs"]
mod at_hand;
#[cfg(windows)]
#[path = "windows.rs"]
mod at_hand;
#[cfg(not(any(target_os = "linux", target_vendor = "apple", windows)))]
#[path = "other.rs"]
mod at_hand;

#[cfg(not(any(target_vendor = "apple", windows)))]
mod mapped;

pub use at_hand::use_large_pages;
pub(crate) use at_hand::{Code, CodeRange};

use std::sync::OnceLock;

/// Bytes that one core has of the L1 and L2 data caches and all cores together of the L3 cache. A cache that
/// several cores share counts in equal parts, but for the L3 cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caches {
    /// Bytes of L1, L2 and L3, as far as the system tells them.
    pub levels: [Option<usize>; 3],
}

/// What a core has of each cache, as the system told when it was asked first.
pub fn caches() -> Caches {
    static CACHES: OnceLock<Caches> = OnceLock::new();
    *CACHES.get_or_init(at_hand::caches)
}

/// How many processors of the fastest kind this process may use, as the system told when it was asked first.
pub fn fast_cores() -> Option<usize> {
    static FAST: OnceLock<Option<usize>> = OnceLock::new();
    *FAST.get_or_init(at_hand::fast_cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_tells_is_plausible() {
        let levels = caches().levels;
        for pair in levels.windows(2) {
            if let [Some(near), Some(far)] = pair {
                assert!(near <= far, "{levels:?}");
            }
        }
        assert!(levels.iter().flatten().all(|bytes| (1 << 10..1 << 32).contains(bytes)), "{levels:?}");
        let most = std::thread::available_parallelism().map_or(1, usize::from);
        assert!(fast_cores().is_none_or(|cores| (1..=most.max(cores)).contains(&cores)));
    }
}
