//! Fused kernels to specs: which buffers are read how, and the work as an expression.

mod attention;
mod body;
mod cumulative;
mod experts;
mod matmul;
mod pack;
mod prepare;
mod rows;
mod scan;
mod scatter;
mod schedule;
mod unbound;
mod window;
mod winograd;

pub use schedule::{Constant, Scale, Schedule, Step, WeightPack, WeightPart};

use crate::CompileError;
use crate::format::Format;
use crate::machine::Machine;
use crate::spec::cost::{Cost, cost};
use crate::spec::extents::{Extents, extents};
use crate::spec::{Binding, Buffer, KernelSpec, StepOrigins, StepSpec, params};
use crate::target::{Precision, Target};
use std::collections::HashMap;
use tancho_ir::access::{Access, is_view, resolve_all};
use tancho_ir::fuse::{Fused, Group, Kind};
use tancho_ir::graph::Phase;
use tancho_ir::{Dim, Graph, Value};
use unbound::{Unbound, mem_of};

/// Lowers every kernel.
///
/// Weights take no format coarser than theirs, if they have one.
pub fn lower(fused: &Fused, target: Target, coarsest: &[Format]) -> Result<Schedule, CompileError> {
    let mut lower = Lower::new(fused, target, coarsest);
    prepare::vectors(&mut lower)?;
    for &v in &fused.packed {
        let pack = pack::pack_concat(&mut lower, v)?;
        let pack = lower.pack(pack);
        lower.packed.insert(v, pack);
    }
    for (i, kernel) in fused.groups.iter().enumerate() {
        lower.kernel = i;
        lower.lower_kernel(kernel)?;
    }
    lower.schedule.prepared = prepare::graph(lower.graph, &lower.prepared);
    Ok(lower.schedule)
}

/// A matmul or a convolution, with what is fused into it.
struct MatmulGroup<'a> {
    matmul: Value,
    /// The work on each accumulator.
    epilogue: &'a [Value],
    /// Work on whole rows.
    rows: &'a [Value],
    /// What is stored.
    outputs: &'a [Value],
}

impl MatmulGroup<'_> {
    /// What the epilogue ends with.
    fn last(&self) -> Value {
        self.epilogue.last().copied().unwrap_or(self.matmul)
    }
}

/// A network while it is lowered.
struct Lower<'a> {
    graph: &'a Graph,
    fused: &'a Fused,
    machine: Machine,
    precision: Precision,
    /// The format of weights that was asked for.
    weights: Format,
    /// The coarsest format that each weight may take.
    coarsest: &'a [Format],
    /// The coarsest format that each value may take.
    formats: Vec<Format>,
    /// Whether each value is in memory once its kernel has run.
    stored: Vec<bool>,
    /// How each view is read.
    views: Vec<Option<Access>>,
    schedule: Schedule,
    /// The packs of values that are known when the network is compiled.
    packed: HashMap<Value, usize>,
    /// The numbers of the packs.
    packs: HashMap<WeightPack, usize>,
    /// Values that follow from weights, in the order of their numbers.
    prepared: Vec<Value>,
    /// Their numbers.
    numbers: HashMap<Value, usize>,
    /// The fused kernel at hand.
    kernel: usize,
    /// Sums of rows have one order of additions: a backward pass may compute again what they are of.
    fixed_sums: bool,
}

impl<'a> Lower<'a> {
    /// Starts without steps.
    fn new(fused: &'a Fused, target: Target, coarsest: &'a [Format]) -> Lower<'a> {
        let graph = &fused.graph;
        let mut stored = vec![false; graph.nodes.len()];
        fused.groups.iter().flat_map(|kernel| &kernel.outputs).for_each(|v| stored[v.index()] = true);
        let views = resolve_all(graph, &|v| stored[v.index()]);
        Lower {
            graph,
            fused,
            machine: target.machine(),
            precision: target.precision(),
            weights: target.weight_format(),
            coarsest,
            formats: prepare::formats(graph, coarsest),
            stored,
            views,
            schedule: Schedule::default(),
            packed: HashMap::new(),
            packs: HashMap::new(),
            prepared: Vec::new(),
            numbers: HashMap::new(),
            kernel: 0,
            fixed_sums: graph.nodes.iter().any(|node| node.source.phase != Phase::Forward),
        }
    }

    /// Adds the steps of a fused kernel.
    fn lower_kernel(&mut self, kernel: &Group) -> Result<(), CompileError> {
        match &kernel.kind {
            Kind::Matmul { matmul, epilogue, rows } => {
                let group = MatmulGroup { matmul: *matmul, epilogue, rows, outputs: &kernel.outputs };
                if let Some(m) = winograd::tile(self, *matmul)
                    && winograd::lower(self, &group, m)?.is_some()
                {
                    return Ok(());
                }
                matmul::lower(self, &group)
            }
            Kind::Attention(v) => attention::lower(self, *v),
            Kind::Rows => rows::lower(self, kernel),
            Kind::Concat(v) => rows::concat(self, *v),
            Kind::Push(v) => rows::push(self, *v),
            Kind::Cumulative(v) => cumulative::lower(self, *v),
            Kind::Scatter(v) => scatter::lower(self, *v),
            Kind::Scan(v) => scan::lower(self, *v),
            Kind::Experts(v) => experts::lower(self, *v),
            Kind::Move(v) => rows::store(self, *v),
        }
    }

    /// Whether a value is in memory once its kernel has run.
    fn stored(&self, v: Value) -> bool {
        self.stored[v.index()]
    }

    /// How a value is read.
    fn access(&self, v: Value) -> Result<Access, CompileError> {
        if is_view(&self.graph.node(v).op) && !self.stored(v) {
            return self.view(v);
        }
        Access::whole(v, &self.graph.stored_shape(v))
            .ok_or_else(|| self.unsupported(v, "its address is too large to write down"))
    }

    /// How a view reads what it is a view of, whether it is stored itself or not.
    fn view(&self, v: Value) -> Result<Access, CompileError> {
        self.views[v.index()]
            .clone()
            .ok_or_else(|| self.unsupported(v, "its address is too large to write down"))
    }

    /// The number of a pack, which is added if it is new.
    fn pack(&mut self, pack: WeightPack) -> usize {
        let Lower { packs, schedule, .. } = self;
        *packs.entry(pack).or_insert_with_key(|pack| {
            schedule.packs.push(pack.clone());
            schedule.packs.len() - 1
        })
    }

    /// The error that an op is not supported.
    fn unsupported(&self, v: Value, why: &str) -> CompileError {
        CompileError::Unsupported { what: self.graph.label(v), why: why.into() }
    }

    /// Adds a step of the kernel at hand.
    fn push(
        &mut self,
        spec: impl Into<StepSpec>,
        binding: Binding,
        origins: impl Into<StepOrigins>,
    ) -> Result<(), CompileError> {
        let (spec, origins) = (spec.into(), origins.into());
        let at = origins.main;
        // Their numbers have 16 bits.
        if binding.params.len() > usize::from(u16::MAX) || binding.buffers.len() > usize::from(u16::MAX) {
            return Err(self.unsupported(at, "it reads and writes too much at once"));
        }
        let Some(extents) = spec.kernel().map_or_else(|| Some(Extents::of_bodies()), extents) else {
            return Err(self.unsupported(at, "its size is too large to write down"));
        };
        let bind =
            |dim: &Dim| params::bind(dim, &binding.params).map_err(|e| self.unsupported(at, &e.to_string()));
        let (units, scratch) = (bind(&extents.units)?, bind(&extents.scratch)?);
        let columns = extents.columns.as_ref().map(bind).transpose()?;
        // Only estimates: what is too large to write down counts as nothing.
        let Cost { flops, bytes } = spec.kernel().and_then(cost).unwrap_or_default();
        let (flops, bytes) = (bind(&flops)?, bind(&bytes)?);
        let (kernel, name) = (self.kernel, self.name(&spec));
        let step = Step { spec, binding, kernel, name, origins, units, columns, scratch, flops, bytes };
        self.schedule.steps.push(step);
        Ok(())
    }

    /// A short name for a step of the kernel at hand.
    fn name(&self, spec: &StepSpec) -> String {
        let kernel = &self.fused.groups[self.kernel];
        match spec.kernel() {
            Some(KernelSpec::Pack(_)) => "pack".into(),
            Some(KernelSpec::Winograd(_)) => format!("winograd{}", kernel.fused_name(self.graph)),
            _ => kernel.name(self.graph),
        }
    }

    /// A stored value whole, its last axis as the row.
    fn whole(&self, v: Value) -> Result<Unbound, CompileError> {
        let access = Access::whole(v, &self.graph.stored_shape(v))
            .ok_or_else(|| self.unsupported(v, "its size is too large to write down"))?;
        Ok(self.slot(v, access))
    }

    /// A slot that reads or writes a value so, its last axis as the row.
    fn slot(&self, v: Value, access: Access) -> Unbound {
        let mut strides = access.strides;
        let step = strides.pop().unwrap_or_default();
        let mem = mem_of(self.graph.ty(v).dtype);
        let buffer = match self.packed.get(&access.root) {
            Some(pack) => Buffer::PackedWeight(*pack),
            None => Buffer::Value(access.root),
        };
        Unbound { buffer, mem, offset: access.offset, strides, step, gather: None, block: false }
    }
}

/// The value behind a view that no kernel stores.
fn root_of(graph: &Graph, mut v: Value) -> Value {
    while is_view(&graph.node(v).op) {
        v = graph.node(v).args[0];
    }
    v
}
