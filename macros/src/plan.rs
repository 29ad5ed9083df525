//! What the check stage hands to the expand stage: networks resolved, bodies as steps.

mod foreign;

pub use foreign::{Foreign, ForeignCall, ForeignNet, Sampled};

use crate::errors::Place;
use proc_macro2::{Ident, Span, TokenStream};
use std::collections::BTreeMap;
use tancho_ir::bind::Signature;
use tancho_ir::builder::{Attributes, OptionValue};
use tancho_ir::graph::Init;
use tancho_ir::op::Op;
use tancho_ir::table::Attr;
use tancho_ir::{DType, Dim, Type};

/// The signature of an entry point, names resolved.
#[derive(Clone, Debug, Default)]
pub struct Sig {
    /// What is declared.
    pub declared: Signature,
    /// Numbers of the static dims when all keep their defaults.
    pub numbers: BTreeMap<String, i64>,
    /// It has an error: calls of it are not checked.
    pub broken: bool,
    /// Whether the network declares weights or nets.
    pub has_items: bool,
}

/// A network ready to be emitted.
#[derive(Debug)]
pub struct Checked {
    /// Its entry points in the order of the source; the one that is called through a net is
    /// [`Checked::main`].
    pub entries: Vec<CheckedEntry>,
    /// Which of them.
    pub main: usize,
    /// Its weights and nets, for docs.
    pub items: Vec<ItemDoc>,
}

impl Checked {
    /// The signature of the main entry point.
    pub fn sig(&self) -> Option<&Sig> {
        self.entries.get(self.main).map(|e| &e.sig)
    }

    /// Whether the entry point of that number becomes a graph that can be run: a `train fn` does not, nor
    /// what is declared twice.
    pub fn is_run(&self, i: usize) -> bool {
        i == self.main || !(self.is_again(i) || self.entries.get(i).is_none_or(|e| e.train))
    }

    /// The numbers of the `train fn`s.
    pub fn trained(&self) -> Vec<usize> {
        let is_trained = |i: &usize| self.entries[*i].train && !self.is_again(*i);
        (0..self.entries.len()).filter(is_trained).collect()
    }

    /// Whether an entry point before has its name.
    fn is_again(&self, i: usize) -> bool {
        let name = |e: &CheckedEntry| e.sig.declared.entry.clone();
        let Some(own) = self.entries.get(i).map(name) else { return false };
        self.entries.iter().take(i).any(|other| name(other) == own)
    }
}

/// An entry point ready to be emitted.
#[derive(Debug)]
pub struct CheckedEntry {
    /// Its signature.
    pub sig: Sig,
    /// `train fn`
    pub train: bool,
    /// Its body; nothing if it has an error.
    pub body: Option<Body>,
    /// Of each result, the op without a gradient before it; empty if there is none.
    pub flat: Vec<String>,
    /// Of a `train fn`: results of foreign networks that must have a gradient.
    pub differentiated: Vec<Foreign>,
}

/// A weight or net in the docs of a network.
#[derive(Clone, Debug)]
pub struct ItemDoc {
    /// Its path in weight files.
    pub path: String,
    /// Its type, or the network it is.
    pub what: String,
    /// How it starts, and its attributes.
    pub notes: String,
    /// The user's doc comment.
    pub docs: String,
    /// Where it is declared.
    pub place: Place,
    /// The user's name.
    pub name: String,
    /// Whether weights that are learned may be in it.
    pub learns: bool,
    /// Of a net, the numbers of its network and entry point, if it is of this macro call.
    pub callee: Option<(usize, usize)>,
}

/// A value of the emitted function, by number.
pub type Val = usize;

/// An axis; from the end where a value has leading axes `..` of unknown number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Counted from the first.
    At(usize),
    /// `rank - n`
    FromEnd(usize),
}

/// Steps and the values they give back.
#[derive(Debug, Default)]
pub struct Body {
    /// The steps in order.
    pub steps: Vec<Step>,
    /// The results.
    pub results: Vec<Val>,
}

/// One step with its source.
#[derive(Debug)]
pub struct Step {
    /// Where it was written.
    pub place: Place,
    /// The source text.
    pub text: String,
    /// What it does.
    pub kind: StepKind,
}

/// The value of an op's option in the emitted call.
#[derive(Clone, Debug)]
pub enum OptionPlan {
    /// Known now.
    Fixed(Attr),
    /// The value of the network's option of that name.
    Of(String),
    /// A number that follows from static dims, in postfix form.
    Formula(String),
    /// Axes of the first argument from its end, from 1: after leading axes `..` of unknown number.
    AxesFromEnd(Vec<usize>),
    /// All its axes in a new order: the leading ones, then these from its end.
    Permuted(Vec<usize>),
}

/// The value of an option given to a net.
#[derive(Clone, Debug)]
pub enum Given {
    /// A literal.
    Value(OptionValue),
    /// The value of the network's option of that name.
    Of(String),
}

/// One part of a condition.
#[derive(Clone, Debug)]
pub enum Test {
    /// Two dims.
    Equal(Dim, Dim),
    /// A flag, or its opposite with `false`.
    Flag(String, bool),
}

/// A net: where its weights live and what is fixed for it.
#[derive(Clone, Debug)]
pub struct NetPlan {
    /// Its number, for a variable.
    pub id: usize,
    /// The path in weight files; `{i}` is the number of the iteration.
    pub path: String,
    /// Dims given.
    pub dims: Vec<(String, Dim)>,
    /// Options given.
    pub options: Vec<(String, Given)>,
    /// Its attributes.
    pub attributes: Attributes<Dim>,
    /// Of a network of another macro call: what its signature is compared with.
    pub foreign: Option<ForeignNet>,
}

impl NetPlan {
    /// One that is never declared: of a network without weights, or of the caller's own.
    pub fn nowhere() -> NetPlan {
        NetPlan {
            id: usize::MAX,
            path: String::new(),
            dims: Vec::new(),
            options: Vec::new(),
            attributes: Attributes::NONE,
            foreign: None,
        }
    }
}

/// How a loop counts.
#[derive(Clone, Debug)]
pub struct Count {
    /// What `{..}` in paths is called.
    pub name: String,
    /// The first iteration.
    pub from: Dim,
    /// One past the last.
    pub to: Dim,
    /// Whether the iteration's number is a dim of that name, too.
    pub is_dim: bool,
}

/// What a step does.
#[derive(Debug)]
pub enum StepKind {
    /// Declares a weight.
    Param {
        /// The value.
        out: Val,
        /// The user's name.
        name: String,
        /// The path in weight files.
        path: String,
        /// Its type.
        ty: Type,
        /// How it starts.
        init: Init,
        /// Its attributes.
        attributes: Attributes<Dim>,
    },
    /// Declares a constant.
    ConstItem {
        /// The value.
        out: Val,
        /// The user's name.
        name: String,
        /// Its path.
        path: String,
        /// Its type.
        ty: Type,
        /// The shape of its table, and the numbers in postfix form between commas.
        table: Option<(Vec<usize>, String)>,
    },
    /// Declares a state.
    State {
        /// What it is before the run.
        out: Val,
        /// What it is now.
        slot: Val,
        /// Its path in the session.
        path: String,
        /// Its type.
        ty: Type,
        /// The axis it grows along.
        grows: Option<usize>,
        /// Whether it forgets its oldest rows.
        keeps_last: bool,
    },
    /// Adds rows to a state.
    Push {
        /// The state with its new rows.
        out: Val,
        /// The state before the run.
        state: Val,
        /// The rows.
        rows: Val,
    },
    /// Gives a state that does not grow another value.
    Keep {
        /// The state before the run.
        state: Val,
        /// What it is now.
        slot: Val,
        /// The value.
        from: Val,
    },
    /// Declares a net.
    Net(NetPlan),
    /// That an index stands for a net of an array.
    Within {
        /// The array.
        array: String,
        /// The index.
        index: Dim,
        /// How many nets it has.
        count: Dim,
    },
    /// An op of the table.
    Op {
        /// The value.
        out: Val,
        /// The op with the values that options have by default.
        op: Op,
        /// Arguments in the order of its parameters.
        args: Vec<Val>,
        /// The options that are given, by name.
        options: Vec<(&'static str, OptionPlan)>,
    },
    /// A scalar of the given type.
    Constant {
        /// The value.
        out: Val,
        /// Its type.
        dtype: DType,
        /// Its number.
        value: Given,
    },
    /// Calls a network.
    Call {
        /// The results.
        outs: Vec<Val>,
        /// Its path.
        path: TokenStream,
        /// Where its weights are.
        home: Home,
        /// The numbers of the network and its entry point, if it is of this macro call.
        callee: Option<(usize, usize)>,
        /// The inputs.
        args: Vec<Val>,
        /// Of a foreign network: what is known of the call, and the types the user wrote for the results.
        foreign: Option<(ForeignCall, Vec<Type>)>,
    },
    /// Takes one row of an axis.
    Pick {
        /// The value.
        out: Val,
        /// The tensor.
        from: Val,
        /// The axis that goes.
        axis: Axis,
        /// The index.
        index: Dim,
    },
    /// Cuts an axis into equal parts.
    Split {
        /// The parts.
        outs: Vec<Val>,
        /// The tensor.
        from: Val,
        /// The axis.
        axis: Axis,
        /// How many parts.
        parts: usize,
    },
    /// Says what a `train fn` minimises.
    Minimize {
        /// The loss.
        loss: Val,
        /// The learning rate.
        rate: Val,
        /// The optimiser.
        optimizer: &'static str,
        /// Its other settings.
        settings: Vec<(&'static str, Given)>,
    },
    /// A value that later assignments replace.
    Slot {
        /// The slot.
        out: Val,
        /// What it holds first.
        from: Val,
    },
    /// The slot's present value.
    Read {
        /// The value.
        out: Val,
        /// The slot.
        from: Val,
    },
    /// Replaces the slot's value.
    Assign {
        /// The slot.
        slot: Val,
        /// The new value.
        from: Val,
    },
    /// Gives a value the user's name.
    Name {
        /// The value.
        of: Val,
        /// The name.
        name: String,
    },
    /// One of two blocks.
    If {
        /// All must hold.
        tests: Vec<Test>,
        /// If they do.
        then: Body,
        /// If not.
        otherwise: Body,
        /// The results of either.
        outs: Vec<Val>,
    },
    /// A loop along an axis of values.
    Scan(Box<ScanPlan>),
    /// A mixture of experts.
    Experts(Box<ExpertsPlan>),
    /// One iteration after another: for each net of an array, or a number of times.
    Loop {
        /// How often.
        count: Count,
        /// The nets of the iteration.
        nets: Vec<NetPlan>,
        /// The body.
        body: Body,
    },
}

/// `experts[ids](x)`: rows that go through the nets of an array whose numbers are ids.
#[derive(Debug)]
pub struct ExpertsPlan {
    /// The result.
    pub out: Val,
    /// The ids.
    pub ids: Val,
    /// The inputs, and how many axes a row of each has.
    pub args: Vec<(Val, usize)>,
    /// The net of each expert, with `i` for its number.
    pub net: NetPlan,
    /// How many experts there are.
    pub count: Dim,
    /// The network that the experts are.
    pub path: TokenStream,
}

/// A loop along an axis of values.
#[derive(Debug)]
pub struct ScanPlan {
    /// What it goes along.
    pub sequences: Vec<SequencePlan>,
    /// The variables that iterations change.
    pub carried: Vec<CarriedPlan>,
    /// The other values from outside that iterations read.
    pub captured: Vec<Val>,
    /// The last element comes first.
    pub backwards: bool,
    /// An iteration: its results are stacked.
    pub body: Body,
    /// The stacked results.
    pub stacked: Vec<Val>,
}

/// A value that a loop goes along.
#[derive(Debug)]
pub struct SequencePlan {
    /// The user's name for an element.
    pub name: String,
    /// The value.
    pub from: Val,
    /// The axis.
    pub axis: Axis,
    /// An element of it.
    pub element: Val,
}

/// A variable that iterations of a loop change.
#[derive(Debug)]
pub struct CarriedPlan {
    /// Its name.
    pub name: String,
    /// The slot.
    pub slot: Val,
    /// What the last iteration leaves.
    pub last: Val,
    /// The state that it is, as it is before the run.
    pub state: Option<Val>,
}

/// Where the weights of a called network are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The net of that number.
    Net(usize),
    /// It has none.
    Nowhere,
    /// Those of the caller: another entry point of the same network.
    Here,
}

/// Methods that a session has where a network has several entry points: of the states and buffers of all.
pub const OF_ALL_ENTRIES: [&str; 4] = ["rows", "truncate", "state", "memory_bytes"];

/// What the names of a network's other types end with.
pub const GENERATED: [&str; 4] = ["Dims", "Compiled", "Session", "Training"];

/// The type in the emitted code that stands for an entry point other than the main one.
pub fn entry_type(network: &str, entry: &str, span: Span) -> Ident {
    Ident::new(&format!("__tancho_{network}_{entry}"), span)
}
