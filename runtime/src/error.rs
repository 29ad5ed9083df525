//! What can go wrong at run time. Each message names what is wrong, where, and what to do.

use crate::inspect::finite::NotFinite;
use crate::inspect::report::Report;
use crate::tensor::shape::ViewError;
use crate::weights::error::LoadError;
use crate::weights::{ConstantProblem, lines as constants};
use std::fmt;
use std::path::PathBuf;
use tancho_ir::builder::BuildError;
use tancho_ir::infer::ShapeError;
use tancho_ir::training::NoStep;
use tancho_ir::{DType, ElementType};

/// Any error of building, loading, compiling or running a network.
///
/// Its `Debug` form is its message too, which is what a `main` that returns it prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The declaration could not be built into a graph.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A network cannot be trained as its `train fn` says.
    #[error("`train fn {entry}` of `{network}`: {why}")]
    Train {
        /// The network.
        network: String,
        /// The `train fn`.
        entry: String,
        /// Why not.
        why: Box<NoStep>,
    },
    /// An option of a run of training cannot be meant.
    #[error("`{option}`: {why}")]
    TrainOption {
        /// The option.
        option: String,
        /// Why not.
        why: String,
    },
    /// A file is no checkpoint of this training.
    #[error("{} is no checkpoint of this training:{}", path.display(), lines(problems))]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Everything that differs.
        problems: Vec<String>,
    },
    /// A folder could not be read.
    #[error("cannot read the folder {}: {error}", path.display())]
    ReadFolder {
        /// The folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        error: std::io::Error,
    },
    /// A step of training whose loss or gradients are NaN or infinite. The weights, and what the optimiser
    /// keeps for them, are as they were before it, to the last bit: training can go on with other inputs.
    #[error("step {} has the loss {loss} and gradients of the norm {norm}; nothing was changed{}", step + 1, cause(first))]
    NotFinite {
        /// How many steps were made before.
        step: u64,
        /// The loss.
        loss: f32,
        /// The norm of all gradients together.
        norm: f32,
        /// The first op that made it, if one was found.
        first: Option<Box<NotFinite>>,
    },
    /// There is no stage of compiling of that name.
    #[error("there is no stage `{stage}`; there are {known}")]
    NoStage {
        /// The name.
        stage: String,
        /// The names there are.
        known: String,
    },
    /// Weights could not be loaded.
    #[error(transparent)]
    Load(#[from] Box<LoadError>),
    /// The constants that a network declares and those that it was given do not agree.
    #[error("the constants of `{network}` do not fit its declaration:{}", constants(problems))]
    Constants {
        /// The network.
        network: String,
        /// Everything that does not fit.
        problems: Vec<ConstantProblem>,
    },
    /// A file could not be written: weights, stages of compiling, or a reproduction.
    #[error("cannot write {}: {error}", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        error: std::io::Error,
    },
    /// A weight cannot be kept as integers, of 8 bits or of 4.
    #[error(
        "weight `{name}` has an element that is NaN or beyond 65504, the largest f16: integers cannot hold it; take f32 or bf16"
    )]
    Integers {
        /// The weight.
        name: String,
    },
    /// An input is missing or does not fit its declaration.
    #[error("input `{name}` is declared {expected}, but {found} was given{}", reason(why))]
    Input {
        /// The input.
        name: String,
        /// The declared type, with the values its dims have so far.
        expected: String,
        /// What was given.
        found: String,
        /// Which part does not fit; may be empty.
        why: String,
    },
    /// An element of an input is a number that its value inside of the network cannot hold.
    #[error(
        "input `{name}`: {value} at position {position:?} is out of range: {given} is {0} inside of a network; pass numbers from {1} to {2}",
        given.dtype(), i32::MIN, i32::MAX
    )]
    InputValue {
        /// The input.
        name: String,
        /// Where in it the element stands.
        position: Vec<usize>,
        /// The number.
        value: i64,
        /// The element type that the input is declared with.
        given: ElementType,
    },
    /// The number of inputs is wrong.
    #[error("the network takes {expected} inputs, {found} given")]
    InputCount {
        /// Declared.
        expected: usize,
        /// Given.
        found: usize,
    },
    /// A run-time dim has no value, or a shape that depends on it none that makes sense.
    #[error("`{dim}` in {place} cannot be computed: {why}")]
    Dim {
        /// The dim or polynomial.
        dim: String,
        /// The value, input or op it belongs to.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// A run-time dim is larger than declared.
    #[error(
        "dim `{dim}` is {value}, but it is declared `{dim} <= {bound}`; pass smaller inputs or raise the bound"
    )]
    Bound {
        /// The dim.
        dim: String,
        /// Its value in this call.
        value: i64,
        /// Its bound.
        bound: i64,
    },
    /// The states of a session have no capacity for the rows of this call.
    #[error(
        "the session is full: `{dim}` has room for {capacity} rows, {held} are there and this call adds {added}; \
         pass fewer, reset or truncate the session, or raise the bound of `{dim}`"
    )]
    Full {
        /// The dim that states grow along.
        dim: String,
        /// Rows there are.
        held: usize,
        /// Rows there is capacity for.
        capacity: usize,
        /// Rows this call adds.
        added: usize,
    },
    /// A run adds more rows at once to states that keep their last rows than they keep.
    #[error(
        "this call adds {added} rows along `{dim}`, of which the last {last} are kept; pass at most {last} in a call, \
         or raise the bound of `{dim}`"
    )]
    Push {
        /// The dim that states grow along.
        dim: String,
        /// Rows that are kept.
        last: usize,
        /// Rows this call adds.
        added: usize,
    },
    /// The states of a session were made for other dims.
    #[error(
        "the session's states were made with {dim} = {held}, but this call has {dim} = {found}; reset the session, or make another"
    )]
    StateDim {
        /// The dim.
        dim: String,
        /// Its value when the states were made.
        held: usize,
        /// Its value in this call.
        found: usize,
    },
    /// A run-time dim follows from a state that no run has set.
    #[error(
        "`{dim}` follows from the state `{state}`, which no run has set: call the entry point that sets it first"
    )]
    StateUnset {
        /// The state.
        state: String,
        /// The dim.
        dim: String,
    },
    /// There is no state, or no dim that states grow along, of that name.
    #[error("there is no state or growing dim `{name}`; there are {known}")]
    NoState {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// More rows were to be kept than there are.
    #[error("`{dim}` has {held} rows and cannot be truncated to {asked}")]
    Truncate {
        /// The dim.
        dim: String,
        /// Rows there are.
        held: usize,
        /// Rows asked for.
        asked: usize,
    },
    /// A `where` clause does not hold.
    #[error("`where {clause}` does not hold: the left side is {left}, the right side {right}")]
    Constraint {
        /// The clause.
        clause: String,
        /// Value of the left side.
        left: i64,
        /// Value of the right side.
        right: i64,
    },
    /// An id has no row in its table.
    #[error("{op}: id {id} at position {position:?} is out of range: {}", of_rows(*rows))]
    IdOutOfRange {
        /// The op, as written.
        op: String,
        /// The id.
        id: i64,
        /// Rows of the table.
        rows: usize,
        /// Where in the ids it stands.
        position: Vec<usize>,
    },
    /// `topk` of more elements than an axis has in this call.
    #[error("{op}: {asked} elements are to be found, but {}", there_are(*found))]
    TooFewElements {
        /// The op, as written.
        op: String,
        /// How many are to be found.
        asked: usize,
        /// How many there are.
        found: usize,
    },
    /// A slice reaches beyond its axis.
    #[error("{op}: {start}..{end} is outside of axis {axis}, which has {len} elements in this call")]
    Slice {
        /// The op, as written.
        op: String,
        /// The axis that is cut.
        axis: usize,
        /// First index.
        start: i64,
        /// One past the last index.
        end: i64,
        /// Length of the axis.
        len: usize,
    },
    /// A window is larger than the image with its padding.
    #[error(
        "{op}: the window spans {spans} {axis}, but the image with its padding has only {padded} in this call; pass larger images"
    )]
    Window {
        /// The op, as written.
        op: String,
        /// `rows` or `columns`.
        axis: &'static str,
        /// Pixels from the first to the last of the window.
        spans: i64,
        /// Pixels of the image and what surrounds it.
        padded: i64,
    },
    /// An op was given other arguments than the graph declares.
    #[error("{op}: argument {index} must be {expected}, but is {found}")]
    Argument {
        /// The op, as written.
        op: String,
        /// Which argument, from 0.
        index: usize,
        /// The type by the graph.
        expected: String,
        /// The type given.
        found: String,
    },
    /// A state was given a value that it cannot have.
    #[error("the state `{state}` must be {expected}, but is given {found}")]
    StateValue {
        /// The state.
        state: String,
        /// Its type.
        expected: String,
        /// The type of the value.
        found: String,
    },
    /// A number of threads that no session can have.
    #[error("a session cannot have {asked} threads; ask for 1 to {most}")]
    Threads {
        /// The number asked for.
        asked: usize,
        /// The largest there can be.
        most: usize,
    },
    /// The caller's buffer does not fit a result.
    #[error("output `{name}` is {expected}, but what was given is {found}; make it exactly as large")]
    OutputSize {
        /// The output.
        name: String,
        /// Element type and number of elements of the result.
        expected: String,
        /// The same of the buffer.
        found: String,
    },
    /// A session does not hold the result that was asked for.
    #[error("there is no result {index} of {asked}: {why}")]
    NoOutput {
        /// The number of the result.
        index: usize,
        /// The element type asked for.
        asked: DType,
        /// What there is instead.
        why: String,
    },
    /// A view's slice does not fit its shape.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A weight was replaced by something of another type.
    #[error("weight `{name}` is {expected}, but {found} was given")]
    Weight {
        /// The weight.
        name: String,
        /// Its declared type.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A matmul would have to read a weight that is not f32.
    #[error("weight `{name}` is {found}, but products read f32 weights only; declare it f32, or cast it")]
    WeightType {
        /// The weight.
        name: String,
        /// Its element type.
        found: DType,
    },
    /// There is no weight of that name.
    #[error("there is no weight `{name}`{}", suggestion.as_ref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
    NoWeight {
        /// The name asked for.
        name: String,
        /// The nearest there is.
        suggestion: Option<String>,
    },
    /// The graph breaks an invariant.
    #[error("the graph is not valid: {0}")]
    Graph(String),
    /// A pass over the graph could not infer a shape.
    #[error("the graph is not valid: {0}")]
    Shape(#[source] Box<ShapeError>),
    /// Code could not be generated.
    #[error(transparent)]
    Code(#[from] tancho_jit::CompileError),
    /// Checked mode: a kernel left its buffers. A fault of the code generator.
    #[error("kernels of `{network}` left their buffers {count} times")]
    OutOfBuffer {
        /// The network.
        network: String,
        /// How often.
        count: u64,
    },
    /// A check found results that are not those of the reference: [`Report::into_result`] gives it.
    #[error("the results are not those of the reference\n{0}")]
    Differs(Box<Report>),
    /// A check found wrong results, and their reproduction could not be written.
    #[error("{report}\nthe reproduction could not be written: {why}")]
    Reproduction {
        /// What the check found.
        report: Box<Report>,
        /// Why there is no reproduction.
        #[source]
        why: Box<Error>,
    },
    /// A report from which no reproduction can be written.
    #[error("there is nothing to reproduce: the report is of no check that failed")]
    NothingToReproduce,
    /// The network has no `train fn` of that name.
    #[error("there is no `train fn {entry}`; there are {known}")]
    NoTrainFn {
        /// The name.
        entry: String,
        /// Those there are.
        known: String,
    },
    /// A file of weights could not be fetched: the error of whoever fetched it, such as that of
    /// `tancho::hub`.
    #[error(transparent)]
    Fetch(Box<dyn std::error::Error + Send + Sync>),
    /// More memory is needed than there can be.
    #[error("{} of memory are needed and cannot be had; pass smaller inputs", counted(*bytes))]
    Memory {
        /// How many; `u128::MAX` where they cannot be counted.
        bytes: u128,
    },
    /// A weight, or what is made of weights, needs more memory than there can be.
    #[error("{what}: {} of memory are needed and cannot be had; declare smaller weights, or take a machine with more", counted(*bytes))]
    WeightMemory {
        /// The weight, or what is made.
        what: String,
        /// How many bytes; `u128::MAX` where they cannot be counted.
        bytes: u128,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// An error of memory that weights need, not inputs; any other stays as it is.
    pub(crate) fn of_weight(self, what: &str) -> Error {
        if let Error::Memory { bytes } = self {
            Error::WeightMemory { what: what.into(), bytes }
        } else {
            self
        }
    }
}

fn there_are(found: usize) -> String {
    match found {
        0 => "the axis has none in this call".into(),
        1 => "the axis has only 1 in this call".into(),
        n => format!("the axis has only {n} in this call"),
    }
}

fn counted(bytes: u128) -> String {
    if bytes == u128::MAX { "more bytes than can be counted".into() } else { format!("{bytes} bytes") }
}

impl From<Box<Report>> for Error {
    fn from(report: Box<Report>) -> Error {
        Error::Differs(report)
    }
}

impl From<ShapeError> for Error {
    fn from(e: ShapeError) -> Error {
        Error::Shape(Box::new(e))
    }
}

impl From<LoadError> for Error {
    fn from(e: LoadError) -> Error {
        Error::Load(Box::new(e))
    }
}

/// Which ids a table of `rows` rows has.
fn of_rows(rows: usize) -> String {
    match rows {
        0 => "the table is empty, no id has a row in it".into(),
        1 => "the table has one row, whose id is 0".into(),
        n => format!("the table has {n} rows, ids run from 0 to {}", n - 1),
    }
}

fn lines(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

fn cause(first: &Option<Box<NotFinite>>) -> String {
    first.as_ref().map_or_else(String::new, |first| format!(". The first value that is not finite: {first}"))
}

fn reason(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}
