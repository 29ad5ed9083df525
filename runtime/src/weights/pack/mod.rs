//! Weights in the layout of the kernels: panels of 16 columns, `[N / 16][K][16]` per batch, all in one arena.
//!
//! Panels are independent of each other, so that threads take chunks of them until none is left.

mod chunk;
mod cut;
mod integers;
mod panel;
mod source;
#[cfg(test)]
mod tests;
mod winograd;

use self::chunk::Chunk;
use self::cut::cut;
use self::source::{Constants, prepare};
use crate::error::Error;
use crate::run::memory::Lines;
use crate::weights::{WeightData, Weights};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::thread;
use tancho_ir::Graph;
use tancho_jit::{Constant, WeightPack};

/// The packed weights of a network.
#[derive(Debug)]
pub struct Packed {
    arena: Lines,
    /// The bytes of each.
    ranges: Vec<Range<usize>>,
}

impl Packed {
    /// Packs weights. Memory of mapped files is given back as soon as it has been read.
    ///
    /// # Errors
    /// A weight is no f32, its format has no numbers for it, or there is no memory ([`Error::WeightMemory`]).
    pub fn new(weights: &Weights, packs: &[WeightPack], prepared: &Graph) -> Result<Packed, Error> {
        Packed::pack(weights, packs, prepared).map_err(|e| e.of_weight("the packed weights"))
    }

    fn pack(weights: &Weights, packs: &[WeightPack], prepared: &Graph) -> Result<Packed, Error> {
        let prepared = prepare(prepared, weights)?;
        let constants = Constants { weights, prepared: &prepared };
        let mut ranges = Vec::new();
        let mut end = 0usize;
        for p in packs {
            let start = end;
            let bytes = p.floats().and_then(|f| f.checked_mul(4));
            end = bytes.and_then(|b| start.checked_add(b)).ok_or(Error::Memory { bytes: u128::MAX })?;
            ranges.push(start..end);
        }
        let mut arena = Lines::default();
        if !arena.reserve(end) {
            return Err(Error::Memory { bytes: end as u128 });
        }
        let mut chunks = Vec::new();
        let mut unused = arena.floats_mut();
        for (p, range) in packs.iter().zip(&ranges) {
            let (mine, others) = unused.split_at_mut(range.len() / 4);
            cut(&constants, p, mine, &mut chunks)?;
            unused = others;
        }
        run(chunks).map_err(|fault| match fault {
            Fault::Numbers(c) => weights.no_integers(c),
            Fault::Memory(e) => e,
        })?;
        packs
            .iter()
            .flat_map(|p| &p.parts)
            .filter_map(|p| constants.weight(p.from))
            .for_each(WeightData::release_pages);
        Ok(Packed { arena, ranges })
    }

    /// The packed weight of that number.
    pub fn get(&self, i: usize) -> &[u8] {
        &self.arena.bytes()[self.ranges[i].clone()]
    }

    /// Bytes of all of them.
    pub fn len(&self) -> usize {
        self.ranges.last().map_or(0, |r| r.end)
    }
}

/// Why a chunk was not packed.
enum Fault {
    /// Its format has no numbers for this.
    Numbers(Constant),
    /// There is no memory for the elements in between.
    Memory(Error),
}

/// Packs the chunks on as many threads as the machine has cores. The error is that of one of them.
fn run(chunks: Vec<Chunk<'_>>) -> Result<(), Fault> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(chunks.len());
    let queue = Mutex::new(chunks.into_iter());
    let failed = Mutex::new(Ok(()));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(mut chunk) = next() {
            let fault = match chunk.pack() {
                Ok(true) => None,
                Ok(false) => Some(Fault::Numbers(chunk.constant)),
                Err(e) => Some(Fault::Memory(e)),
            };
            if let Some(fault) = fault {
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Err(fault);
                return;
            }
            chunk.release();
        }
    };
    thread::scope(|s| {
        for _ in 1..threads {
            // Without another thread this one does the work alone.
            if thread::Builder::new().name("tancho-pack".into()).spawn_scoped(s, work).is_err() {
                break;
            }
        }
        work();
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}
