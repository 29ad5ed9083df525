//! Rows of coded weights that are decoded when they are first asked for: of an embedding a text needs few, and all of
//! them in f32 would take several times the file's memory.

use super::blocks::Coded;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// The rows of a coded weight as f32.
pub struct Rows {
    coded: Coded,
    /// Elements of a row.
    row: usize,
    /// Bits of f32. Memory that was not written to is not taken from the system.
    floats: Box<[AtomicU32]>,
    /// The rows that are decoded, a bit each.
    known: Mutex<Vec<u64>>,
}

impl Rows {
    /// Rows of so many elements; `None` if the weight has no whole ones, or memory is short.
    pub fn new(coded: &Coded, row: usize) -> Option<Rows> {
        let rows = coded.len().checked_div(row)?;
        if rows * row != coded.len() {
            return None;
        }
        let floats = bytemuck::try_zeroed_slice_box(coded.len()).ok()?;
        Some(Rows { coded: coded.clone(), row, floats, known: Mutex::new(vec![0; rows.div_ceil(64)]) })
    }

    /// Where they lie, and how many bytes they are; what was not wanted is 0.
    pub fn place(&self) -> (*const u8, usize) {
        (self.floats.as_ptr().cast(), size_of_val(&*self.floats))
    }

    /// Decodes rows by number. Numbers of no row are passed over: the kernel that takes them says so.
    pub fn want(&self, ids: &[i32]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            let Some(id) = usize::try_from(*id).ok().filter(|id| *id < self.floats.len() / self.row) else { continue };
            let (word, bit) = (id / 64, 1 << (id % 64));
            if known[word] & bit == 0 {
                let (first, floats) = self.coded.decode(id * self.row..(id + 1) * self.row);
                let from = &floats[id * self.row - first..][..self.row];
                for (to, x) in self.floats[id * self.row..].iter().zip(from) {
                    to.store(x.to_bits(), Ordering::Relaxed);
                }
                known[word] |= bit;
            }
        }
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("row", &self.row).finish_non_exhaustive()
    }
}
