//! Sessions: buffers for one caller, and the run itself.
//!
//! Run-time dims are bound by the shapes of the inputs. Where they have the values of the call before,
//! nothing is computed but the network, and nothing is allocated.

// Vouches for the pointers of a run.
#![allow(unsafe_code)]

use crate::compile::Compilation;
use crate::compiled::Compiled;
use crate::error::Error;
use crate::inspect::cost::{Costs, Span};
use crate::run::bind::{Env, bind_inputs};
use crate::run::bound::{Bound, Division, const_bytes};
use crate::run::buffers::Buffers;
use crate::run::inputs::Converted;
use crate::run::pool::{MOST_THREADS, fast_cores};
use crate::run::region::Progress;
use crate::run::state::States;
use crate::run::steps;
use crate::tensor::element::{Element, OutputMut};
use crate::tensor::shape::TensorType;
use crate::tensor::view::{AnyView, View};
use crate::tensor::{Tensor, bf16};
use std::fmt;
use tancho_ir::DType;

impl Compiled {
    /// Buffers to run it with, on all cores of the machine; of several kinds of cores, on all of the fastest
    /// kind.
    pub fn session(&self) -> Session {
        Session::new(self.clone(), fast_cores().min(MOST_THREADS))
    }

    /// The same with runs divided among `threads` threads. One thread is the caller's own; the others come
    /// from a pool that all sessions of the process share. With more threads than cores the work is divided
    /// into that many parts, but no more threads run than there are cores. The same holds while other
    /// sessions run. The results are the same to the last bit for any number of threads.
    ///
    /// # Errors
    /// No threads, or more than 256.
    pub fn session_with_threads(&self, threads: usize) -> Result<Session, Error> {
        if threads == 0 || threads > MOST_THREADS {
            return Err(Error::Threads { asked: threads, most: MOST_THREADS });
        }
        Ok(Session::new(self.clone(), threads))
    }
}

/// Buffers to run a compiled network with; one per thread.
pub struct Session {
    compiled: Compiled,
    /// Among how many threads a run is divided, and from which work on.
    division: Division,
    /// The memory of results, states and values between steps.
    buffers: Buffers,
    /// Inputs that are not given as values.
    converted: Converted,
    /// What follows from the run-time dims; `None` where nothing is laid out for them.
    pub(crate) bound: Option<Bound>,
    /// The values of the run-time dims in this call, in the order of their declaration.
    dims: Vec<i64>,
    /// How far the threads of a run have come.
    pub(crate) progress: Progress,
    /// Whether the session's own memory holds the results of the last run.
    has_results: bool,
    /// What the steps have cost, if the session counts it.
    pub(crate) costs: Option<Costs>,
    /// The network with every named value as a result, if a trace asked for it.
    pub(crate) traced: Option<Box<Session>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = &self.compiled.inner().compilation.graph;
        let dims: Vec<(&str, i64)> =
            graph.dims.iter().map(|d| d.name.as_str()).zip(self.dims.iter().copied()).collect();
        f.debug_struct("Session")
            .field("compiled", &self.compiled)
            .field("threads", &self.threads())
            .field("dims", &dims)
            .field("memory_bytes", &self.memory_bytes())
            .finish()
    }
}

// SAFETY: the raw pointers in the calls of `bound` are written anew by every run before a kernel reads them;
// between runs they are plain numbers. Everything else is Send.
unsafe impl Send for Session {}

impl Session {
    pub(crate) fn new(compiled: Compiled, threads: usize) -> Session {
        let Compilation { graph, plan, fused, .. } = &compiled.inner().compilation;
        Session {
            division: Division::new(threads),
            buffers: Buffers::new(graph, plan, fused.graph.outputs.len()),
            converted: Converted::new(graph),
            bound: None,
            dims: Vec::new(),
            progress: Progress::default(),
            has_results: false,
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
        self.division.threads
    }

    /// Divides even what is too small to be worth it. For tests.
    #[doc(hidden)]
    pub fn divide_all(&mut self) {
        self.division.worth = 0;
        self.bound = None;
    }

    /// Forgets what earlier runs left: states are zeros again, those that grow have no rows.
    pub fn reset(&mut self) {
        self.buffers.states.reset();
        self.bound = None;
    }

    /// The rows that states have along a dim they grow along, such as the cached positions of a decoder.
    ///
    /// # Errors
    /// No state grows along it.
    pub fn rows(&self, dim: &str) -> Result<usize, Error> {
        self.grown(dim).map(|(_, rows)| rows)
    }

    /// Forgets all rows but the first along a dim that states grow along, to go on from there with others.
    ///
    /// # Errors
    /// No state grows along it, or there are fewer rows.
    pub fn truncate(&mut self, dim: &str, rows: usize) -> Result<(), Error> {
        let (i, held) = self.grown(dim)?;
        if rows > held {
            return Err(Error::Truncate { dim: dim.into(), held, asked: rows });
        }
        self.buffers.states.truncate(i, rows);
        Ok(())
    }

    /// The number of a dim that states grow along, and its rows.
    fn grown(&self, dim: &str) -> Result<(usize, usize), Error> {
        let dims = || self.compiled.inner().compilation.graph.dims.iter().enumerate();
        let states = &self.buffers.states;
        let found = dims().find(|(_, d)| d.name == dim).and_then(|(i, _)| Some((i, states.rows(i)?)));
        found.ok_or_else(|| {
            let grown = dims().filter(|(i, _)| states.rows(*i).is_some());
            no_state(dim, &grown.map(|(_, d)| d.name.as_str()).collect::<Vec<_>>())
        })
    }

    /// What a state holds now, by its path through the nets: `blocks.3.keys`. `None` before the first run.
    ///
    /// # Errors
    /// There is no state of that name.
    pub fn state(&self, name: &str) -> Result<Option<Tensor>, Error> {
        let g = &self.compiled.inner().compilation.graph;
        let i = g.states.iter().position(|s| s.name == name);
        let i =
            i.ok_or_else(|| no_state(name, &g.states.iter().map(|s| s.name.as_str()).collect::<Vec<_>>()))?;
        Ok(self.buffers.states.tensor(i))
    }

    /// Gives a state the value that the next run finds, as one that was saved. A growing one then has as many
    /// rows as the value, and so do all states that grow along its dim: each must be given its own.
    ///
    /// # Errors
    /// There is no state of that name, or the value has another type or shape.
    pub fn set_state(&mut self, name: &str, value: &Tensor) -> Result<(), Error> {
        let graph = &self.compiled.inner().compilation.graph;
        let known = || graph.states.iter().map(|s| s.name.as_str()).collect::<Vec<_>>();
        let found = graph.states.iter().position(|s| s.name == name);
        let state = found.ok_or_else(|| no_state(name, &known()))?;
        self.buffers.states.set(graph, state, value)?;
        self.bound = None;
        Ok(())
    }

    /// What each state holds; `None` for one that no run had yet.
    pub(crate) fn held(&self) -> Vec<Option<Tensor>> {
        let count = self.compiled.inner().compilation.graph.states.len();
        (0..count).map(|i| self.buffers.states.tensor(i)).collect()
    }

    /// Gives the states these values; `None` is one that no run had yet.
    ///
    /// # Errors
    /// A value does not fit the declaration of its state, or memory is short.
    pub(crate) fn restore(&mut self, values: &[Option<Tensor>]) -> Result<(), Error> {
        self.buffers.states.restore(&self.compiled.inner().compilation.graph, values)?;
        self.bound = None;
        Ok(())
    }

    /// Another session that continues from here, with states of its own. So one prompt can be read and then
    /// be continued in several ways.
    ///
    /// # Errors
    /// Memory is short.
    pub fn fork(&self) -> Result<Session, Error> {
        let mut new = self.as_new();
        new.adopt(self.forked_states()?);
        Ok(new)
    }

    /// A session of another graph with the same states that goes on from here, with states of its own.
    ///
    /// # Errors
    /// Memory is short.
    pub(crate) fn beside(&self, compiled: Compiled) -> Result<Session, Error> {
        let mut new = Session::new(compiled, self.division.threads);
        new.division = self.division;
        let Compilation { graph, plan, .. } = &new.compiled.inner().compilation;
        let states = self.forked_states()?.shared(graph, plan);
        new.adopt(states);
        Ok(new)
    }

    /// What it holds, in memory of its own.
    pub(crate) fn forked_states(&self) -> Result<States, Error> {
        self.buffers.states.fork()
    }

    /// Keeps the states of these sessions together from now on: what a run of one changes, the runs of the
    /// others find. Those of the first stay as they are.
    #[doc(hidden)]
    pub fn keep_together(sessions: &mut [&mut Session]) {
        let Some((first, others)) = sessions.split_first_mut() else { return };
        for other in others {
            let Compilation { graph, plan, .. } = &other.compiled.inner().compilation;
            let states = first.buffers.states.shared(graph, plan);
            other.adopt(states);
        }
    }

    /// The values of the run-time dims in the last call, in the order of their declaration.
    pub(crate) fn bound_dims(&self) -> &[i64] {
        &self.dims
    }

    /// Goes on from other states, whose memory is not what buffers were laid out for.
    pub(crate) fn adopt(&mut self, states: States) {
        self.buffers.states = states;
        self.bound = None;
    }

    /// Another session of the same network, as if it had not run.
    #[doc(hidden)]
    pub fn as_new(&self) -> Session {
        let mut new = Session::new(self.compiled.clone(), self.division.threads);
        new.division = self.division;
        new
    }

    /// Bytes of working memory it holds now, results and states included.
    pub fn memory_bytes(&self) -> usize {
        self.own_bytes() + self.buffers.states.bytes()
    }

    /// The same of sessions that keep their states together.
    #[doc(hidden)]
    pub fn memory_together(sessions: &[&Session]) -> usize {
        let states = sessions.first().map_or(0, |s| s.buffers.states.bytes());
        states + sessions.iter().map(|s| s.own_bytes()).sum::<usize>()
    }

    /// Bytes of working memory, states apart.
    fn own_bytes(&self) -> usize {
        let bound = self.bound.as_ref().map_or(0, Bound::memory_bytes);
        self.buffers.bytes() + self.converted.memory_bytes() + bound
    }

    /// Runs the network; [`Session::output`] gives the results.
    ///
    /// # Errors
    /// An input does not fit its declaration, an element of it does not fit into the type of its value, a
    /// bound or `where` clause does not hold, an id is out of range, or memory is short. The session stays
    /// usable.
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
        let g = &self.compiled.inner().compilation.graph;
        if into.len() > self.buffers.outputs.len() {
            let (expected, found) =
                (format!("{} results", self.buffers.outputs.len()), format!("{} buffers", into.len()));
            return Err(Error::OutputSize { name: g.name.clone(), expected, found });
        }
        for (i, out) in self.buffers.outputs.iter().enumerate() {
            let dtype = g.ty(g.outputs[i]).dtype;
            let fits = into.get(i).is_some_and(|o| o.dtype() == dtype && o.len() == out.len);
            if !fits {
                let found = into.get(i).map_or("missing".into(), |o| {
                    TensorType { element: o.dtype().into(), shape: &[o.len()] }.to_string()
                });
                return Err(Error::OutputSize {
                    name: g.label(g.outputs[i]),
                    expected: TensorType { element: dtype.into(), shape: &[out.len] }.to_string(),
                    found,
                });
            }
        }
        // A kernel that takes rows by id may stop in the middle: then the caller's buffers must be
        // untouched, so the results are copied when all is done.
        let may_fail = self.compiled.inner().may_fail();
        if !may_fail && into.iter().all(|o| o.dtype() != DType::Bool) {
            return self.execute(inputs, Some(into));
        }
        self.execute(inputs, None)?;
        for (i, o) in into.iter_mut().enumerate() {
            match o {
                OutputMut::F32(d) => d.copy_from_slice(self.output::<f32>(i)?.data()),
                OutputMut::I32(d) => d.copy_from_slice(self.output::<i32>(i)?.data()),
                OutputMut::Bool(d) => d.copy_from_slice(self.output::<bool>(i)?.data()),
                OutputMut::Bf16(d) => d.copy_from_slice(self.output::<bf16>(i)?.data()),
            }
        }
        Ok(())
    }

    /// Result number `i` of the last run.
    ///
    /// # Errors
    /// There is no such result, or its elements are of another type. There is none before the first run,
    /// after a run that failed, and after one that wrote into buffers of the caller's.
    pub fn output<T: Element>(&self, i: usize) -> Result<View<'_, T>, Error> {
        let g = &self.compiled.inner().compilation.graph;
        let missing = |why: String| Error::NoOutput { index: i, asked: T::DTYPE, why };
        let Some((output, value)) = self.buffers.outputs.get(i).zip(g.outputs.get(i)) else {
            return Err(missing(format!("the network has {} results", g.outputs.len())));
        };
        if !self.has_results {
            return Err(missing("the session holds no results of a run".into()));
        }
        let dtype = g.ty(*value).dtype;
        // Flags other than 0 and 1 are no `bool`; kernels write none.
        let data = output.data.bytes().get(..output.len * dtype.size()).and_then(T::from_bytes);
        match data.filter(|_| dtype == T::DTYPE) {
            Some(data) => Ok(View::unchecked(data, &output.shape)),
            None => Err(missing(format!(
                "the result is {}",
                TensorType { element: dtype.into(), shape: &output.shape }
            ))),
        }
    }

    /// Result number `i` of the last run, as a tensor of its own.
    ///
    /// # Errors
    /// As [`Session::output`], or there is no memory for a copy.
    pub fn tensor(&self, i: usize) -> Result<Tensor, Error> {
        let g = &self.compiled.inner().compilation.graph;
        let view: AnyView<'_> = match g.outputs.get(i).map(|o| g.ty(*o).dtype) {
            Some(DType::F32) | None => self.output::<f32>(i)?.into(),
            Some(DType::I32) => self.output::<i32>(i)?.into(),
            Some(DType::Bool) => self.output::<bool>(i)?.into(),
            Some(DType::Bf16) => self.output::<bf16>(i)?.into(),
        };
        Ok(view.to_tensor()?)
    }

    /// Binds the run-time dims, converts what is not given as values, and lays the session out for the dims.
    fn prepare(&mut self, inputs: &[AnyView<'_>]) -> Result<(), Error> {
        self.has_results = false;
        let graph = &self.compiled.inner().compilation.graph;
        self.buffers.states.dims(graph, &mut self.dims)?;
        bind_inputs(graph, inputs, &mut self.dims)?;
        self.converted.fill(graph, inputs)?;
        if self.bound.as_ref().is_some_and(|bound| bound.dims == self.dims) {
            if self.buffers.states.have_changed() {
                self.buffers.states.prepare(&Env { graph, dims: &self.dims })?;
            }
        } else {
            let old = self.bound.take().unwrap_or_default();
            let bound = old.lay_out(self.compiled.inner(), &self.dims, self.division, &mut self.buffers)?;
            self.progress.reserve(bound.stages.len(), self.division.threads);
            self.bound = Some(bound);
        }
        self.buffers.states.make_room(&Env { graph, dims: &self.dims })
    }

    /// Runs what [`Session::prepare`] bound.
    fn execute(
        &mut self,
        inputs: &[AnyView<'_>],
        mut into: Option<&mut [OutputMut<'_>]>,
    ) -> Result<(), Error> {
        let Session { compiled, buffers, converted, progress, costs, .. } = self;
        let inner = compiled.inner();
        let bound = self.bound.get_or_insert_default();
        let values = |n: usize| converted.bytes(n, &inputs[n]);
        inner.gathered.iter().for_each(|g| g.want(&values));
        bound.point(inner, buffers, &|n| const_bytes(values(n)), into.as_deref_mut())?;
        progress.begin(costs.is_some());
        // SAFETY: `point` has just filled the tables with the buffers of the plan, whose sizes `lay_out`
        // computed from the bound dims, with working memory for the threads that `progress` was reserved for.
        // What is written (arena, results, states) belongs to this session or is borrowed exclusively. What
        // is only read is shared: inputs are borrowed, or lie converted in memory of this session that `fill`
        // wrote before; weights and packed weights never change while `compiled` holds them. The rows of
        // gathered weights that the inputs name were decoded by `want` above, whose lock orders their writes
        // before these reads; others write only rows that no one has asked for yet.
        unsafe { steps::run(inner, bound, progress, costs.is_some())? };
        let count = progress.take_violations() + bound.take_violations();
        if count > 0 {
            return Err(Error::OutOfBuffer { network: inner.compilation.graph.name.clone(), count });
        }
        buffers.states.commit(&Env { graph: &inner.compilation.graph, dims: &bound.dims })?;
        if let Some(costs) = costs {
            let work = bound.calls.iter().map(|call| (call.work.flops, call.work.bytes));
            let stages = bound.stages.iter().map(|s| s.step).zip(progress.nanos());
            let nested = bound.nested.iter().map(|n| (n.step, n.time.as_nanos() as u64));
            costs.add_run(work, stages.chain(nested));
            costs.spans.clear();
            costs.spans.extend(progress.spans().map(|s| Span {
                step: bound.stages[s.stage].step,
                thread: s.thread,
                begin: s.begin,
                end: s.end,
            }));
            costs.spans.extend(bound.nested.iter().map(|n| Span {
                step: n.step,
                thread: 0,
                begin: n.began,
                end: n.began + n.time.as_nanos() as u64,
            }));
        }
        // A value returned twice was computed once.
        for &(i, first) in &inner.twice {
            match into.as_deref_mut() {
                Some(o) => {
                    let (head, tail) = o.split_at_mut(i);
                    tail[0].copy_from(&head[first]);
                }
                None => buffers.outputs[i].data = buffers.outputs[first].data.clone(),
            }
        }
        self.has_results = into.is_none();
        Ok(())
    }
}

fn no_state(name: &str, known: &[&str]) -> Error {
    let known = if known.is_empty() { "none".into() } else { known.join(", ") };
    Error::NoState { name: name.into(), known }
}
