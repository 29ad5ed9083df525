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
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tancho_ir::Graph;
use tancho_jit::{Constant, WeightPack, WeightPart};

/// The packed weights of an entry point.
#[derive(Debug)]
pub struct Packed {
    arena: Lines,
    /// Where each is.
    places: Vec<Home>,
}

/// Where a packed weight is.
#[derive(Debug)]
enum Home {
    /// These bytes of the own arena.
    Here(Range<usize>),
    /// That number of what another entry point packed.
    There(Arc<Packed>, usize),
}

/// What the entry points of a network that were compiled before have packed, for those that follow. Only for
/// the same weights.
#[derive(Debug, Default)]
pub struct Packs(HashMap<WeightPack, (Arc<Packed>, usize)>);

impl Packs {
    /// Packs weights, but for those that an entry point before has packed.
    ///
    /// # Errors
    /// As [`Packed::new`].
    pub fn pack(
        &mut self,
        weights: &Weights,
        packs: &[WeightPack],
        prepared: &Graph,
    ) -> Result<Arc<Packed>, Error> {
        let packed = Packed::new(weights, packs, prepared, self);
        let packed = Arc::new(packed.map_err(|e| e.of_weight("the packed weights"))?);
        for (i, p) in packs.iter().enumerate() {
            // Prepared numbers are those of one graph alone.
            let of_weights = |part: &WeightPart| {
                let scale = part.scale.is_none_or(|s| matches!(s.by, Constant::Weight(_)));
                scale && matches!(part.from, Constant::Weight(_))
            };
            if p.parts.iter().all(of_weights) {
                self.0.entry(p.clone()).or_insert_with(|| (packed.clone(), i));
            }
        }
        Ok(packed)
    }
}

impl Packed {
    /// Packs weights. Memory of mapped files is given back as soon as it has been read.
    ///
    /// # Errors
    /// A weight is no f32, its format has no numbers for it, or there is no memory ([`Error::WeightMemory`]).
    fn new(
        weights: &Weights,
        packs: &[WeightPack],
        prepared: &Graph,
        earlier: &Packs,
    ) -> Result<Packed, Error> {
        let prepared = prepare(prepared, weights)?;
        let constants = Constants { weights, prepared: &prepared };
        let mut places = Vec::new();
        let mut end = 0usize;
        for p in packs {
            if let Some((packed, i)) = earlier.0.get(p) {
                places.push(Home::There(packed.clone(), *i));
                continue;
            }
            let start = end;
            let bytes = p.floats().and_then(|f| f.checked_mul(4));
            end = bytes.and_then(|b| start.checked_add(b)).ok_or(Error::Memory { bytes: u128::MAX })?;
            places.push(Home::Here(start..end));
        }
        let mut arena = Lines::default();
        if !arena.reserve(end) {
            return Err(Error::Memory { bytes: end as u128 });
        }
        let mut chunks = Vec::new();
        let mut unused = arena.floats_mut();
        for (p, place) in packs.iter().zip(&places) {
            let Home::Here(range) = place else { continue };
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
        Ok(Packed { arena, places })
    }

    /// The packed weight of that number.
    pub fn get(&self, i: usize) -> &[u8] {
        match &self.places[i] {
            Home::Here(range) => &self.arena.bytes()[range.clone()],
            Home::There(packed, i) => packed.get(*i),
        }
    }

    /// Bytes of all of them.
    pub fn len(&self) -> usize {
        (0..self.places.len()).map(|i| self.get(i).len()).sum()
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
