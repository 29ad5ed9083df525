//! Steps of a run that are made of the steps of bodies: loops and mixtures of experts.

// Runs bodies, whose kernels take raw pointers.
#![allow(unsafe_code)]

use crate::compiled::Inner;
use crate::error::Error;
use crate::run::bound::Division;
use crate::run::experts::Mixture;
use crate::run::region::Call;
use crate::run::scan::Loop;
use std::time::{Duration, Instant};
use tancho_jit::spec::StepSpec;

/// Such a step, laid out for the dims of a call.
#[derive(Debug)]
pub struct Nested {
    /// The step that it is.
    pub step: usize,
    /// The stage that follows it.
    pub before: usize,
    /// When it began in the run whose time was last measured, in nanoseconds.
    pub began: u64,
    /// How long it took then.
    pub time: Duration,
    bodies: Bodies,
}

#[derive(Debug)]
enum Bodies {
    Loop(Box<Loop>),
    Experts(Box<Mixture>),
}

impl Nested {
    /// Lays a step out, which is given with the stage that follows it; `None` if it calls a kernel. `params`
    /// are those of the step. What an earlier call laid out for the same step is used again.
    ///
    /// # Errors
    /// As [`Bound::lay_out`](crate::run::bound::Bound::lay_out).
    pub fn lay_out(
        old: Option<Nested>,
        (step, before): (usize, usize),
        inner: &Inner,
        params: &[i64],
        dims: &[i64],
        division: Division,
    ) -> Result<Option<Nested>, Error> {
        let old = old.map(|nested| nested.bodies);
        let bodies = match &inner.compilation.schedule.steps[step].spec {
            StepSpec::Kernel(_) => return Ok(None),
            StepSpec::Scan(spec) => {
                let old = if let Some(Bodies::Loop(old)) = old { *old } else { Loop::default() };
                let body = &inner.bodies[spec.body];
                Bodies::Loop(Box::new(old.lay_out(body, spec, params, dims, division)?))
            }
            StepSpec::Experts(spec) => {
                let old = if let Some(Bodies::Experts(old)) = old { *old } else { Mixture::default() };
                Bodies::Experts(Box::new(old.lay_out(inner, spec, params, dims, division)?))
            }
        };
        Ok(Some(Nested { step, before, began: 0, time: Duration::ZERO, bodies }))
    }

    /// Bytes of working memory.
    pub fn memory_bytes(&self) -> usize {
        match &self.bodies {
            Bodies::Loop(l) => l.memory_bytes(),
            Bodies::Experts(m) => m.memory_bytes(),
        }
    }

    /// Accesses outside of their buffers since the last call of this.
    pub fn take_violations(&mut self) -> u64 {
        match &mut self.bodies {
            Bodies::Loop(l) => l.take_violations(),
            Bodies::Experts(m) => m.take_violations(),
        }
    }

    /// Runs it. `call` has the buffers of its step.
    ///
    /// # Errors
    /// As [`steps::run`](crate::run::steps::run), or an id names no expert.
    ///
    /// # Safety
    /// As [`steps::run`](crate::run::steps::run) asks of the calls around: the buffers have the sizes of the
    /// plan, and no one else reads or writes what the step writes.
    pub unsafe fn run(&mut self, inner: &Inner, call: &Call, began: Option<u64>) -> Result<(), Error> {
        let start = began.map(|_| Instant::now());
        self.began = began.unwrap_or_default();
        match (&mut self.bodies, &inner.compilation.schedule.steps[self.step].spec) {
            // SAFETY: the caller vouches for it.
            (Bodies::Loop(l), StepSpec::Scan(spec)) => unsafe {
                l.run(&inner.bodies[spec.body], spec, call)?
            },
            (Bodies::Experts(m), StepSpec::Experts(spec)) => {
                // SAFETY: the caller vouches for it.
                unsafe { m.run(inner, self.step, spec, call)? }
            }
            _ => {}
        }
        self.time = start.map(|start| start.elapsed()).unwrap_or_default();
        Ok(())
    }
}
