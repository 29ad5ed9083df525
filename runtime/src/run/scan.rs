//! A loop of a run: the steps of its body for each element of the sequences.
//!
//! The body reads elements and writes results where they lie in the buffers around it. A carried value goes
//! back and forth between two buffers, so that an iteration never writes what it reads.

// Points into the buffers of the step around, and copies between them.
#![allow(unsafe_code)]

use crate::compiled::Inner;
use crate::error::Error;
use crate::run::body::{Body, Memory, What, copy, length, memory};
use crate::run::bound::Division;
use crate::run::memory::Lines;
use crate::run::region::Call;
use std::ptr::null_mut;
use tancho_jit::plan::ALIGN;
use tancho_jit::spec::{Part, ScanSpec};

/// A loop, laid out for the dims of a call.
#[derive(Debug, Default)]
pub struct Loop {
    body: Body,
    /// Iterations.
    len: usize,
    /// Bytes that an iteration has of each input and of each result of the body.
    inputs: Vec<usize>,
    results: Vec<usize>,
    /// Two buffers for each carried value.
    memory: Lines,
    carried: Vec<Carried>,
}

impl Loop {
    /// Lays the loop out. `params` are those of its step. What an earlier call laid out is used again.
    ///
    /// # Errors
    /// As [`Bound::lay_out`].
    pub fn lay_out(
        mut self,
        body: &Inner,
        spec: &ScanSpec,
        params: &[i64],
        dims: &[i64],
        division: Division,
    ) -> Result<Loop, Error> {
        self.body.lay_out(body, dims, division)?;
        self.len = length(spec.len.value(params))?;
        let bytes = |parts: &[Part]| -> Result<Vec<usize>, Error> {
            parts.iter().map(|part| length(part.bytes.value(params))).collect()
        };
        (self.inputs, self.results) = (bytes(&spec.inputs)?, bytes(&spec.results)?);
        let carried = self.results.iter().take(spec.carried);
        let all = carried.fold(0usize, |all, bytes| all.saturating_add(2 * bytes.next_multiple_of(ALIGN)));
        if !self.memory.reserve(all) {
            return Err(Error::Memory { bytes: all as u128 });
        }
        Ok(self)
    }

    /// Bytes of working memory.
    pub fn memory_bytes(&self) -> usize {
        self.memory.bytes().len() + self.body.memory_bytes()
    }

    /// Accesses outside of their buffers since the last call of this.
    pub fn take_violations(&mut self) -> u64 {
        self.body.take_violations()
    }

    /// Runs it. `call` has the buffers of its step.
    ///
    /// # Errors
    /// As [`steps::run`].
    ///
    /// # Safety
    /// As [`steps::run`] asks of the calls around: the buffers have the sizes of the plan, and no one else
    /// reads or writes what the loop writes.
    pub unsafe fn run(&mut self, body: &Inner, spec: &ScanSpec, call: &Call) -> Result<(), Error> {
        self.body.point(body)?;
        self.carry(spec, call);
        for i in 0..self.len {
            let at = if spec.backwards { self.len - 1 - i } else { i };
            let parts = (self.inputs.as_slice(), self.results.as_slice());
            let place = |what| place(what, spec, call, parts, at, &self.carried);
            // SAFETY: the body was laid out and pointed above. Elements and stacked results are parts of the
            // buffers around, which have `len` of them. Carried values are read from one buffer and written
            // to another.
            unsafe { self.body.run(body, &place)? };
            self.carried.iter_mut().for_each(Carried::turn);
        }
        for (part, carried) in spec.results.iter().zip(&self.carried) {
            if let Some(buffer) = part.buffer {
                // SAFETY: a buffer of the loop's own, or the first value, and a result of the step.
                unsafe { copy(carried.now, memory(call, buffer)) };
            }
        }
        Ok(())
    }

    /// Begins with the carried values as they are before the first iteration.
    fn carry(&mut self, spec: &ScanSpec, call: &Call) {
        let mut free = self.memory.start_mut();
        let initial = &spec.inputs[spec.sequences..];
        self.carried.clear();
        for (input, &size) in initial.iter().zip(&self.results).take(spec.carried) {
            let now = input.buffer.map_or((null_mut(), 0), |buffer| (memory(call, buffer).0, size));
            let apart = size.next_multiple_of(ALIGN);
            let [first, second] = [free, free.wrapping_add(apart)];
            free = second.wrapping_add(apart);
            self.carried.push(Carried { now, next: (first, size), other: second });
        }
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

/// Where an input or result of the body lies in the iteration of element `at`. `parts` are the bytes that an
/// iteration has of the inputs and of the results.
fn place(
    what: What,
    spec: &ScanSpec,
    call: &Call,
    parts: (&[usize], &[usize]),
    at: usize,
    carried: &[Carried],
) -> Memory {
    let element = |part: &Part, bytes: usize| {
        part.buffer.map_or((null_mut(), 0), |buffer| (memory(call, buffer).0.wrapping_add(at * bytes), bytes))
    };
    match what {
        What::Input(n) if n < spec.sequences => element(&spec.inputs[n], parts.0[n]),
        What::Input(n) => match carried.get(n - spec.sequences) {
            Some(carried) => carried.now,
            None => spec.inputs[n].buffer.map_or((null_mut(), 0), |buffer| memory(call, buffer)),
        },
        What::Result(n) => match carried.get(n) {
            Some(carried) => carried.next,
            None => element(&spec.results[n], parts.1[n]),
        },
    }
}
