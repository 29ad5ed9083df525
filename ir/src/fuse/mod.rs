//! Divides the nodes of a graph into groups, each of which becomes one kernel.
//!
//! A group grows around each matmul: it takes in an elementwise epilogue, then row work on the rows while
//! they are in the cache. Another grows around each row reduction or elementwise chain (`grow.rs`). Views
//! join no group: readers look through them (see [`crate::access`]). `Fuser::fits` and `Fuser::reaches`
//! decide what is legal. [`Fused::declined`] has the reason for each fusion that was not made.

pub(crate) mod constants;
mod grow;
mod join;
mod limit;
mod order;
mod print;
mod reach;
mod readers;
mod reason;
mod stored;

use crate::access::Access;
use crate::dim::Dim;
use crate::graph::{Graph, Value};
use crate::op::Class;
pub use constants::{Constants, of_weights};
pub use limit::Limit;
use reach::Reach;
pub use reason::Reason;
use std::collections::{BTreeSet, HashMap};

/// What kind of kernel a group of nodes becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A matmul with an elementwise epilogue, then row work on its rows.
    Matmul {
        /// The matmul, or a convolution that is computed as one.
        matmul: Value,
        /// Elementwise ops applied while the result is in registers, in order.
        epilogue: Vec<Value>,
        /// Row work on the finished rows, in order.
        rows: Vec<Value>,
    },
    /// Scaled dot-product attention.
    Attention(Value),
    /// Row work and elementwise ops over one domain; the last axis is the row.
    Rows,
    /// Copies into one result, one after another along an axis.
    Concat(Value),
    /// New rows of a state, written after those it has.
    Push(Value),
    /// Sums that go on along an axis.
    Cumulative(Value),
    /// Sums of rows by ids.
    Scatter(Value),
    /// A loop with a body of its own. The value is the first of its nodes.
    Scan(Value),
    /// Rows that go through the bodies of experts.
    Experts(Value),
    /// A view or a gather that must be stored.
    Move(Value),
}

/// Nodes that become one kernel, and the values it stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its kind.
    pub kind: Kind,
    /// The shape it runs over.
    pub domain: Vec<Dim>,
    /// Its nodes in order.
    pub nodes: Vec<Value>,
    /// The values it stores, in order.
    pub outputs: Vec<Value>,
}

/// A fusion that was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclinedFusion {
    /// What could have taken the next op in.
    pub producer: Value,
    /// The op that stayed outside.
    pub consumer: Value,
    /// Why.
    pub reason: Reason,
}

/// A graph with its nodes in groups, in the order their kernels run.
#[derive(Clone, Debug)]
pub struct Fused {
    /// The graph.
    pub graph: Graph,
    /// The groups, each of which becomes one kernel.
    pub groups: Vec<Group>,
    /// Concatenations of weights that need no kernel: they are put together when the network is compiled.
    pub packed: BTreeSet<Value>,
    /// Values that follow from weights alone and need no kernel: they are computed when the network is
    /// compiled.
    pub prepared: BTreeSet<Value>,
    /// States of bf16 as f32 that need no kernel: attention reads them as they are.
    pub widened: BTreeSet<Value>,
    /// What was not fused, and why.
    pub declined: Vec<DeclinedFusion>,
    /// Edges of the graph that were followed to see which groups wait for which: what fusion costs besides
    /// one look at each node.
    pub edges: usize,
}

/// Columns of a panel of a packed right operand: each part of a packed concatenation starts a panel of its
/// own.
pub const PANEL: i64 = 16;

/// Larger groups than this compile slowly and gain nothing.
const MAX_NODES: usize = 48;

/// How a value lies in the domain of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// One element per element of the domain.
    Full,
    /// One element per row.
    Row,
    /// Sums of rows, which are there when all rows are done.
    Sums,
}

struct Fuser<'g> {
    graph: &'g Graph,
    users: Vec<Vec<Value>>,
    widened: BTreeSet<Value>,
    groups: Vec<Group>,
    /// The group each node belongs to.
    of: Vec<Option<usize>>,
    level: Vec<Level>,
    /// Views, gathers and sources that must be in memory.
    stored: BTreeSet<Value>,
    declined: Vec<DeclinedFusion>,
    /// Whether each value is a result.
    results: Vec<bool>,
    /// How views read what they are views of, as far as it has been worked out.
    through: Vec<Option<Option<Access>>>,
    /// The groups of loops, by the numbers of their bodies.
    loops: HashMap<usize, usize>,
    reach: Reach,
    /// What may be fused; all if there is no limit.
    limit: Option<&'g Limit>,
}

/// Groups the nodes of a graph that has run through [`crate::passes`]. Constants get no kernel.
pub fn fuse(graph: &Graph, constants: Constants) -> Fused {
    fuse_within(graph, constants, None)
}

/// The same where a limit allows some fusions alone. What it does not allow is not among
/// [`Fused::declined`].
pub fn fuse_within(graph: &Graph, constants: Constants, limit: Option<&Limit>) -> Fused {
    let n = graph.nodes.len();
    let (users, results) = (graph.users(), graph.are_results());
    let Constants { packed, prepared, widened } = constants;
    let mut fuser = Fuser {
        graph,
        users,
        widened,
        groups: Vec::new(),
        of: vec![None; n],
        level: vec![Level::Full; n],
        stored: BTreeSet::new(),
        declined: Vec::new(),
        results,
        through: vec![None; n],
        loops: HashMap::new(),
        reach: Reach::new(graph),
        limit,
    };
    for v in graph.values() {
        fuser.look_at(v);
        let op = &graph.node(v).op;
        if fuser.of[v.index()].is_some()
            || matches!(op.class(), Class::View | Class::Source)
            || packed.contains(&v)
            || prepared.contains(&v)
            || fuser.widened.contains(&v)
        {
            continue;
        }
        match op.class() {
            Class::Matmul => fuser.matmul(v),
            Class::Window if fuser.is_matmul_of_windows(v, &prepared) => fuser.matmul(v),
            // A window begins a group: what follows it joins.
            Class::Window => fuser.alone(v, Kind::Rows),
            Class::Attention => fuser.alone(v, Kind::Attention(v)),
            Class::Concat => fuser.alone(v, Kind::Concat(v)),
            Class::Push => fuser.alone(v, Kind::Push(v)),
            Class::Cumulative => fuser.alone(v, Kind::Cumulative(v)),
            Class::Scatter => fuser.alone(v, Kind::Scatter(v)),
            Class::RowSums => fuser.row_sums(v),
            Class::Scan => fuser.scan(v),
            Class::Experts => fuser.alone(v, Kind::Experts(v)),
            Class::Reduction | Class::Norm | Class::Elementwise | Class::Generator => fuser.row_work(v),
            // The passes remove all of these. Lowering would refuse one.
            Class::Lowered => fuser.row_work(v),
            // Readers take the rows by id, or the rows are stored.
            Class::Gather => {}
            Class::View | Class::Source => {}
        }
    }
    fuser.decline_readers_of_stored();
    fuser.store_what_must_be();
    fuser.find_outputs();
    // What only prepared values read, no kernel reads; nor what only such a group reads.
    while fuser.drop_idle() {
        fuser.find_outputs();
    }
    let order = fuser.order();
    let groups = order.into_iter().map(|i| fuser.groups[i].clone()).filter(|k| !k.nodes.is_empty()).collect();
    Fused {
        graph: graph.clone(),
        groups,
        packed,
        prepared,
        widened: fuser.widened,
        declined: fuser.declined,
        edges: fuser.reach.edges,
    }
}
