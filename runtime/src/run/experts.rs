//! A mixture of experts of a run: the rows are counted and put in the order of their experts, and each expert
//! that has any is run once for all of its rows.

// Reads ids, and copies rows between the buffers of the step and memory of its own.
#![allow(unsafe_code)]

use crate::compile::Compilation;
use crate::compiled::Inner;
use crate::error::Error;
use crate::run::body::{Body, Memory, What, copy, length, memory};
use crate::run::bound::Division;
use crate::run::ids::position;
use crate::run::memory::Lines;
use crate::run::region::Call;
use tancho_ir::Value;
use tancho_ir::op::Op;
use tancho_jit::plan::ALIGN;
use tancho_jit::spec::ExpertsSpec;

/// A mixture, laid out for the dims of a call.
#[derive(Debug, Default)]
pub struct Mixture {
    /// For each expert that is the first of its form, the body laid out. Others differ from one of them in
    /// their weights alone, and use that.
    forms: Vec<Form>,
    division: Option<Division>,
    /// The dims of the network, then the rows of the expert at hand.
    dims: Vec<i64>,
    /// Rows, and ids of each.
    rows: usize,
    each: usize,
    /// Bytes that a row has of each input of the bodies, and of their result.
    inputs: Vec<usize>,
    result: usize,
    /// The rows of an expert and what it makes of them.
    memory: Lines,
    /// Where each expert's places begin in `order`.
    starts: Vec<usize>,
    /// The places of the ids, those of the first expert first.
    order: Vec<usize>,
}

/// A body that experts share, laid out for some rows.
#[derive(Debug, Default)]
struct Form {
    body: Body,
    rows: i64,
}

impl Mixture {
    /// Lays the mixture out. `params` are those of its step. What an earlier call laid out is used again.
    ///
    /// # Errors
    /// As [`Bound::lay_out`](crate::run::bound::Bound::lay_out).
    pub fn lay_out(
        mut self,
        inner: &Inner,
        spec: &ExpertsSpec,
        params: &[i64],
        dims: &[i64],
        division: Division,
    ) -> Result<Mixture, Error> {
        (self.rows, self.each) = (length(spec.rows.value(params))?, length(spec.each.value(params))?);
        let places = self.rows.checked_mul(self.each).ok_or(Error::Memory { bytes: u128::MAX })?;
        let bytes = |part: &tancho_jit::spec::Part| length(part.bytes.value(params));
        self.inputs = spec.inputs.iter().map(bytes).collect::<Result<_, _>>()?;
        self.result = bytes(&spec.result)?;
        let parts = self.inputs.iter().chain([&self.result]);
        let all =
            parts.map(|row| row.saturating_mul(places).saturating_add(ALIGN)).fold(0, usize::saturating_add);
        if !self.memory.reserve(all) {
            return Err(Error::Memory { bytes: all as u128 });
        }
        let short = |n: usize| Error::Memory { bytes: n as u128 * size_of::<usize>() as u128 };
        self.starts.clear();
        self.starts.try_reserve(spec.experts + 1).map_err(|_| short(spec.experts))?;
        self.order.clear();
        self.order.try_reserve(places).map_err(|_| short(places))?;
        // One expert may be given all rows. What is laid out for as many has room for fewer.
        self.dims.clear();
        self.dims.extend_from_slice(dims);
        self.dims.push(places as i64);
        self.division = Some(division);
        self.forms.resize_with(spec.experts, Form::default);
        for (e, form) in self.forms.iter_mut().enumerate() {
            let body = spec.body + e;
            if inner.firsts[body] == body {
                form.rows = places as i64;
                form.body.lay_out(&inner.bodies[body], &self.dims, division)?;
            }
        }
        Ok(self)
    }

    /// Bytes of working memory.
    pub fn memory_bytes(&self) -> usize {
        let lists = (self.starts.capacity() + self.order.capacity()) * size_of::<usize>();
        self.memory.bytes().len()
            + lists
            + self.forms.iter().map(|form| form.body.memory_bytes()).sum::<usize>()
    }

    /// Accesses outside of their buffers since the last call of this.
    pub fn take_violations(&mut self) -> u64 {
        self.forms.iter_mut().map(|form| form.body.take_violations()).sum()
    }

    /// Runs it. `call` has the buffers of its step.
    ///
    /// # Errors
    /// An id names no expert, or as [`steps::run`](crate::run::steps::run).
    ///
    /// # Safety
    /// As [`steps::run`](crate::run::steps::run) asks of the calls around: the buffers have the sizes of the
    /// plan, and no one else reads or writes what the step writes.
    pub unsafe fn run(
        &mut self,
        inner: &Inner,
        step: usize,
        spec: &ExpertsSpec,
        call: &Call,
    ) -> Result<(), Error> {
        let (start, size) = memory(call, spec.ids);
        let ids = match size {
            0 => &[],
            // SAFETY: the plan gives the step a buffer of i32 ids, which begins where an i32 may.
            _ => unsafe {
                std::slice::from_raw_parts(start.cast::<i32>().cast_const(), size / size_of::<i32>())
            },
        };
        let ids = &ids[..(self.rows * self.each).min(ids.len())];
        self.sort(ids, spec.experts)
            .map_err(|at| error(inner, step, &self.dims, ids[at], at, spec.experts))?;
        for e in 0..spec.experts {
            let places = &self.order[self.starts[e]..self.starts[e + 1]];
            let rows = places.len();
            let body = spec.body + e;
            let form = &mut self.forms[inner.firsts[body] - spec.body];
            if rows == 0 {
                continue;
            }
            if let Some(division) = self.division.filter(|_| form.rows != rows as i64) {
                self.dims.pop();
                self.dims.push(rows as i64);
                // What fails to be laid out is laid out anew by the next run.
                form.rows = -1;
                form.body.lay_out(&inner.bodies[body], &self.dims, division)?;
                form.rows = rows as i64;
            }
            form.body.point(&inner.bodies[body])?;
            let start = self.memory.start_mut();
            let (inputs, result) = (self.inputs.as_slice(), self.result);
            let own = |n: usize| part(start, rows, inputs, result, n);
            for (n, (input, &bytes)) in spec.inputs.iter().zip(inputs).enumerate() {
                let Some(buffer) = input.buffer else { continue };
                for (i, place) in places.iter().enumerate() {
                    let row = memory(call, buffer).0.wrapping_add(place / self.each * bytes);
                    // SAFETY: the input has `rows` rows of as many bytes, of which this is one, and the
                    // memory of the mixture was reserved for all places.
                    unsafe { copy((row, bytes), (own(n).0.wrapping_add(i * bytes), bytes)) };
                }
            }
            let place = |what| match what {
                What::Input(n) => own(n),
                What::Result(_) => own(inputs.len()),
            };
            // SAFETY: the body is laid out for these rows and pointed at the weights of this expert. Its
            // inputs and its one result lie one after another in memory of the mixture.
            unsafe { form.body.run(&inner.bodies[body], &place)? };
            let Some(buffer) = spec.result.buffer else { continue };
            for (i, place) in places.iter().enumerate() {
                let row = own(inputs.len()).0.wrapping_add(i * result);
                let to = memory(call, buffer).0.wrapping_add(place * result);
                // SAFETY: the result of the step has a row for each place.
                unsafe { copy((row, result), (to, result)) };
            }
        }
        Ok(())
    }

    /// Puts the places of the ids in the order of their experts.
    ///
    /// # Errors
    /// The place of an id that names no expert.
    fn sort(&mut self, ids: &[i32], experts: usize) -> Result<(), usize> {
        self.starts.clear();
        self.starts.resize(experts + 1, 0);
        for (at, &id) in ids.iter().enumerate() {
            let expert = usize::try_from(id).ok().filter(|e| *e < experts).ok_or(at)?;
            self.starts[expert + 1] += 1;
        }
        for e in 0..experts {
            self.starts[e + 1] += self.starts[e];
        }
        self.order.clear();
        self.order.resize(ids.len(), 0);
        for (at, &id) in ids.iter().enumerate() {
            let next = &mut self.starts[id as usize];
            self.order[*next] = at;
            *next += 1;
        }
        // Each start has become the start of the next expert.
        self.starts.rotate_right(1);
        self.starts[0] = 0;
        Ok(())
    }
}

/// Where the rows of an expert lie: those of each input one after another, then those of the result.
fn part(start: *mut u8, rows: usize, inputs: &[usize], result: usize, n: usize) -> Memory {
    let before: usize = inputs[..n].iter().map(|row| (rows * row).next_multiple_of(ALIGN)).sum();
    (start.wrapping_add(before), rows * inputs.get(n).copied().unwrap_or(result))
}

/// The error of an id that names no expert.
fn error(inner: &Inner, step: usize, dims: &[i64], id: i32, at: usize, experts: usize) -> Error {
    let Compilation { fused, schedule, .. } = &inner.compilation;
    let step = &schedule.steps[step];
    let is_mixture = |v: &&Value| matches!(fused.graph.node(**v).op, Op::Experts { .. });
    let op = fused.groups[step.kernel].nodes.iter().find(is_mixture);
    let op = op.map_or_else(|| step.name.clone(), |v| fused.graph.node(*v).source.to_string());
    let ids = step.binding.buffers.first();
    let position = ids.map(|ids| position(&fused.graph, ids, dims, at as i64)).unwrap_or_default();
    Error::IdOutOfRange { op, id: id.into(), rows: experts, position }
}
