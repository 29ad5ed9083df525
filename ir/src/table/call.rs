//! From a call by name to an [`Op`]: parameters and options looked up in the row, defaults filled in.

use super::value::AttrValue;
use super::{Attr, OpDef, OptionDef, lookup};
use crate::op::Op;
use std::fmt;

/// A call by name, before it is an [`Op`].
#[derive(Clone, Debug, Default)]
pub struct Call<'a> {
    /// Which parameters are given, by name.
    pub given: Vec<&'a str>,
    /// Options given.
    pub options: Vec<(&'a str, Attr)>,
}

/// What is wrong with a call before any shape is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// No op of that name.
    Unknown(String),
    /// A parameter or option that must be stated is missing.
    Missing(&'static str),
    /// An option the op does not have.
    NoSuchOption(String),
    /// The option's value is of the wrong kind.
    BadValue {
        /// The option.
        option: &'static str,
        /// What it takes.
        expected: String,
    },
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Unknown(n) => write!(f, "unknown operation `{n}`"),
            CallError::Missing(n) => write!(f, "`{n}` is missing"),
            CallError::NoSuchOption(n) => write!(f, "there is no option `{n}`"),
            CallError::BadValue { option, expected } => write!(f, "`{option}` takes {expected}"),
        }
    }
}

impl std::error::Error for CallError {}

/// A call whose parameters and options are read as the fields of an op.
pub(crate) struct Reader<'a> {
    row: &'static OpDef,
    call: &'a Call<'a>,
}

impl Reader<'_> {
    /// Whether the parameter of that name is given.
    pub fn has(&self, param: &str) -> bool {
        self.call.given.contains(&param)
    }

    /// Whether the row has that option: some options belong to one of several names of an op.
    pub fn takes(&self, option: &OptionDef) -> bool {
        self.row.options.iter().any(|o| o.name == option.name)
    }

    /// The value given for an option.
    pub fn given(&self, option: &str) -> Option<&Attr> {
        self.call.options.iter().find(|(name, _)| *name == option).map(|(_, attr)| attr)
    }

    /// The value of an option: as given, or the default.
    pub fn option<T: AttrValue>(&self, option: &OptionDef) -> Result<T, CallError> {
        let OptionDef { name, kind, default } = *option;
        if let Some(attr) = self.given(name) {
            let wrong_kind = || CallError::BadValue { option: name, expected: kind.describe() };
            return T::from_attr(attr, kind).ok_or_else(wrong_kind);
        }
        let missing = CallError::Missing(name);
        let Some(default) = default else { return Err(missing) };
        let value = kind.parse(default).and_then(|attr| T::from_attr(&attr, kind));
        value.or_else(T::absent).ok_or(missing)
    }
}

/// The op of a call: parameters and options looked up in the row, defaults filled in.
///
/// ```
/// use tancho_ir::{table::{make, Attr, Call}, op::Op};
/// let call = Call { given: vec!["x"], options: vec![("over", Attr::Axes(vec![1]))] };
/// assert!(matches!(make("softmax", &call), Ok(Op::Softmax { axis: 1, log: false })));
/// ```
pub fn make(name: &str, call: &Call<'_>) -> Result<Op, CallError> {
    let row = lookup(name).ok_or_else(|| CallError::Unknown(name.into()))?;
    if let Some(missing) = row.params.iter().find(|p| !p.optional && !call.given.contains(&p.name)) {
        return Err(CallError::Missing(missing.name));
    }
    if let Some((n, _)) = call.options.iter().find(|(n, _)| row.options.iter().all(|o| o.name != *n)) {
        return Err(CallError::NoSuchOption((*n).into()));
    }
    (row.read)(&Reader { row, call })
}
