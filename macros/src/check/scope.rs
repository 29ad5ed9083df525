//! What names, values and places mean while a body is checked.

use crate::errors::Place;
use crate::plan::{NetPlan, OptionPlan, Sig, Val};
use proc_macro2::{Ident, TokenStream};
use std::collections::BTreeMap;
use tancho_ir::builder::OptionValue;
use tancho_ir::table::Attr;
use tancho_ir::{Dim, Type};

/// A tensor of the body.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its type in the body's symbols.
    pub ty: Type,
    /// Its value in the emitted function.
    pub val: Val,
    /// Its name in messages: a variable or the source text.
    pub name: String,
}

/// A scalar that takes the type of the tensor it meets.
#[derive(Clone, Debug)]
pub enum Number {
    /// A literal.
    Literal(OptionValue),
    /// An option of the network with its default.
    Of(String, OptionValue),
    /// The value of a dim.
    Dim(Dim),
}

/// The value of an expression.
#[derive(Clone, Debug)]
pub enum Shaped {
    /// Something with an error that is reported: what is made from it is not judged.
    Poison,
    /// A tensor.
    Tensor(Tensor),
    /// A scalar of no type yet.
    Number(Number),
    /// Several values.
    Tuple(Vec<Shaped>),
}

/// What a name means.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// Declared with an error.
    Poison,
    /// An input or a `let`.
    Value(Shaped),
    /// A `let mut`, with the number of loops around it.
    Slot(Tensor, usize),
    /// A weight.
    Param(Tensor),
    /// A constant.
    Const(Tensor),
    /// A net.
    Net(usize),
    /// An array of nets.
    Array(usize),
    /// What the session keeps.
    State(usize),
}

/// What a name is bound to in a block.
pub struct Bound {
    /// What it means.
    pub meaning: Meaning,
    /// The number of its declaration, if that must be used.
    pub declared: Option<usize>,
}

/// Which network a net uses.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// One whose signature is known.
    Known(Box<Sig>),
    /// One of another macro call.
    Foreign,
    /// One with an error: calls are not judged.
    Broken,
}

/// A net of the body.
#[derive(Clone, Debug)]
pub struct NetUse {
    /// The path in the emitted code.
    pub path: TokenStream,
    /// The path as written.
    pub text: String,
    /// The network.
    pub target: Resolved,
    /// Values of its static dims.
    pub statics: BTreeMap<String, Dim>,
    /// What is emitted for it.
    pub plan: NetPlan,
    /// How many nets an array has.
    pub count: Option<Dim>,
    /// Where it is declared.
    pub place: Place,
    /// The dims of an array depend on the number of the iteration, `i`.
    pub by_iteration: bool,
}

/// An input, item or `let`, to see whether it is used.
pub struct Declared {
    pub name: String,
    pub what: &'static str,
    pub place: Place,
    pub used: bool,
}

/// A state of the body.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name.
    pub name: String,
    /// What it holds now.
    pub tensor: Tensor,
    /// What it holds when a call begins.
    pub before: Val,
    /// The axis it grows along, and its dim.
    pub grows: Option<(usize, String)>,
    /// Whether it forgets its oldest rows.
    pub keeps_last: bool,
    /// Where it is declared.
    pub place: Place,
    /// In how many loops.
    pub loops: usize,
    /// What was pushed in this call, and where; or where it was assigned.
    pub changed: Vec<(Option<Dim>, Place)>,
}

/// What holds in the branches around a place.
#[derive(Clone, Default)]
pub struct Assumed {
    /// These dims are equal.
    pub equal: Vec<(Dim, Dim)>,
    /// The place is not reached with the defaults, whose numbers say nothing there.
    pub never_by_default: bool,
}

/// What is expected of a value: its types where the user wrote them, and its name.
#[derive(Clone, Copy, Default)]
pub struct Hint<'a> {
    /// The types of an annotation, of the assigned variable, or of the promise.
    pub types: Option<&'a [Type]>,
    /// The name the value is given.
    pub name: Option<&'a Ident>,
}

/// An option of a call.
pub struct OptionGiven {
    /// Its name.
    pub name: &'static str,
    /// Its value for the shape rules.
    pub attr: Attr,
    /// Its value in the emitted call.
    pub plan: OptionPlan,
    /// Where.
    pub place: Place,
}

impl OptionGiven {
    /// One whose value is known now.
    pub fn fixed(name: &'static str, attr: Attr, place: Place) -> OptionGiven {
        OptionGiven { name, plan: OptionPlan::Fixed(attr.clone()), attr, place }
    }
}
