//! Weights as ggml codes them: blocks of a few elements with a scale of their own, decoded when they are
//! read.

use super::mapping::Mapping;
use crate::error::Error;
use crate::reserve::{copied, zeros};
use crate::tensor::float16::{bf16, f16};
use safetensors::Dtype;
use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use tancho_jit::Format;

/// How elements are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// IEEE half precision.
    F16,
    /// bfloat16.
    Bf16,
    /// 32 elements of 4 bits: `(q - 8) * d`.
    Q4_0,
    /// 32 elements of 4 bits: `q * d + m`.
    Q4_1,
    /// 32 elements of 8 bits: `q * d`.
    Q8_0,
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Coding::F16 => "f16",
            Coding::Bf16 => "bf16",
            Coding::Q4_0 => "q4_0",
            Coding::Q4_1 => "q4_1",
            Coding::Q8_0 => "q8_0",
        })
    }
}

impl Coding {
    /// Elements of a block.
    pub fn elements(self) -> usize {
        match self {
            Coding::F16 | Coding::Bf16 => 1,
            Coding::Q4_0 | Coding::Q4_1 | Coding::Q8_0 => 32,
        }
    }

    /// The element type, where elements are coded one by one.
    pub fn plain(self) -> Option<Dtype> {
        match self {
            Coding::F16 => Some(Dtype::F16),
            Coding::Bf16 => Some(Dtype::BF16),
            Coding::Q4_0 | Coding::Q4_1 | Coding::Q8_0 => None,
        }
    }

    /// Bytes of a block.
    pub fn bytes(self) -> usize {
        match self {
            Coding::F16 | Coding::Bf16 => 2,
            Coding::Q4_0 => 2 + 16,
            Coding::Q4_1 => 4 + 16,
            Coding::Q8_0 => 2 + 32,
        }
    }

    /// The elements of a block.
    fn decode(self, block: &[u8], to: &mut [f32]) {
        let half = |at: usize| f16::from_le_bytes([block[at], block[at + 1]]).to_f32();
        match self {
            Coding::F16 => to[0] = half(0),
            Coding::Bf16 => to[0] = bf16::from_le_bytes([block[0], block[1]]).to_f32(),
            Coding::Q4_0 | Coding::Q4_1 => {
                let d = half(0);
                let (codes, least) =
                    if self == Coding::Q4_1 { (&block[4..], half(2)) } else { (&block[2..], -8.0 * d) };
                let (low, high) = to.split_at_mut(16);
                for ((code, low), high) in codes.iter().zip(low).zip(high) {
                    // Exact in f32 for Q4_0: the products of a half and a small integer are.
                    *low = f32::from(code & 15) * d + least;
                    *high = f32::from(code >> 4) * d + least;
                }
            }
            Coding::Q8_0 => {
                let d = half(0);
                block[2..].iter().zip(to).for_each(|(code, x)| *x = f32::from(*code as i8) * d);
            }
        }
    }
}

/// Coded elements of a mapped file.
#[derive(Clone, Debug)]
pub struct Coded {
    file: Arc<Mapping>,
    range: Range<usize>,
    coding: Coding,
    /// All elements, from the first time they are needed in memory.
    floats: OnceLock<Arc<Vec<f32>>>,
}

impl Coded {
    /// Coded elements in a range of a file; `None` if it holds no whole blocks.
    pub fn new(file: Arc<Mapping>, range: Range<usize>, coding: Coding) -> Option<Coded> {
        let whole = file.bytes().get(range.clone())?.len().is_multiple_of(coding.bytes());
        whole.then_some(Coded { file, range, coding, floats: OnceLock::new() })
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.range.len() / self.coding.bytes() * self.coding.elements()
    }

    /// Decodes the whole blocks that cover a range; gives the number of their first element, and the
    /// elements.
    ///
    /// # Errors
    /// There is no memory for them.
    pub fn decode(&self, wanted: Range<usize>) -> Result<(usize, Vec<f32>), Error> {
        let n = self.coding.elements();
        let (first, end) = (wanted.start / n, wanted.end.min(self.len()).div_ceil(n).max(wanted.start / n));
        let mut floats = zeros((end - first) * n)?;
        self.decode_into(first * n, &mut floats);
        Ok((first * n, floats))
    }

    /// Decodes whole blocks from the one that begins at an element.
    pub fn decode_into(&self, first: usize, floats: &mut [f32]) {
        let (n, size) = (self.coding.elements(), self.coding.bytes());
        let bytes =
            self.file.bytes().get(self.range.start + first / n * size..self.range.end).unwrap_or_default();
        bytes
            .chunks_exact(size)
            .zip(floats.chunks_exact_mut(n))
            .for_each(|(block, to)| self.coding.decode(block, to));
    }

    /// Elements of a block.
    pub fn block(&self) -> usize {
        self.coding.elements()
    }

    /// The format that holds the elements without rounding them again, if that is coarser than f32.
    pub fn coarsest(&self) -> Format {
        match self.coding {
            Coding::Q8_0 => Format::Int8,
            _ => Format::Q4,
        }
    }

    /// Whether they are blocks of 4 bits.
    pub fn has_nibbles(&self) -> bool {
        matches!(self.coding, Coding::Q4_0 | Coding::Q4_1)
    }

    /// Factor, summand and codes of the block of 4 bits that begins at an element: lower halves are the first
    /// 16 codes.
    pub fn nibbles(&self, element: usize) -> Option<(f16, f16, [u8; 16])> {
        let at = self.range.start + element / 32 * self.coding.bytes();
        let block = self.file.bytes().get(at..at + self.coding.bytes())?;
        let half = |at: usize| f16::from_le_bytes([block[at], block[at + 1]]);
        let (least, codes) = match self.coding {
            // Exact: a power of two.
            Coding::Q4_0 => (f16::from_f32(-8.0 * half(0).to_f32()), &block[2..]),
            Coding::Q4_1 => (half(2), &block[4..]),
            _ => return None,
        };
        Some((half(0), least, codes.try_into().ok()?))
    }

    /// All elements, which stay in memory from the first call on.
    ///
    /// # Errors
    /// There is no memory for them.
    pub fn floats(&self) -> Result<&[f32], Error> {
        if let Some(floats) = self.floats.get() {
            return Ok(floats);
        }
        let decoded = self.decode(0..self.len())?.1;
        Ok(self.floats.get_or_init(|| Arc::new(decoded)))
    }

    /// All elements; they stay in memory only if they are there already.
    ///
    /// # Errors
    /// There is no memory for them.
    pub fn to_vec(&self) -> Result<Vec<f32>, Error> {
        self.floats.get().map_or_else(|| Ok(self.decode(0..self.len())?.1), |f| copied(f))
    }

    /// Writes all elements as a file has them, some at a time.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        const AT_ONCE: usize = 1 << 12;
        let (mut floats, mut bytes) = (vec![0.0; AT_ONCE], Vec::with_capacity(4 * AT_ONCE));
        for first in (0..self.len()).step_by(AT_ONCE) {
            let floats = &mut floats[..AT_ONCE.min(self.len() - first)];
            self.decode_into(first, floats);
            bytes.clear();
            bytes.extend(floats.iter().flat_map(|x| x.to_le_bytes()));
            to.write_all(&bytes)?;
        }
        Ok(())
    }

    /// Gives the memory of some elements' file pages back to the system.
    pub fn release(&self, elements: Range<usize>) {
        let (n, size) = (self.coding.elements(), self.coding.bytes());
        let at = |i: usize| self.range.start.saturating_add((i / n).saturating_mul(size)).min(self.range.end);
        self.file.release_pages(at(elements.start)..at(elements.end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_decoded_as_ggml_says() {
        let mut to = [0.0; 32];
        let mut block = [0u8; 34];
        block[..2].copy_from_slice(&half::f16::from_f32(0.5).to_le_bytes());
        for (i, b) in block[2..].iter_mut().enumerate() {
            *b = (i as i8 - 16) as u8;
        }
        Coding::Q8_0.decode(&block, &mut to);
        assert!(to.iter().enumerate().all(|(i, x)| *x == (i as f32 - 16.0) / 2.0), "{to:?}");
        let mut block = [0u8; 20];
        block[..2].copy_from_slice(&half::f16::from_f32(0.25).to_le_bytes());
        block[2..4].copy_from_slice(&half::f16::from_f32(-1.0).to_le_bytes());
        for (i, b) in block[4..].iter_mut().enumerate() {
            *b = i as u8 | (15 - i as u8) << 4;
        }
        Coding::Q4_1.decode(&block, &mut to);
        assert!(
            (0..16).all(|i| to[i] == i as f32 / 4.0 - 1.0 && to[16 + i] == (15 - i) as f32 / 4.0 - 1.0),
            "{to:?}"
        );
        let q4_0: Vec<u8> = block[..2].iter().chain(&block[4..]).copied().collect();
        Coding::Q4_0.decode(&q4_0, &mut to);
        assert!((0..16).all(|i| to[i] == (i as f32 - 8.0) / 4.0), "{to:?}");
    }
}
