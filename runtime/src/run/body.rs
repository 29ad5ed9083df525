//! A body, bound: its steps, and the places in their tables of buffers that are its inputs and results, which
//! change from one run to the next.

// Points into the buffers of the step around, and copies between them.
#![allow(unsafe_code)]

use crate::compiled::Inner;
use crate::error::Error;
use crate::run::bound::{Bound, Division, const_bytes};
use crate::run::buffers::Buffers;
use crate::run::region::{Call, Progress};
use crate::run::steps;
use tancho_jit::plan::Place;

/// Where something lies, and its bytes.
pub type Memory = (*mut u8, usize);

/// A body that was laid out for values of its dims.
#[derive(Debug, Default)]
pub struct Body {
    bound: Bound,
    buffers: Buffers,
    progress: Progress,
    /// The places in its tables that are inputs and results of it.
    moving: Vec<Moving>,
}

/// A buffer of a step of the body that is an input or a result of the body.
#[derive(Clone, Copy, Debug)]
struct Moving {
    call: usize,
    buffer: usize,
    what: What,
}

/// An input or a result of a body, by number.
#[derive(Clone, Copy, Debug)]
pub enum What {
    Input(usize),
    Result(usize),
}

impl Body {
    /// Lays the body out for these dims. The memory of what was laid out before is used again.
    ///
    /// # Errors
    /// As [`Bound::lay_out`].
    pub fn lay_out(&mut self, inner: &Inner, dims: &[i64], division: Division) -> Result<(), Error> {
        self.bound = std::mem::take(&mut self.bound).lay_out(inner, dims, division, &mut self.buffers)?;
        self.progress.reserve(self.bound.stages.len(), division.threads);
        self.moving.clear();
        for (call, places) in inner.compilation.plan.places.iter().enumerate() {
            for (buffer, place) in places.iter().enumerate() {
                let what = match *place {
                    Place::Input(n) => What::Input(n),
                    Place::Output(n) => What::Result(n),
                    Place::Weight(_) | Place::Packed(_) | Place::Block(_) => continue,
                    // A body has no states.
                    Place::State(_) | Place::Next(_) => continue,
                };
                self.moving.push(Moving { call, buffer, what });
            }
        }
        Ok(())
    }

    /// Points its tables at its weights and at its own memory.
    ///
    /// # Errors
    /// There is no memory to decode a weight.
    pub fn point(&mut self, inner: &Inner) -> Result<(), Error> {
        self.bound.point(inner, &mut self.buffers, &|_| const_bytes(&[]), None)
    }

    /// Bytes of working memory.
    pub fn memory_bytes(&self) -> usize {
        self.buffers.bytes() + self.bound.memory_bytes()
    }

    /// Accesses outside of their buffers since the last call of this.
    pub fn take_violations(&mut self) -> u64 {
        self.progress.take_violations() + self.bound.take_violations()
    }

    /// Runs it once with its inputs and results where `place` says.
    ///
    /// # Errors
    /// As [`steps::run`].
    ///
    /// # Safety
    /// It was laid out and pointed for this body. Inputs and results lie in memory of the sizes that its dims
    /// give them; no one else writes them, and no result lies where an input or another result does.
    pub unsafe fn run(&mut self, inner: &Inner, place: &dyn Fn(What) -> Memory) -> Result<(), Error> {
        for m in &self.moving {
            let (start, size) = place(m.what);
            let table = &mut self.bound.calls[m.call];
            // Steps that have nothing to do have no table.
            if let (Some(b), Some(s)) = (table.buffers.get_mut(m.buffer), table.sizes.get_mut(m.buffer)) {
                (*b, *s) = (start, size as i64);
            }
        }
        // SAFETY: the tables have the buffers of the body's plan: its own blocks, its weights, and what was
        // written just now, of which the caller vouches.
        unsafe { steps::run(inner, &mut self.bound, &mut self.progress, false)? };
        for &(twin, first) in &inner.twice {
            // SAFETY: results of one run, which the caller says lie apart.
            unsafe { copy(place(What::Result(first)), place(What::Result(twin))) };
        }
        Ok(())
    }
}

/// A buffer of a step.
pub fn memory(call: &Call, buffer: u16) -> Memory {
    (call.buffers[usize::from(buffer)], call.sizes[usize::from(buffer)] as usize)
}

/// A length that the plan has bounded.
///
/// # Errors
/// It is negative.
pub fn length(n: i64) -> Result<usize, Error> {
    usize::try_from(n).map_err(|_| Error::Memory { bytes: u128::MAX })
}

/// Copies as much as both have.
///
/// # Safety
/// Both have as many bytes as they say, and they do not overlap.
pub unsafe fn copy((from, size): Memory, (to, room): Memory) {
    // SAFETY: the caller vouches for it.
    unsafe { from.copy_to_nonoverlapping(to, size.min(room)) };
}
