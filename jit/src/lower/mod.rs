//! Fused kernels to specs: which buffers are read how, and the work as an expression.

mod attention;
mod body;
mod matmul;
mod pack;
mod prepare;
mod rows;
mod window;
mod winograd;

use crate::CompileError;
use crate::lanes::{Mem, STRIP};
use crate::machine::Machine;
use crate::spec::cost::{Cost, cost};
use crate::spec::extents::extents;
use crate::spec::{Binding, Buffer, Gather, KernelSpec, Slot, params};
use crate::target::{Format, Precision, Target};
use std::collections::HashMap;
use tancho_ir::access::{Access, is_view, resolve_all};
use tancho_ir::fuse::{Fused, Kernel, Kind};
use tancho_ir::{DType, Dim, Graph, Value};

/// A kernel call of the network: what runs, on what, how often.
#[derive(Clone, Debug)]
pub struct Step {
    /// The code.
    pub spec: KernelSpec,
    /// Buffers and parameters.
    pub binding: Binding,
    /// The fused kernel it belongs to.
    pub kernel: usize,
    /// A short name for profiles.
    pub name: String,
    /// Units of work, as a dim over the network's run-time dims.
    pub units: Dim,
    /// Units of a matmul that is divided by columns.
    pub columns: Option<Dim>,
    /// Bytes of working memory of one thread.
    pub scratch: Dim,
    /// Floating-point operations of matmuls: two for each multiply-add. Attention counts all keys, those that
    /// no query sees too.
    pub flops: Dim,
    /// Bytes read and written, each once.
    pub bytes: Dim,
}

/// Weights that are packed when the network is compiled, as strips `[N / 16][K][16]` per batch. Several
/// parts lie side by side along N.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WeightPack {
    /// Extents of the leading axes.
    pub batch: Vec<i64>,
    /// Extents of the axes that the rows run over, the last running fastest.
    pub k: Vec<i64>,
    /// Filters of 3x3 are transformed for Winograd's tiles of that side: a matrix for each place of a patch.
    pub winograd: Option<i64>,
    /// How the elements are kept: [`Terms`](crate::lanes::Terms) says where those of a column lie.
    pub format: Format,
    /// What the columns are; all parts but the last have whole strips.
    pub parts: Vec<WeightPart>,
}

/// Numbers that are known when the network is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Constant {
    /// The weight of that number in the graph.
    Weight(usize),
    /// The result of that number of [`Schedule::prepared`].
    Prepared(usize),
}

/// One factor for each `run` elements of a weight, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scale {
    /// The factors.
    pub by: Constant,
    /// How many elements have one factor.
    pub run: i64,
}

/// A part of a [`WeightPack`]: how its columns are read from a weight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WeightPart {
    /// What is read.
    pub from: Constant,
    /// What it is multiplied by.
    pub scale: Option<Scale>,
    /// Elements before the first.
    pub offset: i64,
    /// Strides of the leading axes.
    pub batch_strides: Vec<i64>,
    /// Strides along the axes of the rows.
    pub k_strides: Vec<i64>,
    /// Columns and their stride.
    pub n: (i64, i64),
}

impl WeightPack {
    /// One whose columns are read as they are.
    pub fn plain(batch: Vec<i64>, k: Vec<i64>, parts: Vec<WeightPart>) -> WeightPack {
        WeightPack { batch, k, winograd: None, format: Format::F32, parts }
    }

    /// Rows; `None` where they cannot be counted.
    pub fn rows(&self) -> Option<i64> {
        self.k.iter().try_fold(1i64, |n, k| n.checked_mul(*k))
    }

    /// Floats of the packed weights; `None` where they cannot be counted.
    pub fn floats(&self) -> Option<usize> {
        let strips = self
            .parts
            .iter()
            .try_fold(0i64, |sum, p| sum.checked_add(p.n.0.checked_add(STRIP - 1)? / STRIP))?;
        let places = self.winograd.map_or(1, |m| (m + 2) * (m + 2));
        // Counted as f32 first: no format takes more.
        self.batch
            .iter()
            .try_fold(strips.checked_mul(self.rows()?)?, |n, b| n.checked_mul(*b))?
            .checked_mul(STRIP)?
            .checked_mul(places)?;
        let matrices = self.batch.iter().product::<i64>() * places * strips;
        usize::try_from(matrices * self.lines()? * STRIP).ok()
    }

    /// Lines of 32 bits of a column; `None` where they cannot be counted.
    pub fn lines(&self) -> Option<i64> {
        self.rows().map(|k| self.format.layout().lines(k))
    }
}

/// The calls of a network in order, and the weights to pack.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// The calls.
    pub steps: Vec<Step>,
    /// Weights to pack.
    pub packs: Vec<WeightPack>,
    /// Values that follow from weights: the results of a graph without inputs.
    pub prepared: Graph,
}

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
    for (i, kernel) in fused.kernels.iter().enumerate() {
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

struct Lower<'a> {
    graph: &'a Graph,
    fused: &'a Fused,
    machine: Machine,
    precision: Precision,
    weights: Format,
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
    kernel: usize,
}

/// A slot before outer axes are joined and dims are bound.
#[derive(Clone, Debug)]
struct Unbound {
    buffer: Buffer,
    mem: Mem,
    offset: Dim,
    strides: Vec<Dim>,
    step: Dim,
    gather: Option<UnboundGather>,
    block: bool,
}

/// Rows taken by number, before dims are bound.
#[derive(Clone, Debug)]
struct UnboundGather {
    ids: Box<Unbound>,
    rows: Dim,
    row_stride: Dim,
}

impl Unbound {
    /// Floats that lie one after another from a buffer's start, the same along all `outer` axes.
    fn floats(buffer: Buffer, outer: usize) -> Unbound {
        let (offset, step) = (Dim::constant(0), Dim::constant(1));
        Unbound {
            buffer,
            mem: Mem::F32,
            offset,
            strides: vec![Dim::constant(0); outer],
            step,
            gather: None,
            block: false,
        }
    }

    /// Whether axis `i` of this extent goes on where the axis before it has made a step.
    fn joins(&self, i: usize, extent: &Dim) -> bool {
        // A block's rows are counted from its first, whatever axes they come from.
        let one = |slot: &Unbound| {
            slot.block || slot.strides[i].times(extent).is_ok_and(|all| all == slot.strides[i - 1])
        };
        one(self) && self.gather.as_ref().is_none_or(|gather| one(&gather.ids))
    }
}

fn mem_of(dtype: DType) -> Mem {
    match dtype {
        DType::F32 => Mem::F32,
        DType::Bf16 => Mem::Bf16,
        DType::I32 => Mem::I32,
        DType::Bool => Mem::Bool,
    }
}

impl<'a> Lower<'a> {
    /// Starts without steps.
    fn new(fused: &'a Fused, target: Target, coarsest: &'a [Format]) -> Lower<'a> {
        let graph = &fused.graph;
        let mut stored = vec![false; graph.nodes.len()];
        fused.kernels.iter().flat_map(|kernel| &kernel.outputs).for_each(|v| stored[v.index()] = true);
        let views = resolve_all(graph, &|v| stored[v.index()]);
        Lower {
            graph,
            fused,
            machine: target.machine(),
            precision: target.precision(),
            weights: target.weights(),
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
        }
    }

    /// Adds the steps of a fused kernel.
    fn lower_kernel(&mut self, kernel: &Kernel) -> Result<(), CompileError> {
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
        Access::whole(v, &self.graph.room(v))
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

    fn unsupported(&self, v: Value, why: &str) -> CompileError {
        CompileError::Unsupported { what: self.graph.label(v), why: why.into() }
    }

    /// Adds a step of the kernel at hand.
    fn push(&mut self, spec: KernelSpec, binding: Binding, at: Value) -> Result<(), CompileError> {
        // Their numbers have 16 bits.
        if binding.params.len() > usize::from(u16::MAX) || binding.buffers.len() > usize::from(u16::MAX) {
            return Err(self.unsupported(at, "it reads and writes too much at once"));
        }
        let extents =
            extents(&spec).ok_or_else(|| self.unsupported(at, "its size is too large to write down"))?;
        let bind =
            |dim: &Dim| params::bind(dim, &binding.params).map_err(|e| self.unsupported(at, &e.to_string()));
        let (units, scratch) = (bind(&extents.units)?, bind(&extents.scratch)?);
        let columns = extents.columns.as_ref().map(bind).transpose()?;
        // Only estimates: what is too large to write down counts as nothing.
        let Cost { flops, bytes } = cost(&spec).unwrap_or_default();
        let (flops, bytes) = (bind(&flops)?, bind(&bytes)?);
        let (kernel, name) = (self.kernel, self.name(&spec));
        self.schedule.steps.push(Step { spec, binding, kernel, name, units, columns, scratch, flops, bytes });
        Ok(())
    }

    /// A short name for a step of the kernel at hand.
    fn name(&self, spec: &KernelSpec) -> String {
        let kernel = &self.fused.kernels[self.kernel];
        match spec {
            KernelSpec::Pack(_) => "pack".into(),
            KernelSpec::Winograd(_) => kernel.name(self.graph).replacen("conv", "winograd", 1),
            KernelSpec::Row(_) | KernelSpec::Matmul(_) | KernelSpec::Attention(_) => kernel.name(self.graph),
        }
    }

    /// A stored value whole, its last axis as the row.
    fn whole(&self, v: Value) -> Result<Unbound, CompileError> {
        let access = Access::whole(v, &self.graph.room(v))
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

/// Joins neighbouring outer axes where every slot walks through both with one stride.
fn join_axes(outer: &mut Vec<Dim>, slots: &mut [&mut Unbound]) {
    let mut i = outer.len();
    while i >= 2 {
        i -= 1;
        let extent = outer[i].clone();
        if slots.iter().all(|slot| slot.joins(i, &extent))
            && let Ok(both) = outer[i - 1].times(&extent)
        {
            outer[i - 1] = both;
            outer.remove(i);
            for slot in slots.iter_mut() {
                slot.strides.remove(i - 1);
                if let Some(gather) = &mut slot.gather {
                    gather.ids.strides.remove(i - 1);
                }
            }
        }
    }
}

/// Strides along `outer` axes of something of fewer axes: 0 along those it does not have.
fn aligned(mut strides: Vec<Dim>, outer: usize) -> Vec<Dim> {
    while strides.len() < outer {
        strides.insert(0, Dim::constant(0));
    }
    strides
}

/// A slot with its dims bound.
fn bind(binding: &mut Binding, slot: &Unbound) -> Slot {
    Slot {
        buffer: binding.buffer(slot.buffer.clone()),
        mem: slot.mem,
        offset: binding.len(&slot.offset),
        strides: binding.lens(&slot.strides),
        step: binding.len(&slot.step),
        gather: slot.gather.as_ref().map(|gather| Gather {
            ids: Box::new(bind(binding, &gather.ids)),
            rows: binding.len(&gather.rows),
            row_stride: binding.len(&gather.row_stride),
        }),
        block: slot.block,
    }
}

/// The shape a kernel runs over: outer axes and the row.
fn domain_of(shape: &[Dim]) -> (Vec<Dim>, Dim) {
    match shape.split_last() {
        Some((last, outer)) => (outer.to_vec(), last.clone()),
        None => (Vec::new(), Dim::constant(1)),
    }
}

/// The value behind a view that no kernel stores.
fn root_of(g: &Graph, mut v: Value) -> Value {
    while is_view(&g.node(v).op) {
        v = g.node(v).args[0];
    }
    v
}
