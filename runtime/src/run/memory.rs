//! Memory of tensors and packed weights: whole cache lines, and huge pages where there is much of it.
//!
//! From 2 MiB on, memory is an anonymous mapping that starts on a boundary of 2 MiB and asks the system for
//! huge pages, because a matmul that reads megabytes of weights otherwise waits for the translation of
//! addresses. Where there are none to have (another system than Linux, huge pages switched off, memory in
//! pieces) the same mapping is made of ordinary pages; nothing else changes.

use bytemuck::{Pod, Zeroable};
use memmap2::MmapMut;

/// Bytes of a huge page.
pub const HUGE_PAGE: usize = 2 << 20;

/// 64 bytes on a 64-byte boundary.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Bytes that start on a cache line and grow as needed.
#[derive(Debug)]
pub struct Lines(Store);

#[derive(Debug)]
enum Store {
    Heap(Vec<Line>),
    /// Bytes `from..from + len` of the mapping, where `from` is on the boundary of a huge page.
    Mapped {
        map: MmapMut,
        from: usize,
        len: usize,
    },
}

impl Lines {
    /// Grows to at least `bytes` bytes. New bytes are zero; the old contents may be lost.
    /// `false` if the memory cannot be had.
    #[must_use]
    pub fn reserve(&mut self, bytes: usize) -> bool {
        let Some(wanted) = bytes.checked_next_multiple_of(size_of::<Line>()) else { return false };
        if wanted <= self.bytes().len() {
            return true;
        }
        match &mut self.0 {
            Store::Mapped { map, from, len } if wanted <= map.len() - *from => {
                *len = wanted;
                return true;
            }
            Store::Heap(lines) if wanted < HUGE_PAGE => {
                let count = wanted / size_of::<Line>();
                let had = lines.try_reserve_exact(count - lines.len()).is_ok();
                if had {
                    lines.resize(count, Line::zeroed());
                }
                return had;
            }
            _ => {}
        }
        // The old memory goes first: both together may be more than there is.
        *self = Lines::default();
        let mapped = map(wanted);
        let had = mapped.is_some();
        if let Some(store) = mapped {
            self.0 = store;
        }
        had
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Store::Heap(lines) => bytemuck::cast_slice(lines),
            Store::Mapped { map, from, len } => &map[*from..*from + *len],
        }
    }

    /// The bytes, for writing.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Store::Heap(lines) => bytemuck::cast_slice_mut(lines),
            Store::Mapped { map, from, len } => &mut map[*from..*from + *len],
        }
    }

    /// The floats.
    pub fn floats_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(self.bytes_mut())
    }

    /// The first byte, for writing.
    pub fn start_mut(&mut self) -> *mut u8 {
        self.bytes_mut().as_mut_ptr()
    }
}

impl Default for Lines {
    fn default() -> Lines {
        Lines(Store::Heap(Vec::new()))
    }
}

impl Clone for Lines {
    fn clone(&self) -> Lines {
        Lines(Store::Heap(bytemuck::cast_slice(self.bytes()).to_vec()))
    }
}

/// A mapping of at least `len` bytes in whole huge pages.
fn map(len: usize) -> Option<Store> {
    // One page more than needed: the system aligns mappings to ordinary pages.
    let size = len.checked_next_multiple_of(HUGE_PAGE)?.checked_add(HUGE_PAGE)?;
    let map = MmapMut::map_anon(size).ok()?;
    tancho_jit::system::use_large_pages(&map);
    let from = map.as_ptr().addr().wrapping_neg() % HUGE_PAGE;
    Some(Store::Mapped { map, from, len })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zeroed_aligned_and_grows_from_the_heap_to_mappings() {
        let mut m = Lines::default();
        assert_eq!(m.bytes().len(), 0);
        let mut last = 0;
        for (wanted, line) in [
            (1, 64),
            (100, 128),
            (64, 128),
            (HUGE_PAGE - 1, HUGE_PAGE),
            (3 * HUGE_PAGE + 1, 3 * HUGE_PAGE + 64),
        ] {
            assert!(m.reserve(wanted));
            assert_eq!(m.bytes().len(), line);
            assert!(m.bytes()[last..].iter().all(|b| *b == 0), "{wanted}");
            let boundary = if line < HUGE_PAGE { 64 } else { HUGE_PAGE };
            assert_eq!(m.start_mut().addr() % boundary, 0, "{wanted}");
            m.floats_mut().fill(1.5);
            last = line;
        }
        // The mapping has whole huge pages: within them it grows in place and keeps what it holds.
        let start = m.start_mut();
        assert!(m.reserve(4 * HUGE_PAGE));
        assert_eq!((m.start_mut(), m.bytes().len()), (start, 4 * HUGE_PAGE));
        assert!(m.floats_mut()[..last / 4].iter().all(|x| *x == 1.5));
        assert!(m.floats_mut()[last / 4..].iter().all(|x| *x == 0.0));
        let copy = m.clone();
        assert_eq!(copy.bytes(), m.bytes());
    }

    #[test]
    fn memory_that_cannot_be_had_is_said_and_nothing_breaks() {
        for bytes in [usize::MAX, isize::MAX as usize, 1 << 60] {
            let mut m = Lines::default();
            assert!(!m.reserve(bytes));
            assert!(m.reserve(1000) && m.bytes().len() == 1024);
        }
    }
}
