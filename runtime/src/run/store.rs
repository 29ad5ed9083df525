//! The memory of states: what a session keeps between runs, or all sessions of a network with several entry
//! points keep together.
//!
//! A growing state has the capacity for all rows that its bound allows from its first run on. A run writes
//! new rows behind those there are, and they count when it has succeeded. Of a state that keeps its last
//! rows, the oldest are forgotten by beginning later in memory. Other states are computed into
//! memory of their own, which replaces the old when the run has succeeded, or in place by a step after which
//! no run fails. So a run that fails leaves all states as they were.

use crate::error::Error;
use crate::run::memory::Lines;
use crate::tensor::{Tensor, TensorData, bf16};
use std::ops::Range;
use tancho_ir::DType;

/// A value of a state.
#[derive(Debug, Default)]
pub struct Stored {
    lines: Lines,
    /// The lengths of its axes in memory: the growing one has the capacity.
    pub shape: Vec<usize>,
    bytes: usize,
}

impl Stored {
    /// Reserves memory for a value of this shape.
    ///
    /// # Errors
    /// Memory is short.
    pub fn reserve(&mut self, dtype: DType, shape: &[usize]) -> Result<(), Error> {
        let bytes = shape.iter().fold(dtype.size() as u128, |p, n| p.saturating_mul(*n as u128));
        self.bytes = usize::try_from(bytes).map_err(|_| Error::Memory { bytes })?;
        if !self.lines.reserve(self.bytes) {
            return Err(Error::Memory { bytes });
        }
        self.shape.clear();
        self.shape.extend_from_slice(shape);
        Ok(())
    }

    /// Its memory, and its bytes.
    pub fn memory(&mut self) -> (*mut u8, usize) {
        (self.lines.start_mut(), self.bytes)
    }
}

/// A state.
#[derive(Debug)]
pub struct Held {
    /// Its path through the nets.
    name: String,
    pub dtype: DType,
    /// The axis it grows along, and the number of the dim in [`Store::rows`].
    grows: Option<(usize, usize)>,
    /// Whether a run has succeeded that had this state.
    pub set: bool,
    pub now: Stored,
    /// What it becomes, if it does not grow.
    pub next: Stored,
}

impl Held {
    fn new(name: &str, dtype: DType, grows: Option<(usize, usize)>) -> Held {
        let (now, next) = (Stored::default(), Stored::default());
        Held { name: name.into(), dtype, grows, set: false, now, next }
    }

    /// Reserves its memory for a first run, as zeros.
    ///
    /// # Errors
    /// Memory is short.
    pub fn make(&mut self, shape: &[usize]) -> Result<(), Error> {
        self.now.reserve(self.dtype, shape)?;
        // Rows of a growing state are never read before they are written.
        if self.grows.is_none() {
            self.now.lines.floats_mut().fill(0.0);
        }
        Ok(())
    }

    /// A run has succeeded that had it, and that replaced it if `replaced`.
    pub fn commit(&mut self, replaced: bool) {
        if replaced {
            std::mem::swap(&mut self.now, &mut self.next);
        }
        self.set = true;
    }
}

/// The rows of the states that grow along a dim.
#[derive(Clone, Debug)]
pub struct Rows {
    dim: String,
    /// The first, by its place in memory: older ones are forgotten.
    pub first: usize,
    /// How many there are.
    pub count: usize,
}

/// States with their rows.
#[derive(Debug, Default)]
pub struct Store {
    pub held: Vec<Held>,
    /// The dims that states grow along, with the rows that each has.
    pub rows: Vec<Rows>,
    /// How often something was changed: what was laid out before a change is no longer known to fit.
    pub version: u64,
}

impl Store {
    /// The number of a dim that states grow along, which may be new.
    pub fn dim(&mut self, name: &str) -> usize {
        let at = self.rows.iter().position(|rows| rows.dim == name);
        at.unwrap_or_else(|| {
            self.rows.push(Rows { dim: name.into(), first: 0, count: 0 });
            self.rows.len() - 1
        })
    }

    /// The number of a state, which may be new.
    pub fn state(&mut self, name: &str, dtype: DType, grows: Option<(usize, usize)>) -> usize {
        let at = self.held.iter().position(|h| h.name == name);
        at.unwrap_or_else(|| {
            self.held.push(Held::new(name, dtype, grows));
            self.held.len() - 1
        })
    }

    /// Gives a state the value of a tensor. `room` is the shape of its memory, which has the capacity for all
    /// rows that it may grow to.
    ///
    /// # Errors
    /// Memory is short.
    pub fn restore(&mut self, state: usize, value: &Tensor, room: &[usize]) -> Result<(), Error> {
        let held = &mut self.held[state];
        held.make(room)?;
        held.set = true;
        if let Some((axis, dim)) = held.grows {
            (self.rows[dim].first, self.rows[dim].count) = (0, value.shape()[axis]);
        }
        let runs = self.runs(&self.held[state]).1;
        let (to, mut from) = (self.held[state].now.lines.bytes_mut(), value.data().bytes());
        for run in runs {
            let (now, rest) = from.split_at(run.len().min(from.len()));
            to[run][..now.len()].copy_from_slice(now);
            from = rest;
        }
        self.version += 1;
        Ok(())
    }

    /// Whether a state holds something that another shape would lose.
    pub fn holds(&self, state: usize) -> bool {
        let h = &self.held[state];
        h.set && h.grows.is_none_or(|(_, dim)| self.rows[dim].count > 0)
    }

    /// Bytes of memory reserved; of a growing state only what has rows is in use.
    pub fn bytes(&self) -> usize {
        self.held.iter().flat_map(|h| [&h.now, &h.next]).map(|s| s.lines.bytes().len()).sum()
    }

    /// The value of a state; `None` if no run had it yet.
    pub fn tensor(&self, state: usize) -> Option<Tensor> {
        let h = &self.held[state];
        if !h.set {
            return None;
        }
        let (shape, runs) = self.runs(h);
        let bytes = h.now.lines.bytes();
        let all: Vec<u8> = runs.flat_map(|r| bytes[r].iter().copied()).collect();
        Some(Tensor::from_parts(data(h.dtype, &all), &shape))
    }

    /// A state's shape now, and the bytes that hold something.
    fn runs(&self, h: &Held) -> (Vec<usize>, impl Iterator<Item = Range<usize>> + use<>) {
        let mut shape = h.now.shape.clone();
        if let Some((axis, dim)) = h.grows {
            shape[axis] = self.rows[dim].count;
        }
        let (outer, room, row) = self.layout(h);
        let (skipped, used) = match h.grows {
            Some((_, dim)) => (row * self.rows[dim].first, row * self.rows[dim].count),
            None => (0, row),
        };
        (shape, (0..outer).map(move |o| o * room + skipped..o * room + skipped + used))
    }

    /// How often rows follow each other in a state's memory, the bytes of all that have room there, and those
    /// of one. A state that does not grow is one row.
    fn layout(&self, h: &Held) -> (usize, usize, usize) {
        let Stored { shape, bytes, .. } = &h.now;
        // What has no bytes may have axes whose product is no number.
        match h.grows {
            Some((axis, _)) if *bytes > 0 => {
                let outer: usize = shape[..axis].iter().product();
                (outer, bytes / outer, bytes / outer / shape[axis])
            }
            _ => (usize::from(*bytes > 0), *bytes, *bytes),
        }
    }

    /// Bytes before the first row of a state.
    pub fn skipped(&self, state: usize) -> usize {
        let h = &self.held[state];
        h.grows.map_or(0, |(_, dim)| self.layout(h).2 * self.rows[dim].first)
    }

    /// Moves the rows of the states that grow along a dim to the front of their memory.
    pub fn move_to_front(&mut self, dim: usize) {
        for state in 0..self.held.len() {
            let h = &self.held[state];
            if !h.set || h.grows.is_none_or(|(_, d)| d != dim) {
                continue;
            }
            let ((_, room, _), (_, runs)) = (self.layout(h), self.runs(h));
            let bytes = self.held[state].now.lines.bytes_mut();
            for (o, run) in runs.enumerate() {
                bytes.copy_within(run, o * room);
            }
        }
        self.rows[dim].first = 0;
    }

    /// The same states in memory of their own.
    ///
    /// # Errors
    /// Memory is short.
    pub fn fork(&self) -> Result<Store, Error> {
        let mut held = Vec::new();
        for old in &self.held {
            let mut new = Held::new(&old.name, old.dtype, old.grows);
            if old.set {
                new.make(&old.now.shape)?;
                new.set = true;
                for r in self.runs(old).1 {
                    new.now.lines.bytes_mut()[r.clone()].copy_from_slice(&old.now.lines.bytes()[r]);
                }
            }
            held.push(new);
        }
        Ok(Store { held, rows: self.rows.clone(), version: 0 })
    }
}

fn data(dtype: DType, bytes: &[u8]) -> TensorData {
    let word = |b: &[u8]| [b[0], b[1], b[2], b[3]];
    match dtype {
        DType::F32 => TensorData::F32(bytes.chunks_exact(4).map(|b| f32::from_ne_bytes(word(b))).collect()),
        DType::I32 => TensorData::I32(bytes.chunks_exact(4).map(|b| i32::from_ne_bytes(word(b))).collect()),
        DType::Bf16 => {
            TensorData::Bf16(bytes.chunks_exact(2).map(|b| bf16::from_ne_bytes([b[0], b[1]])).collect())
        }
        DType::Bool => TensorData::Bool(bytes.iter().map(|b| *b != 0).collect()),
    }
}
