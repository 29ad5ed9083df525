//! Rows of coded weights that are decoded when they are first asked for. A text needs few rows of an
//! embedding, and all of them in f32 would take several times the memory of the file.
//!
//! Kernels read the rows without the lock, while other sessions decode more of them. That is sound because a
//! row is written once, under the lock, before its bit is set, and because every run calls [`Rows::want`] for
//! the ids it reads: whoever finds the bit set took the lock after the thread that wrote the row had released
//! it.

use super::blocks::Coded;
use crate::reserve::zeros;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// The rows of a coded weight as f32.
pub struct Rows {
    coded: Coded,
    /// Elements of a row.
    row: usize,
    /// Bits of f32. The system gives memory only to what was written.
    floats: Box<[AtomicU32]>,
    known: Mutex<Known>,
}

struct Known {
    /// The rows that are decoded, a bit each.
    rows: Vec<u64>,
    /// Where the blocks that a row is in are decoded.
    blocks: Vec<f32>,
}

impl Rows {
    /// Rows of `row` elements each; `None` if `row` does not divide the weight, or memory is short.
    pub fn new(coded: &Coded, row: usize) -> Option<Rows> {
        let rows = coded.len().checked_div(row)?;
        if rows * row != coded.len() {
            return None;
        }
        let floats = bytemuck::try_zeroed_slice_box(coded.len()).ok()?;
        let known = Known {
            rows: zeros(rows.div_ceil(64)).ok()?,
            blocks: zeros(row.checked_add(2 * coded.block())?).ok()?,
        };
        Some(Rows { coded: coded.clone(), row, floats, known: Mutex::new(known) })
    }

    /// The first byte of the rows, and how many bytes they are. Rows that no one wanted are 0.
    pub fn place(&self) -> (*const u8, usize) {
        (self.floats.as_ptr().cast(), size_of_val(&*self.floats))
    }

    /// Decodes rows by number. Numbers out of range are passed over: the kernel that takes them reports them.
    pub fn want(&self, ids: &[i32]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { rows, blocks } = &mut *known;
        for id in ids {
            let Some(id) = usize::try_from(*id).ok().filter(|id| *id < self.floats.len() / self.row) else {
                continue;
            };
            let (word, bit) = (id / 64, 1 << (id % 64));
            if rows[word] & bit == 0 {
                let block = self.coded.block();
                let before = id * self.row % block;
                let covering = &mut blocks[..(before + self.row).next_multiple_of(block)];
                self.coded.decode_into(id * self.row - before, covering);
                let from = &covering[before..][..self.row];
                for (to, x) in self.floats[id * self.row..].iter().zip(from) {
                    to.store(x.to_bits(), Ordering::Relaxed);
                }
                rows[word] |= bit;
            }
        }
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("row", &self.row).finish_non_exhaustive()
    }
}
