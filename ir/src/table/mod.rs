//! One row per operation that can be named: parameters, options with defaults,
//! formula, and the two conversions between the row's options and an [`Op`].
//!
//! The macro reads calls by it, the text form is printed and parsed by it, and the
//! docs quote it. All of it comes from the declarations in `op/list.rs` and `op/elementwise.rs`.

mod attr;
mod call;
pub(crate) mod declare;
pub(crate) mod field;
#[cfg(test)]
mod tests;
mod usage;
mod value;

pub use crate::op::list::{OPS, attrs_of, row_of};
pub use attr::{Attr, Kind};
pub use call::{Call, CallError, make};
pub use usage::{public_name, usage};

use crate::op::{Class, Op};
use call::Reader;

/// A tensor parameter of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name, for calls and messages.
    pub name: &'static str,
    /// Whether a call may leave it out.
    pub optional: bool,
}

/// A named option of an operation.
#[derive(Clone, Copy, Debug)]
pub struct OptionDef {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// The default as text, or `None` where a call must state it, or `Some("")` for "absent".
    pub default: Option<&'static str>,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct OpDef {
    /// The name in the language and in the text form.
    pub name: &'static str,
    /// Tensor parameters in order.
    pub params: &'static [Param],
    /// The last parameter may be given many times (`concat`).
    pub variadic: bool,
    /// Options in order; they may also be given by position after the tensors.
    pub options: &'static [OptionDef],
    /// Whether the language offers it by that name (else it is only written with an operator, or internal).
    pub callable: bool,
    /// What it computes, in one line.
    pub formula: &'static str,
    /// What sort of work it is.
    pub class: Class,
    /// Whether other ops define it.
    pub composite: bool,
    /// Makes the op of a call of it.
    pub(crate) read: fn(&Reader<'_>) -> Result<Op, CallError>,
}

/// The row of that name.
pub fn lookup(name: &str) -> Option<&'static OpDef> {
    OPS.iter().find(|d| d.name == name)
}

/// The name of an op.
pub fn name_of(op: &Op) -> &'static str {
    row_of(op).name
}

/// Which of the row's parameters the op's arguments are, in order.
pub fn present_params(op: &Op, args: usize) -> Vec<&'static str> {
    let (row, absent) = (row_of(op), crate::op::list::absent_params(op));
    let mut names: Vec<&str> = row.params.iter().map(|p| p.name).filter(|n| !absent.contains(n)).collect();
    if row.variadic {
        names.resize(args, "b");
        names.truncate(args);
    }
    names
}
