//! Where values live while a network runs: one arena, values that are never alive
//! together share its bytes.
//!
//! Lifetimes are known when compiling; offsets follow when the run-time dims are
//! bound, from sizes and lifetimes alone ([`Plan::place`]).

use crate::CompileError;
use crate::lanes::STRIP;
use crate::lower::Schedule;
use crate::spec::{Buffer, KernelSpec};
use crate::taken::Taken;
use std::collections::{HashMap, HashSet};
use tancho_ir::fuse::Fused;
use tancho_ir::{Dim, DimError, Type, Value};

/// Bytes that every buffer's start is a multiple of: a cache line.
pub const ALIGN: usize = 64;

/// So many blocks are compared with each other sooner than a tree is made of them.
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
    /// A state as it is before the run, by number; a growing one has room for all its rows.
    State(usize),
    /// What a state that does not grow becomes, by number.
    Next(usize),
    /// A block of the arena, by number.
    Block(usize),
}

/// Bytes of the arena that are alive from one step to another.
#[derive(Clone, Debug)]
pub struct Block {
    /// Bytes.
    pub size: Dim,
    /// Each thread has so many of its own.
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
    pub blocks: Vec<Block>,
}

/// Plans the buffers of a schedule.
///
/// # Errors
/// A size is too large to write down.
pub fn plan(fused: &Fused, schedule: &Schedule) -> Result<Plan, CompileError> {
    let g = &fused.graph;
    let mut plan = Plan::default();
    let mut known: HashMap<Buffer, usize> = HashMap::new();
    let stored: HashSet<Value> = fused.kernels.iter().flat_map(|k| k.outputs.iter().copied()).collect();
    let mut results: HashMap<Value, Place> = HashMap::new();
    let states = g.states.iter().enumerate().filter_map(|(i, s)| Some((s.next?, Place::Next(i))));
    for (v, place) in g.outputs.iter().enumerate().map(|(i, o)| (*o, Place::Output(i))).chain(states) {
        results.entry(v).or_insert(place);
    }
    for (i, step) in schedule.steps.iter().enumerate() {
        let mut places = Vec::new();
        for b in &step.binding.buffers {
            let source = |v: &Value| match g.node(*v).op {
                tancho_ir::op::Op::Input(n) => Some(Place::Input(n)),
                tancho_ir::op::Op::Weight(n) => Some(Place::Weight(n)),
                _ => g.lives_in(*v).map(Place::State),
            };
            let fixed = match b {
                Buffer::Value(v) if matches!(g.node(*v).op, tancho_ir::op::Op::Push { .. }) => source(v),
                Buffer::PackedWeight(n) => Some(Place::Packed(*n)),
                Buffer::Source(v) => source(v),
                Buffer::Value(v) if !stored.contains(v) => source(v),
                // A value returned twice is computed into the first and copied to the second.
                Buffer::Value(v) => results.get(v).copied(),
                _ => None,
            };
            if let Some(place) = fixed {
                places.push(place);
                continue;
            }
            let at = match (b, known.get(b)) {
                // Working memory is alive for its step alone.
                (Buffer::Scratch, _) | (_, None) => {
                    let (what, size) = match b {
                        Buffer::Value(v) | Buffer::Source(v) => (*v, bytes(g.ty(*v))),
                        Buffer::Packed(v) => (*v, packed_size(step)),
                        Buffer::PackedWeight(_) | Buffer::Scratch => {
                            (fused.kernels[step.kernel].nodes[0], Ok(step.scratch.clone()))
                        }
                    };
                    let size = size.map_err(|e| CompileError::Unsupported {
                        what: g.label(what),
                        why: format!("its size: {e}"),
                    })?;
                    plan.blocks.push(Block { size, per_thread: *b == Buffer::Scratch, first: i, last: i });
                    known.insert(b.clone(), plan.blocks.len() - 1);
                    plan.blocks.len() - 1
                }
                (_, Some(&at)) => at,
            };
            plan.blocks[at].last = i;
            places.push(Place::Block(at));
        }
        plan.places.push(places);
    }
    Ok(plan)
}

fn bytes(ty: &Type) -> Result<Dim, DimError> {
    Dim::product(&ty.shape)?.times(&Dim::from(ty.dtype.size()))
}

/// Bytes of a packed right operand: units of the packing step are strips.
fn packed_size(step: &crate::Step) -> Result<Dim, DimError> {
    let KernelSpec::Pack(pack) = &step.spec else { return Ok(Dim::default()) };
    let rows = Dim::product(&pack.k.iter().map(|len| len.bind(&step.binding.params)).collect::<Vec<_>>())?;
    step.units.times(&rows)?.times(&Dim::constant(4 * STRIP))
}

impl Plan {
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
