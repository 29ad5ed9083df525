//! What is known of networks of other macro calls, for rustc to compare.

use crate::errors::Place;
use proc_macro2::TokenStream;
use tancho_ir::builder::OptionValue;

/// A network of another macro call in use, to be checked where its signature is known.
#[derive(Clone, Debug)]
pub struct ForeignNet {
    /// The path in the emitted code.
    pub path: TokenStream,
    /// The path as written.
    pub text: String,
    /// Whether it is one name.
    pub single: bool,
    /// Where it stands.
    pub place: Place,
    /// Numbers of the given dims in the caller's defaults, and where they are given.
    pub dims: Vec<(i64, Place)>,
    /// Values of the given options by default, and where they are given.
    pub options: Vec<(OptionValue, Place)>,
}

/// A call of such a network.
#[derive(Clone, Debug)]
pub struct ForeignCall {
    /// Numbers of the net's dims at each sample.
    pub dims: Vec<Vec<i64>>,
    /// The arguments.
    pub args: Vec<Sampled>,
    /// The results as promised.
    pub results: Vec<Sampled>,
    /// Where the promise stands.
    pub promise: Place,
    /// Where the call stands.
    pub call: Place,
}

/// A tensor with the numbers of its axes at each sample.
#[derive(Clone, Debug)]
pub struct Sampled {
    /// The input it is given for by name; else empty.
    pub input: String,
    /// Its name in messages; empty for a result without one.
    pub name: String,
    /// Its type as shown.
    pub ty: String,
    /// The numbers.
    pub at: Vec<Vec<i64>>,
    /// Where it is written.
    pub place: Place,
}

/// A result of a network of another macro call.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// The path to the network in the emitted code.
    pub path: TokenStream,
    /// Whether it is one name.
    pub single: bool,
    /// The path as written.
    pub text: String,
    /// Which result.
    pub output: usize,
    /// Where the call stands.
    pub place: Place,
}
