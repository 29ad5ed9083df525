//! Memory of tensors and packed weights: whole cache lines.

use bytemuck::{Pod, Zeroable};

/// 64 bytes on a 64-byte boundary.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Line([f32; 16]);

/// Bytes that start on a cache line and grow as needed.
#[derive(Clone, Debug, Default)]
pub struct Lines(Vec<Line>);

impl Lines {
    /// Room for `bytes` bytes, zeroed; never shrinks. `false` if the memory cannot be had.
    #[must_use]
    pub fn reserve(&mut self, bytes: usize) -> bool {
        let lines = bytes.div_ceil(64);
        let more = lines.saturating_sub(self.0.len());
        if self.0.try_reserve_exact(more).is_err() {
            return false;
        }
        if more > 0 {
            self.0.resize(lines, Line([0.0; 16]));
        }
        true
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }

    /// The floats.
    pub fn floats_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.0)
    }

    /// The first byte.
    pub fn start(&self) -> *mut u8 {
        self.0.as_ptr().cast_mut().cast()
    }

    /// The first byte, for writing.
    pub fn start_mut(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }
}
