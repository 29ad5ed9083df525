//! A loop of a run: the steps of its body for each element of the sequences.
//!
//! The body reads elements and writes results where they lie in the buffers around it. A carried value goes
//! back and forth between two buffers, so that an iteration never writes what it reads.

// Points into the buffers of the step around, and copies between them.
#![allow(unsafe_code)]

use crate::compiled::Inner;
use crate::error::Error;
use crate::run::bound::{Bound, Division, const_bytes};
use crate::run::buffers::Buffers;
use crate::run::memory::Lines;
use crate::run::region::{Call, Progress};
use crate::run::steps;
use std::ptr::null_mut;
use std::time::{Duration, Instant};
use tancho_jit::plan::{ALIGN, Place};
use tancho_jit::spec::{Part, ScanSpec};

/// A loop, laid out for the dims of a call.
#[derive(Debug, Default)]
pub struct Loop {
    /// The step that it is.
    pub step: usize,
    /// The stage that follows it.
    pub before: usize,
    /// How long it took when the time was last measured.
    pub time: Duration,
    /// The body.
    bound: Bound,
    buffers: Buffers,
    progress: Progress,
    /// Two buffers for each carried value.
    memory: Lines,
    /// Where the second of them begin, each behind the first.
    apart: Vec<usize>,
    /// The places in the body's tables that change from one iteration to the next.
    moving: Vec<Moving>,
}

/// A buffer of a step of the body that is an input or a result of the body.
#[derive(Clone, Copy, Debug)]
struct Moving {
    call: usize,
    buffer: usize,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Input(usize),
    Result(usize),
}

/// Where something lies, and its bytes.
type Memory = (*mut u8, usize);

impl Loop {
    /// Lays the loop out, whose step and next stage are given. `params` are those of its step. What an
    /// earlier call laid out is used again.
    ///
    /// # Errors
    /// As [`Bound::lay_out`].
    pub fn lay_out(
        mut self,
        (step, before): (usize, usize),
        body: &Inner,
        spec: &ScanSpec,
        params: &[i64],
        dims: &[i64],
        division: Division,
    ) -> Result<Loop, Error> {
        (self.step, self.before) = (step, before);
        self.bound = std::mem::take(&mut self.bound).lay_out(body, dims, division, &mut self.buffers)?;
        self.progress.reserve(self.bound.stages.len(), division.threads);
        self.apart.clear();
        let mut all = 0usize;
        for part in &spec.results[..spec.carried] {
            let bytes = bytes(part, params).next_multiple_of(ALIGN);
            self.apart.push(bytes);
            all = all.saturating_add(bytes.saturating_mul(2));
        }
        if !self.memory.reserve(all) {
            return Err(Error::Memory { bytes: all as u128 });
        }
        self.moving.clear();
        for (call, places) in body.compilation.plan.places.iter().enumerate() {
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
        Ok(self)
    }

    /// Bytes of working memory.
    pub fn memory_bytes(&self) -> usize {
        self.memory.bytes().len() + self.buffers.bytes() + self.bound.memory_bytes()
    }

    /// Accesses outside of their buffers since the last call of this.
    pub fn take_violations(&mut self) -> u64 {
        let inside: u64 = self.bound.loops.iter_mut().map(Loop::take_violations).sum();
        self.progress.take_violations() + inside
    }

    /// Runs it. `call` has the buffers of its step.
    ///
    /// # Errors
    /// As [`steps::run`].
    ///
    /// # Safety
    /// As [`steps::run`] asks of the calls around: the buffers have the sizes of the plan, and no one else
    /// reads or writes what the loop writes.
    pub unsafe fn run(
        &mut self,
        body: &Inner,
        spec: &ScanSpec,
        call: &Call,
        timed: bool,
    ) -> Result<(), Error> {
        let start = timed.then(Instant::now);
        let len = usize::try_from(spec.len.value(&call.params)).unwrap_or_default();
        self.bound.point(body, &mut self.buffers, &|_| const_bytes(&[]), None)?;
        let mut carried = self.carried(spec, call);
        for i in 0..len {
            let at = if spec.backwards { len - 1 - i } else { i };
            let place = |what| place(what, spec, call, at, &carried);
            for m in &self.moving {
                let (start, size) = place(m.what);
                let table = &mut self.bound.calls[m.call];
                // Steps that have nothing to do have no table.
                if let (Some(b), Some(s)) = (table.buffers.get_mut(m.buffer), table.sizes.get_mut(m.buffer)) {
                    (*b, *s) = (start, size as i64);
                }
            }
            // SAFETY: the tables of the body have the buffers of its plan: its own blocks, weights, and what
            // was written just now. Elements and stacked results are parts of the buffers around, which have
            // `len` of them. Carried values are read from one buffer and written to another.
            unsafe { steps::run(body, &mut self.bound, &mut self.progress, false)? };
            for &(twin, first) in &body.twice {
                copy(place(What::Result(first)), place(What::Result(twin)));
            }
            carried.iter_mut().for_each(Carried::turn);
        }
        for (part, carried) in spec.results.iter().zip(&carried) {
            if let Some(buffer) = part.buffer {
                copy(carried.now, memory(call, buffer));
            }
        }
        self.time = start.map(|start| start.elapsed()).unwrap_or_default();
        Ok(())
    }

    /// The carried values before the first iteration.
    fn carried(&mut self, spec: &ScanSpec, call: &Call) -> Vec<Carried> {
        let mut free = self.memory.start_mut();
        let initial = &spec.inputs[spec.sequences..];
        let mut all = Vec::with_capacity(spec.carried);
        for ((input, result), &apart) in initial.iter().zip(&spec.results).zip(&self.apart).take(spec.carried)
        {
            let size = bytes(result, &call.params);
            let now = input.buffer.map_or((null_mut(), 0), |buffer| (memory(call, buffer).0, size));
            let [first, second] = [free, free.wrapping_add(apart)];
            free = second.wrapping_add(apart);
            all.push(Carried { now, next: (first, size), other: second });
        }
        all
    }
}

/// A carried value while the loop runs.
#[derive(Clone, Copy, Debug)]
struct Carried {
    /// What this iteration reads.
    now: Memory,
    /// What it writes.
    next: Memory,
    /// What the next one writes.
    other: *mut u8,
}

impl Carried {
    fn turn(&mut self) {
        let free = std::mem::replace(&mut self.other, self.next.0);
        self.now = self.next;
        self.next.0 = free;
    }
}

/// Where an input or result of the body lies in the iteration of element `at`.
fn place(what: What, spec: &ScanSpec, call: &Call, at: usize, carried: &[Carried]) -> Memory {
    let part = |part: &Part, moves: bool| {
        let Some(buffer) = part.buffer else { return (null_mut(), 0) };
        let (start, size) = memory(call, buffer);
        if !moves {
            return (start, size);
        }
        let bytes = bytes(part, &call.params);
        (start.wrapping_add(at * bytes), bytes)
    };
    match what {
        What::Input(n) if n < spec.sequences => part(&spec.inputs[n], true),
        What::Input(n) => match carried.get(n - spec.sequences) {
            Some(carried) => carried.now,
            None => part(&spec.inputs[n], false),
        },
        What::Result(n) => match carried.get(n) {
            Some(carried) => carried.next,
            None => part(&spec.results[n], true),
        },
    }
}

/// A buffer of the step.
fn memory(call: &Call, buffer: u16) -> Memory {
    (call.buffers[usize::from(buffer)], call.sizes[usize::from(buffer)] as usize)
}

fn bytes(part: &Part, params: &[i64]) -> usize {
    usize::try_from(part.bytes.value(params)).unwrap_or_default()
}

/// Copies as much as both have.
fn copy((from, size): Memory, (to, room): Memory) {
    // SAFETY: both are buffers of this run, or parts of them, with at least so many bytes; a carried value
    // and a result are never the same buffer.
    unsafe { from.copy_to_nonoverlapping(to, size.min(room)) };
}
