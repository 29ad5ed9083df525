//! Fused kernels to specs: which buffers are read how, and the work as an expression.

mod attention;
mod body;
mod matmul;
mod prepare;
mod rows;
mod window;
mod winograd;

use crate::format::Format;
use crate::lanes::{Len, Mem, STRIP};
use crate::machine::Machine;
use crate::spec::{Binding, Buffer, Gather, KernelSpec, Slot};
use crate::target::{Precision, Target};
use crate::{CompileError, loops};
use std::collections::HashMap;
use tancho_ir::access::{Access, is_view, resolve_all};
use tancho_ir::fuse::{Fused, Kind};
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
    /// Units of a product that is divided by columns.
    pub columns: Option<Dim>,
    /// Bytes of working memory of one thread.
    pub scratch: Dim,
    /// Floating-point operations of products: two for each multiply-add. Attention counts all keys, those
    /// that no query sees too.
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
    /// Rows: the product of these, the last running fastest.
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
    /// The result of that number of [`Program::prepared`].
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
pub struct Program {
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
pub fn lower(fused: &Fused, target: Target, coarsest: &[Format]) -> Result<Program, CompileError> {
    let g = &fused.graph;
    let (program, packed, packs, prepared, numbers) = Default::default();
    let (machine, precision, weights) = (target.machine(), target.precision(), target.weight_format());
    let mut stored = vec![false; g.nodes.len()];
    fused.kernels.iter().flat_map(|k| &k.outputs).for_each(|v| stored[v.index()] = true);
    let views = resolve_all(g, &|v| stored[v.index()]);
    let formats = prepare::formats(g, coarsest);
    let mut l = Lower {
        g,
        fused,
        machine,
        precision,
        weights,
        coarsest,
        formats,
        stored,
        views,
        program,
        packed,
        packs,
        prepared,
        numbers,
        kernel: 0,
    };
    prepare::vectors(&mut l)?;
    for &v in &fused.packed {
        let pack = matmul::pack_concat(&mut l, v)?;
        let pack = l.pack(pack);
        l.packed.insert(v, pack);
    }
    for (i, k) in fused.kernels.iter().enumerate() {
        l.kernel = i;
        match &k.kind {
            Kind::Matmul { matmul, epilogue, rows } => {
                let made = match winograd::tile(&l, *matmul) {
                    Some(m) => winograd::lower(&mut l, k, *matmul, epilogue, rows, m)?,
                    None => None,
                };
                if made.is_none() {
                    matmul::lower(&mut l, k, *matmul, epilogue, rows)?;
                }
            }
            Kind::Attention(v) => attention::lower(&mut l, *v)?,
            Kind::Rows => rows::lower(&mut l, k)?,
            Kind::Concat(v) => rows::concat(&mut l, *v)?,
            Kind::Push(v) => rows::push(&mut l, *v)?,
            Kind::Move(v) => rows::store(&mut l, *v)?,
        }
    }
    l.program.prepared = prepare::graph(l.g, &l.prepared);
    Ok(l.program)
}

struct Lower<'a> {
    g: &'a Graph,
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
    program: Program,
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
struct Wide {
    buffer: Buffer,
    mem: Mem,
    offset: Dim,
    strides: Vec<Dim>,
    step: Dim,
    gather: Option<(Box<Wide>, Dim, Dim)>,
    block: bool,
}

impl Wide {
    /// Floats that lie one after another from a buffer's start, the same along so many outer axes.
    fn floats(buffer: Buffer, outer: usize) -> Wide {
        let (offset, step) = (Dim::constant(0), Dim::constant(1));
        Wide {
            buffer,
            mem: Mem::F32,
            offset,
            strides: vec![Dim::constant(0); outer],
            step,
            gather: None,
            block: false,
        }
    }
}

fn mem_of(d: DType) -> Mem {
    match d {
        DType::F32 => Mem::F32,
        DType::Bf16 => Mem::Bf16,
        DType::I32 => Mem::I32,
        DType::Bool => Mem::Bool,
    }
}

impl Lower<'_> {
    /// Whether a value is in memory once its kernel has run.
    fn stored(&self, v: Value) -> bool {
        self.stored[v.index()]
    }

    /// How a value is read.
    fn access(&self, v: Value) -> Result<Access, CompileError> {
        if is_view(&self.g.node(v).op) && !self.stored(v) {
            return self.view(v);
        }
        Access::whole(v, &self.g.room(v))
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
        let Lower { packs, program, .. } = self;
        *packs.entry(pack).or_insert_with_key(|pack| {
            program.packs.push(pack.clone());
            program.packs.len() - 1
        })
    }

    fn unsupported(&self, v: Value, why: &str) -> CompileError {
        CompileError::Unsupported { what: self.g.label(v), why: why.into() }
    }

    fn push(&mut self, spec: KernelSpec, binding: Binding, at: Value) -> Result<(), CompileError> {
        // Their numbers have 16 bits.
        if binding.params.len() > usize::from(u16::MAX) || binding.buffers.len() > usize::from(u16::MAX) {
            return Err(self.unsupported(at, "it reads and writes too much at once"));
        }
        let e = loops::extents(&spec)
            .ok_or_else(|| self.unsupported(at, "its size is too large to write down"))?;
        let bind = |d: &Dim| {
            d.subst(&|s| {
                s.strip_prefix('#').and_then(|i| binding.params.get(i.parse::<usize>().ok()?)).cloned()
            })
            .map_err(|e| self.unsupported(at, &e.to_string()))
        };
        let (units, scratch, columns) =
            (bind(&e.units)?, bind(&e.scratch)?, e.columns.as_ref().map(bind).transpose()?);
        // Only estimates: what is too large to write down counts as nothing.
        let (flops, bytes) = crate::spec::cost::cost(&spec).unwrap_or_default();
        let (flops, bytes) = (bind(&flops)?, bind(&bytes)?);
        let name = match &spec {
            KernelSpec::Pack(_) => "pack".into(),
            KernelSpec::Winograd(_) => {
                self.fused.kernels[self.kernel].name(self.g).replacen("conv", "winograd", 1)
            }
            _ => self.fused.kernels[self.kernel].name(self.g),
        };
        self.program.steps.push(Step {
            spec,
            binding,
            kernel: self.kernel,
            name,
            units,
            columns,
            scratch,
            flops,
            bytes,
        });
        Ok(())
    }

    /// A stored value whole, its last axis as the row.
    fn whole(&self, v: Value) -> Result<Wide, CompileError> {
        let a = Access::whole(v, &self.g.room(v))
            .ok_or_else(|| self.unsupported(v, "its size is too large to write down"))?;
        Ok(self.wide(v, a))
    }

    fn wide(&self, v: Value, a: Access) -> Wide {
        let mut strides = a.strides;
        let step = strides.pop().unwrap_or_default();
        let mem = mem_of(self.g.ty(v).dtype);
        let buffer = self.packed.get(&a.root).map_or(Buffer::Value(a.root), |p| Buffer::PackedWeight(*p));
        Wide { buffer, mem, offset: a.offset, strides, step, gather: None, block: false }
    }
}

/// Joins neighbouring outer axes where every slot walks through both with one stride.
fn join_axes(outer: &mut Vec<Dim>, slots: &mut [&mut Wide]) {
    let mut i = outer.len();
    while i >= 2 {
        i -= 1;
        let extent = outer[i].clone();
        let joins = |s: &Wide| {
            // A block's rows are counted from its first, whatever axes they come from.
            let one = |s: &Wide| s.block || s.strides[i].times(&extent).is_ok_and(|d| d == s.strides[i - 1]);
            one(s) && s.gather.as_ref().is_none_or(|(ids, ..)| one(ids))
        };
        if slots.iter().all(|s| joins(s))
            && let Ok(both) = outer[i - 1].times(&extent)
        {
            outer[i - 1] = both;
            outer.remove(i);
            for s in slots.iter_mut() {
                s.strides.remove(i - 1);
                if let Some((ids, ..)) = &mut s.gather {
                    ids.strides.remove(i - 1);
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

fn bind(b: &mut Binding, w: &Wide) -> Slot {
    Slot {
        buffer: b.buffer(w.buffer.clone()),
        mem: w.mem,
        offset: b.len(&w.offset),
        strides: b.lens(&w.strides),
        step: b.len(&w.step),
        gather: w.gather.as_ref().map(|(ids, rows, stride)| Gather {
            ids: Box::new(bind(b, ids)),
            rows: b.len(rows),
            row_stride: b.len(stride),
        }),
        block: w.block,
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

const NONE: Len = Len::Const(0);
