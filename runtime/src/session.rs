//! Sessions: buffers for one caller, and the run itself.
//!
//! Run-time dims are bound by the shapes of the inputs. Where they are what they
//! were in the call before, nothing is computed but the network and nothing allocated.

use crate::compiled::Compiled;
use crate::element::Element;
use crate::error::Error;
use crate::interp::spell;
use crate::memory::Lines;
use crate::view::{AnyView, OutputMut, View};
use tancho_ir::op::Op;
use tancho_ir::{Dim, Graph, Value};
use tancho_jit::plan::Place;
use tancho_jit::spec::{KernelSpec, Slot};
use tancho_jit::{Arguments, Step};

/// What one call of a kernel is given.
#[derive(Debug, Default)]
struct Call {
    buffers: Vec<*mut u8>,
    sizes: Vec<i64>,
    params: Vec<i64>,
    units: i64,
}

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
    calls: Vec<Call>,
    /// The values of the run-time dims the buffers are laid out for, if they are.
    bound: Option<Vec<i64>>,
    ready: bool,
    dims: Vec<i64>,
    offsets: Vec<usize>,
    sizes: Vec<usize>,
    order: Vec<usize>,
    guard: Box<[u64; 16]>,
    pub(crate) traced: Option<Box<Session>>,
}

// SAFETY: the raw pointers in `calls` are written anew by every run before a kernel reads
// them; between runs they are plain numbers. Everything else is Send.
unsafe impl Send for Session {}

impl Session {
    pub(crate) fn new(compiled: Compiled) -> Session {
        let code = &compiled.0.code;
        let calls = code.program.steps.iter().map(|_| Call::default()).collect();
        let outputs = code.fused.graph.outputs.iter().map(|_| Output::default()).collect();
        Session {
            arena: Lines::default(),
            outputs,
            calls,
            bound: None,
            ready: false,
            dims: Vec::new(),
            offsets: Vec::new(),
            sizes: Vec::new(),
            order: Vec::new(),
            guard: Box::new([0; 16]),
            traced: None,
            compiled,
        }
    }

    /// The network it runs.
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// Bytes of working memory it holds now, results included.
    pub fn memory_bytes(&self) -> usize {
        self.arena.bytes().len() + self.outputs.iter().map(|o| o.data.bytes().len()).sum::<usize>()
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
    pub fn run_inputs_into(&mut self, inputs: &[AnyView<'_>], into: &mut [OutputMut<'_>]) -> Result<(), Error> {
        self.prepare(inputs)?;
        let g = &self.compiled.0.graph;
        for (i, out) in self.outputs.iter().enumerate() {
            let dtype = g.ty(g.outputs[i]).dtype;
            let fits = into.get(i).is_some_and(|o| o.dtype() == dtype && o.len() == out.len);
            if !fits {
                let found = into.get(i).map_or("missing".into(), |o| spell(o.dtype(), &[o.len()]));
                return Err(Error::OutputSize { name: g.label(g.outputs[i]), expected: spell(dtype, &[out.len]), found });
            }
        }
        // A kernel that takes rows by id may stop in the middle: then the caller's buffers must be
        // untouched, so the results are copied when all is done.
        let may_fail = self.compiled.0.code.program.steps.iter().any(|s| match &s.spec {
            KernelSpec::Row(r) => r.gathers().next().is_some(),
            _ => false,
        });
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
        bind_inputs(&compiled.0.graph, inputs, &mut self.dims)?;
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
        env.check()?;
        let (plan, steps) = (&inner.code.plan, &inner.code.program.steps);
        for (o, v) in self.outputs.iter_mut().zip(&inner.graph.outputs) {
            let ty = inner.graph.ty(*v);
            o.shape.clear();
            for d in &ty.shape {
                o.shape.push(env.length(d)?);
            }
            o.len = o.shape.iter().product();
            let bytes = o.len * ty.dtype.size();
            if !o.data.reserve(bytes) {
                return Err(Error::Memory { bytes: bytes as u128 });
            }
        }
        self.sizes.clear();
        for b in &plan.blocks {
            self.sizes.push(env.length(&b.size)?);
        }
        let total = plan.place(&self.sizes, &mut self.offsets, &mut self.order);
        if !self.arena.reserve(total) {
            return Err(Error::Memory { bytes: total as u128 });
        }
        for (call, step) in self.calls.iter_mut().zip(steps) {
            call.params.clear();
            for d in &step.binding.params {
                call.params.push(env.value(d)?);
            }
            call.units = env.value(&step.units)?;
        }
        Ok(())
    }

    fn execute(&mut self, inputs: &[AnyView<'_>], mut into: Option<&mut [OutputMut<'_>]>) -> Result<(), Error> {
        let compiled = self.compiled.clone();
        let inner = &compiled.0;
        let code = &inner.code;
        let arena = self.arena.start_mut();
        let results: &mut [Output] = &mut self.outputs;
        for (i, (call, places)) in self.calls.iter_mut().zip(&code.plan.places).enumerate() {
            call.buffers.clear();
            call.sizes.clear();
            for place in places {
                let (start, size) = match *place {
                    Place::Input(n) => (inputs[n].bytes().as_ptr().cast_mut(), inputs[n].bytes().len()),
                    Place::Weight(n) => match inner.weights.at(n).and_then(|w| w.as_f32()) {
                        Some(w) => (w.as_ptr().cast_mut().cast(), w.len() * 4),
                        None => return Err(Error::Compile(format!("weight {n} is not f32"))),
                    },
                    Place::Packed(n) => (inner.packed[n].start(), inner.packed[n].bytes().len()),
                    Place::Output(n) => match into.as_deref_mut() {
                        Some(o) => o[n].raw(),
                        None => (results[n].data.start_mut(), results[n].data.bytes().len()),
                    },
                    Place::Block(n) => {
                        // SAFETY: the plan placed block n inside the arena, which was reserved for it.
                        (unsafe { arena.add(self.offsets[n]) }, self.sizes[n])
                    }
                };
                call.buffers.push(start);
                call.sizes.push(size as i64);
            }
            let args = Arguments {
                buffers: call.buffers.as_ptr(),
                sizes: call.sizes.as_ptr(),
                params: call.params.as_ptr(),
                guard: self.guard.as_mut_ptr(),
            };
            // SAFETY: buffers are those of the plan with at least the sizes it computed from the bound
            // dims (inputs and weights were checked against their declared shapes); params are the
            // binding's. Inputs, weights and packed weights are only read, the arena and the results
            // are this session's or the caller's exclusive borrows, and nothing else runs meanwhile.
            let status = unsafe { code.kernels[i].run(&args, 0, call.units) };
            if status >= 0 {
                return Err(id_error(&compiled, i, &self.calls[i], &self.dims, status));
            }
            if self.guard[0] > 0 {
                let count = std::mem::take(&mut self.guard[0]);
                return Err(Error::OutOfBuffer { kernel: code.program.steps[i].name.clone(), step: i, count });
            }
        }
        // A value returned twice was computed once.
        let outs = &code.fused.graph.outputs;
        for i in 0..outs.len() {
            if let Some(first) = outs[..i].iter().position(|o| *o == outs[i]) {
                match into.as_deref_mut() {
                    Some(o) => {
                        let (head, tail) = o.split_at_mut(i);
                        tail[0].copy_from(&head[first]);
                    }
                    None => results[i].data = results[first].data.clone(),
                }
            }
        }
        self.ready = into.is_none();
        Ok(())
    }
}

/// The values of the run-time dims by the shapes of the inputs, in the order of the declaration.
fn bind_inputs(g: &Graph, inputs: &[AnyView<'_>], dims: &mut Vec<i64>) -> Result<(), Error> {
    if inputs.len() != g.inputs.len() {
        return Err(Error::InputCount { expected: g.inputs.len(), found: inputs.len() });
    }
    dims.clear();
    dims.resize(g.dims.len(), -1);
    let wrong = |i: usize, why: String| Error::Input {
        name: g.inputs[i].name.clone(),
        expected: g.inputs[i].ty.to_string(),
        found: spell(inputs[i].dtype(), inputs[i].shape()),
        why,
    };
    for (i, (decl, x)) in g.inputs.iter().zip(inputs).enumerate() {
        x.check()?;
        if decl.ty.dtype != x.dtype() || decl.ty.rank() != x.shape().len() {
            return Err(wrong(i, String::new()));
        }
        for (axis, (d, n)) in decl.ty.shape.iter().zip(x.shape()).enumerate() {
            if let Some(names) = x.names()
                && d.as_const().is_none()
                && names[axis] != d.to_string()
            {
                return Err(wrong(i, format!("axis {axis} is called `{}`, but it is `{d}`", names[axis])));
            }
            if let Some(at) = d.as_sym().and_then(|s| g.dims.iter().position(|r| r.name == s))
                && dims[at] < 0
            {
                dims[at] = *n as i64;
            }
        }
    }
    let env = Env { graph: g, dims };
    for (i, (decl, x)) in g.inputs.iter().zip(inputs).enumerate() {
        for (axis, (d, n)) in decl.ty.shape.iter().zip(x.shape()).enumerate() {
            let want = env.value(d)?;
            if want != *n as i64 {
                return Err(wrong(i, format!("axis {axis} is {n}, but `{d}` is {want} in this call")));
            }
        }
    }
    Ok(())
}

/// The graph under values of its dims.
struct Env<'a> {
    graph: &'a Graph,
    dims: &'a [i64],
}

impl Env<'_> {
    fn value(&self, d: &Dim) -> Result<i64, Error> {
        let of = |s: &str| self.graph.dims.iter().position(|r| r.name == s).map(|i| self.dims[i]).filter(|v| *v >= 0);
        d.eval(&of).map_err(|e| Error::Dim { dim: d.to_string(), place: format!("network `{}`", self.graph.name), why: e.to_string() })
    }

    fn length(&self, d: &Dim) -> Result<usize, Error> {
        let n = self.value(d)?;
        usize::try_from(n).map_err(|_| Error::Dim {
            dim: d.to_string(),
            place: format!("network `{}`", self.graph.name),
            why: format!("a length cannot be {n}"),
        })
    }

    /// Bounds, `where` clauses, shapes and slices.
    fn check(&self) -> Result<(), Error> {
        for (d, value) in self.graph.dims.iter().zip(self.dims) {
            if let Some(bound) = d.bound.filter(|b| value > b) {
                return Err(Error::Bound { dim: d.name.clone(), value: *value, bound });
            }
        }
        for c in &self.graph.constraints {
            let (left, right) = (self.value(&c.left)?, self.value(&c.right)?);
            if !c.holds(left, right) {
                return Err(Error::Constraint { clause: c.to_string(), left, right });
            }
        }
        for v in self.graph.values() {
            let node = self.graph.node(v);
            if let Op::Slice { axis, start, end } = &node.op {
                let len = self.length(&self.graph.ty(node.args[0]).shape[*axis])?;
                let (start, end) = (self.value(start)?, self.value(end)?);
                if start < 0 || end < start || end > len as i64 {
                    return Err(Error::Slice { op: node.source.to_string(), axis: *axis, start, end, len });
                }
            }
            let mut bytes = node.ty.dtype.size() as u128;
            for d in &node.ty.shape {
                bytes = bytes.saturating_mul(self.length(d)? as u128);
            }
            // Offsets of kernels are 63-bit; more memory than this no machine has.
            if bytes > 1 << 46 {
                return Err(Error::Memory { bytes });
            }
        }
        Ok(())
    }
}

/// The error of an id out of range: which id it was, read where the kernel read it.
fn id_error(compiled: &Compiled, step: usize, call: &Call, dims: &[i64], status: i64) -> Error {
    let code = &compiled.0.code;
    let (unit, which) = (status / tancho_jit::STATUS_SLOTS, (status % tancho_jit::STATUS_SLOTS) as usize);
    let s: &Step = &code.program.steps[step];
    let unknown = || Error::IdOutOfRange { op: s.name.clone(), id: -1, rows: 0, position: Vec::new() };
    let KernelSpec::Row(row) = &s.spec else { return unknown() };
    let Some(gather) = row.slots.get(which).and_then(|slot| slot.gather.as_ref()) else { return unknown() };
    let len = |l: tancho_jit::lanes::Len| match l {
        tancho_jit::lanes::Len::Const(n) => n,
        tancho_jit::lanes::Len::Arg(i) => call.params[i as usize],
    };
    let mut coords = vec![0; row.outer.len()];
    let mut rest = unit;
    for (c, extent) in coords.iter_mut().zip(&row.outer).rev() {
        *c = rest % len(*extent).max(1);
        rest /= len(*extent).max(1);
    }
    let ids: &Slot = &gather.ids;
    let element = len(ids.offset) + coords.iter().zip(&ids.strides).map(|(c, st)| c * len(*st)).sum::<i64>();
    // SAFETY: the kernel has just read this element of the same buffer, which this call still holds.
    let id = unsafe { call.buffers[ids.buffer as usize].cast::<i32>().offset(element as isize).read_unaligned() };
    let graph = &code.fused.graph;
    let op = graph.values().find(|v| matches!(graph.node(*v).op, Op::Gather) && is_of(s, graph, *v, ids));
    let op = op.map_or_else(|| s.name.clone(), |v| graph.node(v).source.to_string());
    // The place in the ids as they are stored, axis by axis.
    let mut position = Vec::new();
    if let tancho_jit::spec::Buffer::Value(root) = s.binding.buffers[ids.buffer as usize] {
        let env = Env { graph, dims };
        let mut rest = element;
        for d in graph.ty(root).shape.iter().rev() {
            let n = env.value(d).unwrap_or(1).max(1);
            position.insert(0, (rest % n) as usize);
            rest /= n;
        }
    }
    Error::IdOutOfRange { op, id: i64::from(id), rows: len(gather.rows) as usize, position }
}

/// Whether gather `v` reads its ids from the buffer of this slot.
fn is_of(s: &Step, g: &Graph, v: Value, ids: &Slot) -> bool {
    let tancho_jit::spec::Buffer::Value(root) = s.binding.buffers[ids.buffer as usize] else { return false };
    let mut at = g.node(v).args[1];
    while at != root && tancho_ir::access::is_view(&g.node(at).op) {
        at = g.node(at).args[0];
    }
    at == root
}
