//! Values of the options of networks.

use std::fmt;

/// The value of an option: no shape, known when the network is built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptionValue {
    /// A flag.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
}

impl From<bool> for OptionValue {
    fn from(flag: bool) -> OptionValue {
        OptionValue::Bool(flag)
    }
}

impl From<i64> for OptionValue {
    fn from(integer: i64) -> OptionValue {
        OptionValue::Int(integer)
    }
}

impl From<i32> for OptionValue {
    fn from(integer: i32) -> OptionValue {
        OptionValue::Int(integer.into())
    }
}

impl From<f64> for OptionValue {
    fn from(number: f64) -> OptionValue {
        OptionValue::Float(number)
    }
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionValue::Bool(b) => write!(f, "{b}"),
            OptionValue::Int(i) => write!(f, "{i}"),
            OptionValue::Float(x) => write!(f, "{x:?}"),
        }
    }
}
