//! The syntax tree: what the user wrote, with places and source text, before any check.

use crate::errors::Place;
use proc_macro2::{Ident, Span, TokenStream};
use std::collections::BTreeSet;
use tancho_ir::ElementType;
pub use tancho_ir::bind::DimKind;
use tancho_ir::graph::Relation;
use tancho_ir::op::Binary;

/// One network.
#[derive(Debug)]
pub struct Network {
    /// Doc comments, as attributes.
    pub docs: TokenStream,
    /// Patterns of `#[unused_weights(..)]`.
    pub unused_weights: Vec<String>,
    /// `pub`, `pub(crate)` or nothing.
    pub vis: TokenStream,
    /// Its name.
    pub name: Ident,
    /// The dims in `<..>`.
    pub dims: Vec<DimDecl>,
    /// The options.
    pub options: Vec<OptionDecl>,
    /// The `where` clauses.
    pub wheres: Vec<Where>,
    /// The header as text, for docs.
    pub header: String,
    /// The items all entry points share; in the short form they stand in its body.
    pub items: Vec<Item>,
    /// The entry points: one called `forward` in the short form.
    pub entries: Vec<Entry>,
    /// Whether it is the short form: a signature, and a body that is `forward`.
    pub short: bool,
    /// The names in what did not parse, for editors.
    pub lost: Vec<Ident>,
    /// The header has an error: calls of the network are not checked.
    pub broken_header: bool,
    /// The body has a syntax error.
    pub broken_body: bool,
}

/// An entry point.
#[derive(Debug)]
pub struct Entry {
    /// Doc comments, as attributes.
    pub docs: TokenStream,
    /// `pub`, `pub(crate)` or nothing.
    pub vis: TokenStream,
    /// Its name; the network's own span in the short form.
    pub name: Ident,
    /// `train fn`
    pub train: bool,
    /// Run-time dims of its own.
    pub dims: Vec<DimDecl>,
    /// The inputs.
    pub inputs: Vec<Input>,
    /// The promised results; one for a result that is no tuple.
    pub outputs: Vec<Ty>,
    /// Where the results are promised.
    pub promise: Place,
    /// The header as text, for docs.
    pub header: String,
    /// The body.
    pub body: Block,
    /// The names in its header and body; none in the short form.
    pub words: BTreeSet<String>,
}

/// A declared dim.
#[derive(Debug)]
pub struct DimDecl {
    /// Its name.
    pub name: Ident,
    /// Its kind.
    pub kind: DimKind<Expr>,
}

/// `option eps = 1e-5`.
#[derive(Debug)]
pub struct OptionDecl {
    /// Its name.
    pub name: Ident,
    /// Its default.
    pub default: Expr,
}

/// An input.
#[derive(Debug)]
pub struct Input {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: Ty,
}

/// A type as written.
#[derive(Debug)]
pub struct Ty {
    /// `i32` of `i32[B]`.
    pub dtype: Option<Ident>,
    /// Leading axes `..`.
    pub open: bool,
    /// The other axes.
    pub axes: Vec<Expr>,
    /// Its source text.
    pub text: String,
    /// Where.
    pub place: Place,
}

impl Ty {
    /// The element type, if there is one of that name.
    pub fn element(&self) -> Option<ElementType> {
        self.dtype.as_ref().map_or(Some(ElementType::F32), |i| ElementType::from_name(&i.to_string()))
    }
}

/// A `where` clause.
#[derive(Debug)]
pub struct Where {
    /// Left side.
    pub left: Expr,
    /// How the sides relate.
    pub relation: Relation,
    /// Right side.
    pub right: Expr,
    /// Where.
    pub place: Place,
}

/// `{ .. }`
#[derive(Debug, Default)]
pub struct Block {
    /// The items, wherever they stand.
    pub items: Vec<Item>,
    /// The statements in order.
    pub stmts: Vec<Stmt>,
    /// The value.
    pub tail: Option<Box<Expr>>,
    /// The names in what did not parse, for editors.
    pub lost: Vec<Ident>,
    /// The closing brace.
    pub end: Option<Span>,
}

/// An item of a block.
#[derive(Debug)]
pub struct Item {
    /// Its name.
    pub name: Ident,
    /// Its attributes.
    pub attrs: ItemAttrs,
    /// What it is.
    pub kind: ItemKind,
}

/// The attributes of an item.
#[derive(Debug, Default)]
pub struct ItemAttrs {
    /// The text of its doc comments.
    pub docs: Vec<String>,
    /// The path of `#[weights("..")]`.
    pub path: Option<(String, Span)>,
    /// `#[weights("..", transposed)]`
    pub transposed: Option<Span>,
    /// `#[weights("..", rows = a..b)]`
    pub rows: Option<(Expr, Expr)>,
    /// `#[frozen]`
    pub frozen: Option<Place>,
    /// `#[no_decay]`
    pub no_decay: Option<Place>,
}

/// `grow P`, or `last P`.
#[derive(Clone, Debug)]
pub struct Growth {
    /// The dim.
    pub dim: Ident,
    /// Whether the oldest rows are forgotten.
    pub keeps_last: bool,
}

/// What an item is.
#[derive(Debug)]
pub enum ItemKind {
    /// A weight and how it starts.
    Param(Ty, Option<Expr>),
    /// A weight that is loaded and saved but never learned.
    Buffer(Ty, Option<Expr>),
    /// A constant and its table.
    Const(Ty, Option<Expr>),
    /// What a session keeps between calls, and how it grows.
    State(Ty, Option<Growth>),
    /// A network in use, or an array of them.
    Net(Use, Option<Expr>),
    /// Something that did not parse.
    Broken,
}

/// `Linear<D, H>(bias = false)`
#[derive(Debug)]
pub struct Use {
    /// The path's tokens, with the user's spans.
    pub path: TokenStream,
    /// The path as text.
    pub text: String,
    /// The whole as text, with dims and options.
    pub shown: String,
    /// Whether it is one name.
    pub single: bool,
    /// Where the path stands.
    pub place: Place,
    /// Dims in `<..>`.
    pub dims: Vec<Arg>,
    /// Options in `(..)`.
    pub options: Vec<Arg>,
}

/// A statement.
#[derive(Debug)]
pub enum Stmt {
    /// `let mut x: ty = value;`
    Let {
        /// Which of the names are assigned to later.
        mutable: Vec<bool>,
        /// The names; several for a tuple pattern.
        names: Vec<Ident>,
        /// Whether the pattern is a tuple.
        tuple: bool,
        /// The annotation; several types for a tuple.
        ty: Option<Vec<Ty>>,
        /// The value.
        value: Expr,
    },
    /// `x = value;`
    Assign(Ident, Expr),
    /// `value;`
    Value(Expr),
    /// `for layer in layers { .. }`, or `for (a, b) in (first, second) { .. }`: names, and as many arrays.
    For(Vec<Ident>, Vec<Ident>, Block),
    /// `repeat i in 0..N { .. }`
    Repeat(Ident, Box<(Expr, Expr)>, Block),
    /// `minimize loss with adamw(lr = lr);`
    Minimize(Box<Minimize>),
}

/// `minimize loss with adamw(lr = lr)`
#[derive(Debug)]
pub struct Minimize {
    /// What becomes smaller.
    pub loss: Expr,
    /// The optimiser.
    pub optimiser: Callee,
    /// Its settings.
    pub args: Vec<Arg>,
    /// Where.
    pub place: Place,
}

/// An expression: of tensors, of dims, or the value of an option.
#[derive(Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where.
    pub place: Place,
    /// Its source text.
    pub text: String,
    /// In parentheses of its own.
    pub paren: bool,
    /// Height of the tree: the walks over it recurse.
    pub depth: usize,
}

/// The operators between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `@`
    Matmul,
}

/// What an expression is.
#[derive(Debug)]
pub enum ExprKind {
    /// Did not parse; its error is reported.
    Poison,
    /// A name.
    Name(Ident),
    /// A number; the integer too if it is written as one.
    Number(f64, Option<i64>),
    /// `true` or `false`.
    Bool(bool),
    /// `a + b`
    Binary(BinOp, Box<Expr>, Box<Expr>),
    /// `-a`
    Neg(Box<Expr>),
    /// `!a`
    Not(Box<Expr>),
    /// `a^b`, of dims.
    Power(Box<Expr>, Box<Expr>),
    /// A comparison, `a && b` or `a || b`.
    Logic(Binary, Box<Expr>, Box<Expr>),
    /// `a.t`
    Transpose(Box<Expr>),
    /// `a[..]`
    Index(Box<Expr>, Vec<Index>),
    /// `keys.push(v)`, or a call of another entry point of a net: `c.encode(x)`.
    Method(Box<Expr>, Ident, Vec<Arg>),
    /// `f(..)`
    Call(Callee, Vec<Arg>),
    /// `layers[0](x)`
    Element(Ident, Box<Expr>, Vec<Arg>),
    /// `residual(x) { .. }`
    Residual(Box<Expr>, Block),
    /// `scan x in xs over S { .. }`
    Scan(Box<Scan>),
    /// `if cond { .. } else { .. }`
    If(Vec<Cond>, Block, Block),
    /// `rearrange(x, [..] -> [..], n = 3)`
    Rearrange(Box<Expr>, Vec<Axis>, Vec<Axis>, Vec<Arg>),
    /// `(a, b)`
    Tuple(Vec<Expr>),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `..` at the front of a list.
    Leading,
}

/// A loop along an axis of values.
#[derive(Debug)]
pub struct Scan {
    /// The names of the elements.
    pub names: Vec<Ident>,
    /// What they are elements of.
    pub sequences: Vec<Expr>,
    /// The axis.
    pub over: Expr,
    /// The last element comes first.
    pub backwards: bool,
    /// An iteration.
    pub body: Block,
    /// Where its first line stands.
    pub place: Place,
    /// Its first line.
    pub text: String,
}

/// What is called.
#[derive(Debug)]
pub struct Callee {
    /// As text.
    pub text: String,
    /// Its name, if it is one name alone.
    pub name: Option<Ident>,
    /// Where.
    pub place: Place,
}

/// An argument, perhaps by name.
#[derive(Debug)]
pub struct Arg {
    /// `name =`
    pub name: Option<Ident>,
    /// The value.
    pub value: Expr,
    /// Name and value together.
    pub place: Place,
}

/// One index of `x[..]`.
#[derive(Debug)]
pub struct Index {
    /// `S =`
    pub axis: Option<Ident>,
    /// Index, or start of a range.
    pub start: Option<Expr>,
    /// End of a range; `None` where the range is open.
    pub end: Option<Expr>,
    /// Whether `..` is written.
    pub range: bool,
    /// `step 2`
    pub step: Option<Expr>,
    /// Where.
    pub place: Place,
}

/// One part of a condition.
#[derive(Debug)]
pub enum Cond {
    /// `a == b`
    Equal(Box<(Expr, Expr)>),
    /// `flag`, or `!flag` with `false`.
    Flag(Ident, bool),
}

/// One axis of a `rearrange` pattern.
#[derive(Debug)]
pub struct Axis {
    /// The names in it; one without parentheses; none for the literal 1 and for `..`.
    pub names: Vec<Ident>,
    /// It is `..`, which stands first.
    pub leading: bool,
    /// Where.
    pub place: Place,
}
