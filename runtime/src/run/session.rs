//! Sessions: buffers for one caller, and the run itself.
//!
//! Run-time dims are bound by the shapes of the inputs. Where they are what they
//! were in the call before, nothing is computed but the network and nothing allocated.

use crate::compiled::Compiled;
use crate::error::Error;
use crate::inspect::profile::Cost;
use crate::interpreter::spell;
use crate::run::bind::{Env, bind_inputs};
use crate::run::ids::id_error;
use crate::run::layout::may_be_had;
use crate::run::live;
use crate::run::memory::Lines;
use crate::run::region::{self, Call, Progress};
use crate::run::stages::{Stage, WORTH, Work, divide};
use crate::run::state::States;
use crate::tensor::Tensor;
use crate::tensor::element::Element;
use crate::tensor::view::{AnyView, OutputMut, View, element_count};
use tancho_jit::plan::{ALIGN, Place};

/// Bytes of a block that cannot be computed, which is no error if nobody needs it.
const UNKNOWN: usize = usize::MAX;

/// A result's memory and the shape it has now.
#[derive(Debug, Default)]
struct Output {
    data: Lines,
    shape: Vec<usize>,
    len: usize,
}

/// Buffers to run a compiled network with; one per thread.
#[derive(Debug)]
pub struct Session {
    compiled: Compiled,
    arena: Lines,
    outputs: Vec<Output>,
    states: States,
    pub(crate) calls: Vec<Call>,
    threads: usize,
    /// Less work than this is one thread's.
    worth: i64,
    pub(crate) stages: Vec<Stage>,
    pub(crate) progress: Progress,
    /// Runs, and what each step of them cost, if that is wanted.
    pub(crate) costs: Option<(u64, Vec<Cost>)>,
    /// The values of the run-time dims the buffers are laid out for, if they are.
    bound: Option<Vec<i64>>,
    ready: bool,
    dims: Vec<i64>,
    offsets: Vec<usize>,
    sizes: Vec<usize>,
    /// The sizes that the blocks have room for where they are.
    placed: Vec<usize>,
    /// The values of the layout's polynomials.
    values: Vec<Option<i64>>,
    order: Vec<usize>,
    /// The steps that have anything to do.
    live: Vec<bool>,
    pub(crate) traced: Option<Box<Session>>,
}

// SAFETY: the raw pointers in `calls` are written anew by every run before a kernel reads
// them; between runs they are plain numbers. Everything else is Send.
unsafe impl Send for Session {}

impl Session {
    pub(crate) fn new(compiled: Compiled, threads: usize) -> Session {
        let code = &compiled.0.code;
        let calls = code.schedule.steps.iter().map(|_| Call::default()).collect();
        let outputs = code.fused.graph.outputs.iter().map(|_| Output::default()).collect();
        Session {
            arena: Lines::default(),
            outputs,
            states: States::new(&compiled.0.graph),
            calls,
            bound: None,
            ready: false,
            dims: Vec::new(),
            offsets: Vec::new(),
            sizes: Vec::new(),
            placed: Vec::new(),
            values: Vec::new(),
            order: Vec::new(),
            live: Vec::new(),
            threads,
            worth: WORTH,
            stages: Vec::new(),
            progress: Progress::default(),
            costs: None,
            traced: None,
            compiled,
        }
    }

    /// The network it runs.
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// Among how many threads a run is divided.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Divides even what is too small to be worth it. For tests.
    #[doc(hidden)]
    pub fn divide_all(&mut self) {
        self.worth = 0;
        self.bound = None;
    }

    /// Forgets what earlier runs left: states are zeros again, those that grow have no rows.
    pub fn reset(&mut self) {
        self.states.reset(&self.compiled.0.graph);
        self.bound = None;
    }

    /// The rows that states have along a dim they grow along, such as the cached positions of a decoder.
    ///
    /// # Errors
    /// No state grows along it.
    pub fn rows(&self, dim: &str) -> Result<usize, Error> {
        self.grown(dim).map(|i| self.states.rows()[i] as usize)
    }

    /// Forgets all rows but the first along a dim that states grow along, to go on from there with others.
    ///
    /// # Errors
    /// No state grows along it, or there are fewer rows.
    pub fn truncate(&mut self, dim: &str, rows: usize) -> Result<(), Error> {
        let i = self.grown(dim)?;
        let held = self.states.rows()[i];
        let kept = i64::try_from(rows).ok().filter(|kept| *kept <= held);
        let kept = kept.ok_or_else(|| Error::Truncate { dim: dim.into(), held, asked: rows })?;
        self.states.truncate(i, kept);
        Ok(())
    }

    fn grown(&self, dim: &str) -> Result<usize, Error> {
        let g = &self.compiled.0.graph;
        let found = g.dims.iter().position(|d| d.name == dim).filter(|i| self.states.rows()[*i] >= 0);
        found.ok_or_else(|| {
            let all: Vec<&str> = g
                .dims
                .iter()
                .enumerate()
                .filter(|(i, _)| self.states.rows()[*i] >= 0)
                .map(|(_, d)| d.name.as_str())
                .collect();
            no_state(dim, &all)
        })
    }

    /// What a state holds now, by its path through the nets: `blocks.3.keys`. `None` before the first run.
    ///
    /// # Errors
    /// There is no state of that name.
    pub fn state(&self, name: &str) -> Result<Option<Tensor>, Error> {
        let g = &self.compiled.0.graph;
        let i = g.states.iter().position(|s| s.name == name);
        let i =
            i.ok_or_else(|| no_state(name, &g.states.iter().map(|s| s.name.as_str()).collect::<Vec<_>>()))?;
        Ok(self.states.tensor(g, i))
    }

    /// What all states hold; `None` before the first run, and where there are none.
    pub(crate) fn held(&self) -> Option<Vec<Tensor>> {
        let g = &self.compiled.0.graph;
        if g.states.is_empty() {
            None
        } else {
            (0..g.states.len()).map(|i| self.states.tensor(g, i)).collect()
        }
    }

    /// Another session that goes on from where this one is: a prompt that was read once is continued in
    /// several ways.
    ///
    /// # Errors
    /// Memory is short.
    pub fn fork(&self) -> Result<Session, Error> {
        let mut new = Session::new(self.compiled.clone(), self.threads);
        new.worth = self.worth;
        new.adopt(self.forked_states()?);
        Ok(new)
    }

    /// What it holds, in memory of its own.
    pub(crate) fn forked_states(&self) -> Result<States, Error> {
        self.states.fork(&self.compiled.0.graph)
    }

    /// Goes on from other states, whose memory is not what buffers were laid out for.
    pub(crate) fn adopt(&mut self, states: States) {
        self.states = states;
        self.bound = None;
    }

    /// Bytes of working memory it holds now, results included.
    pub fn memory_bytes(&self) -> usize {
        self.arena.bytes().len()
            + self.states.bytes()
            + self.outputs.iter().map(|o| o.data.bytes().len()).sum::<usize>()
    }

    /// Runs the network; [`Session::output`] gives the results.
    ///
    /// # Errors
    /// An input does not fit its declaration, a bound or `where` clause does not hold, an id is out of
    /// range, or memory is short. The session stays usable.
    pub fn run_inputs(&mut self, inputs: &[AnyView<'_>]) -> Result<(), Error> {
        self.prepare(inputs)?;
        self.execute(inputs, None)
    }

    /// The same into buffers of the caller's, which are written only if all goes well.
    ///
    /// # Errors
    /// As [`Session::run_inputs`], or a buffer has another size or type than the result.
    pub fn run_inputs_into(
        &mut self,
        inputs: &[AnyView<'_>],
        into: &mut [OutputMut<'_>],
    ) -> Result<(), Error> {
        self.prepare(inputs)?;
        let g = &self.compiled.0.graph;
        if into.len() > self.outputs.len() {
            let (expected, found) =
                (format!("{} results", self.outputs.len()), format!("{} buffers", into.len()));
            return Err(Error::OutputSize { name: g.name.clone(), expected, found });
        }
        for (i, out) in self.outputs.iter().enumerate() {
            let dtype = g.ty(g.outputs[i]).dtype;
            let fits = into.get(i).is_some_and(|o| o.dtype() == dtype && o.len() == out.len);
            if !fits {
                let found = into.get(i).map_or("missing".into(), |o| spell(o.dtype(), &[o.len()]));
                return Err(Error::OutputSize {
                    name: g.label(g.outputs[i]),
                    expected: spell(dtype, &[out.len]),
                    found,
                });
            }
        }
        // A kernel that takes rows by id may stop in the middle: then the caller's buffers must be
        // untouched, so the results are copied when all is done.
        let may_fail =
            self.compiled.0.code.schedule.steps.iter().any(|step| step.spec.gathers().next().is_some());
        if !may_fail && into.iter().all(|o| o.dtype() != tancho_ir::DType::Bool) {
            return self.execute(inputs, Some(into));
        }
        self.execute(inputs, None)?;
        for (i, o) in into.iter_mut().enumerate() {
            match o {
                OutputMut::F32(d) => d.copy_from_slice(self.output::<f32>(i).data()),
                OutputMut::I32(d) => d.copy_from_slice(self.output::<i32>(i).data()),
                OutputMut::Bool(d) => d.copy_from_slice(self.output::<bool>(i).data()),
                OutputMut::Bf16(d) => d.copy_from_slice(self.output::<half::bf16>(i).data()),
            }
        }
        Ok(())
    }

    /// Result number `i` of the last run; empty if there was none, or of another type.
    pub fn output<T: Element>(&self, i: usize) -> View<'_, T> {
        let g = &self.compiled.0.graph;
        match self.outputs.get(i) {
            Some(o) if self.ready && g.ty(g.outputs[i]).dtype == T::DTYPE => {
                let bytes = &o.data.bytes()[..o.len * T::DTYPE.size()];
                match T::from_bytes(bytes) {
                    Some(data) => View::unchecked(data, &o.shape),
                    None => View::unchecked(&[], &[0]),
                }
            }
            _ => View::unchecked(&[], &[0]),
        }
    }

    /// Binds the run-time dims and lays the buffers out for them.
    fn prepare(&mut self, inputs: &[AnyView<'_>]) -> Result<(), Error> {
        self.ready = false;
        let compiled = self.compiled.clone();
        bind_inputs(&compiled.0.graph, inputs, self.states.rows(), &mut self.dims)?;
        if self.bound.as_ref() != Some(&self.dims) {
            let mut bound = self.bound.take().unwrap_or_default();
            self.lay_out()?;
            bound.clone_from(&self.dims);
            self.bound = Some(bound);
        }
        Ok(())
    }

    /// Everything that follows from the dims: limits, parameters, units, sizes and offsets.
    fn lay_out(&mut self) -> Result<(), Error> {
        let compiled = self.compiled.clone();
        let inner = &compiled.0;
        let env = Env { graph: &inner.graph, dims: &self.dims };
        self.states.prepare(&env)?;
        let layout = &inner.layout;
        layout.bind(&env, &mut self.values);
        let values = self.values.as_slice();
        layout.check(&env, values)?;
        let (plan, steps) = (&inner.code.plan, &inner.code.schedule.steps);
        for (o, v) in self.outputs.iter_mut().zip(&inner.graph.outputs) {
            let ty = inner.graph.ty(*v);
            o.shape.clear();
            for d in &ty.shape {
                o.shape.push(env.length(d)?);
            }
            o.len = element_count(&o.shape).ok_or(Error::Memory { bytes: u128::MAX })?;
            let bytes = o.len * ty.dtype.size();
            if !o.data.reserve(bytes) {
                return Err(Error::Memory { bytes: bytes as u128 });
            }
        }
        self.sizes.clear();
        for (b, at) in plan.blocks.iter().zip(&layout.blocks) {
            let Ok(size) = layout.length(*at, values, &env) else {
                self.sizes.push(UNKNOWN);
                continue;
            };
            may_be_had(size as u128)?;
            // Threads must not write to one cache line.
            self.sizes.push(if b.per_thread { size.next_multiple_of(ALIGN) * self.threads } else { size });
        }
        let (outputs, states) = (&self.outputs, &self.states);
        let is_empty = |place: Place| match place {
            Place::Output(n) => outputs[n].len == 0,
            Place::State(n) | Place::Next(n) => states.size(n) == 0,
            _ => true,
        };
        let has_units =
            |step: usize| layout.value(layout.steps[step].units, values, &env).is_ok_and(|units| units > 0);
        live::find(&layout.flows, &is_empty, &has_units, &mut self.sizes, &mut self.live);
        if let Some(n) = self.sizes.iter().position(|size| *size == UNKNOWN) {
            layout.length(layout.blocks[n], values, &env)?;
        }
        // Blocks that fit into the places they have stay there: placing anew takes longer than a small run.
        let fit = self.placed.len() == self.sizes.len()
            && self.placed.iter().zip(&self.sizes).all(|(room, size)| size <= room);
        if !fit {
            let total = plan.place(&self.sizes, &mut self.offsets, &mut self.order);
            self.placed.clear();
            if !self.arena.reserve(total) {
                return Err(Error::Memory { bytes: total as u128 });
            }
            self.placed.clone_from(&self.sizes);
        }
        self.stages.clear();
        for (i, ((call, step), dims)) in self.calls.iter_mut().zip(steps).zip(&layout.steps).enumerate() {
            call.params.clear();
            call.work = Work::default();
            if !self.live[i] {
                continue;
            }
            for at in &dims.params {
                call.params.push(layout.value(*at, values, &env)?);
            }
            let scratch = layout.length(dims.scratch, values, &env)?;
            may_be_had(scratch as u128)?;
            call.scratch = scratch.next_multiple_of(ALIGN) as i64;
            call.work = Work {
                units: layout.value(dims.units, values, &env)?,
                columns: dims.columns.map_or(Ok(0), |at| layout.value(at, values, &env))?,
                flops: layout.estimate(dims.flops, values),
                bytes: layout.estimate(dims.bytes, values),
            };
            divide(i, step, &call.work, self.threads, self.worth, &mut self.stages);
        }
        self.progress.reserve(self.stages.len(), self.threads);
        Ok(())
    }

    fn execute(
        &mut self,
        inputs: &[AnyView<'_>],
        mut into: Option<&mut [OutputMut<'_>]>,
    ) -> Result<(), Error> {
        let compiled = self.compiled.clone();
        let inner = &compiled.0;
        let code = &inner.code;
        inner.gathered.iter().for_each(|g| g.want(inputs));
        self.point(inputs, into.as_deref_mut())?;
        // The plan computed the buffers' sizes from the bound dims, with working memory for every thread;
        // inputs and weights were checked against their declared shapes, and are only read. SAFETY: buffers
        // and params are the plan's and the binding's; what is written is borrowed exclusively.
        let stopped = unsafe {
            region::run(&code.kernels, &self.calls, &self.stages, &mut self.progress, self.costs.is_some())
        };
        if let Some((stage, status)) = stopped {
            let step = self.stages[stage].step;
            return Err(id_error(&compiled, step, &self.calls[step], &self.dims, status));
        }
        let count = self.progress.take_violations();
        if count > 0 {
            return Err(Error::OutOfBuffer { network: inner.graph.name.clone(), count });
        }
        self.states.commit(&Env { graph: &inner.graph, dims: &self.dims })?;
        self.count_run();
        // A value returned twice was computed once.
        for &(i, first) in &inner.twice {
            match into.as_deref_mut() {
                Some(o) => {
                    let (head, tail) = o.split_at_mut(i);
                    tail[0].copy_from(&head[first]);
                }
                None => self.outputs[i].data = self.outputs[first].data.clone(),
            }
        }
        self.ready = into.is_none();
        Ok(())
    }

    /// Fills the tables of buffers.
    fn point(&mut self, inputs: &[AnyView<'_>], mut into: Option<&mut [OutputMut<'_>]>) -> Result<(), Error> {
        let inner = &self.compiled.0;
        let arena = self.arena.start_mut();
        for (call, places) in self.calls.iter_mut().zip(&inner.code.plan.places) {
            call.buffers.clear();
            call.sizes.clear();
            for place in places {
                let (start, size) = match *place {
                    Place::Input(n) => (inputs[n].bytes().as_ptr().cast_mut(), inputs[n].bytes().len()),
                    Place::Weight(n) => {
                        match (inner.gathered.binary_search_by_key(&n, |g| g.weight), inner.weights.at(n)) {
                            (Ok(g), _) => {
                                (inner.gathered[g].place().0.cast_mut(), inner.gathered[g].place().1)
                            }
                            (_, Some(w)) => (w.bytes()?.as_ptr().cast_mut(), w.bytes()?.len()),
                            (_, None) => return Err(Error::Graph(format!("weight {n} is missing"))),
                        }
                    }
                    Place::Packed(n) => (inner.packed.get(n).as_ptr().cast_mut(), inner.packed.get(n).len()),
                    Place::Output(n) => match into.as_deref_mut() {
                        Some(o) => o[n].raw(),
                        None => (self.outputs[n].data.start_mut(), self.outputs[n].data.bytes().len()),
                    },
                    Place::State(n) => self.states.now(n),
                    Place::Next(n) => self.states.next(n),
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

fn no_state(name: &str, known: &[&str]) -> Error {
    let known = if known.is_empty() { "none".into() } else { known.join(", ") };
    Error::NoState { name: name.into(), known }
}
