//! Weights in the layout of the kernels: strips of 16 columns, `[N / 16][K][16]` per batch.

use crate::error::Error;
use crate::memory::Lines;
use crate::weights::Weights;
use tancho_jit::WeightPack;
use tancho_jit::lanes::STRIP;

/// Packs one weight.
pub fn pack(weights: &Weights, p: &WeightPack) -> Result<Lines, Error> {
    let missing = || Error::Compile(format!("weight {} is not f32", p.weight));
    let data = weights.at(p.weight).and_then(|w| w.as_f32()).ok_or_else(missing)?;
    let (k, n) = (p.k.0 as usize, p.n.0 as usize);
    let strip = STRIP as usize;
    let strips = n.div_ceil(strip);
    let batches: usize = p.batch.iter().map(|b| b.0 as usize).product();
    let floats = batches.checked_mul(strips).and_then(|x| x.checked_mul(k)).and_then(|x| x.checked_mul(strip));
    let bytes = floats.and_then(|f| f.checked_mul(4)).ok_or(Error::Memory { bytes: u128::MAX })?;
    let mut out = Lines::default();
    if !out.reserve(bytes) {
        return Err(Error::Memory { bytes: bytes as u128 });
    }
    let to = out.floats_mut();
    for b in 0..batches {
        let mut base = p.offset;
        let mut rest = b as i64;
        for (extent, stride) in p.batch.iter().rev() {
            base += rest % extent * stride;
            rest /= extent;
        }
        for s in 0..strips {
            let width = strip.min(n - s * strip);
            let block = &mut to[(b * strips + s) * k * strip..][..k * strip];
            for c in 0..width {
                // Column by column: the weights of a linear layer lie with step 1 along K.
                let from = base + (s * strip + c) as i64 * p.n.1;
                for (i, row) in block.chunks_exact_mut(strip).enumerate() {
                    row[c] = data[(from + i as i64 * p.k.1) as usize];
                }
            }
        }
    }
    Ok(out)
}
