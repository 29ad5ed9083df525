//! What follows from the values of the run-time dims: sizes and places of blocks, and what each step is
//! given.

// Points into the arena of a session.
#![allow(unsafe_code)]

use crate::compiled::Inner;
use crate::error::Error;
use crate::run::bind::Env;
use crate::run::buffers::Buffers;
use crate::run::layout::{At, Layout, may_be_had};
use crate::run::live;
use crate::run::memory::Lines;
use crate::run::nested::Nested;
use crate::run::region::Call;
use crate::run::stages::{Stage, WORTH, Work, divide};
use crate::tensor::element::OutputMut;
use tancho_jit::plan::{ALIGN, Place};

/// Bytes of a block that cannot be computed, which is no error if no step needs it.
const UNKNOWN: usize = usize::MAX;

/// Among how many threads the steps of a run are divided.
#[derive(Clone, Copy, Debug)]
pub struct Division {
    pub threads: usize,
    /// Steps with less work than this run on one thread.
    pub worth: i64,
}

impl Division {
    /// Divides what is worth it among `threads` threads.
    pub fn new(threads: usize) -> Division {
        Division { threads, worth: WORTH }
    }
}

/// A session laid out for values of its run-time dims.
#[derive(Debug, Default)]
pub struct Bound {
    /// The values of the run-time dims, in the order of their declaration.
    pub dims: Vec<i64>,
    /// The values of the layout's polynomials; `None` for those that have none.
    values: Vec<Option<i64>>,
    /// Bytes of each of the plan's blocks; 0 for those that no step needs.
    sizes: Vec<usize>,
    /// Bytes that each block has where it is, which may be more.
    capacities: Vec<usize>,
    /// Where each block begins in the arena.
    offsets: Vec<usize>,
    /// The order in which blocks were placed. Only its memory is used again.
    order: Vec<usize>,
    /// Whether each step has anything to do.
    live: Vec<bool>,
    /// What each step is given. Parameters and work follow from the dims, pointers are written by every run.
    pub calls: Vec<Call>,
    /// The steps that call kernels, divided among threads.
    pub stages: Vec<Stage>,
    /// The steps that run bodies, in order.
    pub nested: Vec<Nested>,
}

/// The polynomials of a layout under bound dims.
struct Values<'a> {
    layout: &'a Layout,
    env: &'a Env<'a>,
    values: &'a [Option<i64>],
}

impl Values<'_> {
    fn value(&self, at: At) -> Result<i64, Error> {
        self.layout.value(at, self.values, self.env)
    }

    fn length(&self, at: At) -> Result<usize, Error> {
        self.layout.length(at, self.values, self.env)
    }

    fn estimate(&self, at: At) -> i64 {
        self.layout.estimate(at, self.values)
    }
}

impl Bound {
    /// Lays a session out for these dims. The memory of what was bound before is used again, and so are the
    /// places of blocks that still fit.
    ///
    /// # Errors
    /// A bound, a `where` clause, a window or a slice does not hold, or memory is short.
    pub fn lay_out(
        mut self,
        inner: &Inner,
        dims: &[i64],
        division: Division,
        buffers: &mut Buffers,
    ) -> Result<Bound, Error> {
        let layout = &inner.layout;
        let env = Env { graph: &inner.compilation.graph, dims };
        self.dims.clear();
        self.dims.extend_from_slice(dims);
        buffers.states.prepare(&env)?;
        let mut values = std::mem::take(&mut self.values);
        layout.bind(&env, &mut values);
        layout.check(&env, &values)?;
        buffers.reserve_outputs(&env)?;
        let known = Values { layout, env: &env, values: &values };
        self.size_blocks(inner, &known, division.threads)?;
        self.find_live(inner, &known, buffers)?;
        self.place_blocks(inner, &mut buffers.arena)?;
        self.divide(inner, &known, division)?;
        self.values = values;
        Ok(self)
    }

    /// Where each block of the plan begins in the arena, and its bytes.
    pub fn blocks(&self) -> impl Iterator<Item = (usize, usize)> {
        self.offsets.iter().copied().zip(self.sizes.iter().copied())
    }

    /// Bytes of working memory of its bodies.
    pub fn memory_bytes(&self) -> usize {
        self.nested.iter().map(Nested::memory_bytes).sum()
    }

    /// Accesses of its bodies outside of their buffers since the last call of this.
    pub fn take_violations(&mut self) -> u64 {
        self.nested.iter_mut().map(Nested::take_violations).sum()
    }

    /// Bytes of each block.
    fn size_blocks(&mut self, inner: &Inner, known: &Values<'_>, threads: usize) -> Result<(), Error> {
        self.sizes.clear();
        for (block, at) in inner.compilation.plan.blocks.iter().zip(&known.layout.blocks) {
            let Ok(size) = known.length(*at) else {
                self.sizes.push(UNKNOWN);
                continue;
            };
            may_be_had(size as u128)?;
            // Threads must not write to one cache line.
            let all = if block.per_thread { size.next_multiple_of(ALIGN) * threads } else { size };
            self.sizes.push(all);
        }
        Ok(())
    }

    /// Finds the steps that have anything to do; blocks that no step needs get no memory.
    fn find_live(&mut self, inner: &Inner, known: &Values<'_>, buffers: &Buffers) -> Result<(), Error> {
        let layout = &inner.layout;
        let has_units = |step: usize| known.value(layout.steps[step].units).is_ok_and(|units| units > 0);
        let is_empty = |place: Place| buffers.is_empty(place);
        live::find(&layout.flows, &is_empty, &has_units, &mut self.sizes, &mut self.live);
        // The error of a length that a step needs.
        if let Some(n) = self.sizes.iter().position(|size| *size == UNKNOWN) {
            known.length(layout.blocks[n])?;
        }
        Ok(())
    }

    /// Gives each block its place in the arena.
    fn place_blocks(&mut self, inner: &Inner, arena: &mut Lines) -> Result<(), Error> {
        // Blocks that fit into the places they have stay there: placing anew takes longer than a small run.
        let fit = self.capacities.len() == self.sizes.len()
            && self.capacities.iter().zip(&self.sizes).all(|(capacity, size)| size <= capacity);
        if fit {
            return Ok(());
        }
        let total = inner.compilation.plan.place(&self.sizes, &mut self.offsets, &mut self.order);
        if !arena.reserve(total) {
            return Err(Error::Memory { bytes: total as u128 });
        }
        self.capacities.clone_from(&self.sizes);
        Ok(())
    }

    /// The parameters and the work of each step, and its stages.
    fn divide(&mut self, inner: &Inner, known: &Values<'_>, division: Division) -> Result<(), Error> {
        let steps = &inner.compilation.schedule.steps;
        self.calls.resize_with(steps.len(), Call::default);
        self.stages.clear();
        let mut old = std::mem::take(&mut self.nested).into_iter().peekable();
        for (i, ((call, step), at)) in self.calls.iter_mut().zip(steps).zip(&known.layout.steps).enumerate() {
            call.params.clear();
            call.work = Work::default();
            if !self.live[i] {
                continue;
            }
            for param in &at.params {
                call.params.push(known.value(*param)?);
            }
            let scratch = known.length(at.scratch)?;
            may_be_had(scratch as u128)?;
            call.scratch = scratch.next_multiple_of(ALIGN) as i64;
            let counted = step.spec.kernel().and_then(|kernel| kernel.counted_flops(&call.params));
            call.work = Work {
                units: known.value(at.units)?,
                columns: at.columns.map_or(Ok(0), |columns| known.value(columns))?,
                flops: counted.unwrap_or_else(|| known.estimate(at.flops)),
                bytes: known.estimate(at.bytes),
            };
            if let Some(kernel) = step.spec.kernel() {
                divide(i, kernel, &call.work, division.threads, division.worth, &mut self.stages);
                continue;
            }
            while old.next_if(|nested| nested.step < i).is_some() {}
            let old = old.next_if(|nested| nested.step == i);
            let place = (i, self.stages.len());
            self.nested.extend(Nested::lay_out(old, place, inner, &call.params, &self.dims, division)?);
        }
        Ok(())
    }

    /// Fills the tables of buffers. `inputs` gives the place and size of each input. Results go into the
    /// session's memory, or into the caller's; those of a loop's body have no place yet.
    ///
    /// # Errors
    /// There is no memory to decode a weight.
    pub fn point(
        &mut self,
        inner: &Inner,
        buffers: &mut Buffers,
        inputs: &dyn Fn(usize) -> (*mut u8, usize),
        mut into: Option<&mut [OutputMut<'_>]>,
    ) -> Result<(), Error> {
        let Buffers { arena, outputs, states } = buffers;
        let (arena, mut states) = (arena.start_mut(), states.memory());
        for (call, places) in self.calls.iter_mut().zip(&inner.compilation.plan.places) {
            call.buffers.clear();
            call.sizes.clear();
            for place in places {
                let (start, size) = match *place {
                    Place::Input(n) => inputs(n),
                    Place::Weight(n) => match inner.gathered.binary_search_by_key(&n, |g| g.weight) {
                        Ok(at) => {
                            let (start, size) = inner.gathered[at].place();
                            (start.cast_mut(), size)
                        }
                        Err(_) => const_bytes(inner.weight(n)?.bytes()?),
                    },
                    Place::Packed(n) => const_bytes(inner.compilation.packed.get(n)),
                    Place::Output(n) => match into.as_deref_mut() {
                        Some(given) => given[n].raw(),
                        None => outputs.get_mut(n).map_or((std::ptr::null_mut(), 0), |output| {
                            (output.data.start_mut(), output.data.bytes().len())
                        }),
                    },
                    Place::State(n) => states.now(n),
                    Place::Next(n) => states.next(n),
                    Place::Block(n) => {
                        // SAFETY: the plan placed block n inside the arena, which was reserved for it.
                        (unsafe { arena.add(self.offsets[n]) }, self.sizes[n])
                    }
                };
                call.buffers.push(start);
                call.sizes.push(size as i64);
            }
        }
        Ok(())
    }
}

/// Bytes that kernels only read, as the table of buffers has them.
pub fn const_bytes(bytes: &[u8]) -> (*mut u8, usize) {
    (bytes.as_ptr().cast_mut(), bytes.len())
}
