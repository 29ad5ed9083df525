//! Where values live while a network runs: one arena, values that are never alive
//! together share its bytes.
//!
//! Lifetimes are known when compiling; offsets follow when the run-time dims are
//! bound, from sizes and lifetimes alone ([`Plan::place`]).

use crate::CompileError;
use crate::in_place;
use crate::lanes::PANEL;
use crate::lower::{Schedule, Step};
use crate::spec::{Buffer, KernelSpec};
use crate::taken::Taken;
use std::collections::{HashMap, HashSet};
use tancho_ir::fuse::Fused;
use tancho_ir::op::Op;
use tancho_ir::{Dim, DimError, Type, Value};

/// Bytes that every buffer's start is a multiple of: a cache line.
pub const ALIGN: usize = 64;

/// Up to this many blocks are compared with each other sooner than a tree is made of them.
const FEW: usize = 1000;

/// What a buffer of a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An input of the network, by number.
    Input(usize),
    /// A weight as loaded, by number.
    Weight(usize),
    /// A packed weight, by number.
    Packed(usize),
    /// A result of the network, by number.
    Output(usize),
    /// A state as it is before the run, by number; a growing one has the capacity for all its rows.
    State(usize),
    /// What a state that does not grow becomes, by number, if it is not updated in place.
    Next(usize),
    /// A block of the arena, by number.
    Block(usize),
}

/// Bytes of the arena that are alive from one step to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArenaBlock {
    /// Bytes.
    pub size: Dim,
    /// Each thread has this many bytes of its own.
    pub per_thread: bool,
    /// The first step that uses it.
    pub first: usize,
    /// The last step that uses it.
    pub last: usize,
}

/// The plan of a network.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What each buffer of each step is.
    pub places: Vec<Vec<Place>>,
    /// Blocks of the arena.
    pub blocks: Vec<ArenaBlock>,
}

/// Plans the buffers of a schedule.
///
/// # Errors
/// A size is too large to write down.
pub fn plan(fused: &Fused, schedule: &Schedule) -> Result<Plan, CompileError> {
    let mut planner = Planner::new(fused);
    for (i, step) in schedule.steps.iter().enumerate() {
        let places = step.binding.buffers.iter().map(|buffer| planner.place(i, step, buffer));
        let places = places.collect::<Result<_, _>>()?;
        planner.plan.places.push(places);
    }
    in_place::update(schedule, &mut planner.plan.places);
    Ok(planner.plan)
}

/// A plan under construction.
struct Planner<'a> {
    fused: &'a Fused,
    plan: Plan,
    /// The values that kernels store.
    stored: HashSet<Value>,
    /// Where results and states go. A value returned twice is computed into the first and copied to the
    /// second.
    results: HashMap<Value, Place>,
    /// The blocks of buffers that have one.
    blocks: HashMap<Buffer, usize>,
}

impl<'a> Planner<'a> {
    fn new(fused: &'a Fused) -> Planner<'a> {
        let g = &fused.graph;
        let outputs = g.outputs.iter().enumerate().map(|(i, output)| (*output, Place::Output(i)));
        let states = g.states.iter().enumerate().filter_map(|(i, state)| Some((state.next?, Place::Next(i))));
        let mut results = HashMap::new();
        for (v, place) in outputs.chain(states) {
            results.entry(v).or_insert(place);
        }
        Planner {
            fused,
            plan: Plan::default(),
            stored: fused.groups.iter().flat_map(|kernel| kernel.outputs.iter().copied()).collect(),
            results,
            blocks: HashMap::new(),
        }
    }

    /// Where a buffer of step `i` lives.
    fn place(&mut self, i: usize, step: &Step, buffer: &Buffer) -> Result<Place, CompileError> {
        if let Some(place) = self.fixed(buffer) {
            return Ok(place);
        }
        let at = match self.blocks.get(buffer) {
            // Working memory is alive for its step alone.
            Some(&at) if *buffer != Buffer::Scratch => at,
            _ => self.block(i, step, buffer)?,
        };
        self.plan.blocks[at].last = i;
        Ok(Place::Block(at))
    }

    /// The place of a buffer outside of the arena.
    fn fixed(&self, buffer: &Buffer) -> Option<Place> {
        let g = &self.fused.graph;
        match buffer {
            Buffer::Value(v) if matches!(g.node(*v).op, Op::Push { .. }) => self.source(*v),
            Buffer::PackedWeight(n) => Some(Place::Packed(*n)),
            Buffer::Source(v) => self.source(*v),
            Buffer::Value(v) if !self.stored.contains(v) => self.source(*v),
            Buffer::Value(v) => self.results.get(v).copied(),
            Buffer::Packed(_) | Buffer::Scratch => None,
        }
    }

    /// The place of a value that the network is given.
    fn source(&self, v: Value) -> Option<Place> {
        match self.fused.graph.node(v).op {
            Op::Input(n) => Some(Place::Input(n)),
            Op::Weight(n) => Some(Place::Weight(n)),
            _ => self.fused.graph.lives_in(v).map(Place::State),
        }
    }

    /// Adds a block for a buffer.
    fn block(&mut self, i: usize, step: &Step, buffer: &Buffer) -> Result<usize, CompileError> {
        let g = &self.fused.graph;
        let (what, size) = match buffer {
            Buffer::Value(v) | Buffer::Source(v) => (*v, bytes(g.ty(*v))),
            Buffer::Packed(v) => (*v, packed_size(step)),
            Buffer::PackedWeight(_) | Buffer::Scratch => {
                (self.fused.groups[step.kernel].nodes[0], Ok(step.scratch.clone()))
            }
        };
        let size = size
            .map_err(|e| CompileError::Unsupported { what: g.label(what), why: format!("its size: {e}") })?;
        let per_thread = *buffer == Buffer::Scratch;
        self.plan.blocks.push(ArenaBlock { size, per_thread, first: i, last: i });
        let at = self.plan.blocks.len() - 1;
        self.blocks.insert(buffer.clone(), at);
        Ok(at)
    }
}

fn bytes(ty: &Type) -> Result<Dim, DimError> {
    Dim::product(&ty.shape)?.times(&Dim::from(ty.dtype.size()))
}

/// Bytes of a packed right operand: units of the packing step are panels.
fn packed_size(step: &Step) -> Result<Dim, DimError> {
    let Some(KernelSpec::Pack(pack)) = step.spec.kernel() else { return Ok(Dim::default()) };
    let rows: Vec<Dim> = pack.k.iter().map(|len| len.bind(&step.binding.params)).collect();
    let rows = Dim::product(&rows)?;
    step.units.times(&rows)?.times(&Dim::constant(4 * PANEL))
}

impl Plan {
    /// The states that a step computes beside what they were, so that both are in memory.
    pub fn replaced(&self) -> HashSet<usize> {
        let next = |place: &Place| if let Place::Next(state) = place { Some(*state) } else { None };
        self.places.iter().flatten().filter_map(next).collect()
    }

    /// Offsets of the blocks for these sizes, and the bytes of the arena: first fit, largest first.
    /// `offsets` and `order` are reused from call to call.
    pub fn place(&self, sizes: &[usize], offsets: &mut Vec<usize>, order: &mut Vec<usize>) -> usize {
        let n = self.blocks.len();
        offsets.clear();
        offsets.resize(n, usize::MAX);
        order.clear();
        order.extend(0..n);
        order.sort_by_key(|&i| (std::cmp::Reverse(sizes[i]), i));
        let mut tree = (n > FEW).then(|| Taken::new(self.blocks.iter().map(|b| b.last).max().unwrap_or(0)));
        let mut total = 0;
        for rank in 0..n {
            let i = order[rank];
            let (block, size) = (&self.blocks[i], sizes[i].next_multiple_of(ALIGN));
            let at = match &mut tree {
                Some(taken) => taken.take(block.first, block.last, size),
                None => {
                    let mut at = 0;
                    // Move behind each block that is alive at the same time, until nothing overlaps.
                    while let Some(end) = order[..rank].iter().find_map(|&j| {
                        let alive = block.first <= self.blocks[j].last && self.blocks[j].first <= block.last;
                        let (a, b) = (offsets[j], offsets[j] + sizes[j].next_multiple_of(ALIGN));
                        (alive && at < b && a < at + size).then_some(b)
                    }) {
                        at = end;
                    }
                    at
                }
            };
            offsets[i] = at;
            total = total.max(at + size);
        }
        total
    }
}
